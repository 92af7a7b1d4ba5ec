use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::FutureExt as _;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, Version,
    body::Body,
    header::{CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue},
    http::request::Parts,
};
use tokio::time::{timeout, timeout_at};

use super::{
    Admission, Call, Caller, Check, Limits, Readiness,
    body::{Received, discard, receive},
    budget::Budget,
    callers::{CallerFault, Callers, Peer},
    health, overload,
    refusal::Refusal,
    tls::ServingCertificate,
};
use crate::{
    admission::{self, Answer, Denial, parse_review, write_answer},
    api::Reason,
    clock::Clock,
    metrics::{CallLabels, CauseLabels, Metrics, PathLabels, RefusalLabels},
    shutdown::{Phase, Shutdown},
    time::Timestamp,
};

type Page = Response<Full<Bytes>>;

/// A request's body.
pub(super) trait Sent: Body<Data = Bytes> + Send + Unpin + 'static {}
impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Sent for B {}

/// The most bytes of `request.uid`; the API server's have 36.
const UID_LIMIT: usize = 128;

/// What all connections share.
#[derive(Debug)]
pub(super) struct State<A> {
    pub(super) admission: Arc<A>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) shutdown: Shutdown,
    pub(super) certificate: Arc<ServingCertificate>,
    pub(super) callers: Option<Arc<Callers>>,
    pub(super) limits: Limits,
    pub(super) budget: Budget,
}

/// Which of the two webhooks is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Webhook {
    Mutate,
    Validate,
}

impl Webhook {
    const fn label(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::Validate => "validate",
        }
    }
}

impl<A: Admission> State<A> {
    /// Answers one request; never panics, never fails.
    pub(super) async fn respond<B: Sent>(&self, peer: &Peer, request: Request<B>) -> Page {
        let version = request.version();
        let mut response = AssertUnwindSafe(self.route(peer, request)).catch_unwind().await.unwrap_or_else(|_| {
            self.metrics.webhook.panics.inc();
            self.refuse("other", Refusal::Panicked)
        });
        // A client that is told so moves to another replica by itself; HTTP/2 is told by GOAWAY.
        if version < Version::HTTP_2 && self.shutdown.phase() > Phase::Serving {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn route<B: Sent>(&self, peer: &Peer, request: Request<B>) -> Page {
        let page = match request.uri().path() {
            "/mutate" => return self.admit(Webhook::Mutate, peer, request).await,
            "/validate" => return self.admit(Webhook::Validate, peer, request).await,
            "/livez" => "livez",
            "/readyz" => "readyz",
            "/metrics" => "metrics",
            _ => return self.refuse("other", Refusal::UnknownPath),
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return self.refuse(page, Refusal::Method("GET, HEAD"));
        }
        let response = match page {
            "livez" => health::live(),
            "readyz" => health::ready(&self.readiness(), has_parameter(request.uri().query(), "verbose")),
            _ => health::metrics(self.metrics.render()),
        };
        if *request.method() == Method::HEAD { health::without_body(response) } else { response }
    }

    async fn admit<B: Sent>(&self, webhook: Webhook, peer: &Peer, request: Request<B>) -> Page {
        let arrived = Instant::now();
        let (head, mut body) = request.into_parts();
        let page = match self.review(webhook, peer, &head, &mut body, arrived).await {
            Ok(page) => page,
            Err(refusal) => {
                self.throw_away(&head, body, refusal);
                self.refuse(webhook.label(), refusal)
            }
        };
        let labels = PathLabels { path: webhook.label() };
        self.metrics.webhook.duration.get_or_create(&labels).observe(arrived.elapsed().as_secs_f64());
        page
    }

    async fn review<B: Sent>(
        &self,
        webhook: Webhook,
        peer: &Peer,
        head: &Parts,
        body: &mut B,
        arrived: Instant,
    ) -> Result<Page, Refusal> {
        let received = self.clock.now();
        let caller = self.caller(peer, received.ok())?;
        if head.method != Method::POST {
            return Err(Refusal::Method("POST"));
        }
        if !is_plain_json(&head.headers) {
            return Err(Refusal::ContentType);
        }
        let time = call_time(head.uri.query(), self.limits.budget).ok_or(Refusal::Timeout)?;
        let deadline = arrived + time;
        let mut share = self.budget.share();
        let body = match timeout_at(deadline.into(), receive(body, &self.limits, &mut share)).await {
            Ok(Ok(Received::Whole(body))) => body,
            Ok(Ok(Received::Head(head))) => return self.overloaded(webhook, &head),
            Ok(Err(refusal)) => return Err(refusal),
            Err(_) => return Err(Refusal::SlowBody),
        };
        let request = parse_review(&body).map_err(Refusal::Envelope)?;
        let uid = request.uid.clone();
        if uid.is_empty() || uid.len() > UID_LIMIT {
            return Err(Refusal::Uid);
        }
        let target = target(&request);
        let answer = match received {
            Ok(received) => {
                let call = Call { request, body_bytes: body.len(), caller, received, deadline };
                self.decide(webhook, call).await
            }
            Err(error) => Err((Reason::InternalError, error.to_string())),
        };
        let answer = answer.unwrap_or_else(|(reason, message)| denial(reason, message, target));
        Ok(self.answer(webhook, &uid, &answer))
    }

    /// Who calls; the first thing that is looked at.
    fn caller(&self, peer: &Peer, now: Option<Timestamp>) -> Result<Caller, Refusal> {
        let Some(callers) = &self.callers else { return Ok(Caller::Anonymous) };
        let known = now.ok_or(CallerFault::Clock).and_then(|now| peer.authenticate(callers, now));
        known.map(Caller::Authenticated).map_err(|fault| {
            self.metrics.webhook.callers_refused.get_or_create(&CauseLabels { cause: fault.as_str() }).inc();
            Refusal::Unauthenticated
        })
    }

    /// Asks the decision maker; a panic, lateness and a late allow are denials.
    async fn decide(&self, webhook: Webhook, call: Call<'_>) -> Result<Answer, (Reason, String)> {
        let deadline = call.deadline;
        let late = || {
            (Reason::DeadlineExceeded, "the decision took too long and the change was refused; try again".to_owned())
        };
        let work = async {
            match webhook {
                Webhook::Mutate => self.admission.mutate(call).await,
                Webhook::Validate => self.admission.validate(call).await,
            }
        };
        match timeout_at(deadline.into(), AssertUnwindSafe(work).catch_unwind()).await {
            Ok(Ok(Answer::Allow { .. })) if Instant::now() >= deadline => Err(late()),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => {
                self.metrics.webhook.panics.inc();
                let message = "a fault in Writ; the change was refused. Report it with the time of this request";
                Err((Reason::InternalError, message.to_owned()))
            }
            Err(_) => Err(late()),
        }
    }

    fn overloaded(&self, webhook: Webhook, head: &[u8]) -> Result<Page, Refusal> {
        self.metrics.webhook.overloads.inc();
        let uid = overload::uid_at_start(head).ok_or(Refusal::TooMuchInFlight)?;
        let message = "too many requests are being decided at this moment; try again".to_owned();
        Ok(self.answer(webhook, uid, &denial(Reason::Overloaded, message, Default::default())))
    }

    fn answer(&self, webhook: Webhook, uid: &str, answer: &Answer) -> Page {
        let (outcome, reason) = match answer {
            Answer::Allow { .. } => ("allow", ""),
            Answer::Deny(denial) => ("deny", denial.reason.as_str()),
        };
        self.metrics.webhook.calls.get_or_create(&CallLabels { path: webhook.label(), outcome, reason }).inc();
        let mut response = Response::new(Full::new(Bytes::from(write_answer(uid, answer))));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    /// Lets the rest of a refused body come and throws it away while the answer goes out: a connection that is closed
    /// over unread bytes takes the answer with it. HTTP/2 ends the stream by itself.
    fn throw_away<B: Sent>(&self, head: &Parts, body: B, refusal: Refusal) {
        let waits_for_our_word = head.headers.contains_key(EXPECT);
        let is_hopeless = matches!(refusal, Refusal::SlowBody | Refusal::CutBody);
        if head.version >= Version::HTTP_2 || body.is_end_stream() || waits_for_our_word || is_hopeless {
            return;
        }
        let (bytes, time) = (self.limits.body_bytes.saturating_mul(2), self.limits.headers);
        tokio::spawn(timeout(time, discard(body, bytes)));
    }

    fn refuse(&self, path: &'static str, refusal: Refusal) -> Page {
        let labels = RefusalLabels { path, status: refusal.label() };
        self.metrics.webhook.refusals.get_or_create(&labels).inc();
        refusal.response()
    }

    /// What the decision maker says, and what the edge knows itself.
    fn readiness(&self) -> Readiness {
        let mut readiness = self.admission.readiness();
        readiness.0.push(match self.clock.now() {
            Err(error) => Check::fails("certificate", error.to_string()),
            Ok(now) if self.certificate.is_nearly_expired(now) => Check::fails(
                "certificate",
                format!("it expires at {} and was not renewed; see the log", self.certificate.not_after()),
            ),
            Ok(_) => Check::holds("certificate"),
        });
        readiness.0.push(match self.shutdown.phase() {
            Phase::Serving => Check::holds("shutdown"),
            Phase::Draining | Phase::Stopping => Check::fails("shutdown", "this replica is stopping"),
        });
        readiness
    }
}

fn denial(reason: Reason, message: String, target: (String, String, String)) -> Answer {
    Answer::Deny(Box::new(Denial {
        reason,
        rule_reason: None,
        message,
        causes: Vec::new(),
        retry_after_seconds: reason.is_retryable().then_some(1),
        target,
        audit_annotations: BTreeMap::new(),
        warnings: Vec::new(),
    }))
}

fn target(request: &admission::Request<'_>) -> (String, String, String) {
    (request.kind.group.clone(), request.kind.kind.clone(), request.name.clone().into_owned())
}

fn is_plain_json(headers: &HeaderMap) -> bool {
    let Some(Ok(kind)) = headers.get(CONTENT_TYPE).map(HeaderValue::to_str) else { return false };
    let kind = kind.split_once(';').map_or(kind, |(kind, _)| kind).trim();
    kind.eq_ignore_ascii_case("application/json") && !headers.contains_key(CONTENT_ENCODING)
}

fn has_parameter(query: Option<&str>, name: &str) -> bool {
    parameters(query).any(|(key, _)| key == name)
}

fn parameters(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    query.unwrap_or_default().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// How long a call may take: the budget, or three quarters of the API server's `?timeout=` (so that the answer is
/// there before it stops waiting: 1.5 s of 2 s). `None` where the timeout is not a duration.
fn call_time(query: Option<&str>, budget: Duration) -> Option<Duration> {
    let Some((_, timeout)) = parameters(query).find(|(key, _)| *key == "timeout") else { return Some(budget) };
    Some(budget.min(go_duration(timeout)? * 3 / 4))
}

/// A duration as Go writes it: `2s`, `1m30s`, `1.5s`, `500ms`. Above a day, a day.
fn go_duration(text: &str) -> Option<Duration> {
    const DAY: f64 = 86_400.0;
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let number = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, unit) = rest.split_at(number);
        let length = unit.find(|character: char| character.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at(length);
        let factor = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    (!text.is_empty() && seconds > 0.0).then(|| Duration::from_secs_f64(seconds.min(DAY)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_takes_the_budget_or_less() {
        let budget = Duration::from_millis(1500);
        for (query, millis) in [
            (None, Some(1500)),
            (Some(""), Some(1500)),
            (Some("dryRun=All"), Some(1500)),
            (Some("timeout=2s"), Some(1500)),
            (Some("timeout=10s"), Some(1500)),
            (Some("a=b&timeout=1s"), Some(750)),
            (Some("timeout=500ms"), Some(375)),
            (Some("timeout=0m1.2s"), Some(900)),
            (Some("timeout=1m30s"), Some(1500)),
            (Some("timeout=99999999999999999999h"), Some(1500)),
            (Some("timeout="), None),
            (Some("timeout"), None),
            (Some("timeout=2"), None),
            (Some("timeout=0s"), None),
            (Some("timeout=-1s"), None),
            (Some("timeout=s"), None),
            (Some("timeout=1.1.1s"), None),
            (Some("timeout=1d"), None),
            (Some("timeout=1e3s"), None),
        ] {
            assert_eq!(call_time(query, budget), millis.map(Duration::from_millis), "{query:?}");
        }
    }

    #[test]
    fn only_plain_json_is_read() {
        for (kind, encoding, expected) in [
            (Some("application/json"), None, true),
            (Some("Application/JSON; charset=utf-8"), None, true),
            (Some("application/json"), Some("gzip"), false),
            (Some("application/jsonp"), None, false),
            (Some("text/plain"), None, false),
            (Some("application/vnd.kubernetes.protobuf"), None, false),
            (None, None, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(kind) = kind {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            }
            if let Some(encoding) = encoding {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
            }
            assert_eq!(is_plain_json(&headers), expected, "{kind:?} {encoding:?}");
        }
    }
}
