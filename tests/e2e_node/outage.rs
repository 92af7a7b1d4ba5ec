//! No replica at all: governed changes are refused at once, everything else goes on, and there is a quick way out.
//! Threats 41 and 43.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::harness::{Response, run};
use crate::installation::{BREAK_GLASS, Installation, NAMESPACE};
use crate::on_a_node;

/// How long a refusal may take when no replica is there.
const REFUSED_WITHIN: Duration = Duration::from_millis(1500);
/// What the documentation promises of the recovery script.
const RECOVERED_WITHIN: Duration = Duration::from_secs(60);

fn post(installation: &Installation, path: &str, object: &Value) -> Result<Response> {
    let headers = [("Content-Type", "application/json")];
    installation.cluster.client().request("POST", path, &headers, object.to_string().as_bytes())
}

/// Kinds of the webhook rules, one of each group.
fn governed() -> Vec<(&'static str, Value)> {
    let pod = json!({"containers": [{"name": "c", "image": "localhost/pause:1"}]});
    let template = json!({"metadata": {"labels": {"app": "x"}}, "spec": pod});
    let selector = json!({"matchLabels": {"app": "x"}});
    let job = json!({"metadata": {"labels": {"app": "x"}}, "spec": {"restartPolicy": "Never", "containers": pod["containers"]}});
    let backend = json!({"service": {"name": "x", "port": {"number": 80}}});
    let metadata = json!({"name": "x"});
    vec![
        ("/api/v1/namespaces/default/pods", json!({"metadata": metadata, "spec": pod})),
        ("/api/v1/namespaces/default/services", json!({"metadata": metadata, "spec": {"ports": [{"port": 80}]}})),
        ("/api/v1/namespaces", json!({"metadata": {"name": "further"}})),
        (
            "/apis/apps/v1/namespaces/default/deployments",
            json!({"metadata": metadata, "spec": {"selector": selector, "template": template}}),
        ),
        ("/apis/batch/v1/namespaces/default/jobs", json!({"metadata": metadata, "spec": {"template": job}})),
        (
            "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
            json!({"metadata": metadata, "spec": {"defaultBackend": backend}}),
        ),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", json!({"metadata": metadata, "rules": []})),
    ]
}

fn webhooks(installation: &Installation) -> Result<Value> {
    installation.get(&["mutatingwebhookconfiguration,validatingwebhookconfiguration", "--show-managed-fields"])
}

fn scale(installation: &Installation, replicas: usize) -> Result<()> {
    let count = format!("--replicas={replicas}");
    installation.kubectl(&["scale", "statefulset/writ", &count, "-n", NAMESPACE], "")?;
    let ready = "jsonpath={.status.readyReplicas}";
    installation.wait(&format!("{replicas} replicas"), || {
        let found = installation.kubectl(&["get", "statefulset/writ", "-n", NAMESPACE, "-o", ready], "")?;
        Ok(installation.replicas()?.len() == replicas && found.parse().unwrap_or(0) == replicas)
    })
}

/// When the node's kubelet last said that it lives.
fn heartbeat(installation: &Installation) -> Result<Value> {
    Ok(installation.get(&["lease", "node", "-n", "kube-node-lease"])?["spec"]["renewTime"].clone())
}

#[test]
fn t41_without_replicas_governed_changes_are_refused_at_once_and_the_rest_goes_on() -> Result<()> {
    on_a_node(&["--set", "drainSeconds=1"], |installation| {
        let before = webhooks(installation)?;
        scale(installation, 0)?;
        for (path, object) in governed() {
            let start = Instant::now();
            let answer = post(installation, path, &object)?;
            let took = start.elapsed();
            ensure!(
                answer.status >= 400 && answer.text().contains("writ.dev"),
                "{path}: {} {}",
                answer.status,
                answer.text()
            );
            ensure!(took < REFUSED_WITHIN, "{path} was refused after {took:?}");
        }
        let beat = heartbeat(installation)?;
        let metadata = json!({"name": "goes-on"});
        let involved = json!({"kind": "Node", "name": "node"});
        for (path, object) in [
            ("/api/v1/namespaces/default/configmaps", json!({"metadata": metadata})),
            ("/api/v1/namespaces/default/secrets", json!({"metadata": metadata})),
            ("/apis/coordination.k8s.io/v1/namespaces/default/leases", json!({"metadata": metadata})),
            ("/api/v1/namespaces/default/events", json!({"metadata": metadata, "involvedObject": involved})),
        ] {
            let answer = post(installation, path, &object)?;
            ensure!(answer.status == 201, "{path}: {} {}", answer.status, answer.text());
        }
        let exempt = json!({"metadata": {"name": "x"}, "spec": governed()[0].1["spec"]});
        let answer = post(installation, "/api/v1/namespaces/kube-system/pods", &exempt)?;
        ensure!(answer.status == 201, "kube-system: {} {}", answer.status, answer.text());
        installation.kubectl(&["wait", "--for=condition=Ready", "pod/x", "-n", "kube-system", "--timeout=60s"], "")?;
        installation.wait("the node's next sign of life", || Ok(heartbeat(installation)? != beat))?;
        let ready = "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}";
        let ready = installation.kubectl(&["get", "node", "node", "-o", ready], "")?;
        ensure!(ready == "True", "the node's condition Ready is {ready}");
        ensure!(webhooks(installation)? == before, "the webhook configurations are not what they were");

        // And back, without anything but the StatefulSet.
        scale(installation, 2)?;
        let (path, object) = &governed()[0];
        installation.wait("governed changes to be decided", || Ok(post(installation, path, object)?.status == 201))?;
        ensure!(webhooks(installation)? == before, "the webhook configurations are not what they were");
        Ok(())
    })
}

#[test]
fn t43_break_glass_and_the_recovery_script_need_nothing_of_writ() -> Result<()> {
    on_a_node(&["--set", "drainSeconds=1"], |installation| {
        scale(installation, 0)?;
        let glass = ["--as=root", "--as-group=system:masters", &format!("--as-group={BREAK_GLASS}")].map(str::to_owned);
        let glass: Vec<&str> = glass.iter().map(String::as_str).collect();
        let role = ["create", "clusterrole", "by-break-glass", "--verb=get", "--resource=pods"];
        installation.cluster.kubectl(&role, "")?.refused()?;
        installation.kubectl(&[&role[..], &glass].concat(), "")?;

        let jsonpath = "jsonpath={.data.recover\\.sh}";
        let script =
            installation.kubectl(&["get", "configmap", "writ-recovery", "-n", NAMESPACE, "-o", jsonpath], "")?;
        let folder = installation.cluster.directory().join("hurry");
        std::fs::create_dir(&folder)?;
        std::fs::write(folder.join("recover.sh"), script)?;
        let recover = |arguments: &str| -> Result<String> {
            let mut command = installation.cluster.command("bash");
            let line = format!("cd {} && bash recover.sh {arguments}", folder.display());
            run(
                {
                    command.args(["-c", &line]);
                    command
                },
                "",
            )?
            .ok()
            .context("recover.sh")
        };
        let (path, object) = &governed()[3];
        let start = Instant::now();
        recover("--yes")?;
        installation.wait("the way in", || Ok(post(installation, path, object)?.status == 201))?;
        ensure!(start.elapsed() < RECOVERED_WITHIN, "it took {:?}", start.elapsed());
        installation.kubectl(&["rollout", "status", "deployment/x", "--timeout=60s"], "")?;

        scale(installation, 2)?;
        recover("--restore writ-recovery-*")?;
        installation.wait("Writ to be asked again", || {
            Ok(installation.helm(&["test", "writ", "-n", NAMESPACE, "--timeout", "60s"])?.success)
        })
    })
}
