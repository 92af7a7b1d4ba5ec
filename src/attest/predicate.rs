//! What an attestation says: plain values that the runtime fills in. Words are spelled as in the Kubernetes API.

use std::collections::BTreeMap;

use super::{ExecutionId, KeyId, SubtreeTag};
pub use crate::admission::{GroupVersionKind as Kind, GroupVersionResource as Resource, Operation};
use crate::{
    canonical::{Object, Value},
    digest::{Digest, Domain},
    time::Timestamp,
};

/// The predicate of type `https://writ.dev/attestation/v1`.
///
/// It binds one decided transition of one object: who, what, from which old state, by which policies, until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predicate {
    /// The cluster: uid of the namespace `kube-system`, unless set otherwise.
    pub cluster_id: String,
    /// The store of claims that the deciding replica uses.
    pub store_id: String,
    /// This attempt.
    pub execution_id: ExecutionId,
    /// When it was decided; `request.time` of the expressions.
    pub issued_at: Timestamp,
    /// Until when it can be admitted.
    pub admit_before: Timestamp,
    /// Whether the request was a dry run. Such an attestation can never be used for a real one.
    pub dry_run: bool,
    /// The operation of the request.
    pub operation: Operation,
    /// `resource` of the AdmissionRequest: the resource and version that the webhook rule matched.
    pub resource: Resource,
    /// `requestResource` of the AdmissionRequest: the resource and version that the client used.
    pub request_resource: Resource,
    /// `kind` of the AdmissionRequest: what the object is.
    pub kind: Kind,
    /// The subresource; empty for the main resource.
    pub sub_resource: String,
    /// The namespace; empty for a cluster-scoped object.
    pub namespace: String,
    /// The object's name, or the field that the API server makes it from.
    pub name: ObjectName,
    /// The state that the change starts from; `None` where the request has no old object.
    pub old_object: Option<OldObject>,
    /// Who asks.
    pub user: User,
    /// Which table of server-owned fields the projection left out.
    pub projection: String,
    /// Tags of the projection's top-level subtrees, so that a difference can be named. At most
    /// [`super::MAX_SUBTREES`].
    pub subtrees: BTreeMap<String, SubtreeTag>,
    /// One record for each binding that decided, in the order of evaluation.
    pub decisions: Vec<DecisionRecord>,
    /// Digest of the running executable, build, evaluator, policy set, replica and cluster.
    pub runtime: Digest,
    /// The key that signs.
    pub signer: KeyId,
}

/// How the object gets its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectName {
    /// The name is known.
    Given(String),
    /// The API server appends characters to this `generateName` after mutation.
    Generated(String),
}

/// The object as it is before the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldObject {
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub resource_version: String,
    /// Digest of its projection.
    pub digest: Digest,
}

/// Who asks, as the API server authenticated them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// `userInfo.username`
    pub username: String,
    /// `userInfo.uid`; empty where the authenticator gives none.
    pub uid: String,
    /// Digest of the sorted groups and the extra values, see [`User::digest_of`].
    pub digest: Digest,
}

/// What one binding's policy version decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRecord {
    /// The binding.
    pub binding: Binding,
    /// The policy version.
    pub policy: Policy,
    /// Digest of the binding's parameters; `None` where it gives none.
    pub params: Option<Digest>,
    /// The rule that matched; `None` where none did or none was reached.
    pub rule: Option<String>,
    /// What was decided.
    pub outcome: Outcome,
    /// Why: the rule's reason or a reason code.
    pub reason: String,
    /// How often the authority acts; `None` where no policy version could be loaded.
    pub replay: Option<Replay>,
    /// Digest of the values of the signals; `None` where not all of them could be had.
    pub signals: Option<Digest>,
}

/// A binding in one generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.generation`, at most [`super::MAX_GENERATION`].
    pub generation: u64,
    /// Digest of its spec.
    pub digest: Digest,
    /// How strictly it is enforced.
    pub mode: Mode,
}

/// A policy version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The policy's id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Digest of its normal form; `None` where it could not be loaded.
    pub digest: Option<Digest>,
}

/// How strictly a binding is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A denial refuses the request.
    Enforce,
    /// A denial warns the client.
    Warn,
    /// A denial is only recorded.
    Audit,
}

/// What a policy version decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The change is within the authority.
    Allow,
    /// It is not, or that could not be decided.
    Deny,
}

/// How often an authority acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Once for each fingerprint, which is `None` where its values could not be had.
    Once {
        /// Identity of the authority.
        fingerprint: Option<Digest>,
    },
    /// Any number of times.
    Repeatable,
}

impl User {
    /// Digest of the sorted groups and of the extra values, which keep their order.
    #[must_use]
    pub fn digest_of(groups: &[String], extra: &BTreeMap<String, Vec<String>>) -> Digest {
        let mut groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        groups.sort_unstable();
        let extra: Object<'_> = extra
            .iter()
            .map(|(key, values)| {
                (key.as_str(), values.iter().map(|value| Value::from(value.as_str())).collect::<Value<'_>>())
            })
            .collect();
        let groups: Value<'_> = groups.into_iter().map(Value::from).collect();
        let both: Object<'_> = [("extra", Value::from(extra)), ("groups", groups)].into_iter().collect();
        Digest::of_value(Domain::UserInfo, &both.into())
    }
}

/// Enums that are written as words in JSON and as small numbers in the compact form.
macro_rules! words {
    ($type:ty, { $($variant:ident = $number:literal $word:literal),+ $(,)? }) => {
        impl $type {
            /// The word, as it is written in JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        codes!($type, { $($variant = $number $word),+ });
    };
}

/// The same for one that has its words already.
macro_rules! codes {
    ($type:ty, { $($variant:ident = $number:literal $word:literal),+ $(,)? }) => {
        impl $type {
            pub(super) fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }

            pub(super) const fn number(self) -> u8 {
                match self { $(Self::$variant => $number),+ }
            }

            pub(super) const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

codes!(Operation, { Create = 0 "CREATE", Update = 1 "UPDATE", Delete = 2 "DELETE", Connect = 3 "CONNECT" });
words!(Mode, { Enforce = 0 "Enforce", Warn = 1 "Warn", Audit = 2 "Audit" });
words!(Outcome, { Allow = 0 "Allow", Deny = 1 "Deny" });
