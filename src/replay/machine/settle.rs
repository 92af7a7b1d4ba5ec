//! The end of a claim: what its history says, and the background course that ends each claim once.

use super::{Action, Answer};
use crate::replay::clock::Span;
use crate::replay::contract::Held;
use crate::replay::event::{Carried, Current, Looked, Patience, Successor};
use crate::replay::outcome::Outcome;
use crate::replay::record::{Operation, Record, Settled, State};

/// What follows from a look for a reserved claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The change may still be stored.
    Pending,
    /// The deadline is over, and whether something was stored is not proven yet.
    Unproven,
    /// The claim ended: this is the record to write.
    Write(Box<Record>),
}

/// What a look at `record` says. `began` is the time at which the look began: only what was over by then is over.
/// `looked` may be none for DELETE and CONNECT alone, which are never allowed while they are reserved.
#[must_use]
pub fn settle(record: &Record, looked: Option<&Looked>, began: Span) -> Finding {
    let over = began.earliest >= record.deadline;
    let released = || if over { release(record) } else { Finding::Pending };
    let Some(Looked { successor, current }) = looked else { return released() };
    match successor {
        Successor::Ours(carried) => complete(record, Settled::Successor, carried.as_ref()),
        _ if record.target.operation == Operation::Create && super::is_stored(current, &record.object_uid) => {
            complete(record, Settled::Successor, None)
        }
        // For CREATE a history never says this; were it to, it proves nothing before the deadline.
        Successor::Foreign if record.target.operation == Operation::Create => released(),
        Successor::Foreign => release(record),
        _ if is_unmoved(record, current) => released(),
        _ if is_dead(record, current) => release(record),
        Successor::None => released(),
        Successor::NoneSeen if over => Finding::Unproven,
        Successor::NoneSeen => Finding::Pending,
        Successor::Gone => complete(record, Settled::HistoryGone, None),
    }
}

/// UPDATE: the stored object is still the one to be replaced, so nothing was written over it.
fn is_unmoved(record: &Record, current: &Current) -> bool {
    matches!((current, &record.target.old), (Current::At(now), Some(then)) if now == then)
}

/// UPDATE: the stored object is another one, and was so when the claim was made. No write over the old one can
/// succeed any more, and none did since Rc. A first attempt on a stale cached object ends like this.
fn is_dead(record: &Record, current: &Current) -> bool {
    let (Current::At(now), Some(then), Some(rc)) = (current, &record.target.old, &record.rc) else { return false };
    now != then && now.resource_version.is_at_or_before(rc)
}

fn release(record: &Record) -> Finding {
    if record.conversion_webhook && !record.target.operation.is_final() {
        return complete(record, Settled::ConversionWebhook, None);
    }
    Finding::Write(Box::new(Record { state: State::Released, ..record.clone() }))
}

fn complete(record: &Record, by: Settled, carried: Option<&Carried>) -> Finding {
    let mut record = Record { state: State::Completed(by), ..record.clone() };
    // Of several requests for one change the stored one is the first use, whoever came last.
    if let Some(carried) = carried {
        record.execution_id.clone_from(&carried.execution_id);
        record.user = crate::replay::record::cut(&carried.user, crate::replay::record::MAX_USER).to_owned();
    }
    Finding::Write(Box::new(record))
}

/// The course that ends one reserved claim soon after its deadline.
#[derive(Clone, Debug)]
pub struct Resolve {
    at: At,
}

#[derive(Clone, Debug)]
enum At {
    Look(Box<Held>, Span),
    Write(Box<Held>, Box<Record>),
    Done(Resolved),
}

/// How far a resolve came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// The claim has ended.
    Ended(State),
    /// Its deadline is not over, or silence is not proven yet: come back later.
    Later,
    /// Somebody else changed the record: what it was is no longer true.
    Changed,
    /// It could not be carried out: come back later.
    Failed(Outcome),
}

impl Resolve {
    /// Begins with a record that was just read, at a time of the store's clock.
    #[must_use]
    pub fn new(held: Held, now: Span) -> Self {
        let at = if held.record.state != State::Reserved {
            At::Done(Resolved::Changed)
        } else if now.earliest < held.record.deadline {
            At::Done(Resolved::Later)
        } else if held.record.target.operation.is_final() {
            let finding = settle(&held.record, None, now);
            found(Box::new(held), finding)
        } else {
            At::Look(Box::new(held), now)
        };
        Self { at }
    }

    /// What to do next; none when it is over.
    #[must_use]
    pub fn action(&self) -> Option<Action> {
        match &self.at {
            At::Look(held, _) => Some(Action::Look(Box::new(held.record.clone()), Patience::Proof)),
            At::Write(held, record) => Some(Action::Replace(held.token.clone(), record.clone())),
            At::Done(_) => None,
        }
    }

    /// How it ended; none while it has not.
    #[must_use]
    pub fn result(&self) -> Option<&Resolved> {
        match &self.at {
            At::Done(resolved) => Some(resolved),
            _ => None,
        }
    }

    /// Takes what came of the action.
    pub fn answer(&mut self, answer: Answer) {
        let at = std::mem::replace(&mut self.at, At::Done(Resolved::Later));
        self.at = match (at, answer) {
            (_, Answer::Failed(outcome)) => At::Done(Resolved::Failed(outcome)),
            (At::Look(held, began), Answer::Looked(looked)) => {
                let finding = settle(&held.record, Some(&looked), began);
                found(held, finding)
            }
            (At::Write(_, record), Answer::Wrote(_)) => At::Done(Resolved::Ended(record.state)),
            (At::Write(..), Answer::Lost) => At::Done(Resolved::Changed),
            // An answer to another question decides nothing.
            _ => At::Done(Resolved::Later),
        };
    }
}

fn found(held: Box<Held>, finding: Finding) -> At {
    match finding {
        Finding::Pending | Finding::Unproven => At::Done(Resolved::Later),
        Finding::Write(record) => At::Write(held, record),
    }
}
