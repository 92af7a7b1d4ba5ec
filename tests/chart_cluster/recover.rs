//! The recovery script: it needs nothing of Writ, is quick, saves what it takes away, and puts it back. Threat 43.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::harness::{Output, run, wait_until};
use super::installed::{CHART, Installed, SOON, shared};

/// The limit that the documentation promises.
const PROMISED: Duration = Duration::from_secs(60);

/// The script in a directory of its own, as it would be started in a hurry.
struct Hurry<'a> {
    installed: &'a Installed,
    directory: PathBuf,
}

impl<'a> Hurry<'a> {
    fn new(installed: &'a Installed) -> Result<Self> {
        let directory = installed.cluster.directory().join("hurry");
        fs::create_dir(&directory)?;
        Ok(Self { installed, directory })
    }

    fn script(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.installed.cluster.command("bash");
        command.arg(Path::new(CHART).join("files/recover.sh")).args(arguments).current_dir(&self.directory);
        run(command, "")
    }

    /// What the script saved last.
    fn saved(&self) -> Result<PathBuf> {
        let mut found: Vec<PathBuf> =
            fs::read_dir(&self.directory)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        found.sort();
        found.pop().context("nothing was saved")
    }

    fn forget(&self) -> Result<()> {
        fs::remove_dir_all(&self.directory)?;
        Ok(fs::create_dir(&self.directory)?)
    }

    /// Whether an ordinary administrator can change what Writ governs.
    fn is_open(&self) -> Result<bool> {
        let role = ["create", "clusterrole", "probe", "--verb=get", "--resource=pods", "--dry-run=server"];
        Ok(self.installed.cluster.kubectl(&role, "")?.success)
    }

    fn wait(&self, open: bool) -> Result<()> {
        wait_until(if open { "the way in" } else { "the webhooks" }, SOON, || {
            Ok((self.is_open()? == open).then_some(()))
        })
    }

    fn webhooks(&self) -> Result<Vec<Value>> {
        let kinds = ["get", "validatingwebhookconfiguration,mutatingwebhookconfiguration", "-o", "json"];
        let found: Value = serde_json::from_str(&self.installed.root(&kinds, "")?)?;
        let items = found["items"].as_array().cloned().unwrap_or_default();
        Ok(items.iter().flat_map(|item| item["webhooks"].as_array().cloned().unwrap_or_default()).collect())
    }
}

fn installed() -> Result<Installed> {
    let installed = Installed::bare()?;
    installed.install(&[])?;
    Ok(installed)
}

#[test]
fn webhooks_are_taken_away_in_time_and_put_back_as_they_were() -> Result<()> {
    let installed = installed()?;
    let hurry = Hurry::new(&installed)?;
    hurry.wait(false)?;
    let before = hurry.webhooks()?;
    let start = Instant::now();
    let said = hurry.script(&["--yes"])?.ok()?;
    ensure!(start.elapsed() < PROMISED, "it took {:?}", start.elapsed());
    hurry.wait(true)?;
    ensure!(said.contains("bash recover.sh --restore writ-recovery-"), "{said}");
    ensure!(hurry.webhooks()?.is_empty(), "a webhook was left");
    let again = hurry.script(&["--yes"])?.ok()?;
    ensure!(again.contains("nothing of Writ stands in the way"), "{again}");

    let saved = hurry.saved()?;
    let said = hurry.script(&["--restore", &saved.display().to_string()])?.ok()?;
    ensure!(said.contains("put back"), "{said}");
    ensure!(hurry.webhooks()? == before, "not put back as they were");
    hurry.wait(false)?;
    // Put back twice is put back once.
    hurry.script(&["--restore", &saved.display().to_string()])?.ok()?;
    // And Helm still knows them for its own.
    installed.helm(&["upgrade", "writ", CHART, "--no-hooks", "--reuse-values"])?.ok()?;
    Ok(())
}

#[test]
fn each_way_of_being_broken_is_recovered_from() -> Result<()> {
    let installed = installed()?;
    let hurry = Hurry::new(&installed)?;
    let patch = |patch: Value| -> Result<()> {
        for kind in ["validatingwebhookconfiguration", "mutatingwebhookconfiguration"] {
            installed.root(&["patch", kind, "zz-writ", "--type=json", "--patch", &patch.to_string()], "")?;
        }
        Ok(())
    };
    // No replica is there at all (as installed), nobody listens, the Service is gone. What a replica answers makes no
    // difference to the script: it never asks one.
    let nobody = json!({"url": "https://127.0.0.1:1/x"});
    let unknown = json!({"service": {"name": "gone", "namespace": "writ", "path": "/validate", "port": 443}});
    let broken: [Option<Value>; 3] = [
        None,
        Some(json!([{"op": "replace", "path": "/webhooks/0/clientConfig", "value": nobody}])),
        Some(json!([{"op": "replace", "path": "/webhooks/0/clientConfig", "value": unknown}])),
    ];
    for break_it in broken {
        if let Some(change) = break_it {
            patch(change)?;
        }
        hurry.wait(false)?;
        let start = Instant::now();
        hurry.script(&["--yes"])?.ok()?;
        ensure!(start.elapsed() < PROMISED, "it took {:?}", start.elapsed());
        hurry.wait(true)?;
        hurry.script(&["--restore", &hurry.saved()?.display().to_string()])?.ok()?;
        hurry.forget()?;
    }
    Ok(())
}

#[test]
fn with_ignore_the_webhooks_stay() -> Result<()> {
    let installed = installed()?;
    let hurry = Hurry::new(&installed)?;
    let before = hurry.webhooks()?;
    hurry.script(&["--yes", "--ignore"])?.ok()?;
    let found = hurry.webhooks()?;
    ensure!(found.len() == 3 && found.iter().all(|webhook| webhook["failurePolicy"] == "Ignore"), "{found:?}");
    hurry.wait(true)?;
    hurry.script(&["--restore", &hurry.saved()?.display().to_string()])?.ok()?;
    ensure!(hurry.webhooks()? == before, "not put back as they were");
    Ok(())
}

#[test]
fn protecting_policies_go_only_when_asked_for() -> Result<()> {
    let installed = installed()?;
    let hurry = Hurry::new(&installed)?;
    let count = || -> Result<usize> {
        let kinds = "validatingadmissionpolicy,validatingadmissionpolicybinding";
        let names = installed.root(&["get", kinds, "-l", "app.kubernetes.io/part-of=writ", "-o", "name"], "")?;
        Ok(names.lines().count())
    };
    let all = count()?;
    ensure!(all == 12, "{all} protecting objects");
    hurry.script(&["--yes"])?.ok()?;
    ensure!(count()? == all, "protecting policies went without being asked for");
    hurry.forget()?;
    hurry.script(&["--yes", "--policies"])?.ok()?;
    ensure!(count()? == 0, "{} were left", count()?);
    hurry.script(&["--restore", &hurry.saved()?.display().to_string()])?.ok()?;
    ensure!(count()? == all, "{} of {all} were put back", count()?);
    Ok(())
}

#[test]
fn nothing_is_changed_without_a_yes_or_a_server() -> Result<()> {
    let installed = installed()?;
    let hurry = Hurry::new(&installed)?;
    let before = hurry.webhooks()?;
    for (arguments, message) in [
        (&[][..], "no terminal to ask on: say --yes"),
        (&["--force"], "unknown argument `--force`"),
        (&["--restore", "nowhere"], "no directory `nowhere`"),
    ] {
        let said = hurry.script(arguments)?.refused()?;
        ensure!(said.contains(message), "{arguments:?}: {said}");
    }
    ensure!(hurry.script(&["--help"])?.ok()?.contains("--restore DIR"), "no help");
    ensure!(hurry.webhooks()? == before, "something was changed");
    ensure!(fs::read_dir(&hurry.directory)?.count() == 0, "something was saved");
    installed.cluster.stop("kube-apiserver")?;
    let said = hurry.script(&["--yes"])?.refused()?;
    ensure!(said.contains("does not answer"), "{said}");
    Ok(())
}

#[test]
fn the_cluster_itself_hands_out_the_script() -> Result<()> {
    let script = ["get", "configmap", "writ-recovery", "-n", "writ", "-o", "jsonpath={.data.recover\\.sh}"];
    let found = shared()?.root(&script, "")?;
    ensure!(found.trim_end() == fs::read_to_string(Path::new(CHART).join("files/recover.sh"))?.trim_end(), "{found}");
    Ok(())
}
