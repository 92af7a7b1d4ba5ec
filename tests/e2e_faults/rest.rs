//! Controllers come to rest although they copy annotations of each other's objects.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    drill,
    driver::post,
    harness::{Options, wait_until},
    support::{ALLOW_ALL, Rig, SOON, deployment},
};

const DEPLOYMENTS: usize = 50;

#[test]
fn t08_fifty_deployments_come_to_rest() -> Result<()> {
    let rig = Rig::standalone(Options::default().controller_manager(), ALLOW_ALL)?;
    let client = rig.cluster.client();
    for number in 0..DEPLOYMENTS {
        let object = deployment(&format!("web-{number}"), "registry.example/a");
        let (status, answer) = post(client, "/apis/apps/v1/namespaces/default/deployments", &object)?;
        ensure!(status == 201, "{answer}");
    }
    let versions =
        || -> Result<Vec<String>> {
            let mut all = Vec::new();
            for path in ["/apis/apps/v1/deployments", "/apis/apps/v1/replicasets", "/api/v1/namespaces/default/pods"] {
                let list = client.get(path)?.json()?;
                let items = list["items"].as_array().context("a list")?;
                all.extend(items.iter().map(|item| {
                    format!("{path} {} {}", item["metadata"]["name"], item["metadata"]["resourceVersion"])
                }));
            }
            Ok(all)
        };
    wait_until("every replica set and every pod", SOON * 3, || {
        Ok((versions()?.len() == 3 * DEPLOYMENTS).then_some(()))
    })?;
    // At rest: nothing was written for a while.
    let complete = Instant::now();
    let calm = Duration::from_secs(5);
    let mut last = (versions()?, Instant::now());
    wait_until("five seconds without a write", SOON, || {
        let now = versions()?;
        if now != last.0 {
            last = (now, Instant::now());
        }
        Ok((last.1.elapsed() > calm).then_some(()))
    })?;
    // And it stays so: an endless loop would write several times a second.
    let until = Instant::now() + Duration::from_secs(5) * u32::try_from(drill())?;
    while Instant::now() < until {
        let now = versions()?;
        ensure!(now == last.0, "written after rest: {:?}", now.iter().find(|line| !last.0.contains(line)));
        thread::sleep(Duration::from_millis(250));
    }
    println!(
        "{DEPLOYMENTS} deployments were at rest {:?} after their last pod",
        last.1.saturating_duration_since(complete)
    );
    Ok(())
}
