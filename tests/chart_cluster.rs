//! The Helm chart in front of a real API server: definitions, protecting policies, hooks and the recovery script.
//!
//! A control plane alone, so no pods: the hooks run as the program itself, under the chart's own service accounts.
#![expect(clippy::indexing_slicing, reason = "a JSON value is indexed, which answers null and never panics")]

#[path = "chart_cluster/coverage.rs"]
mod coverage;
#[path = "chart_cluster/definitions.rs"]
mod definitions;
#[path = "harness/harness.rs"]
mod harness;
#[path = "chart_cluster/hooks.rs"]
mod hooks;
#[path = "chart_cluster/installed.rs"]
mod installed;
#[path = "chart_cluster/protect.rs"]
mod protect;
#[path = "chart_cluster/recover.rs"]
mod recover;
