//! Other webhooks beside Writ's: slow ones, and one that brings an old attestation back.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{
    driver::{CONFIG_MAPS, post, secret, ticketed},
    harness::{Options, wait_until},
    hostile::Hostile,
    policies::{EVERYTHING, govern, once},
    support::{Rig, SOON, assert_says, verified},
};

/// Waits until a hook is called.
fn called(rig: &Rig, hook: &Hostile) -> Result<()> {
    wait_until("the other webhook to be called", SOON, || {
        let probe = ticketed("hook-probe", "none").to_string();
        let _ = rig.cluster.kubectl(&["create", "--dry-run=server", "-f", "-"], &probe)?;
        Ok((!hook.seen().is_empty()).then_some(()))
    })
}

/// Each slow hook stays below its own timeout; together they take several times as long as Writ may.
#[test]
fn t80_five_slow_webhooks_leave_writ_its_time() -> Result<()> {
    let rig = Rig::standalone(Options::default(), EVERYTHING)?;
    let pause = Duration::from_millis(1500);
    let mut hooks = Vec::new();
    for number in 0..5 {
        let hook = Hostile::start(move |request| {
            if request["object"]["metadata"]["name"] == "slow" {
                thread::sleep(pause);
            }
            json!([])
        })?;
        // Before and after Writ in the order of names.
        let name = if number % 2 == 0 { format!("aaa-{number}") } else { format!("zzz-{number}") };
        rig.apply(&hook.configuration(&name, &["secrets", "configmaps"], "IfNeeded"))?;
        rig.apply(&hook.validating(&name, &["secrets", "configmaps"]))?;
        called(&rig, &hook)?;
        hooks.push(hook);
    }
    let begun = Instant::now();
    let (status, answer) = post(rig.cluster.client(), "/api/v1/namespaces/default/secrets", &secret("slow"))?;
    let took = begun.elapsed();
    ensure!(status == 201, "after {took:?}: {answer}");
    verified(&answer, "attestation.writ.dev/secrets")?;
    // Mutating ones one after the other, then validating ones at the same time.
    ensure!(took >= pause * 6, "only {took:?}");
    println!("five webhooks of {pause:?} each: admitted after {took:?}");
    Ok(())
}

#[test]
fn t85_an_attestation_that_a_webhook_brings_back_creates_nothing_again() -> Result<()> {
    const KEY: &str = "attestation.writ.dev/configmaps";
    let rig = Rig::in_cluster(Options::default())?;
    govern(&rig, &once("CREATE, UPDATE"), &["once"])?;
    let kept: Arc<Mutex<Value>> = Arc::default();
    let restored = Arc::clone(&kept);
    let restorer = Hostile::start(move |request| {
        let old = restored.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if request["object"]["metadata"]["name"] != "web" || old.is_null() {
            return json!([]);
        }
        let annotations = json!({"example.com/ticket": "CHG-1", KEY: old});
        json!([{"op": "add", "path": "/metadata/annotations", "value": annotations}])
    })?;
    let object = ticketed("web", "CHG-1");
    let first = rig.create(&object)?;
    *kept.lock().unwrap_or_else(PoisonError::into_inner) = first["metadata"]["annotations"][KEY].clone();
    rig.cluster.kubectl(&["delete", "configmap", "web"], "")?.ok()?;
    // Mutate is out of the way, and the hook is there.
    rig.register(false, true)?;
    rig.apply(&restorer.configuration("zzz", &["configmaps"], "Never"))?;
    called(&rig, &restorer)?;
    for _ in 0..3 {
        let message = rig.refused(&object)?;
        assert_says(&message, &["Replayed"])?;
    }
    let (status, answer) = post(rig.cluster.client(), CONFIG_MAPS, &object)?;
    ensure!(status == 403, "{answer}");
    let brought = restorer.seen().iter().filter(|request| request["object"]["metadata"]["name"] == "web").count();
    ensure!(brought >= 4, "the hook was called {brought} times");
    Ok(())
}
