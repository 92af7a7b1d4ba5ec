//! The state machine of claims, without I/O: what it is told goes in, what to do next comes out.
//!
//! [`decide`] is the table of one authority, [`Claim`] the course of one request over all of its authorities, and
//! [`Resolve`] the end of a claim whose deadline is over. The driver only carries out [`Action`]s. So a simulation can
//! run the very code that decides, with any order of events.

mod course;
mod settle;
mod table;

use std::time::Duration;

use super::clock::Span;
use super::contract::{Held, Token};
use super::event::{Current, Looked, Patience};
use super::outcome::{Outcome, Unavailable};
use super::record::{Fingerprint, PolicyVersion, Record, ResourceVersion, Target, Version};

pub use course::Claim;
pub use settle::{Finding, Resolve, Resolved, settle};
pub use table::{Decision, Seen, decide};

/// One `Once` authority that a request uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// F.
    pub fingerprint: Fingerprint,
    /// The policy version that decided.
    pub policy: PolicyVersion,
    /// How long the claim is kept: the policy's `replay.window`.
    pub window: Duration,
}

/// One request that may only be allowed if all of its authorities are unused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    /// In any order; a fingerprint that comes twice is one authority.
    pub authorities: Vec<Authority>,
    /// T.
    pub target: Target,
    /// `request.uid`.
    pub request_uid: String,
    /// `metadata.uid` of the object as it reaches validate; empty where it has none.
    pub object_uid: String,
    /// CREATE: `metadata.resourceVersion` of the new object, which must be empty.
    pub object_resource_version: String,
    /// The kind has a conversion webhook.
    pub conversion_webhook: bool,
    /// This execution.
    pub execution_id: String,
    /// The user's name.
    pub user: String,
    /// Answer truthfully, write nothing.
    pub dry_run: bool,
    /// The moment by [`Clock::elapsed`](super::clock::Clock::elapsed) at which the answer is due.
    pub deadline: Duration,
}

/// The spans of time that claims rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long after an allow the API server may still store the change: 34 s is its upper bound.
    pub commit_bound: Duration,
    /// How far the clocks of API servers and replicas may differ.
    pub skew: Duration,
    /// How long one request may take until its answer.
    pub budget: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            commit_bound: Duration::from_secs(34),
            skew: Duration::from_secs(5),
            budget: Duration::from_millis(1500),
        }
    }
}

impl Terms {
    /// From the beginning of a claim to the end of its deadline: the last moment of the allow, 34 s, and the skew.
    #[must_use]
    pub fn hold(&self) -> Duration {
        self.budget.saturating_add(self.commit_bound).saturating_add(self.skew)
    }
}

/// What a request is told to wait where silence after the deadline is not proven yet.
pub const PROOF_WAIT: Duration = Duration::from_secs(5);

/// Writes that one request may lose to others before it gives up.
pub const MAX_LOST: u32 = 8;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read all of this at once.
    Gather {
        /// These records.
        reads: Vec<Fingerprint>,
        /// The revision of the target's kind.
        revision: bool,
        /// The target's stored state.
        current: bool,
    },
    /// Look for the successor of this record.
    Look(Box<Record>, Patience),
    /// Write this record if its fingerprint has none.
    Create(Box<Record>),
    /// Write this record over the state of the token.
    Replace(Token, Box<Record>),
    /// Nothing: this is the answer.
    Done(Outcome),
}

/// What came of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of [`Action::Gather`], what was asked for and no more.
    Gathered {
        /// Records in the order asked for.
        reads: Vec<(Fingerprint, Option<Held>)>,
        /// The revision.
        revision: Option<ResourceVersion>,
        /// The stored state; [`Current::Unread`] if not asked for.
        current: Current,
    },
    /// Of [`Action::Look`].
    Looked(Looked),
    /// Of a write: it is durable.
    Wrote(Token),
    /// Of a write: somebody was faster.
    Lost,
    /// Of any action: it could not be carried out, or nobody knows whether it was.
    Failed(Outcome),
}

/// The token of a write that a dry run did not make.
fn dry() -> Token {
    Token("dry run".into())
}

fn contended() -> Outcome {
    Outcome::StoreUnavailable(Unavailable::Contended)
}

/// A new claim of `authority` by `request`.
fn reserve(
    request: &ClaimRequest,
    authority: &Authority,
    revision: Option<ResourceVersion>,
    span: Span,
    terms: &Terms,
) -> Record {
    Record {
        fingerprint: authority.fingerprint,
        policy: authority.policy.clone(),
        target: request.target.clone(),
        request_uid: request.request_uid.clone(),
        object_uid: request.object_uid.clone(),
        rc: revision,
        conversion_webhook: request.conversion_webhook,
        execution_id: request.execution_id.clone(),
        user: super::record::cut(&request.user, super::record::MAX_USER).to_owned(),
        allowed_at: span.earliest,
        deadline: span.latest.plus(terms.hold()),
        window_end: span.windows_from.plus(authority.window),
        state: super::record::State::Reserved,
    }
}

/// `old` for another request for the same change: it names the latest one and lasts as long as the longer of both.
/// `rc` only moves where the stored state proves that nothing came between (`current` is read after `revision`).
fn renew(old: &Record, fresh: Record, current: &Current) -> Record {
    let unmoved = matches!((current, &old.target.old), (Current::At(now), Some(then)) if now == then);
    Record {
        rc: if unmoved { fresh.rc.or_else(|| old.rc.clone()) } else { old.rc.clone() },
        conversion_webhook: old.conversion_webhook || fresh.conversion_webhook,
        deadline: old.deadline.max(fresh.deadline),
        window_end: old.window_end.max(fresh.window_end),
        ..fresh
    }
}

fn is_stored(current: &Current, uid: &str) -> bool {
    matches!(current, Current::At(Version { uid: stored, .. }) if !uid.is_empty() && stored == uid)
}

#[cfg(test)]
mod tests;
