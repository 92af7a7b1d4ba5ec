//! Once means once, on a real API server with claims in ConfigMaps (threats 12, 20, 21, 23, 24, 25, 83, 86 and 87).

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{
    harness::{Options, wait_until},
    support::{Rig, SOON, assert_says, deployment, verified},
};

const KEY: &str = "attestation.writ.dev/deployments.apps";

/// A change ticket for each target, good once.
fn ticket(version: &str) -> String {
    format!(
        r#"
apiVersion: writ.dev/v1alpha1
kind: Policy
metadata: {{name: ticket.{version}}}
spec:
  id: ticket
  version: {version}
  matchConstraints:
    resourceRules:
    - {{apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: [CREATE, UPDATE, DELETE]}}
  variables:
  - name: notes
    expression: 'request.operation == "DELETE" ? oldObject.metadata.?annotations.orValue({{}}) : object.metadata.?annotations.orValue({{}})'
  signals:
  - {{name: ticket, type: String, expression: 'variables.notes[?"example.com/ticket"].orValue("")'}}
  - {{name: target, type: String, expression: 'request.namespace + "/" + request.name'}}
  rules:
  - {{name: no-ticket, when: 'signals.ticket == ""', outcome: Deny, reason: TicketMissing, message: 'name a change ticket in the annotation example.com/ticket'}}
  - {{name: ticket, when: 'signals.ticket.matches("^CHG-[0-9]+$")', outcome: Allow, reason: Ticketed}}
  replay: {{mode: Once, key: [ticket, target], window: 24h}}
---
apiVersion: writ.dev/v1alpha1
kind: PolicyBinding
metadata: {{name: ticket}}
spec:
  policyRef: {{id: ticket, version: {version}}}
  matchResources: {{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: default}}}}}}
  mode: Enforce
"#
    )
}

fn with_ticket(name: &str, ticket: &str) -> Value {
    let mut object = deployment(name, "registry.example/web:1");
    object["metadata"]["annotations"] = json!({"example.com/ticket": ticket});
    object
}

fn govern(rig: &Rig, version: &str) -> Result<()> {
    rig.govern(&ticket(version), &deployment("probe", "none"), &format!("ticket.{version}"))
}

fn claims(rig: &Rig) -> Result<Vec<Value>> {
    let list = rig.get(&["configmaps", "-n", "writ-system", "-l", "writ.dev/record=claim"])?;
    let items = list["items"].as_array().context("a list")?;
    items.iter().map(|item| Ok(serde_json::from_str(item["data"]["record"].as_str().context("a claim")?)?)).collect()
}

#[test]
fn t12_t83_a_used_ticket_is_a_replay_for_everybody_for_ever() -> Result<()> {
    let rig = Rig::in_cluster(Options::default())?;
    govern(&rig, "v1")?;
    assert_says(
        &rig.refused(&deployment("web", "registry.example/web:1"))?,
        &["TicketMissing", "name a change ticket"],
    )?;
    let stored = rig.create(&with_ticket("web", "CHG-1"))?;
    verified(&stored, KEY)?;
    let held = claims(&rig)?;
    assert_eq!(held.len(), 1);
    assert_eq!((held[0]["target"]["name"].as_str(), held[0]["user"].as_str()), (Some("web"), Some("admin")));

    // The same ticket for another change of the same target.
    let again = |rig: &Rig| {
        let patch = json!({"spec": {"replicas": 5}}).to_string();
        rig.cluster.kubectl(&["patch", "deployment", "web", "--type=merge", "-p", &patch], "")?.refused()
    };
    assert_says(&again(&rig)?, &["Replayed", "admin", "CREATE", "default/web"])?;
    // By another replica, and after a restart.
    let other = rig.another_replica()?;
    assert_says(&again(&other)?, &["Replayed"])?;
    other.restart()?;
    assert_says(&again(&other)?, &["Replayed"])?;
    // Under a new version of the policy, and back under the old one.
    govern(&other, "v2")?;
    assert_says(&again(&other)?, &["Replayed"])?;
    govern(&other, "v1")?;
    assert_says(&again(&other)?, &["Replayed"])?;
    // The ticket is good for another target, and a fresh one for this.
    other.create(&with_ticket("api", "CHG-1"))?;
    let fresh =
        json!({"metadata": {"annotations": {"example.com/ticket": "CHG-2"}}, "spec": {"replicas": 5}}).to_string();
    other.cluster.kubectl(&["patch", "deployment", "web", "--type=merge", "-p", &fresh], "")?.ok()?;
    assert_eq!(claims(&other)?.len(), 3);
    Ok(())
}

#[test]
fn t21_t23_t24_only_a_change_that_is_stored_uses_a_ticket() -> Result<()> {
    let rig = Rig::in_cluster(Options::default())?;
    govern(&rig, "v1")?;
    // A generated name cannot be bound to one object.
    let mut generated = with_ticket("x", "CHG-7");
    generated["metadata"] =
        json!({"generateName": "x-", "namespace": "default", "annotations": {"example.com/ticket": "CHG-7"}});
    assert_says(&rig.refused(&generated)?, &["ReplayUnsupported", "generateName"])?;
    // A dry run claims nothing.
    rig.cluster.kubectl(&["create", "--dry-run=server", "-f", "-"], &with_ticket("web", "CHG-1").to_string())?.ok()?;
    assert_eq!(claims(&rig)?, Vec::<Value>::new());
    // An object that exists: somebody else's ticket is not burnt by it.
    rig.create(&with_ticket("web", "CHG-1"))?;
    assert_says(&rig.refused(&with_ticket("web", "CHG-2"))?, &["AlreadyExists"])?;
    assert_eq!(claims(&rig)?.len(), 1);
    Ok(())
}

#[test]
fn t86_a_deletion_that_is_validated_again_gets_the_same_answer() -> Result<()> {
    let rig = Rig::in_cluster(Options::default())?;
    govern(&rig, "v1")?;
    rig.create(&with_ticket("web", "CHG-1"))?;
    // The ticket on the object was used to create it.
    let message = rig.cluster.kubectl(&["delete", "deployment", "web", "--wait=false"], "")?.refused()?;
    assert_says(&message, &["Replayed"])?;
    let fresh =
        json!({"metadata": {"annotations": {"example.com/ticket": "CHG-2"}, "finalizers": ["example.com/hold"]}})
            .to_string();
    rig.cluster.kubectl(&["patch", "deployment", "web", "--type=merge", "-p", &fresh], "")?.ok()?;
    let message = rig.cluster.kubectl(&["delete", "deployment", "web", "--wait=false"], "")?.refused()?;
    assert_says(&message, &["Replayed"])?;
    Ok(())
}

#[test]
fn a_claim_is_completed_soon_after_its_deadline() -> Result<()> {
    let rig = Rig::in_cluster(Options::default())?;
    govern(&rig, "v1")?;
    rig.create(&with_ticket("web", "CHG-1"))?;
    assert_eq!(claims(&rig)?[0]["state"], "Reserved");
    // 34 s for the API server, 5 s of skew, and the time of the decision.
    wait_until("the claim to be completed", SOON * 3, || Ok((claims(&rig)?[0]["state"] == "Completed").then_some(())))?;
    assert_eq!(claims(&rig)?[0]["completedBy"], "Successor");
    Ok(())
}
