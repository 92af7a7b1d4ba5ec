//! Writ against a real API server. Tests carry the numbers of the rows of the threat model that they cover
//! (`docs/coverage.md`).
#![cfg(feature = "cluster")]
#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "what a test expects of JSON is there, or the test fails"
)]

#[path = "harness/harness.rs"]
mod harness;

#[path = "e2e/command_line.rs"]
mod command_line;
#[path = "e2e/gate.rs"]
mod gate;
#[allow(dead_code, reason = "e2e_faults uses the rest")]
#[path = "e2e/hostile.rs"]
mod hostile;
#[path = "e2e/once.rs"]
mod once;
#[path = "e2e/standalone.rs"]
mod standalone;
#[allow(dead_code, reason = "e2e_faults uses the rest")]
#[path = "e2e/support.rs"]
mod support;
#[path = "e2e/forgery.rs"]
mod forgery;
