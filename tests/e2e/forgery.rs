//! Attestations that are copied, moved, edited or missing (threats 1, 2, 3, 4, 24 and 90), with the mutating webhook out
//! of the way, so that what the attacker sends is what validate sees.

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    harness::Options,
    support::{ALLOW_ALL, Rig, assert_says, verified},
};

fn config_map(namespace: &str, name: &str, writ: Option<&str>) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": {"k": "v"}});
    if let Some(writ) = writ {
        object["metadata"]["annotations"] = json!({"attestation.writ.dev/configmaps": writ});
    }
    object
}

fn writ_of(object: &Value) -> &str {
    object["metadata"]["annotations"]["attestation.writ.dev/configmaps"].as_str().unwrap_or_default()
}

#[test]
fn t01_t02_t04_an_attestation_fits_one_object_in_one_state() -> Result<()> {
    let rig = Rig::standalone(Options::default(), ALLOW_ALL)?;
    rig.cluster.kubectl(&["create", "namespace", "other"], "")?.ok()?;
    let honest = rig.create(&config_map("default", "a", None))?;
    verified(&honest, "attestation.writ.dev/configmaps")?;
    let writ = writ_of(&honest).to_owned();

    rig.register(false, true)?;
    assert_says(&rig.refused(&config_map("default", "b", None))?, &["AttestationMissing", "mutating webhook"])?;
    assert_says(&rig.refused(&config_map("default", "b", Some(&writ)))?, &["another name"])?;
    assert_says(&rig.refused(&config_map("other", "a", Some(&writ)))?, &["another namespace"])?;
    for (damage, word) in [
        (flip(&writ, 40), "Forbidden"),
        (writ[..writ.len() - 4].to_owned(), "Attestation"),
        (format!("{writ}AAAA"), "Attestation"),
        ("x".repeat(70_000), "Attestation"),
        (String::new(), "Attestation"),
    ] {
        let message = rig.refused(&config_map("default", "b", Some(&damage)))?;
        assert_says(&message, &["Forbidden", word])?;
    }
    // Stripped, edited, or kept on a change: each is refused.
    for annotation in [json!(null), json!(flip(&writ, 200)), json!(writ)] {
        let patch =
            json!({"metadata": {"annotations": {"attestation.writ.dev/configmaps": annotation}}, "data": {"k": "w"}});
        let output = rig.cluster.kubectl(&["patch", "configmap", "a", "--type=merge", "-p", &patch.to_string()], "")?;
        output.refused()?;
    }
    // Even where nothing else changes.
    let strip = json!({"metadata": {"annotations": {"attestation.writ.dev/configmaps": null}}}).to_string();
    let message = rig.cluster.kubectl(&["patch", "configmap", "a", "--type=merge", "-p", &strip], "")?.refused()?;
    assert_says(&message, &["belongs to writ"])?;
    assert_eq!(writ_of(&rig.get(&["configmap", "a"])?), writ);
    Ok(())
}

#[test]
fn t24_a_dry_run_yields_nothing_that_can_be_used() -> Result<()> {
    let rig = Rig::standalone(Options::default(), ALLOW_ALL)?;
    let text = rig
        .cluster
        .kubectl(
            &["create", "--dry-run=server", "-o", "json", "-f", "-"],
            &config_map("default", "a", None).to_string(),
        )?
        .ok()?;
    let dry: Value = serde_json::from_str(&text)?;
    assert!(verified(&dry, "attestation.writ.dev/configmaps")?.predicate.dry_run);
    rig.register(false, true)?;
    let message = rig.refused(&config_map("default", "a", Some(writ_of(&dry))))?;
    assert_says(&message, &["dry run"])
}

#[test]
fn t03_t90_an_attestation_of_another_cluster_or_store_is_refused() -> Result<()> {
    let here = Rig::standalone(Options::default(), ALLOW_ALL)?;
    let there = Rig::beside(here.cluster.clone(), ALLOW_ALL, "another-cluster")?;
    let text = there
        .cluster
        .kubectl(
            &["create", "--dry-run=server", "-o", "json", "-f", "-"],
            &config_map("default", "a", None).to_string(),
        )?
        .ok()?;
    let foreign: Value = serde_json::from_str(&text)?;
    assert_eq!(verified(&foreign, "attestation.writ.dev/configmaps")?.predicate.cluster_id, "another-cluster");
    here.register(false, true)?;
    let message = here.refused(&config_map("default", "a", Some(writ_of(&foreign))))?;
    assert_says(&message, &["another cluster"])?;
    // The same cluster id, but a store of its own.
    let beside = Rig::beside(here.cluster.clone(), ALLOW_ALL, crate::support::CLUSTER_ID)?;
    let text = beside
        .cluster
        .kubectl(
            &["create", "--dry-run=server", "-o", "json", "-f", "-"],
            &config_map("default", "a", None).to_string(),
        )?
        .ok()?;
    here.register(false, true)?;
    let message = here.refused(&config_map("default", "a", Some(writ_of(&serde_json::from_str(&text)?))))?;
    assert_says(&message, &["another store"])
}

/// The text with one bit of the character at `index` flipped, still base64url.
fn flip(text: &str, index: usize) -> String {
    let replace = |character: char| if character == 'A' { 'B' } else { 'A' };
    text.chars().enumerate().map(|(at, character)| if at == index { replace(character) } else { character }).collect()
}
