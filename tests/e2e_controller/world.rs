//! What decisions ask the controller for: namespaces, kinds, and whether Writ's own kinds may change.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use writ::{
    admission::{GroupVersionResource, parse_review},
    api::Reason,
    controller::{KindFacts, own_kinds},
    runtime::Refusal,
};

use crate::{
    harness::wait_until,
    support::{Replica, SOON, shared},
};

/// A namespace is there the moment it was created, with the labels that it has now.
#[test]
fn namespaces_are_read_live_where_the_watch_has_not_shown_them() -> Result<()> {
    let replica = Replica::start(shared(), "namespaces")?;
    let read = |name: &str| replica.wait_for(replica.controller.namespace(name));
    ensure!(read("nowhere").is_err(), "a namespace that does not exist");
    for index in 0..5 {
        let name = format!("live-{index}");
        shared().kubectl(&["create", "namespace", &name], "")?.ok()?;
        let facts = read(&name)?;
        ensure!(!facts.uid.is_empty() && !facts.resource_version.is_empty(), "{facts:?}");
        ensure!(facts.labels.get("kubernetes.io/metadata.name") == Some(&name), "{facts:?}");
        ensure!(facts.object.at(&["metadata", "managedFields"]).is_none(), "{facts:?}");
    }
    shared().kubectl(&["label", "namespace", "live-0", "team=a"], "")?.ok()?;
    wait_until("the label to be seen", SOON, || {
        Ok(read("live-0")?.labels.get("team").filter(|team| *team == "a").map(|_| ()))
    })?;
    shared().kubectl(&["delete", "namespace", "live-1", "--wait=false"], "")?.ok()?;
    wait_until("the deletion to be seen", SOON, || {
        Ok(read("live-1")?.object.at(&["metadata", "deletionTimestamp"]).map(|_| ()))
    })?;
    replica.stop()
}

/// Built-in kinds by discovery, custom ones by their definition, and the safest of what nobody knows.
#[test]
fn kinds_are_known_soon_after_their_definition() -> Result<()> {
    let replica = Replica::start(shared(), "kinds")?;
    let kind = |group: &str, version: &str, resource: &str| {
        let text = |text: &str| text.to_owned();
        replica.controller.kind(&GroupVersionResource {
            group: text(group),
            version: text(version),
            resource: text(resource),
        })
    };
    let facts = |status_subresource, conversion_webhook, watchable| KindFacts {
        status_subresource,
        conversion_webhook,
        watchable,
    };
    for (group, version, resource, expected) in [
        ("apps", "v1", "deployments", facts(true, false, true)),
        ("", "v1", "pods", facts(true, false, true)),
        ("", "v1", "configmaps", facts(false, false, true)),
        ("", "v1", "bindings", facts(false, false, false)),
        ("", "v1", "namespaces", facts(true, false, true)),
        ("writ.dev", "v1alpha1", "policies", facts(true, false, true)),
        ("example.com", "v1", "gadgets", KindFacts::UNKNOWN),
    ] {
        ensure!(kind(group, version, resource) == expected, "{group}/{version}/{resource}");
    }
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let version = |name: &str, storage: bool, subresources| {
        json!({"name": name, "served": true, "storage": storage,
        "schema": schema, "subresources": subresources})
    };
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget"},
            "versions": [version("v1", true, json!({"status": {}})), version("v2", false, json!({}))],
        },
    });
    shared().kubectl(&["apply", "-f", "-"], &definition.to_string())?.ok()?;
    let expect = |version: &str, expected: KindFacts| {
        wait_until(&format!("{version} to be known"), SOON, || {
            let found = kind("example.com", version, "gadgets");
            ensure!(found == expected, "{found:?}");
            Ok(Some(()))
        })
    };
    expect("v1", facts(true, false, true))?;
    expect("v2", facts(false, false, true))?;
    let webhook = json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://127.0.0.1:9/convert"}}});
    let patch = json!({"spec": {"conversion": webhook}}).to_string();
    shared().kubectl(&["patch", "crd", "gadgets.example.com", "--type=merge", "-p", &patch], "")?.ok()?;
    expect("v1", facts(true, true, true))?;
    shared().kubectl(&["delete", "crd", "gadgets.example.com"], "")?.ok()?;
    expect("v1", KindFacts::UNKNOWN)?;
    replica.stop()
}

fn delete(replica: &Replica, name: &str) -> Result<Result<Vec<String>, Refusal>> {
    let old = replica.call(replica.policies().get(name))?;
    let resource = json!({"group": "writ.dev", "version": "v1alpha1", "resource": "policies"});
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "operation": "DELETE", "name": name, "resource": resource, "oldObject": old,
        "kind": {"group": "writ.dev", "version": "v1alpha1", "kind": "Policy"},
    }});
    let body = review.to_string();
    let view = replica.controller.view().context("a view")?;
    Ok(own_kinds::admit(&parse_review(body.as_bytes())?, &view.state))
}

/// A version is kept until no binding names it or has it in force: in the order in which an upgrade is made.
#[test]
fn what_is_in_use_is_not_deleted() -> Result<()> {
    let replica = Replica::start(shared(), "guard")?;
    replica.create_policy("guard", "v1", "Good")?;
    ensure!(
        wait_until("the policy to be seen", SOON, || Ok(delete(&replica, "guard.v1").ok()))?.is_ok(),
        "nobody uses it"
    );
    replica.bind("guard", "v1")?;
    replica.expect("guard", Some("v1"), None)?;
    let refusal = delete(&replica, "guard.v1")?.err().context("it is in force")?;
    ensure!(
        refusal.reason == Reason::StillInUse && refusal.message.contains("binding `guard` names it"),
        "{refusal:?}"
    );
    replica.bind("guard", "v2")?;
    replica.expect("guard", Some("v1"), Some("PolicyMissing"))?;
    let refusal = delete(&replica, "guard.v1")?.err().context("it is still in force")?;
    ensure!(refusal.message.contains("binding `guard` has it in force"), "{refusal:?}");
    replica.create_policy("guard", "v2", "Good")?;
    replica.expect("guard", Some("v2"), None)?;
    wait_until("the old version to be free", SOON, || {
        let outcome = delete(&replica, "guard.v1")?;
        ensure!(outcome.is_ok(), "{outcome:?}");
        Ok(Some(()))
    })?;
    replica.stop()
}
