//! The bindings that exist. One that cannot be read or is not acceptable denies everything that it could govern.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    force::{Cause, Decision, Kept, Shortfall, decide},
    observed::{Observed, Seen, Update},
    policies::Policies,
};
use crate::{
    api::{Metadata, Mode, PolicyBindingSpec, PolicyBindingStatus, PolicyRef},
    binding::{Binding, BindingError},
};

/// One binding.
#[derive(Clone, Debug)]
pub struct BindingEntry {
    /// Which state of the object was read.
    pub seen: Seen,
    /// The binding; an unacceptable one with the widest scope.
    pub binding: Binding,
    /// What is wrong with it.
    pub errors: Vec<BindingError>,
    /// Its status as it is stored.
    pub status: PolicyBindingStatus,
    /// What decides for it.
    pub decision: Decision,
}

/// All bindings, by name.
#[derive(Clone, Debug, Default)]
pub struct Bindings {
    entries: BTreeMap<String, Arc<BindingEntry>>,
}

/// What a change of the bindings means to others.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BindingChanges {
    /// Names of bindings to decide anew.
    pub changed: Vec<String>,
    /// Whether a binding is new, gone, or has another spec than before.
    pub spec: bool,
    /// Whether a stored status differs.
    pub status: bool,
}

impl Bindings {
    /// Takes a change in; `guarded` are the namespace labels that selectors may read.
    pub fn apply(&mut self, update: Update<Observed>, guarded: &[String]) -> BindingChanges {
        let mut changes = BindingChanges::default();
        match update {
            Update::Set(object) => self.set(object, guarded, &mut changes),
            Update::Remove(object) => changes.spec = self.entries.remove(&object.name).is_some(),
            Update::Replace(objects) => {
                let kept: BTreeSet<&str> = objects.iter().map(|object| object.name.as_str()).collect();
                let before = self.entries.len();
                self.entries.retain(|name, _| kept.contains(name.as_str()));
                changes.spec = self.entries.len() < before;
                for object in objects {
                    self.set(object, guarded, &mut changes);
                }
            }
        }
        changes
    }

    fn set(&mut self, object: Observed, guarded: &[String], changes: &mut BindingChanges) {
        let status: PolicyBindingStatus = serde_json::from_value(object.status.clone()).unwrap_or_default();
        let entry = self.entries.get_mut(&object.name).filter(|entry| entry.seen.uid == object.seen.uid);
        let Some(entry) = entry else {
            let entry = read(object, status, None, guarded);
            changes.spec = true;
            changes.changed.push(entry.binding.name.clone());
            self.entries.insert(entry.binding.name.clone(), Arc::new(entry));
            return;
        };
        if entry.seen.generation != object.seen.generation {
            let decision = entry.decision.clone();
            *entry = Arc::new(read(object, status, Some(decision), guarded));
            changes.spec = true;
            changes.changed.push(entry.binding.name.clone());
            return;
        }
        if entry.seen != object.seen || entry.status != status {
            let entry = Arc::make_mut(entry);
            changes.status = true;
            // What another replica recorded may be all that a restarted one has to go by.
            if entry.status.in_force != status.in_force {
                changes.changed.push(entry.binding.name.clone());
            }
            entry.seen = object.seen;
            entry.status = status;
        }
    }

    /// The names of the bindings that want, keep or recorded one of these policies.
    #[must_use]
    pub fn concerned(&self, policies: &BTreeSet<String>) -> Vec<String> {
        // An id has no dots.
        let policies: BTreeSet<(&str, &str)> = policies.iter().filter_map(|name| name.split_once('.')).collect();
        let names_one = |entry: &BindingEntry| {
            let kept = entry.decision.in_force.as_ref().map(|kept| (kept.policy.id(), kept.policy.version()));
            let recorded = entry.status.in_force.as_ref().map(|known| (known.id.as_str(), known.version.as_str()));
            let wanted = Some((entry.binding.policy_id.as_str(), entry.binding.wanted_version.as_str()));
            [wanted, kept, recorded].into_iter().flatten().any(|named| policies.contains(&named))
        };
        self.entries.iter().filter(|(_, entry)| names_one(entry)).map(|(name, _)| name.clone()).collect()
    }

    /// Decides a binding anew; whether what is in force for it, or why not, changed.
    pub fn decide(&mut self, name: &str, policies: &Policies) -> bool {
        let Some(entry) = self.entries.get_mut(name) else { return false };
        let decision = if entry.errors.is_empty() {
            decide(&entry.binding, entry.decision.in_force.as_ref(), entry.status.in_force.as_ref(), policies)
        } else {
            refused(&entry.errors)
        };
        let changed = !decision.is_same_force(&entry.decision) || decision.shortfall != entry.decision.shortfall;
        if changed {
            Arc::make_mut(entry).decision = decision;
        }
        changed
    }

    /// A binding by its name.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Arc<BindingEntry>> {
        self.entries.get(name)
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<BindingEntry>> {
        self.entries.values()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn read(object: Observed, status: PolicyBindingStatus, before: Option<Decision>, guarded: &[String]) -> BindingEntry {
    let (binding, errors) = match compile(&object.name, &object.seen, &object.spec, guarded) {
        Ok(binding) => (binding, Vec::new()),
        Err(errors) => (widest(&object), errors),
    };
    let kept: Option<Kept> = before.and_then(|decision| decision.in_force);
    let decision = Decision { in_force: kept, shortfall: None };
    BindingEntry { seen: object.seen, binding, errors, status, decision }
}

/// Reads a spec strictly and compiles it.
pub(super) fn compile(
    name: &str,
    seen: &Seen,
    spec: &serde_json::Value,
    guarded: &[String],
) -> Result<Binding, Vec<BindingError>> {
    let metadata =
        Metadata { name: name.to_owned(), uid: seen.uid.clone(), generation: seen.generation, ..Metadata::default() };
    let spec = serde_json::from_value::<PolicyBindingSpec>(spec.clone())
        .map_err(|error| vec![BindingError { path: "spec".to_owned(), message: error.to_string() }])?;
    Binding::compile(&metadata, &spec, guarded)
}

/// Stands for a binding that is not acceptable: about everything and everybody, and as strict as it may have meant.
fn widest(object: &Observed) -> Binding {
    let text =
        |path: &str| object.spec.pointer(path).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let mode = match text("/mode").as_str() {
        "Warn" => Mode::Warn,
        "Audit" => Mode::Audit,
        _ => Mode::Enforce,
    };
    let policy_ref = PolicyRef { id: text("/policyRef/id"), version: text("/policyRef/version"), digest: None };
    let (name, uid, generation) = (object.name.clone(), object.seen.uid.clone(), object.seen.generation);
    Binding::widest(&Metadata { name, uid, generation, ..Metadata::default() }, policy_ref, mode)
}

fn refused(errors: &[BindingError]) -> Decision {
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let message = format!("the binding is not acceptable: {}", errors.join("; "));
    Decision { in_force: None, shortfall: Some(Shortfall { cause: Cause::InvalidBinding, message }) }
}

#[cfg(test)]
mod tests;
