//! The policy versions that exist, each compiled once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    ledger::Pin,
    observed::{Observed, Seen, Update},
};
use crate::{
    api::{PolicySpec, PolicyStatus},
    digest::Digest,
    policy::{self, Policy, PolicyError},
};

/// One policy version.
#[derive(Clone, Debug)]
pub struct PolicyEntry {
    /// `metadata.name`: `<id>.<version>`.
    pub name: String,
    /// Which state of the object was read.
    pub seen: Seen,
    /// The compiled policy, or everything that is wrong with it.
    pub compiled: Result<Arc<Policy>, Vec<PolicyError>>,
    /// Whether the ledger holds its digest.
    pub pin: Pin,
    /// Its status as it is stored.
    pub status: PolicyStatus,
}

impl PolicyEntry {
    /// The compiled policy.
    #[must_use]
    pub fn policy(&self) -> Option<&Arc<Policy>> {
        self.compiled.as_ref().ok()
    }
}

/// All policy versions, by name.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    entries: BTreeMap<String, Arc<PolicyEntry>>,
}

/// What a change of the policies means to others.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PolicyChanges {
    /// Names of policies that are new, gone, or of other content than before.
    pub changed: Vec<String>,
    /// Whether a stored status differs, and nothing else.
    pub status_only: bool,
}

impl Policies {
    /// Takes a change in. Only what is new or has another generation is compiled.
    pub fn apply(&mut self, update: Update<Observed>) -> PolicyChanges {
        let mut changes = PolicyChanges::default();
        match update {
            Update::Set(object) => self.set(object, &mut changes),
            Update::Remove(object) => self.remove(&object.name, &mut changes),
            Update::Replace(objects) => {
                let kept: BTreeSet<&str> = objects.iter().map(|object| object.name.as_str()).collect();
                let gone: Vec<String> =
                    self.entries.keys().filter(|name| !kept.contains(name.as_str())).cloned().collect();
                for name in gone {
                    self.remove(&name, &mut changes);
                }
                for object in objects {
                    self.set(object, &mut changes);
                }
            }
        }
        changes
    }

    fn set(&mut self, object: Observed, changes: &mut PolicyChanges) {
        let status = serde_json::from_value(object.status).unwrap_or_default();
        if let Some(entry) = self.entries.get_mut(&object.name)
            && entry.seen.uid == object.seen.uid
            && entry.seen.generation == object.seen.generation
        {
            if entry.seen == object.seen && entry.status == status {
                return;
            }
            let entry = Arc::make_mut(entry);
            entry.seen = object.seen;
            entry.status = status;
            changes.status_only = true;
            return;
        }
        let compiled = compile(&object.name, object.spec);
        let entry =
            PolicyEntry { name: object.name.clone(), seen: object.seen, compiled, pin: Pin::Unanswered, status };
        self.entries.insert(object.name.clone(), Arc::new(entry));
        changes.changed.push(object.name);
    }

    fn remove(&mut self, name: &str, changes: &mut PolicyChanges) {
        if self.entries.remove(name).is_some() {
            changes.changed.push(name.to_owned());
        }
    }

    /// Takes the ledger's answer about the version `name` with this digest in; an answer about content that is no
    /// longer there is dropped. Whether anything changed.
    pub fn pinned(&mut self, name: &str, digest: Digest, pin: Pin) -> bool {
        match self.entries.get_mut(name) {
            Some(entry) if entry.policy().is_some_and(|policy| policy.digest() == digest) && entry.pin != pin => {
                Arc::make_mut(entry).pin = pin;
                true
            }
            _ => false,
        }
    }

    /// A version.
    #[must_use]
    pub fn find(&self, id: &str, version: &str) -> Option<&Arc<PolicyEntry>> {
        // A name ties to id and version: an id has no dots, and a policy of another name does not compile.
        self.entries.get(&format!("{id}.{version}"))
    }

    /// A policy by its name.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Arc<PolicyEntry>> {
        self.entries.get(name)
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<PolicyEntry>> {
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

/// Reads a spec strictly and compiles it.
pub(super) fn compile(name: &str, spec: serde_json::Value) -> Result<Arc<Policy>, Vec<PolicyError>> {
    match serde_json::from_value::<PolicySpec>(spec) {
        Ok(spec) => policy::compile(name, &spec).map(Arc::new),
        Err(error) => Err(vec![PolicyError { path: "spec".to_owned(), position: None, message: error.to_string() }]),
    }
}
