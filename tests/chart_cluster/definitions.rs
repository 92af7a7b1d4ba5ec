//! The CustomResourceDefinitions in a real API server: accepted, structural, and strict.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::harness::{Minor, Options};
use super::installed::{Installed, shared};

fn policy() -> Value {
    json!({
        "apiVersion": "writ.dev/v1alpha1", "kind": "Policy", "metadata": {"name": "sample.v1"},
        "spec": {
            "id": "sample", "version": "v1",
            "matchConstraints": {"resourceRules": [
                {"apiGroups": ["apps"], "apiVersions": ["*"], "resources": ["deployments"], "operations": ["CREATE"]},
            ]},
            "signals": [{"name": "ticket", "type": "String", "expression": "object.metadata.name", "maxLength": 20}],
            "rules": [{"name": "all", "outcome": "Allow", "reason": "Sample"}],
            "replay": {"mode": "Once", "key": ["ticket"], "window": "720h"},
        },
    })
}

fn binding() -> Value {
    json!({
        "apiVersion": "writ.dev/v1alpha1", "kind": "PolicyBinding", "metadata": {"name": "sample"},
        "spec": {"policyRef": {"id": "sample", "version": "v1"}, "params": {"any": ["thing"]}, "mode": "Audit"},
    })
}

/// One change of a valid object, as JSON pointer and value; null removes.
type Change = (&'static str, Value);

fn changed(mut object: Value, (pointer, value): &Change) -> Result<Value> {
    let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
    let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut) else {
        anyhow::bail!("no object at {pointer}");
    };
    if value.is_null() {
        parent.remove(key);
    } else {
        parent.insert(key.to_owned(), value.clone());
    }
    Ok(object)
}

fn create(installed: &Installed, object: &Value) -> Result<super::harness::Output> {
    installed.cluster.kubectl_as(&installed.root, &["create", "--dry-run=server", "-f", "-"], &object.to_string())
}

#[test]
fn definitions_are_established_and_structural() -> Result<()> {
    let found: Value = serde_json::from_str(&shared()?.root(&["get", "crd", "-o", "json"], "")?)?;
    let definitions = found["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    ensure!(definitions.len() == 2, "{} definitions", definitions.len());
    for definition in definitions {
        let conditions = definition["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
        for condition in conditions {
            let good = ["Established", "NamesAccepted"].iter().any(|name| condition["type"] == *name);
            ensure!(good && condition["status"] == "True", "{condition}");
        }
        ensure!(conditions.len() == 2, "{conditions:?}");
    }
    Ok(())
}

#[test]
fn valid_objects_are_accepted() -> Result<()> {
    let installed = shared()?;
    create(installed, &policy())?.ok()?;
    create(installed, &binding())?.ok()?;
    for change in [
        ("/spec/replay", json!({"mode": "Repeatable"})),
        ("/spec/variables", json!([{"name": "v", "expression": "1"}])),
        ("/spec/matchConditions", json!([{"name": "c", "expression": "true"}])),
    ] {
        create(installed, &changed(policy(), &change)?)?.ok()?;
    }
    Ok(())
}

#[test]
fn invalid_objects_are_refused_with_the_field() -> Result<()> {
    let installed = shared()?;
    let policies: [(Change, &str); 15] = [
        (("/metadata/name", json!("sample.v2")), "metadata.name must be `<spec.id>.<spec.version>`"),
        (("/spec/id", json!("a.b")), "spec.id"),
        (("/spec/id", json!("a".repeat(41))), "spec.id"),
        (("/spec/version", json!("V1")), "spec.version"),
        (("/spec/rules", json!([])), "spec.rules"),
        (("/spec/rules", Value::Null), "spec.rules: Required value"),
        (("/spec/rules", json!([{"name": "a", "outcome": "Maybe", "reason": "R"}])), "spec.rules[0].outcome"),
        (("/spec/rules", json!([{"name": "a", "outcome": "Allow", "reason": "not camel"}])), "spec.rules[0].reason"),
        (("/spec/replay", Value::Null), "spec.replay: Required value"),
        (("/spec/replay", json!({"mode": "Once"})), "mode `Once` needs `key`"),
        (("/spec/replay", json!({"mode": "Repeatable", "window": "1h"})), "mode `Repeatable` takes neither"),
        (("/spec/signals", json!([{"name": "a b", "type": "String", "expression": "x"}])), "spec.signals[0].name"),
        (("/spec/signals", json!([{"name": "a", "type": "Number", "expression": "x"}])), "spec.signals[0].type"),
        (("/spec/matchConstraints", json!({"resourceRules": []})), "spec.matchConstraints.resourceRules"),
        (("/spec/sensitive", json!(true)), "unknown field \"spec.sensitive\""),
    ];
    for (change, message) in policies {
        let said = create(installed, &changed(policy(), &change)?)?.refused()?;
        ensure!(said.contains(message), "{change:?}: {said}");
    }
    let bindings: [(Change, &str); 4] = [
        (("/spec/mode", Value::Null), "spec.mode: Required value"),
        (("/spec/mode", json!("Strict")), "spec.mode"),
        (("/spec/policyRef/digest", json!("sha256:x")), "spec.policyRef.digest"),
        (("/spec/objectSelector", json!({})), "unknown field \"spec.objectSelector\""),
    ];
    for (change, message) in bindings {
        let said = create(installed, &changed(binding(), &change)?)?.refused()?;
        ensure!(said.contains(message), "{change:?}: {said}");
    }
    Ok(())
}

/// Threat 33: a published version is edited in place.
#[test]
fn a_published_policy_version_never_changes() -> Result<()> {
    let installed = shared()?;
    let mut fixed = policy();
    fixed["metadata"]["name"] = json!("fixed.v1");
    fixed["spec"]["id"] = json!("fixed");
    installed.root(&["create", "-f", "-"], &fixed.to_string())?;
    let edits = [
        json!({"spec": {"rules": [{"name": "all", "outcome": "Deny", "reason": "Sample"}]}}),
        json!({"spec": {"replay": {"window": "1h"}}}),
        json!({"spec": {"variables": [{"name": "v", "expression": "1"}]}}),
        json!({"spec": {"signals": null}}),
    ];
    for edit in edits {
        for subresource in [&[][..], &["--subresource=status"]] {
            let patch = edit.to_string();
            let arguments = [&["patch", "policy", "fixed.v1", "--type=merge", "--patch", &patch], subresource].concat();
            let output = installed.cluster.kubectl_as(&installed.root, &arguments, "")?;
            if subresource.is_empty() {
                let said = output.refused()?;
                ensure!(said.contains("publish the next version under a new name `<id>.<next>` instead"), "{said}");
            }
        }
    }
    let stored: Value = serde_json::from_str(&installed.root(&["get", "policy", "fixed.v1", "-o", "json"], "")?)?;
    ensure!(stored["spec"] == fixed["spec"], "{}", stored["spec"]);
    installed.root(&["label", "policy", "fixed.v1", "a=b"], "")?;
    Ok(())
}

#[test]
fn people_find_their_way() -> Result<()> {
    let installed = shared()?;
    let explained = installed.root(&["explain", "policies.writ.dev.spec.rules"], "")?;
    ensure!(explained.contains("the first that matches decides"), "{explained}");
    let listed = installed.root(&["get", "writ", "--all-namespaces"], "")?;
    ensure!(!listed.contains("error"), "{listed}");
    for (kind, columns) in [
        ("wpol", "NAME COMPILED READY REASON REPLAY AGE"),
        ("wpb", "NAME POLICY WANTED IN-FORCE MODE READY REASON AGE"),
    ] {
        let mut one = if kind == "wpol" { policy() } else { binding() };
        one["metadata"]["name"] = json!(if kind == "wpol" { "shown.v1" } else { "shown" });
        if kind == "wpol" {
            one["spec"]["id"] = json!("shown");
        }
        installed.root(&["create", "-f", "-"], &one.to_string())?;
        let table = installed.root(&["get", kind], "")?;
        let header: Vec<&str> = table.lines().next().unwrap_or_default().split_whitespace().collect();
        ensure!(header.join(" ") == columns, "{table}");
    }
    Ok(())
}

#[test]
fn every_example_is_accepted() -> Result<()> {
    let installed = shared()?;
    let mut examples = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/manifests"))? {
        let folder = entry?.path();
        if folder.is_dir() {
            for file in ["policy.yaml", "binding.yaml"] {
                let path = folder.join(file).display().to_string();
                installed.root(&["create", "--dry-run=server", "--filename", &path], "")?;
            }
            examples += 1;
        }
    }
    ensure!(examples == 5, "{examples} examples");
    Ok(())
}

#[test]
fn the_previous_minor_takes_everything_too() -> Result<()> {
    let installed = Installed::on(Options::default().minor(Minor::Previous))?;
    // Answers once each protecting policy refuses what it is there for.
    installed.install(&[])?;
    create(&installed, &policy())?.ok()?;
    create(&installed, &binding())?.ok()?;
    Ok(())
}
