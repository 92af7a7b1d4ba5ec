//! The Helm chart as it renders: golden files, and what must hold for whatever values.
//!
//! `WRIT_UPDATE_GOLDEN=1 cargo test --test chart` writes the golden files anew; review the difference.

#[path = "chart/helm.rs"]
mod helm;
#[path = "chart/notes.rs"]
mod notes;
#[path = "chart/refused.rs"]
mod refused;
#[path = "chart/rights.rs"]
mod rights;
#[path = "chart/shape.rs"]
mod shape;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use writ::cli::crds::{CrdForm, crd_files};

/// Values that use everything the chart can do.
const EVERYTHING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart/everything.values.yaml");

#[test]
fn the_definitions_are_those_of_the_types() -> Result<()> {
    for (form, directory) in [(CrdForm::Plain, "crds"), (CrdForm::Chart, "charts/writ/templates/crds")] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        let files = crd_files(form)?;
        for file in &files {
            let found = fs::read_to_string(directory.join(&file.name))?;
            ensure!(found == file.yaml, "{}/{} is stale: run `make crds`", directory.display(), file.name);
        }
        ensure!(fs::read_dir(&directory)?.count() == files.len(), "{} has other files too", directory.display());
    }
    Ok(())
}

#[test]
fn renderings_are_as_reviewed() -> Result<()> {
    let cases: [(&str, &[&str]); 3] = [
        ("default", &[]),
        (
            "cert-manager",
            &[
                "--set=certificates.source=cert-manager",
                "--show-only=templates/cert-manager.yaml",
                "--show-only=templates/statefulset.yaml",
                "--show-only=templates/hooks/jobs.yaml",
            ],
        ),
        ("everything", &["--values", EVERYTHING]),
    ];
    let mut stale = Vec::new();
    for (name, arguments) in cases {
        // The definitions have a test of their own.
        let arguments = [arguments, &["--set", "crds.install=false"]].concat();
        let found = helm::rendered(&arguments)?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/chart/{name}.yaml"));
        #[expect(clippy::disallowed_methods, reason = "a switch of this test, not of the product")]
        if std::env::var("WRIT_UPDATE_GOLDEN").is_ok() {
            fs::write(&path, &found)?;
        }
        let golden = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        if let Some(line) = first_difference(&golden, &found) {
            stale.push(format!("tests/chart/{name}.yaml, {line}"));
        }
    }
    if !stale.is_empty() {
        bail!("the chart renders otherwise: {}\nreview it and run with WRIT_UPDATE_GOLDEN=1", stale.join("\n"));
    }
    Ok(())
}

fn first_difference(golden: &str, found: &str) -> Option<String> {
    if golden == found {
        return None;
    }
    let pairs = golden.lines().zip(found.lines()).enumerate();
    let different = pairs.into_iter().find(|(_, (golden, found))| golden != found);
    Some(different.map_or_else(
        || "one is longer than the other".to_owned(),
        |(number, (golden, found))| format!("line {}: `{golden}` is now `{found}`", number + 1),
    ))
}
