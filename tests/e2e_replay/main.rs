//! Replay against a real API server: every row of the table, the ConfigMap store, and what may happen to them.
//!
//! The claims are made by the service itself, the changes by a client: no webhook stands between.
#![cfg(feature = "cluster")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "../harness/harness.rs"]
mod harness;
#[path = "../replay/ledger_suite.rs"]
mod ledger_suite;
#[allow(dead_code, reason = "its faults are for other tests")]
#[path = "../replay/memory.rs"]
mod memory;
#[path = "../replay/suite.rs"]
mod suite;

mod faults;
mod ledger;
mod rig;
mod rows;
mod store;
