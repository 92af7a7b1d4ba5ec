//! Raw requests to the API server, whose replies carry the time of its clock.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::{Request, Response, StatusCode, header};
use kube::{Client, client::Body};

use super::contract::Stamped;
use crate::time::Timestamp;

/// The HTTP `Date` header has whole seconds (RFC 9110 section 5.6.7).
const GRAIN: Duration = Duration::from_secs(1);

/// A reply, read whole.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    time: Timestamp,
    body: Vec<u8>,
}

/// No usable reply: the request may have been carried out all the same.
#[derive(Debug)]
pub(super) struct NoReply(pub(super) String);

impl Reply {
    /// A value with the time of this reply.
    pub(super) fn stamp<T>(&self, value: T) -> Stamped<T> {
        Stamped { value, time: self.time, grain: GRAIN }
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Result<serde_json::Value, NoReply> {
        serde_json::from_slice(&self.body)
            .map_err(|error| NoReply(format!("the API server's reply is no JSON: {error}")))
    }

    /// What a refusal says.
    pub(super) fn message(&self) -> String {
        let status = self.json().unwrap_or_default();
        let text = status.get("message").and_then(serde_json::Value::as_str).unwrap_or("no message");
        format!("{}: {text}", self.status.as_u16())
    }
}

/// Sends a request and reads the whole reply.
pub(super) async fn ask(client: &Client, method: &str, path: &str, body: Option<String>) -> Result<Reply, NoReply> {
    let response = open(client, method, path, body).await?;
    let time = date(&response).ok_or_else(|| NoReply("the API server's reply has no date".to_owned()))?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| NoReply(error.to_string()))?;
    Ok(Reply { status, time, body: body.to_bytes().to_vec() })
}

/// Sends a request whose reply is read as it comes.
pub(super) async fn open(
    client: &Client,
    method: &str,
    path: &str,
    body: Option<String>,
) -> Result<Response<Body>, NoReply> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.unwrap_or_default().into_bytes()))
        .map_err(|error| NoReply(error.to_string()))?;
    client.send(request).await.map_err(|error| NoReply(error.to_string()))
}

fn date<B>(response: &Response<B>) -> Option<Timestamp> {
    let text = response.headers().get(header::DATE)?.to_str().ok()?;
    let time = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(Timestamp::from_millis(time.timestamp().as_millisecond()))
}

/// A segment of a path or value of a query, percent-encoded (RFC 3986 section 2.3).
pub(super) fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            // INVARIANT: writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
