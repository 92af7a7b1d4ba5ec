use std::collections::BTreeMap;
use crate::{canonical::Value, policy_set::PolicySet, time::Timestamp};

/// The policies in force at one time.
#[derive(Debug)]
pub struct Snapshot {
    /// The bindings and their policies.
    pub set: PolicySet,
    /// When the set last changed on this replica.
    pub changed_at: Timestamp,
}

/// A namespace as it was read.
#[derive(Clone, Debug)]
pub struct NamespaceFacts {
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub resource_version: String,
    /// `metadata.labels`
    pub labels: BTreeMap<String, String>,
    /// The whole object: `namespaceObject`.
    pub object: Value<'static>,
}

/// What decides about a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindFacts {
    /// It has a status subresource, so that the main resource does not write `status`.
    pub status_subresource: bool,
    /// A webhook converts it between versions, and may lose annotations.
    pub conversion_webhook: bool,
    /// Its changes can be watched.
    pub watchable: bool,
}

impl KindFacts {
    /// Of a kind that nobody knows.
    pub const UNKNOWN: Self = Self { status_subresource: false, conversion_webhook: true, watchable: false };
}

/// Something could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WorldError(pub String);
