//! The published form of test cases: `docs/schema/test-cases.json` is made from these types.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::admission::{GroupVersionResource, Operation, UserInfo};

/// Test cases for policies.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(in crate::cli) struct PolicyTests {
    /// `writ.dev/v1alpha1`, which is the default.
    #[serde(default)]
    #[cfg_attr(feature = "cluster", schemars(extend("const" = "writ.dev/v1alpha1")))]
    pub(super) api_version: Option<String>,
    /// `PolicyTests`, which is the default.
    #[serde(default)]
    #[cfg_attr(feature = "cluster", schemars(extend("const" = "PolicyTests")))]
    pub(super) kind: Option<String>,
    /// Files and folders with policies, relative to this file. Without `policies` and `bindings`: every manifest that
    /// stands in the same folder.
    #[serde(default)]
    pub(super) policies: Vec<String>,
    /// Files and folders with bindings, relative to this file.
    #[serde(default)]
    pub(super) bindings: Vec<String>,
    /// What every case has unless it says otherwise.
    #[serde(default)]
    pub(super) defaults: CaseDefaults,
    /// The cases.
    #[cfg_attr(feature = "cluster", schemars(length(min = 1)))]
    pub(super) cases: Vec<TestCase>,
}

/// A case, and the defaults of all cases, have the same fields.
macro_rules! with_inputs {
    (
        $(#[$attributes:meta])*
        struct $name:ident { $($(#[$field_attributes:meta])* $field:ident: $of:ty,)* }
    ) => {
        $(#[$attributes])*
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
        pub(super) struct $name {
            $($(#[$field_attributes])* pub(super) $field: $of,)*
            /// The binding that is asked. Without `binding` and `policy` all bindings are, as in a cluster.
            #[serde(default)]
            pub(super) binding: Option<String>,
            /// The policy that is asked by itself, without a binding: `<id>.<version>`.
            #[serde(default)]
            pub(super) policy: Option<String>,
            /// The parameters for `policy`: exactly those that it declares.
            #[serde(default)]
            pub(super) params: Option<BTreeMap<String, Value>>,
            /// Who asks. Default: `user`, in no group but `system:authenticated`. A service account gets its groups.
            #[serde(default)]
            pub(super) user: Option<Requester>,
            /// The Namespace of the object, for bindings and policies that read more than its name; `null` for none.
            /// Default: one with nothing but its name and the label `kubernetes.io/metadata.name`.
            #[serde(default, deserialize_with = "given")]
            #[cfg_attr(feature = "cluster", schemars(with = "Option<BTreeMap<String, Value>>"))]
            pub(super) namespace: Option<Option<Value>>,
            /// The new object; `null` for none.
            #[serde(default, deserialize_with = "given")]
            #[cfg_attr(feature = "cluster", schemars(with = "Option<BTreeMap<String, Value>>"))]
            pub(super) object: Option<Option<Value>>,
            /// A file with the new object, relative to this file.
            #[serde(default)]
            pub(super) object_file: Option<String>,
            /// The object as it is stored: with `object` the case is an UPDATE, alone a DELETE. `null` for none.
            #[serde(default, deserialize_with = "given")]
            #[cfg_attr(feature = "cluster", schemars(with = "Option<BTreeMap<String, Value>>"))]
            pub(super) old_object: Option<Option<Value>>,
            /// A file with the stored object, relative to this file.
            #[serde(default)]
            pub(super) old_object_file: Option<String>,
            /// What the request does. Default: what the objects say.
            #[serde(default)]
            #[cfg_attr(feature = "cluster", schemars(with = "Option<OperationWord>"))]
            pub(super) operation: Option<Operation>,
            /// The resource. Default: that of the object's kind, where it is built in.
            #[serde(default)]
            #[cfg_attr(feature = "cluster", schemars(with = "Option<ResourceName>"))]
            pub(super) resource: Option<ResourceName>,
            /// The subresource, for example `scale`.
            #[serde(default)]
            pub(super) sub_resource: Option<String>,
            /// The name in the request. Default: the object's own.
            #[serde(default)]
            pub(super) object_name: Option<String>,
            /// Whether nothing would be stored.
            #[serde(default)]
            pub(super) dry_run: Option<bool>,
            /// `request.time`, RFC 3339. Default: `2026-01-01T00:00:00Z`, never the clock.
            #[serde(default)]
            pub(super) time: Option<String>,
        }
    };
}

with_inputs! {
    /// What every case of a file has unless it says otherwise.
    #[derive(Clone, Debug, Default, Deserialize)]
    struct CaseDefaults {}
}

with_inputs! {
    /// One request and what is to become of it.
    #[derive(Debug, Deserialize)]
    struct TestCase {
        /// What the case shows; unique in its file.
        name: String,
        /// What is to become of the request.
        expect: Expectation,
    }
}

impl TestCase {
    /// The case with all that the defaults have and it does not.
    pub(super) fn or(self, defaults: &CaseDefaults) -> Self {
        let either = |own: &Option<Option<Value>>, file: &Option<String>, default: &Option<String>| {
            if own.is_none() && file.is_none() { default.clone() } else { file.clone() }
        };
        let inline = |own: Option<Option<Value>>, file: &Option<String>, default: &Option<Option<Value>>| {
            if own.is_none() && file.is_none() { default.clone() } else { own }
        };
        let d = defaults;
        // Whoever asks a binding does not ask the policy of the defaults, and the other way round.
        let asks = self.binding.is_some() || self.policy.is_some();
        let (binding, policy) = if asks { (self.binding, self.policy) } else { (d.binding.clone(), d.policy.clone()) };
        Self {
            name: self.name,
            expect: self.expect,
            params: self.params.or_else(|| d.params.clone().filter(|_| policy.is_some())),
            binding,
            policy,
            user: self.user.or_else(|| d.user.clone()),
            namespace: self.namespace.or_else(|| d.namespace.clone()),
            object_file: either(&self.object, &self.object_file, &d.object_file),
            object: inline(self.object, &self.object_file, &d.object),
            old_object_file: either(&self.old_object, &self.old_object_file, &d.old_object_file),
            old_object: inline(self.old_object, &self.old_object_file, &d.old_object),
            operation: self.operation.or(d.operation),
            resource: self.resource.or_else(|| d.resource.clone()),
            sub_resource: self.sub_resource.or_else(|| d.sub_resource.clone()),
            object_name: self.object_name.or_else(|| d.object_name.clone()),
            dry_run: self.dry_run.or(d.dry_run),
            time: self.time.or_else(|| d.time.clone()),
        }
    }
}

/// A field that is there, be it null.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Value>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Who asks.
#[derive(Clone, Debug, Deserialize)]
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

/// A resource in a version.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct ResourceName {
    /// API group; absent or empty for the core group.
    #[serde(default)]
    group: String,
    /// API version, for example `v1`.
    version: String,
    /// Plural name, for example `deployments`.
    resource: String,
}

impl From<ResourceName> for GroupVersionResource {
    fn from(name: ResourceName) -> Self {
        let ResourceName { group, version, resource } = name;
        Self { group, version, resource }
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
    pub(super) signals: BTreeMap<String, Value>,
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
