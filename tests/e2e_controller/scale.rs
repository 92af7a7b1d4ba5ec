use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use writ::{clock::Clock as _, clock::SystemClock, ledger::Pin};

use crate::{
    harness::wait_until,
    support::{Replica, binding, cluster, policy},
};

const COUNT: usize = 1000;

/// A thousand policies with a binding each, applied as fast as the API server takes them: the set follows, the replica
/// stays current meanwhile, and each policy was compiled once.
#[test]
fn a_thousand_policies_are_followed() -> Result<()> {
    let cluster = cluster()?;
    let replica = Replica::start(&cluster, "scale")?;
    let (policies, bindings) = (replica.policies(), replica.bindings());
    let start = Instant::now();
    let mut stale = 0_u32;
    replica.call(async {
        let create = |index: usize| {
            let (policies, bindings) = (policies.clone(), bindings.clone());
            async move {
                let id = format!("scale-{index}");
                policies.create(&Default::default(), &policy(&id, "v1", "Good")).await?;
                bindings.create(&Default::default(), &binding(&id, "v1")).await.map(|_| ())
            }
        };
        let mut created = stream::iter(0..COUNT).map(create).buffer_unordered(8);
        while created.try_next().await?.is_some() {
            stale += u32::from(!SystemClock.now().is_ok_and(|now| replica.controller.is_current(now)));
        }
        Ok(())
    })?;
    let applied = Instant::now();
    let view = wait_until("all of them to be in force", Duration::from_secs(60), || {
        let Some(view) = replica.controller.view() else { return Ok(None) };
        let ready = view.state.bindings.iter().filter(|entry| entry.decision.shortfall.is_none()).count();
        ensure!(ready == COUNT && view.snapshot.set.bounds().len() == COUNT, "{ready} are");
        Ok(Some(view))
    })?;
    eprintln!(
        "{COUNT} policies and bindings were applied in {:?}, all in force {:?} later",
        applied - start,
        applied.elapsed()
    );
    ensure!(view.state.policies.iter().all(|entry| entry.pin == Pin::Pinned), "every one is pinned");
    ensure!(stale == 0, "it was not current {stale} times, although it saw everything");

    // One more change compiles nothing again.
    let compiled = |index: usize| {
        let view = replica.controller.view()?;
        view.state.policies.entry(&format!("scale-{index}.v1"))?.policy().map(Arc::clone)
    };
    let before = compiled(7);
    replica.create_policy("scale-more", "v1", "Good")?;
    replica.bind("scale-more", "v1")?;
    let applied = Instant::now();
    replica.expect("scale-more", Some("v1"), None)?;
    eprintln!("one more was in force {:?} after it was applied", applied.elapsed());
    let same = before.zip(compiled(7)).is_some_and(|(before, after)| Arc::ptr_eq(&before, &after));
    ensure!(same, "a policy was compiled again");
    replica.stop()
}
