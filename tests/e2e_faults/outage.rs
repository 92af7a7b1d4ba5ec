//! What a replica needs is gone and comes back: it is not ready, denies, and recovers without being started anew.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::{
    driver::{CONFIG_MAPS, post, ticketed},
    harness::{Options, wait_until},
    policies::{govern, once},
    support::{Rig, SOON, assert_says},
};

const API_SERVER: &str = "kube-apiserver";

/// What `/readyz` says; empty where it is ready.
fn readiness(rig: &Rig) -> Result<String> {
    let response = rig.client(false)?.get("/readyz")?;
    Ok(if response.status == 200 { String::new() } else { response.text() })
}

fn wait_not_ready(rig: &Rig, word: &str) -> Result<()> {
    wait_until("it not to be ready", SOON, || {
        let said = readiness(rig)?;
        ensure!(said.contains(word), "it says: {said}");
        Ok(Some(()))
    })?;
    ensure!(rig.client(false)?.get("/livez")?.status == 200, "it lives");
    Ok(())
}

fn denied(rig: &Rig, name: &str, words: &[&str]) -> Result<()> {
    let (status, answer) = post(rig.cluster.client(), CONFIG_MAPS, &ticketed(name, name))?;
    ensure!(status == 403, "{status} {answer}");
    assert_says(&answer.to_string(), words)
}

fn allowed(rig: &Rig, name: &str) -> Result<()> {
    let (status, answer) = post(rig.cluster.client(), CONFIG_MAPS, &ticketed(name, name))?;
    ensure!(status == 201, "{status} {answer}");
    Ok(())
}

#[test]
fn without_its_key_a_replica_is_not_ready_and_denies_until_the_key_is_back() -> Result<()> {
    let rig = Rig::in_cluster(Options::default())?;
    govern(&rig, &once("CREATE, UPDATE"), &["once"])?;
    let (key, away) = (rig.folder.join("key.pem"), rig.folder.join("key.away"));
    fs::rename(&key, &away)?;
    rig.cluster.stop(&rig.name())?;
    rig.cluster.launch(&rig.name())?;
    wait_not_ready(&rig, "signing key")?;
    denied(&rig, "keyless", &["NotReady"])?;
    // A file that is no key is none.
    fs::write(&key, "no key")?;
    wait_not_ready(&rig, "cannot be used")?;
    denied(&rig, "keyless", &["NotReady"])?;
    fs::rename(&away, &key)?;
    rig.wait_ready()?;
    allowed(&rig, "keyless")
}

#[test]
fn t17_without_the_root_of_its_store_a_replica_denies_until_it_is_back() -> Result<()> {
    let rig = Rig::in_cluster(Options::default())?;
    govern(&rig, &once("CREATE, UPDATE"), &["once"])?;
    allowed(&rig, "before")?;
    let mut root = rig.get(&["configmap", "writ-store", "-n", "writ-system"])?;
    rig.cluster.kubectl(&["delete", "configmap", "writ-store", "-n", "writ-system"], "")?.ok()?;
    denied(&rig, "meanwhile", &["StoreUnavailable"])?;
    wait_not_ready(&rig, "store")?;
    if let Some(metadata) = root["metadata"].as_object_mut() {
        metadata.retain(|key, _| ["name", "namespace", "labels"].contains(&key.as_str()));
    }
    rig.create(&root)?;
    rig.wait_ready()?;
    allowed(&rig, "after")?;
    // The claims are those of before.
    let (_, answer) = post(rig.cluster.client(), CONFIG_MAPS, &ticketed("again", "before"))?;
    assert_says(&answer.to_string(), &["Replayed"])
}

#[test]
fn t69_a_replica_that_starts_without_an_api_server_waits_for_it() -> Result<()> {
    let rig = Rig::in_cluster(Options::default())?;
    govern(&rig, &once("CREATE, UPDATE"), &["once"])?;
    allowed(&rig, "before")?;
    rig.cluster.stop(&rig.name())?;
    rig.cluster.kill(API_SERVER)?;
    rig.cluster.launch(&rig.name())?;
    wait_not_ready(&rig, "start")?;
    rig.cluster.start(API_SERVER)?;
    let back = Instant::now();
    rig.wait_ready()?;
    let took = back.elapsed();
    ensure!(took < Duration::from_secs(15), "ready only after {took:?}");
    allowed(&rig, "after")?;

    // The same for one that runs: not current, so not ready, and back.
    rig.cluster.kill(API_SERVER)?;
    wait_not_ready(&rig, "store")?;
    rig.cluster.start(API_SERVER)?;
    let again = Instant::now();
    rig.wait_ready()?;
    allowed(&rig, "once-more")?;
    println!("ready {took:?} after the API server came, and {:?} after it came back", again.elapsed());
    Ok(())
}

/// Writ hangs: governed changes are refused within the time that is promised, and none of them is admitted later.
#[test]
fn a_replica_that_hangs_refuses_within_the_timeout_of_its_webhook() -> Result<()> {
    const HUNG: Duration = Duration::from_millis(2500);
    let rig = Rig::in_cluster(Options::default())?;
    govern(&rig, &once("CREATE, UPDATE"), &["once"])?;
    allowed(&rig, "before")?;
    let before = rig.get(&["mutatingwebhookconfiguration,validatingwebhookconfiguration"])?;
    rig.cluster.pause(&rig.name())?;
    for number in 0..3 {
        let asked = Instant::now();
        let (status, answer) = post(rig.cluster.client(), CONFIG_MAPS, &ticketed(&format!("hung-{number}"), "hung"))?;
        let took = asked.elapsed();
        ensure!(status >= 400 && took < HUNG, "{status} after {took:?}: {answer}");
    }
    // A place that is left out goes on.
    let mut exempt = ticketed("goes-on", "none");
    exempt["metadata"]["namespace"] = "kube-system".into();
    let (status, answer) = post(rig.cluster.client(), "/api/v1/namespaces/kube-system/configmaps", &exempt)?;
    ensure!(status == 201, "{status} {answer}");
    ensure!(rig.get(&["mutatingwebhookconfiguration,validatingwebhookconfiguration"])? == before, "they were edited");
    rig.cluster.resume(&rig.name())?;
    rig.wait_ready()?;
    // The API server gave up before a claim could be made, so the ticket is as it was.
    wait_until("the ticket to be good", SOON * 2, || {
        Ok((post(rig.cluster.client(), CONFIG_MAPS, &ticketed("after", "hung"))?.0 == 201).then_some(()))
    })?;
    for number in 0..3 {
        let gone = rig.cluster.kubectl(&["get", "configmap", &format!("hung-{number}")], "")?.refused()?;
        assert_says(&gone, &["NotFound"])?;
    }
    Ok(())
}
