//! Replay: the state machine under a seeded simulation, every store under one suite, and the service over faults.
#![cfg(feature = "cluster")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod contract;
mod ledger_suite;
mod memory;
mod service;
mod sim;
mod suite;
