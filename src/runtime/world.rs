use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;

use super::Refusal;
use crate::{
    admission::{GroupVersionResource, Request},
    canonical::Value,
    policy_set::PolicySet,
    time::Timestamp,
};

/// What the runtime knows of the cluster, or of a folder of files in its place.
pub trait World: Send + Sync + 'static {
    /// The policies in force; `None` until they were first read.
    fn snapshot(&self) -> Option<Arc<Snapshot>>;

    /// Whether the policies are known to have been current within [`super::CURRENCY`] before `now`.
    fn is_current(&self, now: Timestamp) -> bool;

    /// A namespace: from the watch, on a miss by a live read.
    fn namespace<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<NamespaceFacts>, WorldError>>;

    /// What is known of a kind. Where nothing is, the safest: no status subresource, a conversion webhook.
    fn kind(&self, resource: &GroupVersionResource) -> KindFacts;

    /// Why nothing should be decided by this now; empty where it may.
    fn faults(&self) -> Vec<String>;

    /// Hears that a change was refused, to tell whom it concerns. Never waits.
    fn refused(&self, object: &Value<'_>, reason: &str, message: &str);

    /// Admits a change of Writ's own kinds: warnings, or why not.
    fn admit_own<'a>(&'a self, request: &'a Request<'a>) -> BoxFuture<'a, Result<Vec<String>, Refusal>>;
}

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
