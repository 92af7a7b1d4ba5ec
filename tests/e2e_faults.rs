//! Faults while requests come in, against a real API server: replicas that die or leave, other webhooks, objects near
//! the limits, a clock that moved. Tests carry the numbers of the rows of the threat model that they cover
//! (`docs/coverage.md`). `WRIT_DRILL=N` multiplies the counts for a long run.
#![cfg(feature = "cluster")]
#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "what a test expects of JSON is there, or the test fails"
)]

#[path = "harness/harness.rs"]
mod harness;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "e2e/hostile.rs"]
mod hostile;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "e2e_controller/proxy.rs"]
mod proxy;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "e2e/support.rs"]
mod support;

#[path = "e2e_faults/balancer.rs"]
mod balancer;
#[path = "e2e_faults/driver.rs"]
mod driver;
#[path = "e2e_faults/pair.rs"]
mod pair;
#[path = "e2e_faults/policies.rs"]
mod policies;

#[path = "e2e_faults/deletions.rs"]
mod deletions;
#[path = "e2e_faults/hooks.rs"]
mod hooks;
#[path = "e2e_faults/limits.rs"]
mod limits;
#[path = "e2e_faults/outage.rs"]
mod outage;
#[path = "e2e_faults/races.rs"]
mod races;
#[path = "e2e_faults/replicas.rs"]
mod replicas;
#[path = "e2e_faults/rest.rs"]
mod rest;
#[path = "e2e_faults/rollout.rs"]
mod rollout;
#[path = "e2e_faults/time.rs"]
mod time;

/// How many times as much is done as a quick run does: `WRIT_DRILL`, 1 by default.
#[expect(clippy::disallowed_methods, reason = "a test has no command line")]
fn drill() -> usize {
    std::env::var("WRIT_DRILL").ok().and_then(|value| value.parse().ok()).unwrap_or(1)
}
