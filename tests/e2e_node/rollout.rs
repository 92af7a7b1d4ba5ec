//! Deployment → ReplicaSet → Pod with the real controllers, and policies on all three kinds.
//! Threats 47 and 85, and rows 2 and 4 of the contract of Kubernetes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::harness::wait_until;
use crate::installation::{Installation, SOON, says};
use crate::on_a_node;

/// How long nothing may be written for a namespace to count as settled: the endless loop between two controllers writes
/// many times a second.
const SETTLED: Duration = Duration::from_secs(5);

const PRODUCTION: &str = "production";
const N: [&str; 2] = ["-n", PRODUCTION];

fn web(image: &str, ticket: &str) -> Value {
    let labels = json!({"app": "web"});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": PRODUCTION, "annotations": {"change.example.com/ticket": ticket}},
        "spec": {"replicas": 3, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "web", "image": image}]},
        }},
    })
}

fn production(installation: &Installation) -> Result<String> {
    installation.kubectl(&["create", "namespace", PRODUCTION], "")?;
    installation.apply_examples(&["change-ticket", "pinned-images"])?;
    installation.cluster.pin("localhost/pause:1", "registry.example.com/apps/web")
}

fn rolled_out(installation: &Installation) -> Result<()> {
    installation.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s", N[0], N[1]], "")?;
    Ok(())
}

fn objects(installation: &Installation) -> Result<Vec<Value>> {
    let found = installation.get(&["deployments,replicasets,pods", N[0], N[1]])?;
    Ok(found["items"].as_array().cloned().unwrap_or_default())
}

/// Waits until no object of the namespace is written any more.
fn settle(installation: &Installation) -> Result<Vec<Value>> {
    let versions = |objects: &[Value]| -> Vec<Value> {
        objects.iter().map(|object| object["metadata"]["resourceVersion"].clone()).collect()
    };
    let mut last = (Instant::now(), Vec::new());
    wait_until("nothing to be written any more", SOON, || {
        let now = objects(installation)?;
        if versions(&now) != last.1 {
            last = (Instant::now(), versions(&now));
        }
        Ok((last.0.elapsed() > SETTLED).then_some(now))
    })
}

/// Each object has an attestation under the key of its own kind.
fn attested(objects: &[Value]) -> Result<()> {
    for object in objects {
        let kind = object["kind"].as_str().unwrap_or_default();
        let scope = match kind {
            "Deployment" => "deployments.apps",
            "ReplicaSet" => "replicasets.apps",
            _ => "pods",
        };
        let annotations = object["metadata"]["annotations"].as_object().context("no annotations")?;
        let own = format!("attestation.writ.dev/{scope}");
        ensure!(annotations.contains_key(&own), "{kind} {} has no {own}", object["metadata"]["name"]);
    }
    Ok(())
}

#[test]
fn rollouts_are_attested_where_they_belong_and_come_to_rest() -> Result<()> {
    on_a_node(&[], |installation| {
        let image = production(installation)?;
        installation.kubectl(&["apply", "-f", "-"], &web(&image, "CHG-2001").to_string())?;
        rolled_out(installation)?;
        let first = settle(installation)?;
        ensure!(first.len() == 5, "{} objects", first.len());
        attested(&first)?;

        // A rollout: a second ReplicaSet, and the first is scaled down by the controller.
        let mut second = web(&image, "CHG-2002");
        second["spec"]["template"]["metadata"]["annotations"] = json!({"example.com/generation": "2"});
        installation.kubectl(&["apply", "-f", "-"], &second.to_string())?;
        rolled_out(installation)?;
        let then = settle(installation)?;
        ensure!(then.len() == 6, "{} objects", then.len());
        attested(&then)?;
        // The same again is no change: nothing is written, and the used ticket is no hindrance.
        installation.kubectl(&["apply", "-f", "-"], &second.to_string())?;
        ensure!(settle(installation)? == then, "an apply of what is there wrote something");

        // Through /scale, as an autoscaler does it; and back by a rollback, which is a change that needs a ticket.
        installation.kubectl(&["scale", "deployment/web", "--replicas=4", N[0], N[1]], "")?;
        rolled_out(installation)?;
        attested(&settle(installation)?)?;
        let undo = installation.cluster.kubectl(&["rollout", "undo", "deployment/web", N[0], N[1]], "")?;
        says(&undo.refused()?, &["Replayed"])?;

        // A pod that is lost is replaced, however it is deleted.
        let pods = installation.kubectl(&["get", "pods", "-o", "name", N[0], N[1]], "")?;
        let pod = pods.lines().next().context("no pod")?;
        installation.kubectl(&["delete", pod, "--force", "--timeout=60s", N[0], N[1]], "")?;
        rolled_out(installation)?;
        let replaced = settle(installation)?;
        attested(&replaced)?;
        let gone = pod.rsplit('/').next().unwrap_or_default();
        ensure!(replaced.iter().all(|object| object["metadata"]["name"] != gone), "{pod} is still there");

        // The whole namespace goes, with all that is in it.
        installation.kubectl(&["delete", "namespace", PRODUCTION, "--timeout=60s"], "")?;
        ensure!(objects(installation)?.is_empty(), "something is left of the namespace");
        Ok(())
    })
}
