use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use writ::clock::{Clock as _, SystemClock};

use crate::{
    harness::wait_until,
    proxy::Proxy,
    support::{Replica, SOON, shared},
};

/// How old what a replica decides by may be.
const LIMIT: Duration = Duration::from_secs(10);

fn is_current(replica: &Replica) -> Result<bool> {
    Ok(replica.controller.is_current(SystemClock.now()?))
}

/// Threats 34 and 35: the watch is blocked, and lists are not. The replica finds out, starts the watch anew, and at no
/// time decides by what was true more than ten seconds ago.
#[test]
fn a_blocked_watch_is_noticed_and_started_anew() -> Result<()> {
    let cluster = shared();
    let proxy = Proxy::start(cluster.address("kube-apiserver"))?;
    let replica = Replica::through(cluster, "blocked", Some(proxy.address))?;
    replica.create_policy("blocked", "v1", "Good")?;
    replica.create_policy("blocked", "v2", "Good")?;
    replica.bind("blocked", "v1")?;
    replica.expect("blocked", Some("v1"), None)?;
    ensure!(is_current(&replica)?, "{:?}", replica.controller.faults());

    proxy.freeze_old();
    let changed = Instant::now();
    replica.bind("blocked", "v2")?;
    let seen = wait_until("the new version to be in force", SOON, || {
        // In this order: what is read first is the older.
        let current = is_current(&replica)?;
        let version = replica.in_force("blocked").0;
        if changed.elapsed() > LIMIT && version.as_deref() == Some("v1") && current {
            return Ok(Some(None));
        }
        Ok((version.as_deref() == Some("v2")).then(|| Some(changed.elapsed())))
    })?;
    let seen = seen.ok_or_else(|| anyhow::anyhow!("ten seconds later it still decided by the old version"))?;
    eprintln!("the blocked watch was started anew, and the change seen, after {seen:?}");
    wait_until("the replica to be current again", SOON, || Ok(is_current(&replica)?.then_some(())))?;
    replica.stop()
}

/// Threat 34: nothing comes through. Ten seconds later the replica says so, and it recovers by itself.
#[test]
fn a_replica_that_is_cut_off_is_not_current() -> Result<()> {
    let cluster = shared();
    let proxy = Proxy::start(cluster.address("kube-apiserver"))?;
    let replica = Replica::through(cluster, "cut-off", Some(proxy.address))?;
    replica.create_policy("cut-off", "v1", "Good")?;
    replica.bind("cut-off", "v1")?;
    replica.expect("cut-off", Some("v1"), None)?;

    proxy.freeze_all();
    let changed = Instant::now();
    replica.call(replica.bindings().delete("cut-off", &Default::default()))?;
    wait_until("the replica not to be current", SOON, || Ok((!is_current(&replica)?).then_some(())))?;
    let took = changed.elapsed();
    eprintln!("not current {took:?} after the change that it could not see");
    ensure!(took <= LIMIT + Duration::from_millis(500), "only after {took:?}");
    ensure!(replica.in_force("cut-off").0.as_deref() == Some("v1"), "it cannot have seen the change");
    ensure!(!replica.controller.faults().is_empty(), "and it says so");

    proxy.thaw();
    let thawed = Instant::now();
    wait_until("the replica to be current again", SOON, || Ok(is_current(&replica)?.then_some(())))?;
    eprintln!("current again after {:?}", thawed.elapsed());
    replica.expect("cut-off", None, None)?;
    replica.stop()
}
