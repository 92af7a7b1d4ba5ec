use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;

use crate::api::Reason;

/// What is answered to one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The request goes on.
    Allow {
        /// A JSON Patch (RFC 6902) as bytes; only in answers of the mutating webhook.
        patch: Option<Vec<u8>>,
        /// Shown to the user by clients.
        warnings: Vec<String>,
        /// Joins the API server's audit log to our decisions.
        audit_annotations: BTreeMap<&'static str, String>,
    },
    /// The request is refused.
    Deny(Box<Denial>),
}

/// Why a request is refused, for people and for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The reason code: one of Writ's own.
    pub reason: Reason,
    /// The reason that the policy's rule gives, where a rule decided.
    pub rule_reason: Option<String>,
    /// What happened and what to do next.
    pub message: String,
    /// More causes, as (reason, message): each policy that denied, later rules that also match.
    pub causes: Vec<(String, String)>,
    /// When to ask again, in seconds; only with a retryable reason.
    pub retry_after_seconds: Option<u32>,
    /// The group and kind of the object asked for, and its name.
    pub target: (String, String, String),
    /// Joins the API server's audit log to our decisions.
    pub audit_annotations: BTreeMap<&'static str, String>,
    /// Shown to the user by clients.
    pub warnings: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: &'a BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

/// `meta/v1` `Status`.
#[derive(Serialize)]
struct Status<'a> {
    status: &'static str,
    message: &'a str,
    reason: &'static str,
    details: Details<'a>,
    code: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    causes: Vec<Cause<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u32>,
}

#[derive(Serialize)]
struct Cause<'a> {
    reason: &'a str,
    message: &'a str,
}

/// The bytes of an `AdmissionReview` response for the request `uid`.
///
/// A denial is 403 `Forbidden`, a retryable one 429 `TooManyRequests` in the body (the HTTP status stays 200: a real
/// 429 would make the API server send the same uid again).
#[must_use]
pub fn write_answer(uid: &str, answer: &Answer) -> Vec<u8> {
    let response = match answer {
        Answer::Allow { patch, warnings, audit_annotations } => Response {
            uid,
            allowed: true,
            status: None,
            patch_type: patch.as_ref().map(|_| "JSONPatch"),
            patch: patch.as_ref().map(|patch| STANDARD.encode(patch)),
            audit_annotations,
            warnings,
        },
        Answer::Deny(denial) => Response {
            uid,
            allowed: false,
            status: Some(status(denial)),
            patch_type: None,
            patch: None,
            audit_annotations: &denial.audit_annotations,
            warnings: &denial.warnings,
        },
    };
    let envelope = Envelope { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response };
    // INVARIANT: string keys and plain data serialize; an empty body would be a denial all the same.
    serde_json::to_vec(&envelope).unwrap_or_default()
}

fn status(denial: &Denial) -> Status<'_> {
    let (code, reason) = if denial.reason.is_retryable() { (429, "TooManyRequests") } else { (403, "Forbidden") };
    let own = denial.rule_reason.as_deref().unwrap_or(denial.reason.as_str());
    let mut causes = vec![Cause { reason: own, message: &denial.message }];
    causes.extend(denial.causes.iter().map(|(reason, message)| Cause { reason, message }));
    let (group, kind, name) = &denial.target;
    let details = Details { name, group, kind, causes, retry_after_seconds: denial.retry_after_seconds };
    Status { status: "Failure", message: &denial.message, reason, details, code }
}
