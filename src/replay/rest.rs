//! Single requests to the API server, with what the typed client hides: the time of the reply, and whether a request
//! that failed may have been carried out.

use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::{Method, Request, Response, header};
use kube::{Client, client::Body};
use serde::Deserialize;

use super::contract::Stamped;
use super::record::{Resource, ResourceVersion, Version};
use crate::time::Timestamp;

/// Bytes of a reply that are read.
const MAX_REPLY: usize = 16 << 20;

/// An HTTP `Date` has whole seconds.
pub(super) const GRAIN: Duration = Duration::from_secs(1);

/// Asks for the metadata of an object instead of all of it.
pub(super) const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
/// The same of a list.
pub(super) const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
pub(super) const JSON: &str = "application/json";

/// A request that has no whole reply.
#[derive(Debug)]
pub(super) enum CallError {
    /// It was not sent.
    NotSent(String),
    /// It may have been carried out.
    Unknown(String),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::NotSent(cause) | Self::Unknown(cause)) = self;
        f.write_str(cause)
    }
}

/// A whole reply.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) time: Timestamp,
    body: Vec<u8>,
}

impl Reply {
    pub(super) fn stamp<T>(&self, value: T) -> Stamped<T> {
        Stamped { value, time: self.time, grain: GRAIN }
    }

    pub(super) const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    pub(super) fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, String> {
        serde_json::from_slice(&self.body).map_err(|error| format!("the API server's reply cannot be read: {error}"))
    }

    /// What the API server says about its refusal.
    pub(super) fn failure(&self) -> Failure {
        let failure: Failure = self.parse().unwrap_or_default();
        Failure { code: self.status, ..failure }
    }
}

/// A `Status` of the API server.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Failure {
    #[serde(default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) code: u16,
    #[serde(default)]
    pub(super) reason: String,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Details {
    #[serde(default)]
    name: String,
}

impl Failure {
    /// Whether it says that this very object does not exist, and not that the kind is not served.
    pub(super) fn is_missing(&self, name: &str) -> bool {
        self.code == 404 && self.kind == "Status" && self.details.as_ref().is_some_and(|details| details.name == name)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the API server answered {} {}: {}", self.code, self.reason, super::record::cut(&self.message, 300))
    }
}

/// The metadata that claims need.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) annotations: Option<std::collections::BTreeMap<String, String>>,
    #[serde(rename = "continue")]
    pub(super) next: String,
}

impl Metadata {
    pub(super) fn version(&self) -> Option<Version> {
        let resource_version = self.revision()?;
        (!self.uid.is_empty()).then(|| Version { uid: self.uid.clone(), resource_version })
    }

    pub(super) fn revision(&self) -> Option<ResourceVersion> {
        // "0" is what a reply from a cache without a revision would say.
        let plain = !self.resource_version.is_empty() && self.resource_version != "0";
        plain.then(|| ResourceVersion(self.resource_version.clone()))
    }
}

/// Anything with metadata.
#[derive(Debug, Deserialize)]
pub(super) struct Meta {
    #[serde(default)]
    pub(super) metadata: Metadata,
}

/// Sends a request and reads the whole reply.
pub(super) async fn call(
    client: &Client,
    method: Method,
    uri: &str,
    accept: &str,
    body: Vec<u8>,
) -> Result<Reply, CallError> {
    let response = send(client, method, uri, accept, body).await?;
    let unknown = |cause: String| CallError::Unknown(cause);
    let time = date(&response).ok_or_else(|| unknown("the API server's reply has no date".into()))?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), MAX_REPLY).collect().await;
    let body = body.map_err(|error| unknown(error.to_string()))?.to_bytes().to_vec();
    Ok(Reply { status, time, body })
}

/// Sends a request and gives the reply as soon as it begins.
pub(super) async fn send(
    client: &Client,
    method: Method,
    uri: &str,
    accept: &str,
    body: Vec<u8>,
) -> Result<Response<Body>, CallError> {
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header(header::ACCEPT, accept)
        .header(header::CONTENT_TYPE, JSON)
        // A watch that is compressed event by event cannot be read as it comes.
        .header(header::ACCEPT_ENCODING, "identity")
        .body(Body::from(body))
        .map_err(|error| CallError::NotSent(error.to_string()))?;
    client.send(request).await.map_err(|error| CallError::Unknown(error.to_string()))
}

/// When the API server answered.
pub(super) fn date<B>(response: &Response<B>) -> Option<Timestamp> {
    let text = response.headers().get(header::DATE)?.to_str().ok()?;
    let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Timestamp::from_millis(time.as_millisecond()))
}

/// The path of a kind's collection.
pub(super) fn collection(resource: &Resource, namespace: &str) -> String {
    let Resource { group, version, resource } = resource;
    let mut path = if group.is_empty() {
        format!("/api/{}", segment(version))
    } else {
        format!("/apis/{}/{}", segment(group), segment(version))
    };
    // An admission request for a Namespace names it as its own namespace.
    let is_namespace = group.is_empty() && resource == "namespaces";
    if !namespace.is_empty() && !is_namespace {
        path.push_str("/namespaces/");
        path.push_str(&segment(namespace));
    }
    path.push('/');
    path.push_str(&segment(resource));
    path
}

/// A field selector for one name.
pub(super) fn by_name(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '\\' | ',' | '=') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    segment(&format!("metadata.name={escaped}"))
}

/// One segment of a path, or one value of a query.
pub(super) fn segment(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // INVARIANT: writing to a string cannot fail.
            let _: std::fmt::Result = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(group: &str, version: &str, resource: &str) -> Resource {
        Resource { group: group.into(), version: version.into(), resource: resource.into() }
    }

    #[test]
    fn paths() {
        for (resource, namespace, path) in [
            (resource("", "v1", "pods"), "shop", "/api/v1/namespaces/shop/pods"),
            (resource("apps", "v1", "deployments"), "shop", "/apis/apps/v1/namespaces/shop/deployments"),
            (resource("", "v1", "namespaces"), "shop", "/api/v1/namespaces"),
            (resource("example.com", "v1", "namespaces"), "a", "/apis/example.com/v1/namespaces/a/namespaces"),
            (
                resource("rbac.authorization.k8s.io", "v1", "clusterroles"),
                "",
                "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            ),
            (resource("", "v1", "../secrets"), "a/b", "/api/v1/namespaces/a%2Fb/..%2Fsecrets"),
        ] {
            assert_eq!(collection(&resource, namespace), path);
        }
        assert_eq!(segment("system:node%"), "system%3Anode%25");
        assert_eq!(by_name("a,b=c\\"), "metadata.name%3Da%5C%2Cb%5C%3Dc%5C%5C");
    }

    #[test]
    fn the_date_of_a_reply() {
        let of = |text: &str| {
            let response = Response::builder().header("date", text).body(()).unwrap();
            date(&response).map(|time| time.to_string())
        };
        assert_eq!(of("Tue, 24 Nov 2026 23:46:17 GMT").as_deref(), Some("2026-11-24T23:46:17.000Z"));
        assert_eq!(of("yesterday"), None);
        assert_eq!(date(&Response::new(())), None);
    }

    #[test]
    fn a_missing_object_is_not_a_missing_kind() {
        let reply = |body: &str| Reply { status: 404, time: Timestamp::from_millis(0), body: body.as_bytes().to_vec() };
        let object =
            reply(r#"{"kind":"Status","reason":"NotFound","details":{"name":"web","kind":"pods"},"code":404}"#);
        assert!(object.failure().is_missing("web"));
        assert!(!object.failure().is_missing("other"));
        assert!(!reply(r#"{"kind":"Status","reason":"NotFound","details":{},"code":404}"#).failure().is_missing("web"));
        assert!(!reply("404 page not found").failure().is_missing("web"));
    }
}
