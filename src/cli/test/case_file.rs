//! The published form of test cases: `docs/schema/test-cases.json` is made from these types.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::admission::{Operation, UserInfo};

/// Test cases for the policies that stand in the same folder.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(in crate::cli) struct PolicyTests {
    /// `writ.dev/v1alpha1`
    #[cfg_attr(feature = "cluster", schemars(extend("const" = "writ.dev/v1alpha1")))]
    pub(super) api_version: String,
    /// `PolicyTests`
    #[cfg_attr(feature = "cluster", schemars(extend("const" = "PolicyTests")))]
    pub(super) kind: String,
    /// Files and folders with the policies and bindings, relative to this file. Default: every manifest in its folder.
    #[serde(default)]
    pub(super) policies: Vec<String>,
    /// The cases.
    #[cfg_attr(feature = "cluster", schemars(length(min = 1)))]
    pub(super) cases: Vec<TestCase>,
}

/// One request and what is to become of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct TestCase {
    /// What the case shows; unique in its file.
    pub(super) name: String,
    /// The binding that is asked. Without `binding` and `policy` all bindings are, as in a cluster.
    #[serde(default)]
    pub(super) binding: Option<String>,
    /// The policy that is asked by itself, without a binding: `<id>.<version>`.
    #[serde(default)]
    pub(super) policy: Option<String>,
    /// The parameters for `policy`: exactly those that it declares.
    #[serde(default)]
    pub(super) params: BTreeMap<String, serde_json::Value>,
    /// The new object.
    #[serde(default)]
    #[cfg_attr(feature = "cluster", schemars(with = "Option<BTreeMap<String, serde_json::Value>>"))]
    pub(super) object: Option<serde_json::Value>,
    /// A file with the new object, relative to this file.
    #[serde(default)]
    pub(super) object_file: Option<String>,
    /// The object as it is stored: with `object` the case is an UPDATE, alone a DELETE.
    #[serde(default)]
    #[cfg_attr(feature = "cluster", schemars(with = "Option<BTreeMap<String, serde_json::Value>>"))]
    pub(super) old_object: Option<serde_json::Value>,
    /// A file with the stored object, relative to this file.
    #[serde(default)]
    pub(super) old_object_file: Option<String>,
    /// The Namespace of the object. Default: one with nothing but its name and the label
    /// `kubernetes.io/metadata.name`.
    #[serde(default)]
    #[cfg_attr(feature = "cluster", schemars(with = "Option<BTreeMap<String, serde_json::Value>>"))]
    pub(super) namespace_object: Option<serde_json::Value>,
    /// A file with the Namespace of the object, relative to this file.
    #[serde(default)]
    pub(super) namespace_object_file: Option<String>,
    /// What the objects do not say.
    #[serde(default)]
    pub(super) request: TestRequest,
    /// `request.time`, RFC 3339. Default: `2026-01-01T00:00:00Z`, never the clock.
    #[serde(default)]
    pub(super) time: Option<String>,
    /// What is to become of the request.
    pub(super) expect: Expectation,
}

/// What the objects of a case do not say.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct TestRequest {
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`. Default: CREATE for an `object`, DELETE for an `oldObject`, UPDATE
    /// for both.
    #[serde(default)]
    #[cfg_attr(feature = "cluster", schemars(with = "Option<OperationWord>"))]
    pub(super) operation: Option<Operation>,
    /// The resource, as in `apps/v1/deployments`. Default: that of the object's kind, where it is built in.
    #[serde(default)]
    pub(super) resource: Option<String>,
    /// The subresource, for example `scale`.
    #[serde(default)]
    pub(super) sub_resource: Option<String>,
    /// The namespace. Default: the object's own, else `default`.
    #[serde(default)]
    pub(super) namespace: Option<String>,
    /// The object's name. Default: its own.
    #[serde(default)]
    pub(super) name: Option<String>,
    /// Whether nothing would be stored.
    #[serde(default)]
    pub(super) dry_run: bool,
    /// Who asks. Default: `user`, in no group but `system:authenticated`. A service account gets its groups.
    #[serde(default)]
    #[cfg_attr(feature = "cluster", schemars(with = "Option<Requester>"))]
    pub(super) user_info: Option<Requester>,
}

/// Who asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct Requester {
    /// The user's name; a service account is `system:serviceaccount:<namespace>:<name>`.
    username: String,
    /// The user's uid.
    #[serde(default)]
    uid: String,
    /// Groups beside those that the API server adds.
    #[serde(default)]
    groups: Vec<String>,
    /// What the authenticator added.
    #[serde(default)]
    extra: BTreeMap<String, Vec<String>>,
}

impl From<Requester> for UserInfo {
    fn from(requester: Requester) -> Self {
        let Requester { username, uid, groups, extra } = requester;
        Self { username, uid, groups, extra }
    }
}

/// What is to become of a request. What is not named is not compared.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct Expectation {
    /// The outcome.
    pub(super) outcome: ExpectedOutcome,
    /// The rule that matches.
    #[serde(default)]
    pub(super) rule: Option<String>,
    /// The reason word: the rule's, or one of Writ's own such as `NoRuleMatched`.
    #[serde(default)]
    pub(super) reason: Option<String>,
    /// A part of the message that the user gets.
    #[serde(default)]
    pub(super) message_contains: Option<String>,
    /// Signals and their values; others may be there.
    #[serde(default)]
    pub(super) signals: BTreeMap<String, serde_json::Value>,
    /// The fingerprint of the authority, `sha256:…`.
    #[serde(default)]
    pub(super) fingerprint: Option<String>,
}

/// An outcome in a test case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) enum ExpectedOutcome {
    /// Allowed by a rule.
    Allow,
    /// Denied.
    Deny,
    /// Excluded by the binding: allowed.
    Exempt,
    /// The policy or binding is not about the request, or a match condition is false: allowed.
    NotGoverned,
    /// An update that changes nothing: allowed.
    NoOp,
}

impl ExpectedOutcome {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
            Self::Exempt => "Exempt",
            Self::NotGoverned => "NotGoverned",
            Self::NoOp => "NoOp",
        }
    }
}

/// The operations of a request, for the schema.
#[cfg(feature = "cluster")]
#[derive(schemars::JsonSchema)]
#[schemars(rename_all = "UPPERCASE", inline)]
#[expect(dead_code, reason = "only its schema is used")]
enum OperationWord {
    Create,
    Update,
    Delete,
    Connect,
}
