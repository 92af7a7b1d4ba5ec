//! What a history shows of one object, and which event decides over a claim.
//!
//! Storage writes an UPDATE only over the exact state that it replaces: whatever comes first after Rc either is the
//! claimed change or makes it impossible. A CREATE that was allowed can still be stored after somebody else's object
//! of that name came and went, so for it only its own event decides.

use super::record::{Fingerprint, Operation, Record, Version};

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It was created.
    Added,
    /// It was changed.
    Modified,
    /// It is gone.
    Deleted,
}

/// One event of the object's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The object's state after it.
    pub version: Version,
    /// What the attestation on the object says, where it has one that counts.
    pub carried: Option<Carried>,
}

/// What an attestation says about the change that it was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The fingerprints of its `Once` decisions.
    pub fingerprints: Vec<Fingerprint>,
    /// The operation it was made for.
    pub operation: Operation,
    /// The state that the change replaced.
    pub old: Option<Version>,
    /// Its execution.
    pub execution_id: String,
    /// Its user.
    pub user: String,
}

/// How long a look may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Inside an admission request: answer soon, silence proves nothing.
    Brief,
    /// In the background: wait until silence is proven.
    Proof,
}

/// What the history says about a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Successor {
    /// The claimed change was stored.
    Ours(Option<Carried>),
    /// Something else was stored over the state that the change would have replaced.
    Foreign,
    /// Nothing that decides, up to a revision read after the look began.
    None,
    /// Nothing that decides was seen, and that proves nothing.
    NoneSeen,
    /// The API server no longer knows the history since Rc.
    Gone,
}

/// The object's stored state, by a quorum read made within the look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Current {
    /// No such object.
    Missing,
    /// It stands so.
    At(Version),
    /// Not read.
    Unread,
}

/// The result of a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// By the history.
    pub successor: Successor,
    /// By the stored state.
    pub current: Current,
}

/// What one event, in the order of history, says about the claim of `record`. None: look at the next one.
#[must_use]
pub fn judge(record: &Record, event: &Event) -> Option<Successor> {
    let target = &record.target;
    match target.operation {
        Operation::Create => {
            let created = !record.object_uid.is_empty() && event.version.uid == record.object_uid;
            let carried = event.kind == EventKind::Added && carries(record, event);
            (created || carried).then(|| Successor::Ours(event.carried.clone()))
        }
        Operation::Update => {
            let same = target.old.as_ref().is_some_and(|old| old.uid == event.version.uid);
            let ours = event.kind == EventKind::Modified && same && carries(record, event);
            Some(if ours { Successor::Ours(event.carried.clone()) } else { Successor::Foreign })
        }
        // Nothing carries the evidence of these; they are never looked up.
        Operation::Delete | Operation::Connect => None,
    }
}

/// Whether the event carries F over T.
fn carries(record: &Record, event: &Event) -> bool {
    event.carried.as_ref().is_some_and(|carried| {
        carried.fingerprints.contains(&record.fingerprint)
            && carried.operation == record.target.operation
            && carried.old == record.target.old
    })
}
