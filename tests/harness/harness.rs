//! A real Kubernetes for tests: etcd, API servers and controllers on loopback, or a whole node.
//!
//! A test file takes it in with
//!
//! ```ignore
//! #[path = "harness/harness.rs"]
//! mod harness;
//! use harness::{Audit, Cluster, Options};
//!
//! #[test]
//! fn a_config_map_is_stored() -> anyhow::Result<()> {
//!     let cluster = Cluster::control_plane(
//!         Options::default().authenticate_to_webhooks().audit(Audit::Metadata).controller_manager(),
//!     )?;
//!     cluster.kubectl(&["create", "configmap", "a", "--from-literal=k=v"], "")?.ok()?;
//!     let alice = cluster.kubeconfig("alice", &["developers"])?; // a user without any rights
//!     assert!(!cluster.kubectl_as(&alice, &["get", "configmap", "a"], "")?.success);
//!     cluster.pause("etcd")?; // stop, start, kill, resume: each component by name
//!     Ok(())
//! }
//! ```
//!
//! Everything ends when the `Cluster` is dropped or the process ends, also by SIGKILL. A cluster that tests of one file
//! share belongs into a `static LazyLock`: it ends with the process. `docs/cluster.md` says more.
#![allow(dead_code, unused_imports, reason = "each test file uses a part of the harness")]

mod client;
mod cluster;
mod component;
mod connect;
mod control_plane;
mod image;
mod kubeconfig;
pub(crate) mod node;
mod options;
mod pki;
mod place;
mod session;
pub(crate) mod state;
pub(crate) mod tools;
mod wait;

pub(crate) use client::{Client, Response};
pub(crate) use cluster::{Cluster, Output, WEBHOOK_CALLER, run};
pub(crate) use component::{Component, send, spawn};
pub(crate) use image::{build_archive, write_archive};
pub(crate) use options::{Audit, Minor, Options};
pub(crate) use pki::{Authority, Identity};
pub(crate) use place::Place;
pub(crate) use session::Session;
pub(crate) use wait::wait_until;
