//! The record that a store keeps for one fingerprint, and its one written form.
//!
//! The JSON is strict and versioned: an unknown field, another format or a state that contradicts itself is an error,
//! because a record that is half understood could forget a claim.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// What the request does. UPDATE that removes the last finalizer of a deleting object is a `Delete`.
pub use crate::admission::Operation;
use crate::{digest::Digest, time::Timestamp};

/// The format that this build writes and reads.
pub const FORMAT: u32 = 1;

/// A record never has more bytes than this: names and uids of the API are bounded, user names are cut at
/// [`MAX_USER`].
pub const MAX_RECORD: usize = 8 * 1024;

/// Bytes of a user name that a record keeps.
pub const MAX_USER: usize = 512;

/// How long a released record stays after its deadline.
pub const RELEASED_KEPT: Duration = Duration::from_secs(600);

/// The identity of a `Once` authority: a digest of `Domain::Fingerprint`.
pub type Fingerprint = Digest;

/// Group, version and resource in the plural, as in `apps`, `v1`, `deployments`. The core group is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// API group, empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Resource in the plural, without subresource.
    pub resource: String,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            write!(f, "{}/{}", self.version, self.resource)
        } else {
            write!(f, "{}/{}/{}", self.group, self.version, self.resource)
        }
    }
}

/// One stored state of one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Version {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: ResourceVersion,
}

/// A resourceVersion of the API server. Compared for order only where both are decimal integers (KEP-5504).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResourceVersion(pub String);

impl ResourceVersion {
    /// Whether this is certainly no later than `other`; `false` where the two cannot be compared.
    #[must_use]
    pub fn is_at_or_before(&self, other: &Self) -> bool {
        matches!((self.revision(), other.revision()), (Some(this), Some(that)) if this <= that)
    }

    fn revision(&self) -> Option<u64> {
        // A sign or a leading zero is not how the API server writes a resourceVersion.
        let plain = self.0.bytes().all(|byte| byte.is_ascii_digit()) && !self.0.starts_with('0');
        plain.then(|| self.0.parse().ok()).flatten()
    }
}

impl fmt::Display for ResourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// T: the one state transition that a claim stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Target {
    /// What is done.
    pub operation: Operation,
    /// To a thing of this kind.
    pub resource: Resource,
    /// Empty except for CONNECT.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subresource: String,
    /// Empty for cluster-scoped objects.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// `metadata.name`, never empty.
    pub name: String,
    /// UPDATE: the stored state that the write replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Version>,
    /// DELETE: the uid of the object that goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

impl Target {
    /// Whether a second request for `other` may share the claim of this one: at most one change can come of both.
    ///
    /// UPDATE: storage writes at most one change over one old resourceVersion. DELETE: an object ends once.
    #[must_use]
    pub fn is_same_change(&self, other: &Self) -> bool {
        match self.operation {
            // The same object may be named by another version of its API.
            Operation::Delete => {
                other.operation == Operation::Delete
                    && self.uid.as_deref().is_some_and(|uid| !uid.is_empty())
                    && self.uid == other.uid
            }
            Operation::Update => self.old.is_some() && self == other,
            Operation::Create | Operation::Connect => false,
        }
    }

    /// The object in one line, as in `apps/v1/deployments shop/web`.
    #[must_use]
    pub fn object(&self) -> String {
        let slash = if self.subresource.is_empty() { "" } else { "/" };
        let dash = if self.namespace.is_empty() { "" } else { "/" };
        format!("{}{slash}{} {}{dash}{}", self.resource, self.subresource, self.namespace, self.name)
    }
}

/// The policy version under which the authority was used: recorded, never part of the fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyVersion {
    /// Policy id.
    pub id: String,
    /// Policy version.
    pub version: String,
    /// Digest of its normal form.
    pub digest: Digest,
}

/// Where a claim stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A change was allowed and may still be stored.
    Reserved,
    /// The authority is used.
    Completed(Settled),
    /// No change came of it: the authority can be used again.
    Released,
}

impl State {
    /// The state in one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reserved => "Reserved",
            Self::Completed(_) => "Completed",
            Self::Released => "Released",
        }
    }
}

/// By what a claim became completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Settled {
    /// The first successor in the object's history carries the fingerprint.
    Successor,
    /// DELETE or CONNECT: final as soon as it is allowed.
    Final,
    /// Undetermined: the API server no longer knows the history (410 Gone).
    HistoryGone,
    /// Undetermined: a conversion webhook can drop the annotation, so its absence proves nothing.
    ConversionWebhook,
}

impl Settled {
    /// Whether the authority is burnt without proof that a change was stored.
    #[must_use]
    pub const fn is_undetermined(self) -> bool {
        matches!(self, Self::HistoryGone | Self::ConversionWebhook)
    }
}

/// The claim on one fingerprint. All times are by the store's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Record {
    /// F.
    pub fingerprint: Fingerprint,
    /// The policy version that decided.
    pub policy: PolicyVersion,
    /// T.
    pub target: Target,
    /// `request.uid` of the latest call that was allowed.
    pub request_uid: String,
    /// `metadata.uid` of the object in that call; empty where it had none.
    pub object_uid: String,
    /// Rc: from a consistent list of the kind, made before the claim. None for DELETE and CONNECT.
    pub rc: Option<ResourceVersion>,
    /// The kind has a conversion webhook: the claim is never released by its history.
    pub conversion_webhook: bool,
    /// The execution that used it last.
    pub execution_id: String,
    /// Its user, cut at [`MAX_USER`] bytes.
    pub user: String,
    /// When it was last allowed, no earlier than this.
    pub allowed_at: Timestamp,
    /// After this, no allowed change can still be stored.
    pub deadline: Timestamp,
    /// The claim is kept at least until then.
    pub window_end: Timestamp,
    /// Where it stands.
    pub state: State,
}

impl Record {
    /// When the record may be forgotten: never while a change may still be stored, and what is used not before the
    /// end of its window. What was released means nothing and is kept for a while for people to see.
    #[must_use]
    pub fn kept_until(&self) -> Option<Timestamp> {
        match self.state {
            State::Reserved => None,
            State::Completed(_) => Some(self.window_end.max(self.deadline)),
            State::Released => Some(self.deadline.plus(RELEASED_KEPT)),
        }
    }

    /// The written form.
    #[must_use]
    pub fn to_json(&self) -> String {
        // INVARIANT: a record has string keys and finite numbers only, so it can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads the written form.
    ///
    /// # Errors
    /// [`RecordError`] for anything that this build would not have written.
    pub fn from_json(text: &str) -> Result<Self, RecordError> {
        if text.len() > MAX_RECORD {
            return Err(RecordError::TooLong);
        }
        serde_json::from_str(text).map_err(|error| RecordError::Malformed(error.to_string()))
    }
}

/// A stored record cannot be read. Its content is not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Over [`MAX_RECORD`].
    #[error("the record has more than {MAX_RECORD} bytes")]
    TooLong,
    /// Not the strict form.
    #[error("the record is not in the form that this version reads: {0}")]
    Malformed(String),
}

/// The name of one store for its whole life: 128 random bits, written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoreId([u8; 16]);

impl StoreId {
    /// From random bits.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is not a store id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a store id is 32 lower-case hexadecimal digits")]
pub struct StoreIdError;

impl FromStr for StoreId {
    type Err = StoreIdError;

    fn from_str(text: &str) -> Result<Self, StoreIdError> {
        if text.len() != 32 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(StoreIdError);
        }
        u128::from_str_radix(text, 16).map(|bits| Self(bits.to_be_bytes())).map_err(|_| StoreIdError)
    }
}

/// The first `limit` bytes of `text`, never half a character.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or_default()
}

/// The JSON form, before it is checked.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire {
    format: u32,
    fingerprint: Fingerprint,
    policy: PolicyVersion,
    target: Target,
    request_uid: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    object_uid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rc: Option<ResourceVersion>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    conversion_webhook: bool,
    execution_id: String,
    user: String,
    allowed_at: Timestamp,
    deadline: Timestamp,
    window_end: Timestamp,
    state: Word,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    completed_by: Option<Settled>,
}

#[derive(Serialize, Deserialize)]
enum Word {
    Reserved,
    Completed,
    Released,
}

impl From<Record> for Wire {
    fn from(record: Record) -> Self {
        let (state, completed_by) = match record.state {
            State::Reserved => (Word::Reserved, None),
            State::Completed(by) => (Word::Completed, Some(by)),
            State::Released => (Word::Released, None),
        };
        Self {
            format: FORMAT,
            fingerprint: record.fingerprint,
            policy: record.policy,
            target: record.target,
            request_uid: record.request_uid,
            object_uid: record.object_uid,
            rc: record.rc,
            conversion_webhook: record.conversion_webhook,
            execution_id: record.execution_id,
            user: record.user,
            allowed_at: record.allowed_at,
            deadline: record.deadline,
            window_end: record.window_end,
            state,
            completed_by,
        }
    }
}

impl TryFrom<Wire> for Record {
    type Error = &'static str;

    fn try_from(wire: Wire) -> Result<Self, &'static str> {
        if wire.format != FORMAT {
            return Err("another format: use the version of writ that wrote it");
        }
        let state = match (wire.state, wire.completed_by) {
            (Word::Reserved, None) => State::Reserved,
            (Word::Completed, Some(by)) => State::Completed(by),
            (Word::Released, None) => State::Released,
            _ => return Err("`completedBy` belongs to `Completed` alone"),
        };
        let target = &wire.target;
        if target.name.is_empty() || target.old.is_some() != (target.operation == Operation::Update) {
            return Err("`target` has a name, and `old` with UPDATE alone");
        }
        if target.uid.is_some() != (target.operation == Operation::Delete) {
            return Err("`target.uid` belongs to DELETE alone");
        }
        if wire.rc.is_some() == target.operation.is_final() {
            return Err("`rc` belongs to CREATE and UPDATE alone");
        }
        Ok(Self {
            fingerprint: wire.fingerprint,
            policy: wire.policy,
            target: wire.target,
            request_uid: wire.request_uid,
            object_uid: wire.object_uid,
            rc: wire.rc,
            conversion_webhook: wire.conversion_webhook,
            execution_id: wire.execution_id,
            user: wire.user,
            allowed_at: wire.allowed_at,
            deadline: wire.deadline,
            window_end: wire.window_end,
            state,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
