//! Deletions of one object and of many, under a policy whose tickets are good for one.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::{
    driver::{CONFIG_MAPS, ticketed},
    harness::{Options, wait_until},
    policies::{govern, once, once_for},
    support::{Rig, SOON},
};

fn pod(namespace: &str, name: &str, ticket: &str, node: Option<&str>) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "annotations": {"example.com/ticket": ticket}},
        "spec": {"automountServiceAccountToken": false, "containers": [{"name": "c", "image": "registry.example/a"}]}});
    if let Some(node) = node {
        object["spec"]["nodeName"] = json!(node);
    }
    object
}

/// How often a deletion of an object was allowed, by its uid.
fn allowed(rig: &Rig, uid: &Value) -> Result<usize> {
    let lines = rig.decisions()?;
    let of = lines.iter().filter(|line| line["request"]["objectUid"] == *uid && line["outcome"] == "Allow");
    Ok(of.filter(|line| line["request"]["operation"] == "DELETE").count())
}

#[test]
fn t87_one_ticket_deletes_one_object_of_a_collection() -> Result<()> {
    let rig = Rig::in_cluster(Options::default())?;
    govern(&rig, &once("DELETE"), &["once"])?;
    for name in ["a", "b", "c"] {
        let mut object = ticketed(name, "CHG-1");
        object["metadata"]["labels"] = json!({"set": "x"});
        rig.create(&object)?;
    }
    let client = rig.cluster.client();
    let path = format!("{CONFIG_MAPS}?labelSelector=set%3Dx");
    let left = || -> Result<usize> { Ok(client.get(&path)?.json()?["items"].as_array().context("a list")?.len()) };
    for round in 0..3 {
        let response = client.request("DELETE", &path, &[], b"")?;
        ensure!(response.status == 403 && response.text().contains("Replayed"), "{round}: {}", response.text());
        ensure!(left()? == 2, "{} are left", left()?);
    }
    Ok(())
}

#[test]
fn t86_every_call_for_one_deletion_gets_the_same_answer() -> Result<()> {
    let rig = Rig::in_cluster(Options::default().controller_manager())?;
    rig.cluster.kubectl(&["create", "namespace", "shop"], "")?.ok()?;
    wait_until("the service account of pods", SOON, || {
        Ok(rig.cluster.kubectl(&["get", "serviceaccount", "default", "-n", "shop"], "")?.success.then_some(()))
    })?;
    govern(&rig, &once_for(&[("", "pods")], "DELETE"), &["once"])?;

    // By force: several calls for one uid in one request.
    let forced = rig.create(&pod("default", "forced", "CHG-1", Some("nowhere")))?;
    rig.cluster.kubectl(&["delete", "pod", "forced", "--force", "--grace-period=0"], "")?.ok()?;
    let calls = allowed(&rig, &forced["metadata"]["uid"])?;

    // In order: the user's call, and the kubelet's when the containers have ended.
    let graceful = rig.create(&pod("default", "graceful", "CHG-2", Some("nowhere")))?;
    let uid = &graceful["metadata"]["uid"];
    rig.cluster.kubectl(&["delete", "pod", "graceful", "--wait=false"], "")?.ok()?;
    let last = json!({"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}).to_string();
    let headers = [("Content-Type", "application/json")];
    let path = "/api/v1/namespaces/default/pods/graceful";
    let kubelet =
        rig.cluster.client_as("kube-apiserver", "system:node:nowhere", &["system:nodes", "system:masters"])?;
    let answer = kubelet.request("DELETE", path, &headers, last.as_bytes())?;
    ensure!(answer.status == 200, "{}", answer.text());
    ensure!(allowed(&rig, uid)? >= 2, "one call for two deletions");
    rig.cluster.kubectl(&["get", "pod", "graceful"], "")?.refused()?;

    // The ticket is used: neither another pod nor the same name again can be deleted with it.
    for name in ["graceful", "another"] {
        rig.create(&pod("default", name, "CHG-2", None))?;
        let message = rig.cluster.kubectl(&["delete", "pod", name, "--wait=false"], "")?.refused()?;
        ensure!(message.contains("Replayed"), "{message}");
    }

    // With the namespace, by the controller, which tries again until nothing is left.
    for number in 0..3 {
        rig.create(&pod("shop", &format!("web-{number}"), &format!("CHG-S{number}"), None))?;
    }
    rig.cluster.kubectl(&["delete", "namespace", "shop", "--timeout=60s"], "")?.ok()?;
    let by_controller = rig.decisions()?;
    let by_controller = by_controller.iter().filter(|line| {
        line["request"]["namespace"] == "shop" && line["request"]["operation"] == "DELETE" && line["outcome"] == "Allow"
    });
    ensure!(by_controller.count() >= 3, "three pods were deleted");
    println!("delete --force was validated {calls} times for one uid");
    Ok(())
}
