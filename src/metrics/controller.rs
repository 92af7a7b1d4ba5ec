use prometheus_client::metrics::{
    counter::Counter,
    family::Family,
    gauge::Gauge,
    histogram::{Histogram, exponential_buckets},
};

use super::registrar::{Registrar, labels};

labels! {
    /// A watched resource.
    pub struct WatchLabels {
        /// `policies`, `policybindings`, `namespaces`, …
        resource,
    }
}

labels! {
    /// What made the controller publish.
    pub struct PublishLabels {
        /// `policy`, `binding`, `pin`, `kind`, `webhook`, or `first_read` for a first list that nothing else came with.
        change,
    }
}

labels! {
    /// The state of a policy or binding.
    pub struct StateLabels {
        /// One of a fixed list of words.
        state,
    }
}

labels! {
    /// What is wrong with the installed webhook configurations.
    pub struct FaultLabels {
        /// One of a fixed list of words.
        fault,
    }
}

labels! {
    /// How a write ended.
    pub struct WriteLabels {
        /// `done`, `conflict`, `failed` or `dropped`.
        outcome,
    }
}

/// What the controller counts.
#[derive(Clone, Debug)]
pub struct ControllerMetrics {
    /// Policies by state.
    pub policies: Family<StateLabels, Gauge>,
    /// Bindings by state.
    pub bindings: Family<StateLabels, Gauge>,
    /// From the arrival of a change to its publication.
    pub publish: Family<PublishLabels, Histogram, fn() -> Histogram>,
    /// Seconds since 1970 as of which the policies were last known to be current.
    pub current_as_of: Gauge,
    /// Seconds since 1970 when the set in force last changed.
    pub set_changed: Gauge,
    /// Errors of watches.
    pub watch_errors: Family<WatchLabels, Counter>,
    /// Watches started anew.
    pub watch_restarts: Family<WatchLabels, Counter>,
    /// 1 on the leader.
    pub leader: Gauge,
    /// What is wrong with the installed webhook configurations.
    pub webhook_faults: Family<FaultLabels, Gauge>,
    /// Writes of status.
    pub status_writes: Family<WriteLabels, Counter>,
    /// Events for people.
    pub events: Family<WriteLabels, Counter>,
}

/// The states of policies.
pub const POLICY_STATES: [&str; 4] = ["pinned", "unpinned", "conflict", "not_compiled"];
/// The states of bindings.
pub const BINDING_STATES: [&str; 3] = ["wanted", "kept", "unavailable"];
/// What can be wrong with the installed webhook configurations.
pub const WEBHOOK_FAULTS: [&str; 6] = [
    "mutating_missing",
    "validating_missing",
    "mutating_without_rules",
    "validating_without_rules",
    "failure_ignored",
    "objects_selected",
];
const WATCHED: [&str; 7] = [
    "policies",
    "policybindings",
    "namespaces",
    "customresourcedefinitions",
    "mutatingwebhookconfigurations",
    "validatingwebhookconfigurations",
    "configmaps",
];
const CHANGES: [&str; 6] = ["policy", "binding", "pin", "kind", "webhook", "first_read"];
const WRITES: [&str; 4] = ["done", "conflict", "failed", "dropped"];

impl ControllerMetrics {
    /// Registers all of them.
    pub fn register(to: &mut Registrar) -> Self {
        Self {
            policies: to.gauges(
                "writ_policies",
                "Policy versions by state: pinned in the ledger, not yet pinned, in conflict with what was published under that version before, or not compiled.",
                POLICY_STATES.map(|state| StateLabels { state }),
            ),
            bindings: to.gauges(
                "writ_bindings",
                "Bindings by what decides for them: the wanted version, one kept from before, or nothing.",
                BINDING_STATES.map(|state| StateLabels { state }),
            ),
            publish: to.histograms(
                "writ_policy_publish_seconds",
                "From the arrival of a change at this replica to the decision by it, by the first change of each publication.",
                CHANGES.map(|change| PublishLabels { change }),
                || Histogram::new(exponential_buckets(0.0005, 2.0, 14)),
            ),
            current_as_of: to.gauge(
                "writ_policies_current_timestamp_seconds",
                "The time, in seconds since 1970, as of which this replica last showed that it has seen every policy, binding and namespace.",
            ),
            set_changed: to.gauge(
                "writ_policy_set_changed_timestamp_seconds",
                "The time, in seconds since 1970, when what is in force last changed on this replica.",
            ),
            watch_errors: to.counters(
                "writ_watch_errors",
                "Errors of watches on the API server, by resource.",
                WATCHED.map(|resource| WatchLabels { resource }),
            ),
            watch_restarts: to.counters(
                "writ_watch_restarts",
                "Watches that were started anew because they fell behind a consistent list, by resource.",
                WATCHED.map(|resource| WatchLabels { resource }),
            ),
            leader: to.gauge("writ_leader", "1 where this replica holds the lease and writes status, else 0."),
            webhook_faults: to.gauges(
                "writ_webhook_configuration_faults",
                "1 where the installed webhook configurations are missing, have no rules, go on without Writ, or leave objects out by their labels.",
                WEBHOOK_FAULTS.map(|fault| FaultLabels { fault }),
            ),
            status_writes: to.counters(
                "writ_status_writes",
                "Writes of the status of policies and bindings, by outcome.",
                WRITES.map(|outcome| WriteLabels { outcome }),
            ),
            events: to.counters(
                "writ_events",
                "Kubernetes Events, by outcome; dropped where too many were waiting.",
                WRITES.map(|outcome| WriteLabels { outcome }),
            ),
        }
    }
}
