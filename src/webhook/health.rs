use std::fmt::Write as _;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::Body as _,
    header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue},
};

use super::Readiness;

/// `/livez`: the process answers.
pub(super) fn live() -> Response<Full<Bytes>> {
    text(StatusCode::OK, Bytes::from_static(b"ok\n"))
}

/// `/readyz`: `ok`, or every reason why not; with `?verbose` also what holds.
pub(super) fn ready(readiness: &Readiness, verbose: bool) -> Response<Full<Bytes>> {
    let (status, verdict) = match readiness.is_ready() {
        true => (StatusCode::OK, "ok\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
    };
    let mut page = String::new();
    for check in &readiness.0 {
        // Writing into a string does not fail.
        let _ = match &check.fault {
            Some(fault) => writeln!(page, "[-] {}: {fault}", check.name),
            None if verbose => writeln!(page, "[+] {}", check.name),
            None => Ok(()),
        };
    }
    page.push_str(verdict);
    text(status, Bytes::from(page))
}

/// `/metrics`.
pub(super) fn metrics(page: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(page)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(crate::metrics::CONTENT_TYPE));
    response
}

/// What HEAD is answered: the same, its length included, and no body. HTTP/2 would send one.
pub(super) fn without_body(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let length = response.body().size_hint().lower();
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    *response.body_mut() = Full::default();
    response
}

fn text(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
