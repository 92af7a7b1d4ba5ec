//! Other webhooks beside Writ's: slow ones, and one that brings an old attestation back.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::{
    driver::{CONFIG_MAPS, post, secret, ticketed},
    harness::{Options, wait_until},
    hostile::Hostile,
    policies::{govern, once},
    support::{ALLOW_ALL, Rig, SOON, assert_says, verified},
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
    let rig = Rig::standalone(Options::default(), ALLOW_ALL)?;
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

/// Threat 42: the configuration is opened, edited or deleted while Writ runs. It says so, and never touches it.
#[test]
fn t42_a_webhook_configuration_that_is_changed_is_noticed_and_left_alone() -> Result<()> {
    const KIND: &str = "validatingwebhookconfiguration";
    /// What the row promises.
    const NOTICED: Duration = Duration::from_secs(10);
    let rig = Rig::in_cluster(Options::default())?;
    govern(&rig, ALLOW_ALL, &["all"])?;
    let gauge = |fault: &str| -> Result<bool> {
        let page = rig.client(false)?.get("/metrics")?.text();
        let name = format!("writ_webhook_configuration_faults{{fault=\"{fault}\"}}");
        let line = page.lines().find(|line| line.starts_with(&name)).with_context(|| format!("no {name}"))?;
        Ok(line.ends_with(" 1"))
    };
    let told = |reason: &str| -> Result<bool> {
        let events = rig.get(&["events.events.k8s.io", "-n", "default"])?;
        let log = std::fs::read_to_string(rig.cluster.log(&rig.name())?)?;
        let items = events["items"].as_array().context("a list")?;
        Ok(items.iter().any(|event| event["reason"] == reason) && log.contains(reason))
    };
    let ready =
        || -> Result<Value> { Ok(rig.get(&["policybinding", "all"])?["status"]["conditions"][0]["reason"].clone()) };
    let noticed = |fault: &str, reason: &str, condition: &str| {
        let begun = Instant::now();
        wait_until(&format!("{fault} to be noticed"), NOTICED, || {
            Ok((gauge(fault)? && told(reason)? && ready()? == condition).then(|| begun.elapsed()))
        })
    };
    let state = || rig.get(&[KIND, "zz-writ"]).map(|object| object["webhooks"].clone());
    let patch = |patch: Value| {
        rig.cluster.kubectl(&["patch", KIND, "zz-writ", "--type=json", "-p", &patch.to_string()], "")?.ok()
    };

    ensure!(!gauge("failure_ignored")? && !gauge("validating_missing")?, "a fault from the start");
    patch(json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]))?;
    let opened = state()?;
    let first = noticed("failure_ignored", "WebhookConfigurationOpen", "FailurePolicyIgnore")?;
    ensure!(state()? == opened, "it was changed back");
    patch(
        json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Fail"}, {"op": "remove", "path": "/webhooks/0/rules"}]),
    )?;
    noticed("validating_without_rules", "WebhookConfigurationChanged", "NotCovered")?;
    rig.cluster.kubectl(&["delete", KIND, "zz-writ"], "")?.ok()?;
    let second = noticed("validating_missing", "WebhookConfigurationMissing", "NotCovered")?;
    ensure!(rig.cluster.kubectl(&["get", KIND, "zz-writ"], "")?.refused()?.contains("NotFound"), "it was made again");
    rig.register(true, true)?;
    wait_until("it to be right again", NOTICED, || {
        Ok((!gauge("validating_missing")? && told("WebhookConfigurationRestored")? && ready()? == "InForce")
            .then_some(()))
    })?;
    println!("noticed after {first:?} (failurePolicy) and {second:?} (deleted)");
    Ok(())
}
