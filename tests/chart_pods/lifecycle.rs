//! Install, test, upgrade, roll back, remove: with replicas that serve, and with all of them dead.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Result, ensure};
use serde_json::json;

use super::harness::wait_until;
use super::release::{Release, SOON, can_run_pods};

#[test]
fn a_release_is_installed_tested_rolled_and_removed() -> Result<()> {
    if !can_run_pods() {
        return Ok(());
    }
    let release = Release::node()?;
    release.ok(&["create", "namespace", "governed"], "")?;
    let said = release.helm_with_values("install", &["--wait"])?.ok()?;
    ensure!(!said.contains("CALLERS ARE NOT AUTHENTICATED"), "{said}");
    ensure!(said.contains("helm test writ -n writ"), "{said}");
    let said = release.helm(&["test", "writ", "--logs"])?.ok()?;
    ensure!(said.contains("Succeeded"), "{said}");
    let set = release.json(&["statefulset", "writ"])?;
    ensure!(set["status"]["readyReplicas"] == 2, "{}", set["status"]);
    let identity = release.identity()?;

    release.govern("open", "Allow")?;
    release.wait_for_allow()?;
    release.deploy("kept")?.ok()?;
    let kept = release.json(&["deployment", "kept", "--namespace=governed"])?;
    let annotations = kept["metadata"]["annotations"].to_string();
    ensure!(annotations.contains("attestation.writ.dev/deployments.apps"), "{annotations}");

    // Rolled while people work: nobody is refused.
    let (refused, asked) = while_people_work(&release, || {
        release.helm_with_values("upgrade", &["--wait", "--set=logLevel=debug"])?.ok()?;
        release.helm(&["rollback", "writ", "1", "--wait", "--timeout=300s"])?.ok()?;
        Ok(())
    })?;
    ensure!(asked > 20, "only {asked} requests were made");
    ensure!(refused.is_empty(), "{} of {asked} were refused: {refused:?}", refused.len());
    ensure!(release.identity()? == identity, "the rollout changed key or store");
    let jobs = release.json(&["jobs"])?;
    ensure!(jobs["items"] == json!([]), "hooks were left: {jobs}");

    release.helm(&["uninstall", "writ", "--timeout=300s"])?.ok()?;
    release.deploy("after")?.ok()?;
    release.ok(&["get", "policy", "open.v1"], "")?;
    release.helm_with_values("install", &["--wait", "--take-ownership"])?.ok()?;
    ensure!(release.identity()? == identity, "the second installation made another key or store");
    release.govern("closed", "Deny")?;
    release.wait_for_refusal("by policy")
}

/// What was refused, and how much was asked, of Deployments that are created and deleted without a pause.
fn while_people_work(release: &Release, act: impl FnOnce() -> Result<()>) -> Result<(Vec<String>, usize)> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let people = scope.spawn(|| -> Result<(Vec<String>, usize)> {
            let (mut refused, mut asked) = (Vec::new(), 0);
            while !done.load(Ordering::Relaxed) {
                let output = release.deploy("busy")?;
                asked += 1;
                if !output.success {
                    refused.push(output.stderr);
                    continue;
                }
                let output = release.cluster.kubectl(&["delete", "deployment", "busy", "-n", "governed"], "")?;
                asked += 1;
                if !output.success {
                    refused.push(output.stderr);
                    release.cluster.kubectl(&["delete", "deployment", "busy", "-n", "governed"], "")?;
                }
            }
            Ok((refused, asked))
        });
        let acted = act();
        done.store(true, Ordering::Relaxed);
        let worked = people.join().map_err(|_| anyhow::anyhow!("the people panicked"))?;
        acted?;
        worked
    })
}

/// Threats 42 and 43; the chart's own promises when nobody answers.
#[test]
fn with_all_replicas_dead_the_release_is_repaired_or_removed() -> Result<()> {
    if !can_run_pods() {
        return Ok(());
    }
    let release = Release::installed()?;
    release.ok(&["create", "namespace", "governed"], "")?;
    let before = release.json(&["validatingwebhookconfiguration", "zz-writ"])?;
    release.kill_all()?;

    let said = release.deploy("refused")?.refused()?;
    ensure!(said.contains("failed calling webhook \"governed.writ.dev\""), "{said}");
    release.ok(&["create", "configmap", "goes-on", "--namespace=governed"], "")?;
    release.ok(&["create", "deployment", "goes-on", "--namespace=kube-system", "--image=i"], "")?;
    ensure!(release.json(&["validatingwebhookconfiguration", "zz-writ"])? == before, "the webhooks were changed");

    // Cluster-scoped objects of the release are governed: only break-glass changes them now.
    let said = release.helm_with_values("upgrade", &[])?.refused()?;
    ensure!(said.contains("governed.writ.dev"), "{said}");
    let upgrade = [&["--wait", "--set=replicas=1"], &Release::break_glass()[..]].concat();
    release.helm_with_values("upgrade", &upgrade)?.ok()?;
    release.wait_for_allow()?;

    release.kill_all()?;
    release
        .helm(&[&["rollback", "writ", "1", "--wait", "--timeout=300s"], &Release::break_glass()[..]].concat())?
        .ok()?;
    release.wait_for_allow()?;

    release.kill_all()?;
    release.helm(&["uninstall", "writ", "--timeout=300s"])?.ok()?;
    release.deploy("free")?.ok()?;
    let left =
        release.ok(&["get", "validatingadmissionpolicy,mutatingwebhookconfiguration,clusterrole", "-o", "name"], "")?;
    ensure!(!left.lines().any(|name| name.contains("writ")), "left: {left}");
    release.ok(&["delete", "namespace", "writ", "--wait=false"], "")?;
    wait_until("the end of the namespace", SOON, || {
        Ok((!release.cluster.kubectl(&["get", "namespace", "writ"], "")?.success).then_some(()))
    })
}
