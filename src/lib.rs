//! Writ: policies that humans wrote, enforced on a Kubernetes cluster, with a signed attestation for each change.
#![forbid(unsafe_code)]
