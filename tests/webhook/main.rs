//! The webhook server from outside: real TLS over loopback, real HTTP, and whatever a bad client may send.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod bad_input;
mod callers;
mod faults;
mod health;
mod overload;
mod reload;
mod shutdown;
mod support;
