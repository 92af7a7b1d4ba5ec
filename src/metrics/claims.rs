use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};

use super::registrar::{Registrar, labels};

labels! {
    /// How a claim ended.
    pub struct EndLabels {
        /// `completed`, `released` or `undetermined`.
        end,
    }
}

/// What the work on claims in the background counts.
#[derive(Clone, Debug)]
pub struct ClaimMetrics {
    /// Claims that this replica ended.
    pub ended: Family<EndLabels, Counter>,
    /// Claims that are to be ended and could not be yet.
    pub left: Gauge,
    /// Records that cannot be read.
    pub unreadable: Gauge,
    /// Claims forgotten after their window.
    pub forgotten: Counter,
    /// Passes that were interrupted.
    pub failures: Counter,
}

const ENDS: [&str; 3] = ["completed", "released", "undetermined"];

impl ClaimMetrics {
    /// Registers all of them.
    pub fn register(to: &mut Registrar) -> Self {
        Self {
            ended: to.counters(
                "writ_claims_ended",
                "Claims that this replica ended: the change was stored, it was not, or nobody can know any more.",
                ENDS.map(|end| EndLabels { end }),
            ),
            left: to.gauge(
                "writ_claims_overdue",
                "Claims whose deadline is over and that this replica could not end yet.",
            ),
            unreadable: to.gauge(
                "writ_claims_unreadable",
                "Records in the store of claims that are damaged or were tampered with, as the last search of the store found.",
            ),
            forgotten: to.counter("writ_claims_forgotten", "Claims that were forgotten after their window."),
            failures: to.counter("writ_claims_failures", "Passes over the store of claims that were interrupted."),
        }
    }
}
