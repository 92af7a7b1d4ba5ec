use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram};

use super::registrar::{Registrar, labels};
use crate::api::Reason;

labels! {
    /// One decided call.
    pub struct CallLabels {
        /// `mutate` or `validate`.
        path,
        /// `allow` or `deny`.
        outcome,
        /// The reason code of a denial; empty for an allow.
        reason,
    }
}

labels! {
    /// One request that got no review as its answer.
    pub struct RefusalLabels {
        /// `mutate`, `validate`, `livez`, `readyz`, `metrics` or `other`.
        path,
        /// The HTTP status.
        status,
    }
}

labels! {
    /// A path of the server.
    pub struct PathLabels {
        /// `mutate` or `validate`.
        path,
    }
}

labels! {
    /// Why something failed or was refused.
    pub struct CauseLabels {
        /// One of a fixed list of words.
        cause,
    }
}

/// What the webhook server counts.
#[derive(Clone, Debug)]
pub struct WebhookMetrics {
    /// Calls by path, outcome and reason.
    pub calls: Family<CallLabels, Counter>,
    /// Requests answered with an HTTP error.
    pub refusals: Family<RefusalLabels, Counter>,
    /// Time from a request's headers to its answer.
    pub duration: Family<PathLabels, Histogram, fn() -> Histogram>,
    /// Bytes of bodies held.
    pub in_flight_bytes: Gauge,
    /// Open connections.
    pub connections: Gauge,
    /// Connections refused or ended by a fault.
    pub connection_faults: Family<CauseLabels, Counter>,
    /// Callers refused, by cause.
    pub callers_refused: Family<CauseLabels, Counter>,
    /// Handlers that panicked.
    pub panics: Counter,
    /// Requests refused because too much was in flight.
    pub overloads: Counter,
    /// When the serving certificate expires.
    pub certificate_expiry: Gauge,
    /// Certificates and authorities taken into use.
    pub reloads: Family<CauseLabels, Counter>,
    /// Certificates and authorities that could not be used.
    pub reload_faults: Family<CauseLabels, Counter>,
}

const PATHS: [&str; 2] = ["mutate", "validate"];
const CONNECTION_FAULTS: &[&str] =
    &["limit", "peer_limit", "accept", "handshake", "handshake_timeout", "header_timeout", "protocol"];
const CALLER_FAULTS: &[&str] =
    &["missing", "untrusted", "expired", "not_yet_valid", "wrong_name", "unreadable", "clock"];
const RELOADED: &[&str] = &["certificate", "callers"];

impl WebhookMetrics {
    /// Registers all of them.
    pub fn register(to: &mut Registrar) -> Self {
        Self {
            calls: to.counters(
                "writ_webhook_calls",
                "Admission calls answered with a review, by outcome and reason code.",
                calls(),
            ),
            refusals: to.counters(
                "writ_webhook_refusals",
                "Requests answered with an HTTP error instead of a review.",
                PATHS.map(|path| RefusalLabels { path, status: "400" }),
            ),
            duration: to.histograms(
                "writ_webhook_duration_seconds",
                "Time from the headers of an admission call to its answer.",
                PATHS.map(|path| PathLabels { path }),
                latency_histogram,
            ),
            in_flight_bytes: to.gauge("writ_webhook_in_flight_bytes", "Bytes of request bodies held at this moment."),
            connections: to.gauge("writ_webhook_connections", "Open connections."),
            connection_faults: to.counters(
                "writ_webhook_connection_faults",
                "Connections refused or ended by a fault.",
                causes(CONNECTION_FAULTS),
            ),
            callers_refused: to.counters(
                "writ_webhook_callers_refused",
                "Admission calls refused with 401, by what was wrong with the caller's certificate.",
                causes(CALLER_FAULTS),
            ),
            panics: to.counter("writ_webhook_panics", "Handlers that panicked; each became a denial."),
            overloads: to
                .counter("writ_webhook_overloads", "Admission calls refused because too many bytes were in flight."),
            certificate_expiry: to.gauge(
                "writ_webhook_certificate_expiry_timestamp_seconds",
                "When the serving certificate expires, in seconds since 1970.",
            ),
            reloads: to.counters(
                "writ_webhook_reloads",
                "Certificates and callers' authorities taken into use while running.",
                causes(RELOADED),
            ),
            reload_faults: to.counters(
                "writ_webhook_reload_faults",
                "Certificates and callers' authorities that could not be used; the old ones stay in use.",
                causes(RELOADED),
            ),
        }
    }
}

/// Every outcome there is.
fn calls() -> impl Iterator<Item = CallLabels> {
    PATHS.into_iter().flat_map(|path| {
        let denials = Reason::ALL.iter().map(move |reason| ("deny", reason.as_str()));
        std::iter::once(("allow", "")).chain(denials).map(move |(outcome, reason)| CallLabels { path, outcome, reason })
    })
}

fn causes(causes: &'static [&'static str]) -> impl Iterator<Item = CauseLabels> {
    causes.iter().map(|cause| CauseLabels { cause })
}

fn latency_histogram() -> Histogram {
    Histogram::new([
        0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0,
    ])
}
