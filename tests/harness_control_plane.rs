//! The control-plane form of the harness: it comes up in seconds, obeys, and leaves nothing behind.

#[path = "harness/harness.rs"]
mod harness;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use harness::{Cluster, Options};

#[test]
fn comes_up_in_seconds_and_stores_a_config_map() -> Result<()> {
    let start = Instant::now();
    let cluster = Cluster::control_plane(Options::default())?;
    let took = start.elapsed();
    cluster.kubectl(&["create", "configmap", "a", "--from-literal=key=value"], "")?.ok()?;
    let value = cluster.kubectl(&["get", "configmap", "a", "-o", "jsonpath={.data.key}"], "")?.ok()?;
    ensure!(value == "value", "read back `{value}`");
    eprintln!("up in {took:?}");
    ensure!(took < Duration::from_secs(60), "it took {took:?}");
    Ok(())
}
