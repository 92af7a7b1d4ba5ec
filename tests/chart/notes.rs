//! What people read after an installation.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::helm::{CHART, helm};

fn notes(arguments: &[&str]) -> Result<String> {
    let output = Command::new(helm()?)
        .args(["install", "writ", CHART, "--namespace", "writ", "--dry-run=client"])
        .args(arguments)
        .env("HELM_CACHE_HOME", std::env::temp_dir())
        .output()?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(said.split_once("\nNOTES:\n").context("no notes")?.1.to_owned())
}

#[test]
fn notes_say_what_to_do_next_and_warn_of_what_is_open() -> Result<()> {
    let authenticated = "--set=callerAuthentication.caConfigMap=c,callerAuthentication.names={n}";
    let unauthenticated = "CALLERS ARE NOT AUTHENTICATED";
    let ignored = "failurePolicy is Ignore";
    let purged = "`helm uninstall` will remove all policies";
    let accepted = "anybody may use up somebody else's authority";
    let own_key = "secret mine: keep a copy of it";
    let cases: [(&[&str], &[&str], &[&str]); 6] = [
        (&[], &[unauthenticated, "Once are therefore refused", "get secret writ-signing-key"], &[ignored, purged]),
        (&[authenticated], &["helm test writ -n writ", "recover.sh"], &[unauthenticated]),
        (&["--set=callerAuthentication.acceptUnauthenticatedOnce=true"], &[unauthenticated, accepted], &[]),
        (&["--set=failurePolicy=Ignore"], &[ignored], &[]),
        (&["--set=uninstall.purge=true"], &[purged], &[]),
        (&["--set=signingKey.existingSecret=mine,breakGlass.group="], &[own_key], &["--as-group"]),
    ];
    for (arguments, present, absent) in cases {
        let said = notes(arguments)?;
        for text in present {
            ensure!(said.contains(text), "{arguments:?}: `{text}` is missing: {said}");
        }
        for text in absent {
            ensure!(!said.contains(text), "{arguments:?}: `{text}` is there: {said}");
        }
    }
    Ok(())
}
