//! The model of a store: one map, linear.

use std::collections::BTreeMap;

use writ::replay::contract::{Held, Swap, Token};
use writ::replay::record::{Fingerprint, Record};

use super::plants::Plant;

#[derive(Default)]
pub(super) struct Store {
    claims: BTreeMap<Fingerprint, (Record, u64)>,
    revision: u64,
    /// What a crash of the store brings back; kept only where a bug needs it.
    backup: Option<BTreeMap<Fingerprint, (Record, u64)>>,
    plant: Option<Plant>,
}

/// A change of the store, for whoever checks it.
pub(super) struct Change {
    pub(super) old: Option<Record>,
    pub(super) new: Option<Record>,
}

impl Store {
    pub(super) fn new(plant: Option<Plant>) -> Self {
        Self { plant, ..Self::default() }
    }

    pub(super) fn read(&self, fingerprint: &Fingerprint) -> Option<Held> {
        self.claims.get(fingerprint).map(|(record, revision)| self.held(record, *revision))
    }

    pub(super) fn all(&self) -> Vec<Held> {
        self.claims.values().map(|(record, revision)| self.held(record, *revision)).collect()
    }

    fn held(&self, record: &Record, revision: u64) -> Held {
        Held { record: record.clone(), token: self.token(record, revision) }
    }

    fn token(&self, record: &Record, revision: u64) -> Token {
        match self.plant {
            Some(Plant::TokenReused) => Token(record.fingerprint.to_string()),
            _ => Token(revision.to_string()),
        }
    }

    pub(super) fn create(&mut self, record: &Record) -> (Swap, Option<Change>) {
        if self.claims.contains_key(&record.fingerprint) && self.plant != Some(Plant::CreateOverwrites) {
            return (Swap::Lost, None);
        }
        self.put(record)
    }

    pub(super) fn replace(&mut self, token: &Token, record: &Record) -> (Swap, Option<Change>) {
        let same = self.read(&record.fingerprint).is_some_and(|held| held.token == *token);
        if !same && self.plant != Some(Plant::SwapIgnored) {
            return (Swap::Lost, None);
        }
        self.put(record)
    }

    fn put(&mut self, record: &Record) -> (Swap, Option<Change>) {
        self.revision += 1;
        // Now and then through the written form, so that the form is simulated too.
        let written = self.revision.is_multiple_of(8);
        let record = if written { Record::from_json(&record.to_json()).unwrap() } else { record.clone() };
        let old = self.claims.insert(record.fingerprint, (record.clone(), self.revision)).map(|(old, _)| old);
        let done = Swap::Done(self.token(&record, self.revision));
        (done, Some(Change { old, new: Some(record) }))
    }

    pub(super) fn remove(&mut self, token: &Token, fingerprint: &Fingerprint) -> (Swap, Option<Change>) {
        if self.read(fingerprint).is_none_or(|held| held.token != *token) {
            return (Swap::Lost, None);
        }
        let old = self.claims.remove(fingerprint).map(|(old, _)| old);
        (Swap::Done(token.clone()), Some(Change { old, new: None }))
    }

    /// A backup is made.
    pub(super) fn back_up(&mut self) {
        self.backup = Some(self.claims.clone());
    }

    /// The backup is all that is left.
    pub(super) fn restore(&mut self) {
        if let Some(backup) = &self.backup {
            self.claims.clone_from(backup);
        }
    }

    pub(super) fn empty(&mut self) {
        self.claims.clear();
    }
}
