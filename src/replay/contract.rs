//! What a store of claims and a history of objects promise. The state machine relies on nothing else.
//!
//! Every reply carries the time of the clock that made it, so that no replica's own wall clock decides when a claim
//! ends. Every error says whether the write may have happened.

use std::time::Duration;

use futures::future::BoxFuture;

use super::event::{Looked, Patience};
use super::record::{Fingerprint, Record, Resource, ResourceVersion, StoreId, Target, Version};
use crate::time::Timestamp;

/// Records on one page of a listing, at most.
pub const MAX_PAGE: usize = 500;

/// The store's own mark of one written state of one record, for compare-and-swap. Only the store reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(pub String);

/// A record as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The record.
    pub record: Record,
    /// The state of the store that it was read from.
    pub token: Token,
}

/// A value, and when it was so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamped<T> {
    /// The value.
    pub value: T,
    /// The replier's clock between receiving the call and answering it, rounded down to `grain`.
    pub time: Timestamp,
    /// How coarse `time` is: an HTTP `Date` has whole seconds.
    pub grain: Duration,
}

/// What became of a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    /// It is durable.
    Done(Token),
    /// The condition did not hold: nothing was written. The truth must be read again.
    Lost,
}

/// Which records a listing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    All,
    /// Those that are `Reserved`.
    Reserved,
    /// Those that need not be kept any longer at this time ([`Record::kept_until`]).
    Over(Timestamp),
}

/// One page of a listing, in no promised order.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The records.
    pub records: Vec<Held>,
    /// Where the next page starts; none on the last one.
    pub next: Option<String>,
    /// What stands there and is no claim, each with what is wrong with it. Reading its fingerprint is an error.
    pub unreadable: Vec<String>,
}

/// A store of claims: one record per fingerprint.
///
/// What every implementation promises:
/// - **One truth.** [`read`](Store::read), [`create`](Store::create), [`replace`](Store::replace) and
///   [`remove`](Store::remove) of one fingerprint are linearizable over all replicas: a read that starts after a
///   write was answered sees that write or a later one. No cache is in between.
/// - **Create if absent.** Of any number of concurrent creates of one fingerprint, exactly one is `Done`.
/// - **Compare and swap.** A replace or remove happens only if the record's state is still the one of the token. A
///   token is never used for two states, also not when a record was removed and created again.
/// - **Durable.** `Done` is answered only after the write survives a crash of every process and machine involved.
/// - **Unknown is an error.** [`StoreError::Unknown`] is the only answer after which a write may or may not have
///   happened, and it may still happen later. After every other error it has not happened and will not.
/// - **Never empty by accident.** `Done` and "no record" are answered only by the store whose root has the id that it
///   was opened with. A missing or different root is an error. Only `initialize` of a concrete store makes a root.
///
/// Listings may be somewhat stale and need not be consistent from page to page.
pub trait Store: Send + Sync {
    /// Reads the root. Ready means that this answers.
    fn root(&self) -> BoxFuture<'_, Result<Stamped<StoreId>, StoreError>>;

    /// Reads the record of a fingerprint.
    fn read<'a>(&'a self, fingerprint: &'a Fingerprint) -> BoxFuture<'a, Result<Stamped<Option<Held>>, StoreError>>;

    /// Writes a record if its fingerprint has none.
    fn create<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<Stamped<Swap>, StoreError>>;

    /// Writes a record over the state of `token`.
    fn replace<'a>(&'a self, token: &'a Token, record: &'a Record) -> BoxFuture<'a, Result<Stamped<Swap>, StoreError>>;

    /// Forgets a record in the state of `token`. The token of a `Done` means nothing.
    fn remove<'a>(
        &'a self,
        token: &'a Token,
        fingerprint: &'a Fingerprint,
    ) -> BoxFuture<'a, Result<Stamped<Swap>, StoreError>>;

    /// At most [`MAX_PAGE`] records from where `after` says.
    fn list<'a>(&'a self, filter: Filter, after: Option<&'a str>) -> BoxFuture<'a, Result<Stamped<Page>, StoreError>>;

    /// Counts what it holds, for its limits. Called at the start and about every ten minutes.
    fn count(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    /// The latest time that this store had stamped when it was opened, where its clock is this machine's own.
    ///
    /// None where the clock is that of a server which outlives this process.
    fn opened_at(&self) -> Option<Timestamp> {
        None
    }
}

/// A store did not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Not reached, refused or timed out before anything could be written.
    #[error("the claim store cannot be used now: {0}")]
    Unavailable(String),
    /// The write may or may not have happened.
    #[error("the claim store did not say whether it wrote: {0}")]
    Unknown(String),
    /// A write failed in a way that makes all later state doubtful: the process must end and open the store again.
    #[error("the claim store failed while writing and must be opened again: restart this process ({0})")]
    Broken(String),
    /// There is no root record.
    #[error("the claim store has no root record: it was lost or never initialized; {0}")]
    RootMissing(&'static str),
    /// The root record names another store.
    #[error("the claim store is `{found}`, expected `{expected}`: restore the store that belongs to the signing key")]
    RootDiffers {
        /// The id that was asked for.
        expected: StoreId,
        /// The id that was found.
        found: StoreId,
    },
    /// Something stored is not in the form that this version writes.
    #[error("the claim store holds something that is not a claim of this store: `{at}`: {cause}")]
    Malformed {
        /// Where it stands.
        at: String,
        /// What is wrong.
        cause: String,
    },
    /// The store holds as many records as it may.
    #[error("the claim store holds its limit of {limit} claims: raise the limit or shorten the windows of policies")]
    Full {
        /// The limit.
        limit: usize,
    },
    /// One user holds as many records as one user may.
    #[error("the user holds the limit of {limit} claims for one user: wait for windows to end or raise the limit")]
    ShareUsed {
        /// The limit.
        limit: usize,
    },
}

/// What the API server knows about objects and their past. Nothing here reads an informer's cache.
///
/// What every implementation promises:
/// - [`revision`](History::revision) is from a consistent list: no write that was answered before the call began is
///   later than it.
/// - [`current`](History::current) is a quorum read: it sees every write that was answered before the call began.
/// - [`look`](History::look) shows the events of the record's object after its `rc`, in order and without a gap, or
///   says that it cannot. `Successor::None` means that no event decides up to a revision that was read after the call
///   began; silence that is not proof is `Successor::NoneSeen`.
pub trait History: Send + Sync {
    /// The resourceVersion of a consistent list of the kind with limit 1.
    fn revision<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
    ) -> BoxFuture<'a, Result<Stamped<ResourceVersion>, HistoryError>>;

    /// The stored state of the object that `target` names; none where there is no such object.
    fn current<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Stamped<Option<Version>>, HistoryError>>;

    /// The first event after the record's `rc` that decides over the claim, and the object's stored state.
    fn look<'a>(
        &'a self,
        record: &'a Record,
        patience: Patience,
    ) -> BoxFuture<'a, Result<Stamped<Looked>, HistoryError>>;
}

/// The history could not be read. Nothing follows for the claim.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// Not reached, refused or timed out.
    #[error("the history of the object cannot be read now: {0}")]
    Unavailable(String),
    /// The kind cannot be listed and watched: not served so, or not permitted.
    #[error("objects of this kind cannot be watched: {0}")]
    NotWatchable(String),
    /// There is no API server behind this program.
    #[error("without an API server there is no history: here `Once` covers DELETE and CONNECT only")]
    Absent,
}

/// The history of a program without an API server: there is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHistory;

impl History for NoHistory {
    fn revision<'a>(
        &'a self,
        _: &'a Resource,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Stamped<ResourceVersion>, HistoryError>> {
        Box::pin(async { Err(HistoryError::Absent) })
    }

    fn current<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, Result<Stamped<Option<Version>>, HistoryError>> {
        Box::pin(async { Err(HistoryError::Absent) })
    }

    fn look<'a>(&'a self, _: &'a Record, _: Patience) -> BoxFuture<'a, Result<Stamped<Looked>, HistoryError>> {
        Box::pin(async { Err(HistoryError::Absent) })
    }
}
