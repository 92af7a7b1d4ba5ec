//! What really happened, and what must hold of it.

use std::collections::BTreeMap;
use std::time::Duration;

use writ::replay::outcome::{Allowed, Holding, Outcome};
use writ::replay::record::{Fingerprint, Record, Settled, State};

use super::api::Api;
use super::store::{Change, Store};

/// The window of every authority, in milliseconds.
pub(super) const WINDOW: u64 = 200_000;

#[derive(Default)]
pub(super) struct Truth {
    pub(super) violation: Option<String>,
    /// How often each authority was given back or forgotten.
    epochs: BTreeMap<Fingerprint, u64>,
    /// When each authority was first allowed in each epoch.
    first_allowed: BTreeMap<(Fingerprint, u64), u64>,
    successes: BTreeMap<Fingerprint, Vec<Success>>,
    summary: Summary,
}

struct Success {
    change: String,
    at: u64,
    epoch: u64,
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) stored: u64,
    pub(super) failed_after_allow: u64,
    pub(super) reserved: u64,
    pub(super) renewed: u64,
    pub(super) made_final: u64,
    pub(super) again: u64,
    pub(super) replayed: u64,
    pub(super) in_progress: u64,
    pub(super) already_exists: u64,
    pub(super) unavailable: u64,
    pub(super) completed: u64,
    pub(super) released: u64,
    pub(super) undetermined: u64,
    pub(super) forgotten: u64,
    pub(super) halted: u64,
    pub(super) dry_runs: u64,
    pub(super) same_call: u64,
}

impl Summary {
    pub(super) fn all(&self) -> [(&'static str, u64); 17] {
        [
            ("a stored change", self.stored),
            ("a failure after the allow", self.failed_after_allow),
            ("a reservation", self.reserved),
            ("a renewal", self.renewed),
            ("a final claim", self.made_final),
            ("the same answer again", self.again),
            ("a replay", self.replayed),
            ("an open claim", self.in_progress),
            ("an existing name", self.already_exists),
            ("an unavailable store", self.unavailable),
            ("a completed claim", self.completed),
            ("a released claim", self.released),
            ("an undetermined claim", self.undetermined),
            ("a forgotten claim", self.forgotten),
            ("halted forgetting", self.halted),
            ("a dry run", self.dry_runs),
            ("a doubled call", self.same_call),
        ]
    }

    pub(super) fn add(&mut self, other: &Self) {
        let Self { stored, failed_after_allow, reserved, renewed, made_final, again, replayed, in_progress, .. } =
            other;
        let Self { already_exists, unavailable, completed, released, undetermined, forgotten, halted, .. } = other;
        self.stored += stored;
        self.failed_after_allow += failed_after_allow;
        self.reserved += reserved;
        self.renewed += renewed;
        self.made_final += made_final;
        self.again += again;
        self.replayed += replayed;
        self.in_progress += in_progress;
        self.already_exists += already_exists;
        self.unavailable += unavailable;
        self.completed += completed;
        self.released += released;
        self.undetermined += undetermined;
        self.forgotten += forgotten;
        self.halted += halted;
        self.dry_runs += other.dry_runs;
        self.same_call += other.same_call;
    }
}

impl Truth {
    pub(super) const fn summary(&self) -> Summary {
        self.summary
    }

    pub(super) const fn count(&mut self) -> &mut Summary {
        &mut self.summary
    }

    pub(super) fn epoch(&self, fingerprint: &Fingerprint) -> u64 {
        self.epochs.get(fingerprint).copied().unwrap_or(0)
    }

    fn is_stored(&self, fingerprint: &Fingerprint) -> bool {
        let epoch = self.epoch(fingerprint);
        self.successes.get(fingerprint).is_some_and(|all| all.iter().any(|success| success.epoch == epoch))
    }

    pub(super) fn violate(&mut self, text: String) {
        self.violation.get_or_insert(text);
    }

    /// A record changed in the store.
    pub(super) fn on_change(&mut self, change: &Change, api: &Api, now: u64) {
        let Some(record) = change.new.as_ref().or(change.old.as_ref()) else { return };
        let (fingerprint, stored) = (record.fingerprint, self.is_stored(&record.fingerprint));
        let was = change.old.as_ref().map(|old| old.state);
        match change.new.as_ref().map(|new| new.state) {
            None => {
                if was == Some(State::Reserved) {
                    self.violate(format!("at {now} a reserved claim was forgotten"));
                }
                self.summary.forgotten += 1;
                self.end(fingerprint);
            }
            Some(State::Released) => {
                if stored {
                    self.violate(format!("at {now} a claim was released whose change is stored: {}", short(record)));
                }
                self.summary.released += 1;
                self.end(fingerprint);
            }
            Some(State::Completed(by)) => self.on_completed(by, record, stored, api, now),
            Some(State::Reserved) => {
                if matches!(was, Some(State::Completed(_))) {
                    self.violate(format!("at {now} a used authority was reserved again: {}", short(record)));
                }
            }
        }
    }

    fn on_completed(&mut self, by: Settled, record: &Record, stored: bool, api: &Api, now: u64) {
        match by {
            Settled::Successor => {
                self.summary.completed += 1;
                if !stored {
                    self.violate(format!("at {now} an authority was burnt, but nothing is stored: {}", short(record)));
                }
            }
            Settled::HistoryGone | Settled::ConversionWebhook => {
                self.summary.undetermined += 1;
                if !record.rc.as_ref().is_some_and(|rc| api.is_compacted(rc)) {
                    self.violate(format!(
                        "at {now} an authority was burnt, but its history is readable: {}",
                        short(record)
                    ));
                }
            }
            Settled::Final => {}
        }
    }

    fn end(&mut self, fingerprint: Fingerprint) {
        *self.epochs.entry(fingerprint).or_insert(0) += 1;
    }

    /// A request was allowed: its claims are in the store, for this very change. Where the object has changed since,
    /// the claims may have ended already: nothing can come of this request.
    pub(super) fn on_allowed(
        &mut self,
        allowed: &Allowed,
        request: &writ::replay::ClaimRequest,
        store: &Store,
        api: &Api,
        now: u64,
    ) {
        let target = &request.target;
        let dead = target.old.is_some() && api.objects.get(&target.name) != target.old.as_ref();
        for authority in &request.authorities {
            let held = store.read(&authority.fingerprint).map(|held| held.record);
            let durable = held.as_ref().is_some_and(|record| {
                let finished = record.state == State::Completed(Settled::Final);
                let state =
                    if request.target.operation.is_final() { finished } else { record.state == State::Reserved };
                state && (record.target == request.target || record.target.is_same_change(&request.target))
            });
            if !durable && !dead {
                self.violate(format!(
                    "at {now} allowed without its claim: {}, the store has {}",
                    request.request_uid,
                    held.as_ref().map_or_else(|| "nothing".into(), short)
                ));
            }
        }
        for (fingerprint, holding) in &allowed.claims {
            let epoch = self.epoch(fingerprint);
            self.first_allowed.entry((*fingerprint, epoch)).or_insert(now);
            match holding {
                Holding::Reserved => self.summary.reserved += 1,
                Holding::Renewed => self.summary.renewed += 1,
                Holding::Final => self.summary.made_final += 1,
                Holding::Again => self.summary.again += 1,
            }
        }
    }

    pub(super) const fn on_refused(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Replayed(_) => self.summary.replayed += 1,
            Outcome::InProgress { .. } => self.summary.in_progress += 1,
            Outcome::AlreadyExists => self.summary.already_exists += 1,
            _ => self.summary.unavailable += 1,
        }
    }

    /// A change was stored that was allowed at `allowed_at`, in these epochs of its authorities.
    pub(super) fn on_stored(&mut self, change: &str, allowed: &[(Fingerprint, u64)], allowed_at: u64, at: u64) {
        self.summary.stored += 1;
        for (fingerprint, epoch) in allowed {
            if self.epoch(fingerprint) != *epoch {
                self.violate(format!(
                    "at {at} a change was stored whose claim had ended: {change}, allowed at {allowed_at}"
                ));
            }
            // An authority may act again once its window is over, counted from the allow of its first use.
            let first_allowed = &self.first_allowed;
            let is_open = |other: &Success| {
                let first = first_allowed.get(&(*fingerprint, other.epoch)).copied().unwrap_or(0);
                other.epoch == *epoch || at < first + WINDOW
            };
            let all = self.successes.entry(*fingerprint).or_default();
            if let Some(other) = all.iter().find(|other| other.change != change && is_open(other)) {
                let twice = format!("an authority acted twice: {change} at {at}, {} at {}", other.change, other.at);
                self.violation.get_or_insert(twice);
            }
            all.push(Success { change: change.into(), at, epoch: *epoch });
        }
    }

    /// Everything has come to rest: no claim is left open.
    pub(super) fn on_rest(&mut self, store: &Store, now: u64) {
        for held in store.all() {
            if held.record.state == State::Reserved {
                self.violate(format!("at {now} a claim is still open: {}", short(&held.record)));
            }
        }
    }
}

fn short(record: &Record) -> String {
    let Record { target, request_uid, state, .. } = record;
    format!("{} of {} by {request_uid}, {state:?}, deadline {}", target.operation, target.name, record.deadline)
}

pub(super) const fn window() -> Duration {
    Duration::from_millis(WINDOW)
}
