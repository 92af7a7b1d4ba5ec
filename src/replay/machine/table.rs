//! The table: what one record means for one request.

use super::settle::{Finding, settle};
use super::{ClaimRequest, PROOF_WAIT};
use crate::replay::clock::Span;
use crate::replay::contract::Held;
use crate::replay::event::Looked;
use crate::replay::outcome::{FirstUse, Outcome, Replayed};
use crate::replay::record::{Fingerprint, Record, State};

/// What is known of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing yet: a create will tell.
    Unread,
    /// What was known is no longer true: it must be read.
    Stale,
    /// The store has none.
    Absent,
    /// The store has this one.
    Present(Box<Held>),
}

/// What to do about one authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Read the record.
    Read,
    /// Claim it: nothing stands against it.
    Reserve,
    /// Share the claim: it is for the same change.
    Renew,
    /// It is final for the same object: the same answer, and nothing to write.
    Again,
    /// Look for the successor first.
    Look,
    /// The claim's end is known: write this, then decide again.
    Settle(Box<Record>),
    /// A definite refusal.
    Refuse(Outcome),
}

/// Decides over one authority. `looked` is the look at exactly the record that was seen, with the time at which the
/// look began.
#[must_use]
pub fn decide(seen: &Seen, request: &ClaimRequest, looked: Option<&(Looked, Span)>, now: Span) -> Decision {
    let record = match seen {
        Seen::Unread | Seen::Absent => return Decision::Reserve,
        Seen::Stale => return Decision::Read,
        Seen::Present(held) => &held.record,
    };
    let same = record.target.is_same_change(&request.target);
    match record.state {
        State::Released => Decision::Reserve,
        State::Completed(by) if same && by == crate::replay::record::Settled::Final => Decision::Again,
        State::Completed(_) => Decision::Refuse(replayed(record, request)),
        State::Reserved if same => Decision::Renew,
        State::Reserved => reserved(record, request, looked, now),
    }
}

fn reserved(record: &Record, request: &ClaimRequest, looked: Option<&(Looked, Span)>, now: Span) -> Decision {
    let finding = match looked {
        _ if record.target.operation.is_final() => settle(record, None, now),
        Some((looked, began)) => settle(record, Some(looked), *began),
        None => return Decision::Look,
    };
    match finding {
        // The API server asks again about the very call that was allowed: no second change can come of it.
        Finding::Pending if is_same_call(record, request) => Decision::Renew,
        Finding::Pending => in_progress(record.fingerprint, record.deadline.since(now.earliest)),
        Finding::Unproven => in_progress(record.fingerprint, PROOF_WAIT),
        Finding::Write(settled) => Decision::Settle(settled),
    }
}

fn is_same_call(record: &Record, request: &ClaimRequest) -> bool {
    !request.request_uid.is_empty() && record.request_uid == request.request_uid && record.target == request.target
}

fn in_progress(fingerprint: Fingerprint, remaining: std::time::Duration) -> Decision {
    Decision::Refuse(Outcome::InProgress { fingerprint, remaining })
}

fn replayed(record: &Record, request: &ClaimRequest) -> Outcome {
    let first = FirstUse::of(record, &request.target);
    Outcome::Replayed(Box::new(Replayed { fingerprint: record.fingerprint, first }))
}
