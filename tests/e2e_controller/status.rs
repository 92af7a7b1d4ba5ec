//! What people see: conditions, events, and who writes them. Each test has a control plane of its own, since one leader
//! writes for all.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::{
    harness::{Cluster, wait_until},
    support::{NAMESPACE, Replica, SOON, cluster, policy},
};

/// Webhook configurations that nobody answers: only their rules count here, and they match nothing that is used.
fn install(cluster: &Cluster, resources: &[&str], failure_policy: &str) -> Result<()> {
    let hook = json!({
        "name": "governed.writ.dev", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "failurePolicy": failure_policy, "clientConfig": {"url": "https://127.0.0.1:9/none"},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "nowhere"}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": resources, "operations": ["CREATE"]}],
    });
    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        let object = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
            "metadata": {"name": "zz-writ"}, "webhooks": [hook],
        });
        cluster.kubectl(&["apply", "-f", "-"], &object.to_string())?.ok()?;
    }
    Ok(())
}

/// `True InForce` and the rest of a condition.
fn condition(object: &Value, type_: &str) -> Option<(String, Value)> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == type_)?;
    Some((format!("{} {}", found["status"].as_str()?, found["reason"].as_str()?), found.clone()))
}

fn expect_condition(replica: &Replica, kind: &str, name: &str, type_: &str, expected: &str) -> Result<Value> {
    let api = if kind == "Policy" { replica.policies() } else { replica.bindings() };
    wait_until(&format!("{type_} of {name} to be {expected}"), SOON, || {
        let object: DynamicObject = replica.call(api.get(name))?;
        let object = serde_json::to_value(object)?;
        let (found, condition) = condition(&object, type_).with_context(|| format!("no condition: {object}"))?;
        ensure!(found == expected, "it is {found}: {condition}");
        Ok(Some(object))
    })
}

#[test]
fn conditions_say_what_is_in_force_and_what_is_wrong() -> Result<()> {
    let cluster = cluster()?;
    let replica = Replica::start(&cluster, "writ-0")?;
    wait_until("the replica to lead", SOON, || Ok(replica.controller.is_leader().then_some(())))?;

    replica.create_policy("a", "v1", "Good")?;
    let stored = expect_condition(&replica, "Policy", "a.v1", "Ready", "True Pinned")?;
    ensure!(condition(&stored, "Compiled").is_some_and(|(found, _)| found == "True Valid"), "{stored}");
    let digest = stored["status"]["digest"].as_str().context("a digest")?.to_owned();
    ensure!(stored["status"]["worstCaseCost"].as_i64().is_some_and(|cost| cost > 0), "{stored}");

    let mut bad = policy("a", "v2", "Bad");
    bad.data["spec"]["rules"][0]["when"] = json!("1 < signals.nothing");
    bad.data["spec"]["signals"] = json!([{"name": "x", "type": "Integer", "expression": "1 +"}]);
    replica.call(replica.policies().create(&Default::default(), &bad))?;
    let stored = expect_condition(&replica, "Policy", "a.v2", "Ready", "False NotCompiled")?;
    let (_, compiled) = condition(&stored, "Compiled").context("Compiled")?;
    let message = compiled["message"].as_str().unwrap_or_default();
    for position in ["spec.signals[0].expression at 1:", "spec.rules[0].when at 1:"] {
        ensure!(message.contains(position), "{position}: {message}");
    }

    // Nothing is installed that sends anything.
    replica.bind("a", "v1")?;
    let stored = expect_condition(&replica, "PolicyBinding", "a", "Ready", "False NotCovered")?;
    ensure!(stored["status"]["inForce"] == json!({"id": "a", "version": "v1", "digest": digest}), "{stored}");
    install(&cluster, &["services"], "Fail")?;
    let stored = expect_condition(&replica, "PolicyBinding", "a", "Ready", "True InForce")?;
    let (_, before) = condition(&stored, "Ready").context("Ready")?;
    install(&cluster, &["services"], "Ignore")?;
    expect_condition(&replica, "PolicyBinding", "a", "Ready", "False FailurePolicyIgnore")?;
    install(&cluster, &["services"], "Fail")?;
    expect_condition(&replica, "PolicyBinding", "a", "Ready", "True InForce")?;

    // The word of kubectl.
    let table = cluster.kubectl(&["get", "wpol,wpb"], "")?.ok()?;
    for word in ["a.v1", "NotCompiled", "InForce", "Enforce"] {
        ensure!(table.contains(word), "{word}: {table}");
    }

    // A missing version keeps the old one, and says so; the time of transition is that of the transition.
    replica.bind("a", "v9")?;
    let stored = expect_condition(&replica, "PolicyBinding", "a", "Ready", "False PolicyMissing")?;
    let (_, missing) = condition(&stored, "Ready").context("Ready")?;
    ensure!(
        missing["message"].as_str().is_some_and(|text| text.ends_with("until then a.v1 stays in force")),
        "{missing}"
    );
    ensure!(stored["status"]["observedGeneration"] == stored["metadata"]["generation"], "{stored}");
    ensure!(stored["status"]["inForce"]["version"] == "v1", "{stored}");
    ensure!(before["lastTransitionTime"].is_string(), "{before}");
    replica.bind("a", "v2")?;
    let stored = expect_condition(&replica, "PolicyBinding", "a", "Ready", "False PolicyNotCompiled")?;
    let (_, uncompiled) = condition(&stored, "Ready").context("Ready")?;
    ensure!(uncompiled["lastTransitionTime"] == missing["lastTransitionTime"], "{missing} {uncompiled}");

    // A conflict is told where people look.
    replica.bind("a", "v1")?;
    replica.expect("a", Some("v1"), None)?;
    replica.delete_policy("a", "v1")?;
    replica.create_policy("a", "v1", "Evil")?;
    expect_condition(&replica, "Policy", "a.v1", "Ready", "False DigestConflict")?;
    expect_condition(&replica, "PolicyBinding", "a", "Ready", "False DigestConflict")?;
    wait_until("the events", SOON, || {
        let events = cluster.kubectl(&["get", "events", "-n", "default", "-o", "json"], "")?.ok()?;
        let events: Value = serde_json::from_str(&events)?;
        let told = |reason: &str, kind: &str, name: &str| {
            events["items"].as_array().is_some_and(|items| {
                items.iter().any(|event| {
                    let about = &event["involvedObject"];
                    event["reason"] == reason && about["kind"] == kind && about["name"] == name
                })
            })
        };
        for (reason, kind, name) in [
            ("NotCompiled", "Policy", "a.v2"),
            ("PolicyMissing", "PolicyBinding", "a"),
            ("DigestConflict", "Policy", "a.v1"),
            ("DigestConflict", "PolicyBinding", "a"),
        ] {
            ensure!(told(reason, kind, name), "{reason} of {kind} {name} was not told: {events}");
        }
        Ok(Some(()))
    })?;
    replica.stop()
}

/// A status that says what is so is not written again, and only the leader writes.
#[test]
fn nothing_is_written_when_nothing_changed() -> Result<()> {
    let cluster = cluster()?;
    install(&cluster, &["services"], "Fail")?;
    let first = Replica::start(&cluster, "writ-0")?;
    let second = Replica::start(&cluster, "writ-1")?;
    wait_until("one to lead", SOON, || {
        Ok((first.controller.is_leader() != second.controller.is_leader()).then_some(()))
    })?;
    first.create_policy("a", "v1", "Good")?;
    first.bind("a", "v1")?;
    expect_condition(&first, "PolicyBinding", "a", "Ready", "True InForce")?;
    expect_condition(&first, "Policy", "a.v1", "Ready", "True Pinned")?;

    // Both report the same set, and stay alive by heartbeats; a heartbeat alone writes no status.
    let report = |name: &str| -> Result<Value> {
        let name = format!("writ-replica-{name}");
        let text = cluster.kubectl(&["get", "configmap", &name, "-n", NAMESPACE, "-o", "json"], "")?.ok()?;
        Ok(serde_json::from_str::<Value>(&text)?["data"].clone())
    };
    let same = wait_until("both reports", SOON, || {
        let (a, b) = (report("writ-0")?, report("writ-1")?);
        ensure!(a["setDigest"] == b["setDigest"] && a["versions"] == b["versions"], "{a} {b}");
        ensure!(a["versions"].as_str().is_some_and(|text| text.starts_with("a ")), "{a}");
        ensure!(a["ready"] == "true" && b["ready"] == "true", "{a} {b}");
        Ok(Some(a))
    })?;
    let version = |kind: &str, name: &str| -> Result<Value> {
        let api = if kind == "Policy" { first.policies() } else { first.bindings() };
        first.stored(&api, name, "/metadata/resourceVersion")
    };
    let before = (version("Policy", "a.v1")?, version("PolicyBinding", "a")?);
    wait_until("two heartbeats", SOON, || Ok((report("writ-0")?["heartbeat"] != same["heartbeat"]).then_some(())))?;
    let after = (version("Policy", "a.v1")?, version("PolicyBinding", "a")?);
    ensure!(before == after, "a status was written again: {before:?} {after:?}");

    // The leader goes in order: the other one leads at once, not after the lease has run out; the report is removed.
    let (leader, follower) = if first.controller.is_leader() { (first, second) } else { (second, first) };
    leader.stop()?;
    let stopped = Instant::now();
    wait_until("the other one to lead", SOON, || Ok(follower.controller.is_leader().then_some(())))?;
    ensure!(stopped.elapsed() < Duration::from_secs(10), "it took {:?}", stopped.elapsed());
    follower.create_policy("a", "v2", "Good")?;
    follower.bind("a", "v2")?;
    expect_condition(&follower, "Policy", "a.v2", "Ready", "True Pinned")?;
    // The condition of the version before stands until the new one is in force.
    wait_until("the new version to be in force", SOON, || {
        let stored = expect_condition(&follower, "PolicyBinding", "a", "Ready", "True InForce")?;
        Ok((stored["status"]["inForce"]["version"] == "v2").then_some(()))
    })?;
    follower.stop()?;
    let left =
        cluster.kubectl(&["get", "configmaps", "-n", NAMESPACE, "-l", "writ.dev/record=replica", "-o", "name"], "")?;
    ensure!(left.ok()?.is_empty(), "reports of replicas that are gone");
    Ok(())
}

/// A replica that starts when the wanted version is missing goes by what the status says was in force.
#[test]
fn a_restarted_replica_resumes_what_was_in_force() -> Result<()> {
    let cluster = cluster()?;
    let replica = Replica::start(&cluster, "writ-0")?;
    replica.create_policy("a", "v1", "Good")?;
    replica.bind("a", "v1")?;
    wait_until("the status", SOON, || {
        Ok((replica.stored(&replica.bindings(), "a", "/status/inForce/version")? == "v1").then_some(()))
    })?;
    replica.bind("a", "v2")?;
    replica.expect("a", Some("v1"), Some("PolicyMissing"))?;
    replica.stop()?;
    let again = Replica::start(&cluster, "writ-0")?;
    again.expect("a", Some("v1"), Some("PolicyMissing"))?;
    again.stop()
}
