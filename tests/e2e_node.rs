//! Writ on a real node, installed by Helm, with real pods, controllers, probes and Services.
//!
//! Needs root and the image: `make test-pods` makes it. Without root every test says that it was not run.
#![expect(clippy::indexing_slicing, reason = "a JSON value is indexed, which answers null and never panics")]

#[path = "harness/harness.rs"]
mod harness;
#[path = "node_support/installation.rs"]
mod installation;
#[path = "e2e_node/lifecycle.rs"]
mod lifecycle;
#[path = "e2e_node/outage.rs"]
mod outage;
#[path = "e2e_node/rollout.rs"]
mod rollout;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use installation::Installation;

/// A node with Writ installed, and what a test does with it. One at a time: two nodes with rollouts and deadlines of a
/// second and a half between them would measure each other.
fn on_a_node(further: &[&str], test: impl FnOnce(&Installation) -> Result<()>) -> Result<()> {
    static ONE: Mutex<()> = Mutex::new(());
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT RUN: a node with pods needs root; as root, `make test-pods` runs it");
        return Ok(());
    }
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let installation = Installation::installed(&image()?, further)?;
    test(&installation).inspect_err(|_| installation.cluster.keep_logs())
}

fn image() -> Result<PathBuf> {
    let image = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/writ-image.tar"));
    image.canonicalize().context("there is no image for the pods: `make image` makes it")
}
