//! What is converted: `admissionregistration.k8s.io/v1` as far as it decides. An unknown field is refused, because
//! leaving it out could change a verdict.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::api::{LabelSelector, RuleOperation};

/// The part of a `ValidatingAdmissionPolicy` that says what it does.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdmissionPolicy {
    /// The kind of its parameters.
    pub param_kind: Option<ParamKind>,
    /// Which requests it is about.
    #[serde(default)]
    pub match_constraints: Matching,
    /// Conditions that narrow the match.
    #[serde(default)]
    pub match_conditions: Vec<Named>,
    /// Expressions by name.
    #[serde(default)]
    pub variables: Vec<Named>,
    /// What must hold.
    #[serde(default)]
    pub validations: Vec<Validation>,
    /// What is noted in the audit log.
    #[serde(default)]
    pub audit_annotations: Vec<AuditAnnotation>,
    /// `Fail` or `Ignore`.
    pub failure_policy: Option<String>,
}

/// The part of a `ValidatingAdmissionPolicyBinding` that says what it does.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdmissionBinding {
    /// The name of the policy.
    pub policy_name: String,
    /// Where its parameters are.
    pub param_ref: Option<ParamRef>,
    /// Which requests it is about, beside what the policy says.
    pub match_resources: Option<Matching>,
    /// `Deny`, `Warn`, `Audit`.
    #[serde(default)]
    pub validation_actions: Vec<String>,
}

/// The kind of parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParamKind {
    /// Group and version.
    pub api_version: String,
    /// The kind.
    pub kind: String,
}

/// Where the parameters of a binding are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParamRef {
    /// The name of one object.
    pub name: Option<String>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Several objects, by labels.
    pub selector: Option<LabelSelector>,
    /// `Allow` or `Deny`, where there is none.
    pub parameter_not_found_action: Option<String>,
}

/// `MatchResources`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Matching {
    /// Which resources.
    #[serde(default)]
    pub resource_rules: Vec<Rule>,
    /// Which not.
    #[serde(default)]
    pub exclude_resource_rules: Vec<Rule>,
    /// Namespaces by labels.
    pub namespace_selector: Option<LabelSelector>,
    /// Objects by labels.
    pub object_selector: Option<LabelSelector>,
    /// `Exact` or `Equivalent`.
    pub match_policy: Option<String>,
}

/// `NamedRuleWithOperations`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// API groups, or `*`.
    pub api_groups: Vec<String>,
    /// API versions, or `*`.
    pub api_versions: Vec<String>,
    /// Resources with subresources.
    pub resources: Vec<String>,
    /// Operations.
    pub operations: Vec<RuleOperation>,
    /// `Cluster`, `Namespaced` or `*`.
    pub scope: Option<String>,
    /// Names of objects; empty is all.
    #[serde(default)]
    pub resource_names: Vec<String>,
}

/// An expression with a name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The expression.
    pub expression: String,
}

/// What must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Validation {
    /// The condition.
    pub expression: String,
    /// What the user is told.
    pub message: Option<String>,
    /// The reason of the API's status.
    pub reason: Option<String>,
    /// What the user is told, computed.
    pub message_expression: Option<String>,
}

/// A note for the audit log.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditAnnotation {
    /// Its key.
    pub key: String,
    /// Its value; null is none.
    pub value_expression: String,
}

/// An object of the API with its spec.
#[derive(Clone, Debug, Deserialize)]
pub struct Resource<S> {
    /// Its metadata.
    pub metadata: Metadata,
    /// What it says.
    pub spec: S,
}

/// What of an object's metadata matters here.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Metadata {
    /// The name.
    #[serde(default)]
    pub name: String,
    /// The namespace.
    #[serde(default)]
    pub namespace: String,
    /// The labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}
