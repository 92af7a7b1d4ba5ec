//! What Writ counts, in the OpenMetrics text format.
//!
//! Every metric is registered with its help and its label names, so that `docs/metrics.md` is written from the code.
//! Label values are `&'static str`: the code bounds them, users cannot. To add a group, write `metrics/<group>.rs` with
//! a struct that registers itself and name it in [`Metrics`].

mod catalogue;
mod claims;
mod controller;
mod registrar;
mod webhook;

use std::fmt::Write as _;

pub use catalogue::markdown;
pub use claims::{ClaimMetrics, EndLabels};
pub use controller::{
    BINDING_STATES, ControllerMetrics, FaultLabels, POLICY_STATES, PublishLabels, StateLabels, WEBHOOK_FAULTS,
    WatchLabels, WriteLabels,
};
use prometheus_client::registry::Registry;
pub use registrar::{Described, Labels, Registrar};
pub use webhook::{CallLabels, CauseLabels, PathLabels, RefusalLabels, WebhookMetrics};

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    described: Vec<Described>,
    /// What the webhook server counts.
    pub webhook: WebhookMetrics,
    /// What the controller counts.
    pub controller: ControllerMetrics,
    /// What the work on claims counts.
    pub claims: ClaimMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registrar = Registrar::default();
        registrar.info("writ_build", "The running build.", &[("version", env!("CARGO_PKG_VERSION"))]);
        let webhook = WebhookMetrics::register(&mut registrar);
        let controller = ControllerMetrics::register(&mut registrar);
        let claims = ClaimMetrics::register(&mut registrar);
        let (registry, described) = registrar.finish();
        Self { registry, described, webhook, controller, claims }
    }
}

impl Metrics {
    /// Every metric with its type, labels and help, in the order of registration.
    #[must_use]
    pub fn described(&self) -> &[Described] {
        &self.described
    }

    /// The OpenMetrics text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        if prometheus_client::encoding::text::encode(&mut text, &self.registry).is_err() {
            // Writing into a string does not fail; a scrape without the end mark is refused by the scraper.
            let _ = text.write_str("# incomplete\n");
        }
        text
    }
}

#[cfg(test)]
mod tests;
