//! Every component broken in turn, and each time the way back in: the recovery script, within its promised minute, then
//! the repair. Threat 43.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::harness::run;
use super::release::Release;

const N: &str = "--namespace=writ";
const PROMISED: Duration = Duration::from_secs(60);
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/writ/files/recover.sh");

impl Release {
    /// Runs the script, which must open the way; answers where it saved what it took away.
    fn recover(&self, round: &str) -> Result<PathBuf> {
        let directory = self.cluster.directory().join(round);
        fs::create_dir(&directory)?;
        let start = Instant::now();
        self.script(&directory, &["--yes"])?;
        self.wait_for_allow()?;
        ensure!(start.elapsed() < PROMISED, "{round}: it took {:?}", start.elapsed());
        let saved = fs::read_dir(&directory)?.next().context("nothing was saved")??;
        Ok(saved.path())
    }

    fn restore(&self, saved: &Path) -> Result<()> {
        self.script(Path::new("/"), &["--restore", &saved.display().to_string()])
    }

    fn script(&self, directory: &Path, arguments: &[&str]) -> Result<()> {
        // A command in the cluster's namespaces begins in a directory of theirs.
        let mut command = self.cluster.command("bash");
        command.args(["-c", "cd \"$0\" && exec bash \"$@\""]).arg(directory).arg(SCRIPT).args(arguments);
        run(command, "")?.ok()?;
        Ok(())
    }

    fn patch(&self, object: &[&str], patch: &serde_json::Value) -> Result<()> {
        self.ok(&[&["patch"], object, &["--type=json", "--patch", &patch.to_string()]].concat(), "")?;
        Ok(())
    }
}

#[test]
fn each_broken_component_is_recovered_from_and_repaired() -> Result<()> {
    let release = Release::installed()?;
    release.ok(&["create", "namespace", "governed"], "")?;
    release.wait_for_allow()?;

    // The certificate: the webhooks trust somebody else.
    let stranger = release.cluster.authority().certificate();
    let bundle = json!(base64(stranger));
    for (kind, count) in [("validatingwebhookconfiguration", 2), ("mutatingwebhookconfiguration", 1)] {
        let patch: Vec<serde_json::Value> = (0..count)
            .map(|index| json!({"op": "replace", "path": format!("/webhooks/{index}/clientConfig/caBundle"), "value": bundle}))
            .collect();
        release.patch(&[kind, "zz-writ"], &json!(patch))?;
    }
    release.wait_for_refusal("failed calling webhook")?;
    release.recover("certificate")?;
    release.helm_with_values("upgrade", &["--wait"])?.ok()?;
    release.wait_for_allow()?;

    // A policy denies everything. Its own binding is never judged by it.
    release.govern("closed", "Deny")?;
    release.wait_for_refusal("by policy")?;
    let saved = release.recover("policy")?;
    release.restore(&saved)?;
    release.wait_for_refusal("by policy")?;
    release.ok(&["delete", "policybinding", "closed"], "")?;
    release.wait_for_allow()?;

    // No replica.
    release.kill_all()?;
    release.wait_for_refusal("failed calling webhook")?;
    let saved = release.recover("replicas")?;
    release.ok(&["scale", "statefulset", "writ", N, "--replicas=2"], "")?;
    release.ok(&["rollout", "status", "statefulset/writ", N, "--timeout=90s"], "")?;
    release.restore(&saved)?;
    release.wait_for_allow()?;

    // The store is gone: not an empty one, so no replica is ready, and none that starts either.
    let store = release.json(&["configmap", "writ-store"])?["data"].clone();
    release.ok(&["delete", "configmap", "writ-store", N], "")?;
    release.ok(&["delete", "pod", "--all", N], "")?;
    release.wait_for_refusal("governed.writ.dev")?;
    let saved = release.recover("store")?;
    let root = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "writ-store", "namespace": "writ"}, "data": store});
    release.ok(&["create", "-f", "-"], &root.to_string())?;
    release.ok(&["rollout", "status", "statefulset/writ", N, "--timeout=90s"], "")?;
    release.restore(&saved)?;
    release.wait_for_allow()
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
