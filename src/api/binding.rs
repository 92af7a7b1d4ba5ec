#![cfg_attr(
    feature = "cluster",
    expect(unreachable_pub, reason = "the schema derive repeats types in a module of its own")
)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Condition;

/// Which requests and people a policy version governs, with which parameters, and how strictly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(kube::CustomResource, kube::KubeSchema))]
#[cfg_attr(feature = "cluster", expect(clippy::duplicated_attributes, reason = "each printer column repeats its keys"))]
#[cfg_attr(
    feature = "cluster",
    kube(
        group = "writ.dev",
        version = "v1alpha1",
        kind = "PolicyBinding",
        plural = "policybindings",
        shortname = "wpb",
        category = "writ",
        status = "PolicyBindingStatus",
        derive = "PartialEq",
        doc = "Puts a policy version into force: which requests and people it governs, with which parameters, and how strictly.",
        printcolumn(name = "Policy", type_ = "string", json_path = ".spec.policyRef.id"),
        printcolumn(name = "Wanted", type_ = "string", json_path = ".spec.policyRef.version"),
        printcolumn(name = "In-Force", type_ = "string", json_path = ".status.inForce.version"),
        printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
        printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
        printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
        printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyBindingSpec {
    /// The policy version that is wanted in force.
    pub policy_ref: PolicyRef,
    /// Values for the parameters that the policy declares; exactly those.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "cluster", schemars(schema_with = "open_map"))]
    pub params: BTreeMap<String, serde_json::Value>,
    /// Which namespaces are governed. Cluster-scoped objects always are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_resources: Option<MatchResources>,
    /// Whose requests are governed. Absent or empty: everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects: Option<Subjects>,
    /// Requests that are recorded as exempt instead of decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude: Option<Exclude>,
    /// `Enforce` denies; `Warn` warns the client; `Audit` only records what would have been denied.
    pub mode: Mode,
}

/// One version of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyRef {
    /// The policy's `spec.id`.
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 40)))]
    pub id: String,
    /// The policy's `spec.version`.
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 40)))]
    pub version: String,
    /// The digest of the approved content, `sha256:…`: another content under this name is not put in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cluster", schemars(length(max = 71), regex(pattern = r"^sha256:[0-9a-f]{64}$")))]
    pub digest: Option<String>,
}

/// Which namespaces a binding governs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MatchResources {
    /// Selects namespaces by `kubernetes.io/metadata.name` and by the label keys that the installation guards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
}

/// A label selector: all requirements must hold. An empty one selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelSelector {
    /// Labels that must have exactly these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Requirements on single labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cluster", schemars(length(max = 16)))]
    pub match_expressions: Vec<SelectorRequirement>,
}

/// A requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SelectorRequirement {
    /// The label's key.
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 317)))]
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: SelectorOperator,
    /// The values for `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cluster", schemars(length(max = 256), inner(length(max = 63))))]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub enum SelectorOperator {
    /// The label has one of the values.
    In,
    /// The label is absent or has none of the values.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

/// People and programs, as the API server authenticates them. Any match counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subjects {
    /// User names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cluster", schemars(length(max = 64), inner(length(min = 1, max = 256))))]
    pub users: Vec<String>,
    /// Group names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cluster", schemars(length(max = 64), inner(length(min = 1, max = 256))))]
    pub groups: Vec<String>,
    /// Service accounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cluster", schemars(length(max = 64)))]
    pub service_accounts: Vec<ServiceAccount>,
}

/// A service account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceAccount {
    /// Its namespace.
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 63)))]
    pub namespace: String,
    /// Its name.
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 253)))]
    pub name: String,
}

/// What a binding leaves out; such requests are allowed and recorded as exempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exclude {
    /// Namespaces, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cluster", schemars(length(max = 64), inner(length(min = 1, max = 63))))]
    pub namespaces: Vec<String>,
    /// Groups of the requester.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cluster", schemars(length(max = 64), inner(length(min = 1, max = 256))))]
    pub groups: Vec<String>,
    /// Service accounts of the requester.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cluster", schemars(length(max = 64)))]
    pub service_accounts: Vec<ServiceAccount>,
}

/// How strictly a binding acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub enum Mode {
    /// A denial refuses the request.
    Enforce,
    /// A denial warns the client; the request goes on.
    Warn,
    /// A denial is only recorded.
    Audit,
}

impl Mode {
    /// As the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "Enforce",
            Self::Warn => "Warn",
            Self::Audit => "Audit",
        }
    }
}

/// What Writ found out about a binding.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PolicyBindingStatus {
    /// The generation that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The policy version that decides now. It stays when the wanted one is missing or does not compile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<InForce>,
    /// `Ready`: the wanted version is in force on every ready replica, and the installed webhook rules cover it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// The policy version that decides now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InForce {
    /// The policy's id.
    pub id: String,
    /// The policy's version.
    pub version: String,
    /// The digest of its normal form.
    pub digest: String,
}

#[cfg(feature = "cluster")]
fn open_map(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "description": "Values for the parameters that the policy declares; exactly those.",
        "x-kubernetes-preserve-unknown-fields": true,
    })
}
