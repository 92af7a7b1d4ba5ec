use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Group, version and kind of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupVersionKind {
    /// API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// API version, for example `v1`.
    pub version: String,
    /// Kind, for example `Deployment`.
    pub kind: String,
}

/// Group, version and resource of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupVersionResource {
    /// API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// API version, for example `v1`.
    pub version: String,
    /// Resource, plural and lower case, for example `deployments`.
    pub resource: String,
}

impl fmt::Display for GroupVersionResource {
    /// `apps/v1/deployments`, or `v1/pods` for the core group.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.group.is_empty() {
            write!(f, "{}/", self.group)?;
        }
        write!(f, "{}/{}", self.version, self.resource)
    }
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// Create an object.
    Create,
    /// Replace or patch an object.
    Update,
    /// Delete an object.
    Delete,
    /// Open a connection: exec, attach, portforward, proxy.
    Connect,
}

impl Operation {
    /// As the API server spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }

    /// Whether it leaves no object that could carry an attestation, so that no history can tell of it: a claim on it
    /// is made final at once.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Delete | Self::Connect)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who asks, as the API server authenticated it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserInfo {
    /// The user's name.
    #[serde(default)]
    pub username: String,
    /// The user's uid; empty for most.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The user's groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// What the authenticator added.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}

/// One `AdmissionRequest`, its objects unparsed.
///
/// Unknown fields are ignored: a later API server may send more (`admission/v1` is additive), and a field that nobody
/// reads cannot decide anything.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<'a> {
    /// New for every call; echoed in the answer.
    #[serde(borrow)]
    pub uid: Cow<'a, str>,
    /// The kind of the object as it was converted for us.
    pub kind: GroupVersionKind,
    /// The resource as the webhook's rules matched it.
    pub resource: GroupVersionResource,
    /// The subresource, for example `scale`; empty for the main resource.
    #[serde(borrow, default)]
    pub sub_resource: Cow<'a, str>,
    /// The kind that the user asked for, before conversion.
    #[serde(default)]
    pub request_kind: Option<GroupVersionKind>,
    /// The resource that the user asked for, before conversion.
    #[serde(default)]
    pub request_resource: Option<GroupVersionResource>,
    /// The subresource that the user asked for.
    #[serde(borrow, default)]
    pub request_sub_resource: Cow<'a, str>,
    /// The object's name; empty where the server will generate it, and for each object of a deletecollection.
    #[serde(borrow, default)]
    pub name: Cow<'a, str>,
    /// The namespace; empty for cluster-scoped objects. For a Namespace object it is its own name.
    #[serde(borrow, default)]
    pub namespace: Cow<'a, str>,
    /// What the request does.
    pub operation: Operation,
    /// Who asks.
    #[serde(default)]
    pub user_info: UserInfo,
    /// The new object; absent for DELETE.
    #[serde(borrow, default)]
    pub object: Option<&'a RawValue>,
    /// The object as it is stored; absent for CREATE and CONNECT.
    #[serde(borrow, default)]
    pub old_object: Option<&'a RawValue>,
    /// Whether nothing will be stored.
    #[serde(default)]
    pub dry_run: bool,
    /// `CreateOptions`, `UpdateOptions` or `DeleteOptions`.
    #[serde(borrow, default)]
    pub options: Option<&'a RawValue>,
}

impl Request<'_> {
    /// The raw text of the new object; `None` where the API server sent none or `null`.
    #[must_use]
    pub fn object_text(&self) -> Option<&[u8]> {
        raw_text(self.object)
    }

    /// The raw text of the stored object; `None` where the API server sent none or `null`.
    #[must_use]
    pub fn old_object_text(&self) -> Option<&[u8]> {
        raw_text(self.old_object)
    }
}

fn raw_text(raw: Option<&RawValue>) -> Option<&[u8]> {
    raw.map(|raw| raw.get().as_bytes()).filter(|text| *text != b"null")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    #[serde(borrow)]
    api_version: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    request: Request<'a>,
}

/// A body is not an `AdmissionReview` request: the caller's fault, a real 4xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not JSON, not UTF-8, a field of the envelope missing, twice or of the wrong type.
    #[error("the body is not an AdmissionReview: line {line}, column {column}")]
    Malformed {
        /// Line of the fault, from 1.
        line: usize,
        /// Column of the fault, from 0.
        column: usize,
    },
    /// Another kind or version.
    #[error("the body is not an `AdmissionReview` of `admission.k8s.io/v1`")]
    WrongKind,
}

/// Reads the envelope of an `AdmissionReview`. The objects in it are checked to be JSON, and not read further.
///
/// # Errors
/// [`EnvelopeError`], which never shows the input.
pub fn parse_review(body: &[u8]) -> Result<Request<'_>, EnvelopeError> {
    let review: Review<'_> = serde_json::from_slice(body)
        .map_err(|error| EnvelopeError::Malformed { line: error.line(), column: error.column() })?;
    if review.api_version != "admission.k8s.io/v1" || review.kind != "AdmissionReview" {
        return Err(EnvelopeError::WrongKind);
    }
    Ok(review.request)
}
