//! Replay: the state machine under a seeded simulation, and every store under one suite.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod sim;
