use std::borrow::Cow;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
};

use crate::admission::EnvelopeError;

/// An answer that is no review: the caller's fault, or nothing can be said about the request. It never shows the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Unauthenticated,
    UnknownPath,
    Method(&'static str),
    ContentType,
    Timeout,
    TooLarge,
    SlowBody,
    CutBody,
    EmptyBody,
    Envelope(EnvelopeError),
    Uid,
    TooMuchInFlight,
    Panicked,
}

impl Refusal {
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::Timeout | Self::CutBody | Self::EmptyBody | Self::Envelope(_) | Self::Uid => StatusCode::BAD_REQUEST,
            Self::TooMuchInFlight => StatusCode::TOO_MANY_REQUESTS,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The status as a label.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Unauthenticated => "401",
            Self::UnknownPath => "404",
            Self::Method(_) => "405",
            Self::ContentType => "415",
            Self::TooLarge => "413",
            Self::SlowBody => "408",
            Self::Timeout | Self::CutBody | Self::EmptyBody | Self::Envelope(_) | Self::Uid => "400",
            Self::TooMuchInFlight => "429",
            Self::Panicked => "500",
        }
    }

    fn message(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Unauthenticated => "a client certificate of the configured authority and name is required\n",
            Self::UnknownPath => "no such path\n",
            Self::Method(_) => "this method is not allowed here\n",
            Self::ContentType => "the body must be `application/json`, not encoded further\n",
            Self::Timeout => "`timeout` must be a duration such as `2s`\n",
            Self::TooLarge => "the body is too large\n",
            Self::SlowBody => "the body did not arrive in time\n",
            Self::CutBody => "the body did not arrive whole\n",
            Self::EmptyBody => "the body is empty\n",
            Self::Envelope(error) => return Cow::Owned(format!("{error}\n")),
            Self::Uid => "`request.uid` must have 1 to 128 bytes\n",
            Self::TooMuchInFlight => "too much is in flight\n",
            Self::Panicked => "a fault in the server\n",
        })
    }

    pub(super) fn response(self) -> Response<Full<Bytes>> {
        let body = match self.message() {
            Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
            Cow::Owned(text) => Bytes::from(text),
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if let Self::Method(allowed) = self {
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        response
    }
}
