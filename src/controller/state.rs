//! Everything the controller knows, as plain values: changes go in, and out comes what is to be published. Nothing here
//! talks to anybody.

use std::{collections::BTreeSet, sync::Arc};

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
    digest::Digest,
    policy::Policy,
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
        self.set_is_old |= changes.removed || !changes.changed.is_empty();
        self.undecided.extend(changes.changed);
    }

    /// The ledger answered.
    pub fn update_pin(&mut self, name: &str, digest: Digest, pin: Pin) {
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
