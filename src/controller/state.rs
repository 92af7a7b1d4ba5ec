//! Everything the controller knows, as plain values: changes go in, and out comes what is to be published. Nothing here
//! talks to anybody.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    bindings::Bindings,
    coverage::Installed,
    kinds::Kinds,
    ledger::Pin,
    observed::{Observed, Update},
    policies::Policies,
    settings::Settings,
};
use crate::{
    api::RuleOperation,
    digest::Digest,
    policy::{CompiledReplay, Policy, ResourcePattern},
    policy_set::{Bound, PolicySet},
};

/// What the controller knows of policies, bindings and the installation.
#[derive(Clone, Debug)]
pub struct State {
    /// How this replica was configured.
    pub settings: Arc<Settings>,
    /// All policy versions.
    pub policies: Policies,
    /// All bindings.
    pub bindings: Bindings,
    /// The kinds that the cluster serves.
    pub kinds: Arc<Kinds>,
    /// The webhook configurations of this installation.
    pub installed: Arc<Installed>,
    /// What the ledger is known to hold, also for policies that were deleted.
    pub pinned: Arc<BTreeMap<String, Digest>>,
    /// Bindings to decide anew.
    undecided: BTreeSet<String>,
    /// Policies whose bindings are to be decided anew.
    changed_policies: BTreeSet<String>,
    /// Whether the set that is in force may differ from the one that was built last.
    set_is_old: bool,
}

impl State {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            policies: Policies::default(),
            bindings: Bindings::default(),
            kinds: Arc::default(),
            installed: Arc::default(),
            pinned: Arc::default(),
            undecided: BTreeSet::new(),
            changed_policies: BTreeSet::new(),
            set_is_old: true,
        }
    }

    /// Policies changed. Returns the compiled ones whose digests the ledger has to be asked about.
    pub fn update_policies(&mut self, update: Update<Observed>) -> Vec<Arc<Policy>> {
        let changes = self.policies.apply(update);
        let unasked =
            changes.changed.iter().filter_map(|name| self.policies.entry(name)?.policy().map(Arc::clone)).collect();
        self.changed_policies.extend(changes.changed);
        unasked
    }

    /// Bindings changed.
    pub fn update_bindings(&mut self, update: Update<Observed>) {
        let changes = self.bindings.apply(update, &self.settings.guarded_labels);
        self.set_is_old |= changes.spec;
        self.undecided.extend(changes.changed);
    }

    /// The ledger was read.
    pub fn load_ledger(&mut self, pinned: &[(String, Digest)]) {
        self.pinned = Arc::new(pinned.iter().cloned().collect());
    }

    /// The ledger answered.
    pub fn update_pin(&mut self, name: &str, digest: Digest, pin: Pin) {
        let pinned = match pin {
            Pin::Pinned => Some(digest),
            Pin::Conflict(before) => Some(before),
            Pin::Unanswered | Pin::Failed(_) => None,
        };
        if let Some(pinned) = pinned
            && self.pinned.get(name) != Some(&pinned)
        {
            Arc::make_mut(&mut self.pinned).insert(name.to_owned(), pinned);
        }
        if self.policies.pinned(name, digest, pin) {
            self.changed_policies.insert(name.to_owned());
        }
    }

    /// Decides what has to be decided anew. Whether the set in force has to be built again.
    pub fn settle(&mut self) -> bool {
        if !self.changed_policies.is_empty() {
            let changed = std::mem::take(&mut self.changed_policies);
            self.undecided.extend(self.bindings.concerned(&changed));
        }
        for name in std::mem::take(&mut self.undecided) {
            self.set_is_old |= self.bindings.decide(&name, &self.policies);
        }
        std::mem::take(&mut self.set_is_old)
    }

    /// What is in force, for [`PolicySet::build`].
    #[must_use]
    pub fn bounds(&self) -> Vec<Bound> {
        self.bindings
            .iter()
            .map(|entry| Bound { binding: entry.binding.clone(), force: entry.decision.force() })
            .collect()
    }

    /// The set in force, built at once.
    #[must_use]
    pub fn policy_set(&self) -> PolicySet {
        PolicySet::build(self.bounds())
    }

    /// What a `Once` policy names, wildcards aside, that cannot be watched.
    #[must_use]
    pub fn unwatchable(&self, policy: &Policy) -> Vec<String> {
        if !matches!(policy.replay(), CompiledReplay::Once { .. }) {
            return Vec::new();
        }
        let mut found = BTreeSet::new();
        for matcher in policy.matchers() {
            // A use that ends with its answer, as DELETE and CONNECT do, is never looked up in the history.
            let is_looked_up =
                |operation: &RuleOperation| !matches!(operation, RuleOperation::Delete | RuleOperation::Connect);
            if !matcher.operations().iter().any(is_looked_up) {
                continue;
            }
            for group in matcher.groups().iter().filter(|group| *group != "*") {
                for resource in matcher.resources().iter().filter_map(ResourcePattern::resource) {
                    let is_unwatchable = |version: &&String| self.kinds.unwatchable(group, version, resource);
                    let versions = matcher.versions().iter().filter(is_unwatchable);
                    found.extend(versions.map(|version| match group.as_str() {
                        "" => format!("`{version}/{resource}`"),
                        group => format!("`{group}/{version}/{resource}`"),
                    }));
                }
            }
        }
        found.into_iter().collect()
    }

    /// Policies whose pin is not known yet, so that nothing can be said about their bindings.
    pub fn unanswered(&self) -> impl Iterator<Item = &str> {
        self.policies
            .iter()
            .filter(|entry| entry.compiled.is_ok() && entry.pin == Pin::Unanswered)
            .map(|entry| entry.name.as_str())
    }
}

#[cfg(test)]
mod tests;
