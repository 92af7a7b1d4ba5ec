//! The node form of the harness: real pods run, Services answer, and nothing is left behind.

#[path = "harness/harness.rs"]
mod harness;

use std::time::Instant;

use anyhow::Result;
use harness::{Cluster, Options};

#[test]
fn a_pod_runs() -> Result<()> {
    let start = Instant::now();
    let cluster = Cluster::node(Options::default())?;
    eprintln!("up in {:?}", start.elapsed());
    println!("{}", cluster.kubectl(&["get", "nodes,pods,svc", "-A", "-o", "wide"], "")?.ok()?);
    cluster.kubectl(&["run", "pause", "--image=localhost/pause:1", "--image-pull-policy=Never"], "")?.ok()?;
    let wait = cluster.kubectl(&["wait", "--for=condition=Ready", "pod/pause", "--timeout=30s"], "")?;
    println!("{wait:?}");
    println!("{}", cluster.kubectl(&["get", "nodes,pods,svc", "-A", "-o", "wide"], "")?.ok()?);
    println!("{}", cluster.kubectl(&["describe", "pod"], "")?.ok()?);
    wait.ok()?;
    Ok(())
}
