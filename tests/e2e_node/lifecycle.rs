//! Install, test, upgrade, rollback and uninstall, as an operator does it.

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::installation::{CHART, Installation, NAMESPACE, says};
use crate::on_a_node;

const N: [&str; 2] = ["-n", NAMESPACE];

/// What identifies an installation to others: authority, key, store.
fn identity(installation: &Installation) -> Result<Vec<Value>> {
    let parts = [["secret", "writ-ca"], ["secret", "writ-signing-key"], ["configmap", "writ-store"]];
    parts.iter().map(|what| Ok(installation.get(&[&what[..], &N].concat())?["data"].clone())).collect()
}

fn versions(installation: &Installation) -> Result<Vec<Value>> {
    let found = installation.get(&["wpol,wpb"])?;
    let items = found["items"].as_array().cloned().unwrap_or_default();
    Ok(items.iter().map(|item| item["status"]["inForce"].clone()).collect())
}

#[test]
fn an_installation_is_tested_upgraded_rolled_back_and_removed() -> Result<()> {
    on_a_node(&["--set", "drainSeconds=2"], |installation| {
        let helm = |arguments: &[&str]| installation.helm(&[arguments, &N, &["--timeout", "120s"]].concat())?.ok();
        helm(&["test", "writ", "--logs"])?;
        installation.apply_examples(&["change-ticket", "pinned-images"])?;
        let (made, in_force, pods) = (identity(installation)?, versions(installation)?, installation.replicas()?);
        ensure!(pods.len() == 2, "{pods:?}");

        // An upgrade replaces the pods, and neither key nor store nor what is in force.
        helm(&["upgrade", "writ", CHART, "--reuse-values", "--set", "logLevel=debug", "--wait"])?;
        let upgraded = installation.replicas()?;
        ensure!(upgraded.len() == 2 && upgraded.iter().all(|pod| !pods.contains(pod)), "{pods:?}, then {upgraded:?}");
        governs(installation)?;
        helm(&["rollback", "writ", "1", "--wait"])?;
        let back = installation.replicas()?;
        ensure!(back.len() == 2 && back.iter().all(|pod| !upgraded.contains(pod)), "{upgraded:?}, then {back:?}");
        governs(installation)?;
        ensure!(identity(installation)? == made, "authority, key or store were exchanged");
        ensure!(versions(installation)? == in_force, "another version is in force");
        helm(&["test", "writ"])?;

        helm(&["uninstall", "writ", "--wait"])?;
        removed(installation)?;
        // What cannot be made again is kept.
        ensure!(identity(installation)? == made, "authority, key or store were removed");
        ensure!(versions(installation)?.len() == 4, "policies or bindings were removed");
        free(installation)
    })
}

#[test]
fn it_can_be_removed_when_all_replicas_are_dead() -> Result<()> {
    on_a_node(&[], |installation| {
        let none = ["scale", "statefulset/writ", "--replicas=0", N[0], N[1]];
        installation.kubectl(&none, "")?;
        installation.wait("the end of all replicas", || Ok(installation.replicas()?.is_empty()))?;
        installation.helm(&[&["uninstall", "writ", "--wait", "--timeout", "120s"], &N[..]].concat())?.ok()?;
        removed(installation)?;
        free(installation)
    })
}

/// A foreign image is refused by the examples in force.
fn governs(installation: &Installation) -> Result<()> {
    let run = ["run", "foreign", "--image=docker.io/foreign:1", "--dry-run=server"];
    says(&installation.cluster.kubectl(&run, "")?.refused()?, &["RegistryNotAllowed"])
}

/// Nothing of Writ asks, guards or runs any more.
fn removed(installation: &Installation) -> Result<()> {
    let kinds = "mutatingwebhookconfiguration,validatingwebhookconfiguration,validatingadmissionpolicy,\
                 validatingadmissionpolicybinding,clusterrole,clusterrolebinding";
    let label = "app.kubernetes.io/part-of=writ";
    let left = installation.kubectl(&["get", kinds, "-l", label, "-o", "name"], "")?;
    ensure!(left.is_empty(), "left: {left}");
    installation.wait("the end of all pods", || {
        Ok(installation.kubectl(&["get", "pods", "-o", "name", N[0], N[1]], "")?.is_empty())
    })
}

/// Anything goes, as before Writ came.
fn free(installation: &Installation) -> Result<()> {
    installation.wait("the API server to have forgotten the webhooks", || {
        Ok(installation.cluster.kubectl(&["run", "foreign", "--image=localhost/pause:1"], "")?.success)
    })?;
    installation.kubectl(&["wait", "--for=condition=Ready", "pod/foreign", "--timeout=60s"], "")?;
    Ok(())
}
