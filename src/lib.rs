//! Writ: policies that humans wrote, enforced on a Kubernetes cluster, with a signed attestation for each change.
//!
//! The modules stand in the order of their dependencies: a module uses only those above it. Everything up to `verify`
//! is pure: no Kubernetes client, no async runtime, no clock, environment or randomness (`tests/tidy.rs` checks both).
#![forbid(unsafe_code)]

// Pure values.
pub mod canonical;
pub mod digest;
pub mod time;
pub mod api;
pub mod admission;

// Pure decision.
pub mod cel;
pub mod signal;
pub mod binding;
pub mod policy;
pub mod policy_set;
pub mod projection;
pub mod fingerprint;
pub mod evaluate;
pub mod decide;
pub mod convert;

// Evidence.
pub mod attest;
pub mod keyring;
pub mod verify;
pub mod sign;

// State.
#[cfg(feature = "cluster")]
pub mod replay;
#[cfg(feature = "cluster")]
pub mod ledger;

// Runtime.
pub mod clock;
#[cfg(feature = "cluster")]
pub mod metrics;
#[cfg(feature = "cluster")]
pub mod telemetry;
#[cfg(feature = "cluster")]
pub mod shutdown;
#[cfg(feature = "cluster")]
pub mod runtime;

// Edges.
#[cfg(feature = "cluster")]
pub mod webhook;
#[cfg(feature = "cluster")]
pub mod controller;
pub mod cli;
