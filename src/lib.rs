//! Writ: policies that humans wrote, enforced on a Kubernetes cluster, with a signed attestation for each change.
//!
//! The modules stand in the order of their dependencies: a module uses only those above it.
#![forbid(unsafe_code)]

// Pure values.
pub mod canonical;
pub mod digest;
pub mod time;
pub mod api;
pub mod admission;

// Pure decision.
pub mod signal;
pub mod binding;
pub mod policy;
pub mod projection;
pub mod fingerprint;

// Edges.
pub mod cli;
