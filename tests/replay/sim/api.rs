//! The model of an API server: objects, their history, two servers whose watch caches lag, and compaction.

use std::collections::BTreeMap;

use writ::replay::event::{Carried, Current, Event, EventKind, Looked, Patience, Successor, judge};
use writ::replay::record::{Fingerprint, Operation, Record, ResourceVersion, Version};

use super::plants::Plant;
use super::rng::Rng;

#[derive(Default)]
pub(super) struct Api {
    pub(super) objects: BTreeMap<String, Version>,
    /// The attestation that stands on each object.
    carried: BTreeMap<String, Option<Carried>>,
    revision: u64,
    log: Vec<(u64, String, Event)>,
    /// Watches from before this revision are answered with 410.
    compacted: u64,
    /// What each server's watch cache has seen.
    caches: [u64; 2],
    /// A cache that stands still until then.
    stalled: [u64; 2],
    uids: u64,
    plant: Option<Plant>,
}

impl Api {
    pub(super) fn new(plant: Option<Plant>) -> Self {
        Self { plant, revision: 1, ..Self::default() }
    }

    pub(super) fn fresh_uid(&mut self) -> String {
        self.uids += 1;
        format!("uid-{}", self.uids)
    }

    pub(super) fn revision(&self, rng: &mut Rng) -> ResourceVersion {
        let stale = if self.plant == Some(Plant::StaleRevision) { rng.between(0, 8) } else { 0 };
        ResourceVersion((self.revision.saturating_sub(stale)).max(1).to_string())
    }

    /// The object as a cache that lags by up to so many events shows it.
    pub(super) fn stale(&self, name: &str, behind: u64) -> Option<Version> {
        let until = self.revision.saturating_sub(behind);
        let seen = |(revision, of, _): &&(u64, String, Event)| *revision <= until && of == name;
        let event = &self.log.iter().rev().find(seen)?.2;
        (event.kind != EventKind::Deleted).then(|| event.version.clone())
    }

    pub(super) fn current(&self, name: &str, rng: &mut Rng) -> Current {
        let found = if self.plant == Some(Plant::StaleCurrent) {
            self.stale(name, rng.between(0, 6))
        } else {
            self.objects.get(name).cloned()
        };
        found.map_or(Current::Missing, Current::At)
    }

    fn write(&mut self, name: &str, kind: EventKind, uid: &str, carried: Option<Carried>) -> Version {
        self.revision += 1;
        let version = Version { uid: uid.into(), resource_version: ResourceVersion(self.revision.to_string()) };
        match kind {
            EventKind::Deleted => self.objects.remove(name),
            _ => self.objects.insert(name.into(), version.clone()),
        };
        self.carried.insert(name.into(), carried.clone());
        self.log.push((self.revision, name.into(), Event { kind, version: version.clone(), carried }));
        version
    }

    /// Storage creates if there is nothing of that name.
    pub(super) fn create(&mut self, name: &str, uid: &str, carried: Option<Carried>) -> bool {
        let free = !self.objects.contains_key(name);
        if free {
            self.write(name, EventKind::Added, uid, carried);
        }
        free
    }

    /// Storage writes over exactly the old state.
    pub(super) fn update(&mut self, name: &str, old: &Version, carried: Option<Carried>) -> bool {
        let same = self.objects.get(name) == Some(old);
        if same {
            self.write(name, EventKind::Modified, &old.uid.clone(), carried);
        }
        same
    }

    /// What a controller that only writes the status leaves on the object.
    pub(super) fn standing(&self, name: &str) -> Option<Carried> {
        self.carried.get(name).cloned().flatten()
    }

    pub(super) fn delete(&mut self, name: &str, uid: &str) -> bool {
        let same = self.objects.get(name).is_some_and(|version| version.uid == uid);
        if same {
            // The last state of the object, with whatever attestation it carried.
            let last = self.standing(name);
            self.write(name, EventKind::Deleted, uid, last);
        }
        same
    }

    pub(super) fn compact(&mut self, all: bool) {
        self.compacted = if all { self.revision } else { self.compacted.max(self.revision.saturating_sub(40)) };
    }

    pub(super) fn is_compacted(&self, rc: &ResourceVersion) -> bool {
        number(rc) < self.compacted
    }

    pub(super) fn catch_up(&mut self, rng: &mut Rng, now: u64) {
        for (cache, stalled) in self.caches.iter_mut().zip(&mut self.stalled) {
            if *stalled > now {
                continue;
            }
            if rng.chance(1) {
                *stalled = now + rng.between(10_000, 60_000);
            }
            let behind = if rng.chance(70) { 0 } else { rng.between(0, 4) };
            *cache = (*cache).max(self.revision.saturating_sub(behind));
        }
    }

    pub(super) fn look(&self, record: &Record, patience: Patience, rng: &mut Rng) -> Looked {
        let current = match patience {
            Patience::Proof if rng.chance(50) => Current::Unread,
            _ => self.current(&record.target.name, rng),
        };
        Looked { successor: self.successor(record, patience, rng), current }
    }

    fn successor(&self, record: &Record, patience: Patience, rng: &mut Rng) -> Successor {
        let rc = record.rc.as_ref().unwrap();
        let from = if self.plant == Some(Plant::WatchedFromNow) { self.revision } else { number(rc) };
        let silence = match patience {
            Patience::Proof if rng.chance(80) => Successor::None,
            _ => Successor::NoneSeen,
        };
        if self.plant == Some(Plant::BurnsUnseen) && patience == Patience::Proof {
            return Successor::Gone;
        }
        if self.is_compacted(rc) {
            return if self.plant == Some(Plant::GapIsSilence) { silence } else { Successor::Gone };
        }
        // Only a proof waits until the cache has caught up.
        let proven = silence == Successor::None;
        let until = if proven { self.revision } else { self.caches[usize::from(rng.chance(50))] };
        let seen = self
            .log
            .iter()
            .filter(|(revision, name, _)| *revision > from && *revision <= until && *name == record.target.name);
        let mut seen = seen.peekable();
        if self.plant == Some(Plant::ForeignDecidesCreate)
            && record.target.operation == Operation::Create
            && seen.peek().is_some_and(|(_, _, first)| judge(record, first).is_none())
        {
            return Successor::Foreign;
        }
        let found = seen.map(|(_, _, event)| self.shown(record, event)).find_map(|event| judge(record, &event));
        match found {
            Some(successor) => successor,
            None if self.plant == Some(Plant::SilenceBelieved) => Successor::None,
            None => silence,
        }
    }

    /// The event as the history shows it.
    fn shown(&self, record: &Record, event: &Event) -> Event {
        let mut event = event.clone();
        match self.plant {
            Some(Plant::AttestationNotRead) => {
                event.carried = None;
                event.version.uid = event.version.uid.replace("uid", "hidden");
            }
            Some(Plant::AnyAttestationCounts) if event.kind != EventKind::Deleted => {
                event.carried = Some(Carried {
                    fingerprints: vec![record.fingerprint],
                    operation: record.target.operation,
                    old: record.target.old.clone(),
                    execution_id: String::new(),
                    user: String::new(),
                });
            }
            _ => {}
        }
        event
    }
}

pub(super) fn carried(
    fingerprints: &[Fingerprint],
    operation: Operation,
    old: Option<&Version>,
    execution: &str,
    user: &str,
) -> Option<Carried> {
    Some(Carried {
        fingerprints: fingerprints.to_vec(),
        operation,
        old: old.cloned(),
        execution_id: execution.into(),
        user: user.into(),
    })
}

fn number(version: &ResourceVersion) -> u64 {
    version.0.parse().unwrap()
}
