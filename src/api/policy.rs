#![cfg_attr(
    feature = "cluster",
    expect(unreachable_pub, reason = "the schema derive repeats types in a module of its own")
)]

use serde::{Deserialize, Serialize};

use super::Condition;

/// What a policy decides, by which facts and rules, and how often its authority may be used.
///
/// A Policy is one immutable version of a rule set that people wrote. Its name is `<id>.<version>`; to change a
/// policy, publish the next version and point the binding to it. A Policy governs nothing until a PolicyBinding
/// names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(kube::CustomResource, kube::KubeSchema))]
#[cfg_attr(
    feature = "cluster",
    kube(
        group = "writ.dev",
        version = "v1alpha1",
        kind = "Policy",
        plural = "policies",
        shortname = "wpol",
        category = "writ",
        status = "PolicyStatus",
        derive = "PartialEq",
        doc = "One immutable version of a policy: what it decides, by which facts and rules, and how often its authority may be used.",
        validation = Rule::new("self.metadata.name == self.spec.id + '.' + self.spec.version").message(
            "metadata.name must be `<spec.id>.<spec.version>`"
        ),
        validation = Rule::new("self.spec == oldSelf.spec").message(
            "a published policy version never changes: publish the next version under a new name `<id>.<next>` instead, and point the binding to it"
        ),
        printcolumn(name = "Compiled", type_ = "string", json_path = ".status.conditions[?(@.type==\"Compiled\")].status"),
        printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
        printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
        printcolumn(name = "Replay", type_ = "string", json_path = ".spec.replay.mode"),
        printcolumn(name = "Cost", type_ = "integer", json_path = ".status.worstCaseCost", priority = "1"),
        printcolumn(name = "Digest", type_ = "string", json_path = ".status.digest", priority = "1"),
        printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicySpec {
    /// Name of the policy over all its versions: a DNS label of at most 40 characters.
    #[cfg_attr(
        feature = "cluster",
        schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))
    )]
    pub id: String,
    /// This version: lower-case letters, digits, `-` and `.`, at most 40 characters, for example `v3` or `1.4.0`.
    #[cfg_attr(
        feature = "cluster",
        schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))
    )]
    pub version: String,
    /// Which requests the policy is about.
    pub match_constraints: MatchConstraints,
    /// CEL conditions that narrow the match further. If any is false the policy is skipped; an error denies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cluster", schemars(length(max = 16)))]
    pub match_conditions: Vec<NamedExpression>,
    /// Parameters that each binding must give, read in expressions as `params.<name>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cluster", schemars(length(max = 32)))]
    pub params: Vec<Parameter>,
    /// Named expressions, evaluated when first used and read as `variables.<name>`; each may use those before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cluster", schemars(length(max = 32)))]
    pub variables: Vec<NamedExpression>,
    /// The facts that rules decide by. Each is taken from the request, checked, and recorded with the decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cluster", schemars(length(max = 32)))]
    pub signals: Vec<Signal>,
    /// Rules in order; the first that matches decides. If none matches, the request is denied (`NoRuleMatched`).
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 32)))]
    pub rules: Vec<PolicyRule>,
    /// How often the authority of an allowed request may be used.
    pub replay: Replay,
}

/// Which requests a policy is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MatchConstraints {
    /// A request is matched if any of these rules matches it.
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 32)))]
    pub resource_rules: Vec<ResourceRule>,
}

/// API groups, versions, resources and operations, as in a webhook configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceRule {
    /// API groups; `""` is the core group, `*` is all.
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 16), inner(length(max = 253))))]
    pub api_groups: Vec<String>,
    /// API versions; `*` is all.
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 16), inner(length(max = 63))))]
    pub api_versions: Vec<String>,
    /// Resources, plural: `deployments`, a subresource `deployments/scale`, `*` for all without subresources, `*/*`
    /// for all with them, `pods/*` for all subresources of pods.
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 32), inner(length(min = 1, max = 126))))]
    pub resources: Vec<String>,
    /// Operations: `CREATE`, `UPDATE`, `DELETE`, `CONNECT`, or `*` for all.
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 5)))]
    pub operations: Vec<RuleOperation>,
}

/// An operation in a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub enum RuleOperation {
    /// Creation of an object.
    #[serde(rename = "CREATE")]
    Create,
    /// Any change of an object.
    #[serde(rename = "UPDATE")]
    Update,
    /// Deletion of an object.
    #[serde(rename = "DELETE")]
    Delete,
    /// exec, attach, portforward and proxy.
    #[serde(rename = "CONNECT")]
    Connect,
    /// Any of them.
    #[serde(rename = "*")]
    All,
}

/// A CEL expression with a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamedExpression {
    /// A CEL identifier, unique in its list.
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$")))]
    pub name: String,
    /// The expression.
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 4096)))]
    pub expression: String,
}

/// The type of a signal or parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub enum SignalType {
    /// `true` or `false`.
    Boolean,
    /// A 64-bit signed integer.
    Integer,
    /// A string.
    String,
    /// A list of strings.
    StringList,
    /// A map from strings to strings.
    StringMap,
    /// A point in time, RFC 3339.
    Timestamp,
    /// A quantity as Kubernetes writes it: `1.5Gi`, `100m`.
    Quantity,
}

/// A typed parameter that each binding must give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parameter {
    /// A CEL identifier, unique among the parameters.
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$")))]
    pub name: String,
    /// The type of the value.
    #[serde(rename = "type")]
    pub value_type: SignalType,
    /// The only strings that are allowed: for a list or map, of each element or value.
    #[serde(rename = "enum", default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cluster", schemars(length(max = 64), inner(length(max = 256))))]
    pub allowed: Vec<String>,
    /// The smallest allowed integer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<i64>,
    /// The largest allowed integer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<i64>,
    /// The most characters a string may have: for a list or map, each element, key and value. At most 4096, which
    /// is also the limit where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cluster", schemars(range(min = 0, max = 4096)))]
    pub max_length: Option<u32>,
    /// A regular expression (RE2 syntax) that the whole string must match: for a list or map, each element or value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 256)))]
    pub pattern: Option<String>,
    /// The most elements a list or map may have. At most 256, which is also the limit where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cluster", schemars(range(min = 0, max = 256)))]
    pub max_items: Option<u32>,
}

/// A typed fact, taken from the request and checked before any rule sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signal {
    /// A CEL identifier, unique among the signals; rules read it as `signals.<name>`.
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$")))]
    pub name: String,
    /// The type of the value.
    #[serde(rename = "type")]
    pub value_type: SignalType,
    /// CEL over `object`, `oldObject`, `request`, `namespaceObject`, `params`, `variables` and `change`.
    /// `optional.none()` denies (`SignalMissing`) unless `.orValue(…)` gives a default; any error denies.
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 4096)))]
    pub expression: String,
    /// The only strings that are allowed: for a list or map, of each element or value.
    #[serde(rename = "enum", default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cluster", schemars(length(max = 64), inner(length(max = 256))))]
    pub allowed: Vec<String>,
    /// The smallest allowed integer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<i64>,
    /// The largest allowed integer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<i64>,
    /// The most characters a string may have: for a list or map, each element, key and value. At most 4096, which
    /// is also the limit where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cluster", schemars(range(min = 0, max = 4096)))]
    pub max_length: Option<u32>,
    /// A regular expression (RE2 syntax) that the whole string must match: for a list or map, each element or value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 256)))]
    pub pattern: Option<String>,
    /// The most elements a list or map may have. At most 256, which is also the limit where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cluster", schemars(range(min = 0, max = 256)))]
    pub max_items: Option<u32>,
}

/// What a rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub enum Outcome {
    /// The change may happen.
    Allow,
    /// The change is refused.
    Deny,
}

impl Outcome {
    /// As the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
        }
    }
}

/// One rule: when it matches, what it decides, and what the user is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyRule {
    /// Name of the rule, unique in the policy; it stands in every decision that the rule makes.
    #[cfg_attr(
        feature = "cluster",
        schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))
    )]
    pub name: String,
    /// CEL over `signals` and `params`, boolean. Absent: the rule always matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 4096)))]
    pub when: Option<String>,
    /// What the rule decides: `Allow` or `Deny`.
    pub outcome: Outcome,
    /// Why, as one CamelCase word that programs may test.
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Z][A-Za-z0-9]*$")))]
    pub reason: String,
    /// What the user is told, with what to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 1024)))]
    pub message: Option<String>,
    /// CEL that yields the message, over `signals`, `params`, `variables` and `object`. If it fails, `message` is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cluster", schemars(length(min = 1, max = 4096)))]
    pub message_expression: Option<String>,
}

/// How often the authority of an allowed request may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub enum ReplayMode {
    /// The values of `key` authorize one request within `window`.
    Once,
    /// Every request that the rules allow is allowed.
    Repeatable,
}

impl ReplayMode {
    /// As the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Once => "Once",
            Self::Repeatable => "Repeatable",
        }
    }
}

/// Whether an authority is used up, and by what it is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(kube::KubeSchema))]
#[cfg_attr(
    feature = "cluster",
    x_kube(validation = Rule::new(
        "self.mode == 'Once' ? (has(self.key) && size(self.key) > 0 && has(self.window)) : (!has(self.key) && !has(self.window))"
    ).message("mode `Once` needs `key` (one or more signals) and `window`; mode `Repeatable` takes neither"))
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Replay {
    /// `Once` or `Repeatable`.
    pub mode: ReplayMode,
    /// Names of the signals whose values are the authority's identity, for example a change ticket and its target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cluster", schemars(length(max = 8), inner(length(max = 63))))]
    pub key: Vec<String>,
    /// How long a used authority is remembered, at most 400 days, for example `720h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cluster", schemars(length(min = 2, max = 16)))]
    pub window: Option<String>,
}

/// What Writ found out about a policy version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// The generation that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The digest of this version's normal form, `sha256:…`. A binding may pin it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The most that one decision can cost, in the API server's CEL cost units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_case_cost: Option<i64>,
    /// `Compiled`: the expressions are valid. `Ready`: compiled, and its digest is pinned in the ledger.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
