//! The ledger: which content each (policy id, version) has, for ever. It outlives the policies.
//!
//! A policy version is put into force only after its digest is pinned, so that re-creating a version with other content
//! is refused even after the first one was deleted. Only the controller pins, and only what is stored.

mod configmap;
mod file;

pub use configmap::ConfigMapLedger;
pub use file::FileLedger;

use futures::future::BoxFuture;

use crate::digest::Digest;

/// Pins the digest of each (id, version) for ever: whoever pins another one later is told of the conflict.
///
/// An answer is durable: it is the same after a restart, on every replica, and after the policy was deleted.
pub trait Ledger: Send + Sync + 'static {
    /// Everything that is pinned, as (policy name, digest), for a start that does not ask one by one.
    fn pinned(&self) -> BoxFuture<'_, Result<Vec<(String, Digest)>, LedgerError>>;

    /// Pins `digest` as the content of `version` of policy `id`, where nothing is pinned yet.
    fn pin<'a>(&'a self, id: &'a str, version: &'a str, digest: Digest) -> BoxFuture<'a, Result<Pinned, LedgerError>>;
}

/// The ledger's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinned {
    /// The version has this digest, from now on or since before.
    Same,
    /// The version has had another digest, and keeps it.
    Conflict(Digest),
}

/// The ledger did not answer, or not with certainty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LedgerError(pub String);

/// What is known about the pin of a compiled policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pin {
    /// The ledger was not asked yet, or its first answer is awaited.
    Unanswered,
    /// Its digest is pinned.
    Pinned,
    /// The same version was published before with this other digest.
    Conflict(Digest),
    /// The ledger cannot be asked; it is asked again.
    Failed(String),
}
