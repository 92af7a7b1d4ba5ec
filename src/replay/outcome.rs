//! The answer to a claim. Exhaustive: a new outcome breaks its callers.

use std::time::Duration;

use super::record::{Fingerprint, Operation, PolicyVersion, Record, State, Target};
use crate::time::Timestamp;

/// What the claims of one request came to. Everything but [`Outcome::Allowed`] is a denial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every authority of the request is held, durably (a dry run: would be).
    Allowed(Allowed),
    /// An authority was used before.
    Replayed(Box<Replayed>),
    /// An earlier request for this authority was allowed, and its change may still be stored.
    InProgress {
        /// The authority.
        fingerprint: Fingerprint,
        /// After this the answer is known.
        remaining: Duration,
    },
    /// CREATE of a name that exists: it would fail, so it claims nothing.
    AlreadyExists,
    /// CREATE with a resourceVersion: it would fail, so it claims nothing.
    ResourceVersionSet,
    /// A target that no claim can be made for.
    NotClaimable(&'static str),
    /// Objects of the kind have no history here.
    NotWatchable(String),
    /// The store is full.
    Full {
        /// Claims it may hold.
        limit: usize,
    },
    /// The user holds as many claims as one user may.
    ShareUsed {
        /// Claims one user may hold.
        limit: usize,
    },
    /// This replica's clock is too far from the store's.
    ClockSkew {
        /// How far, in either direction.
        by: Duration,
        /// How far it may be.
        limit: Duration,
    },
    /// Not decided: the truth is read again next time.
    StoreUnavailable(Unavailable),
}

/// Why a claim could not be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// The budget of the request ran out.
    TimedOut,
    /// Others changed the records faster than this request could.
    Contended,
    /// The store said so.
    Store(String),
    /// The history said so.
    History(String),
    /// A clock could not be read.
    Clock(String),
}

/// What an allowed request holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// In the order of the fingerprints.
    pub claims: Vec<(Fingerprint, Holding)>,
    /// Nothing was written.
    pub dry_run: bool,
}

/// How one authority is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// Reserved by this request.
    Reserved,
    /// Reserved before for the same change; the record now names this request.
    Renewed,
    /// Final: DELETE and CONNECT.
    Final,
    /// Final before, for the same object: DELETE alone.
    Again,
}

/// The first use of an authority that is used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The authority.
    pub fingerprint: Fingerprint,
    /// Its first use.
    pub first: FirstUse,
}

/// What a caller may know of a first use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstUse {
    /// The policy version that decided.
    pub policy: PolicyVersion,
    /// The execution.
    pub execution_id: String,
    /// When it was allowed.
    pub allowed_at: Timestamp,
    /// Burnt without proof that a change was stored.
    pub undetermined: bool,
    /// Only for a caller whose target is in the same namespace (cluster-scoped objects: none is the same as none).
    pub shown: Option<Shown>,
}

/// The part of a first use that stays within its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The user.
    pub user: String,
    /// What was done.
    pub operation: Operation,
    /// To which object, as in `apps/v1/deployments shop/web`.
    pub object: String,
}

impl FirstUse {
    /// What `record` tells to a caller whose request is for `target`.
    #[must_use]
    pub fn of(record: &Record, target: &Target) -> Self {
        let shown = (record.target.namespace == target.namespace).then(|| Shown {
            user: record.user.clone(),
            operation: record.target.operation,
            object: record.target.object(),
        });
        Self {
            policy: record.policy.clone(),
            execution_id: record.execution_id.clone(),
            allowed_at: record.allowed_at,
            undetermined: matches!(record.state, State::Completed(by) if by.is_undetermined()),
            shown,
        }
    }
}

impl Outcome {
    /// The reason code: the same words in answers, evidence and metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Allowed(_) => "Claimed",
            Self::Replayed(_) => "Replayed",
            Self::InProgress { .. } => "InProgress",
            Self::AlreadyExists => "AlreadyExists",
            Self::ResourceVersionSet => "ResourceVersionSet",
            Self::NotClaimable(_) => "NotClaimable",
            Self::NotWatchable(_) => "NotWatchable",
            Self::Full { .. } => "ClaimStoreFull",
            Self::ShareUsed { .. } => "ClaimShareUsed",
            Self::ClockSkew { .. } => "ClockSkew",
            Self::StoreUnavailable(_) => "StoreUnavailable",
        }
    }

    /// The HTTP status of the answer: 429 where the caller is to come back, else 403; 200 for an allow.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::Allowed(_) => 200,
            Self::Full { .. } | Self::ShareUsed { .. } => 429,
            _ => 403,
        }
    }

    /// After how long the same request may be answered otherwise; none where it will not be, or nobody knows.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::InProgress { remaining, .. } => Some(*remaining),
            Self::StoreUnavailable(_) | Self::ClockSkew { .. } => Some(Duration::from_secs(1)),
            Self::Full { .. } | Self::ShareUsed { .. } => Some(Duration::from_secs(60)),
            _ => None,
        }
    }

    /// What happened and what to do, in one line, for the user.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Allowed(allowed) if allowed.dry_run => "the authority could be claimed".into(),
            Self::Allowed(_) => "the authority is claimed".into(),
            Self::Replayed(replayed) => replayed.message(),
            Self::InProgress { remaining, .. } => format!(
                "an earlier request used this authority and its change may still be stored: try again in {} s",
                remaining.as_millis().div_ceil(1000)
            ),
            Self::AlreadyExists => "an object of this name exists, so this would fail: nothing was claimed".into(),
            Self::ResourceVersionSet => "a new object must not have a resourceVersion: remove it".into(),
            Self::NotClaimable(why) => format!("this authority covers no such request: {why}"),
            Self::NotWatchable(why) => format!("this authority needs the history of the object: {why}"),
            Self::Full { limit } => format!("the store of claims holds its limit of {limit}: ask its operator"),
            Self::ShareUsed { limit } => format!("you hold the limit of {limit} claims for one user"),
            Self::ClockSkew { by, limit } => format!(
                "the clock here is {} ms off the store's, allowed are {} ms: ask the operator to set it",
                by.as_millis(),
                limit.as_millis()
            ),
            Self::StoreUnavailable(_) => "whether this authority was used cannot be decided now: try again".into(),
        }
    }
}

impl Replayed {
    fn message(&self) -> String {
        let FirstUse { policy, execution_id, allowed_at, undetermined, shown } = &self.first;
        let by = shown.as_ref().map_or_else(String::new, |shown| {
            format!(" by `{}` for {} of `{}`", shown.user, shown.operation, shown.object)
        });
        let used = if *undetermined { "may have been used" } else { "was used" };
        format!(
            "this authority {used} at {allowed_at}{by} under `{}.{}` (execution `{execution_id}`): it acts once, ask for \
             a new one",
            policy.id, policy.version
        )
    }
}
