//! Writ: policies that humans wrote, enforced on a Kubernetes cluster, with a signed attestation for each change.
//!
//! The modules stand in the order of their dependencies: a module uses only those above it.
#![forbid(unsafe_code)]

pub mod canonical;
pub mod digest;
pub mod time;

pub mod attest;
pub mod keyring;
pub mod verify;

pub mod sign;
