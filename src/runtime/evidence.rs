use serde::Serialize;

use super::{Call, judge::Judged};
use crate::{
    admission::{GroupVersionKind, GroupVersionResource, Operation},
    api::{API_VERSION, Mode},
    canonical::Value,
    digest::Digest,
    time::Timestamp,
};

/// One final decision.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionLine<'a> {
    /// `writ.dev/v1alpha1`
    pub api_version: &'static str,
    /// `Decision`
    pub kind: &'static str,
    /// When it was answered.
    pub time: Timestamp,
    /// The execution: of the attestation where there is one, of this call else.
    pub execution_id: String,
    /// `Allow`, `Deny` or `Exempt`.
    pub outcome: &'static str,
    /// The reason word; empty for an exempt request.
    pub reason: &'a str,
    /// What the user was told.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub message: &'a str,
    /// The request.
    pub request: RequestLine<'a>,
    /// One for each binding that decided, warned, recorded or left the request out.
    pub decisions: Vec<BindingLine<'a>>,
    /// Fingerprints that the request holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
    /// The digest of the projection that the attestation covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Digest>,
    /// Whether the API server proved that it is the caller.
    pub caller_authenticated: bool,
    /// Who decided.
    pub runtime: Digest,
    /// The replica's name.
    pub replica: &'a str,
    /// The cluster.
    pub cluster_id: &'a str,
}

/// The request of a decision.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestLine<'a> {
    uid: &'a str,
    operation: Operation,
    kind: &'a GroupVersionKind,
    resource: &'a GroupVersionResource,
    #[serde(skip_serializing_if = "str::is_empty")]
    sub_resource: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    object_uid: &'a str,
    user: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    user_uid: &'a str,
    groups: &'a [String],
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace_object: Option<NamespaceLine<'a>>,
}

/// The state of the namespace that was decided by.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NamespaceLine<'a> {
    uid: &'a str,
    resource_version: &'a str,
}

/// What one binding came to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BindingLine<'a> {
    binding: &'a str,
    mode: Mode,
    outcome: &'static str,
    policy: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    signals: Option<Value<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Digest>,
    cost: u64,
}

impl<'a> BindingLine<'a> {
    pub(super) fn of(judged: &'a Judged<'_>) -> Self {
        let binding = &judged.bound.binding;
        let outcome = match (judged.allows(), binding.mode) {
            (true, _) => "Allow",
            (false, Mode::Enforce) => "Deny",
            (false, _) => "WouldDeny",
        };
        Self {
            binding: &binding.name,
            mode: binding.mode,
            outcome,
            policy: &binding.policy_id,
            version: judged.policy.map(|policy| policy.version()),
            digest: judged.policy.map(|policy| policy.digest()),
            rule: judged.decision.rule(),
            reason: judged.decision.reason(),
            signals: judged.policy.map(|_| judged.decision.signals_value()),
            fingerprint: judged.decision.fingerprint,
            cost: judged.decision.cost,
        }
    }

    pub(super) fn exempt(bound: &'a crate::policy_set::Bound) -> Self {
        let binding = &bound.binding;
        Self {
            binding: &binding.name,
            mode: binding.mode,
            outcome: "Exempt",
            policy: &binding.policy_id,
            version: None,
            digest: None,
            rule: None,
            reason: "",
            signals: None,
            fingerprint: None,
            cost: 0,
        }
    }
}

impl<'a> RequestLine<'a> {
    pub(super) fn of(
        call: &'a Call<'_>,
        name: &'a str,
        object_uid: &'a str,
        namespace: Option<&'a super::NamespaceFacts>,
    ) -> Self {
        let request = call.request;
        Self {
            uid: &request.uid,
            operation: request.operation,
            kind: &request.kind,
            resource: &request.resource,
            sub_resource: &request.sub_resource,
            namespace: &request.namespace,
            name,
            object_uid,
            user: &request.user_info.username,
            user_uid: &request.user_info.uid,
            groups: &request.user_info.groups,
            dry_run: request.dry_run,
            namespace_object: namespace
                .map(|facts| NamespaceLine { uid: &facts.uid, resource_version: &facts.resource_version }),
        }
    }
}

impl DecisionLine<'_> {
    pub(super) const API_VERSION: &'static str = API_VERSION;
    pub(super) const KIND: &'static str = "Decision";
}
