//! The thinnest path through everything that really runs: policies from files, a real API server, kubectl.

use anyhow::Result;

use crate::{
    harness::Options,
    support::{CLUSTER_ID, Rig, assert_says, deployment, verified},
};

const KEY: &str = "attestation.writ.dev/deployments.apps";

/// Images from one registry, and a bound on replicas.
const IMAGES: &str = r#"
apiVersion: writ.dev/v1alpha1
kind: Policy
metadata: {name: images.v1}
spec:
  id: images
  version: v1
  matchConstraints:
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: [CREATE, UPDATE]}]
  params: [{name: registry, type: String}]
  signals:
  - {name: images, type: StringList, expression: 'object.spec.template.spec.containers.map(c, c.image)'}
  rules:
  - name: foreign
    when: '!signals.images.all(i, i.startsWith(params.registry))'
    outcome: Deny
    reason: ForeignRegistry
    messageExpression: '"use images from " + params.registry'
  - {name: own, outcome: Allow, reason: OwnRegistry}
  replay: {mode: Repeatable}
---
apiVersion: writ.dev/v1alpha1
kind: PolicyBinding
metadata: {name: images}
spec:
  policyRef: {id: images, version: v1}
  params: {registry: registry.example/}
  mode: Enforce
"#;

#[test]
fn an_allowed_change_carries_its_writ_and_a_forbidden_one_says_why() -> Result<()> {
    let rig = Rig::standalone(Options::default(), IMAGES)?;
    let stored = rig.create(&deployment("web", "registry.example/web:1"))?;
    let statement = verified(&stored, KEY)?;
    let predicate = &statement.predicate;
    assert_eq!(predicate.cluster_id, CLUSTER_ID);
    assert_eq!(predicate.user.username, "admin");
    assert_eq!(predicate.decisions[0].reason, "OwnRegistry");
    let text = stored["metadata"]["annotations"][KEY].as_str().unwrap_or_default();
    assert!(text.len() <= 1000, "{} bytes: {text}", text.len());

    let message = rig.refused(&deployment("bad", "docker.io/web:1"))?;
    assert_says(
        &message,
        &[
            "images.v1",
            "`foreign`",
            "ForeignRegistry",
            "use images from registry.example/",
            "docker.io/web:1",
            "[decision ",
        ],
    )?;

    let decisions = rig.decisions()?;
    let outcomes: Vec<_> =
        decisions.iter().map(|line| (line["outcome"].as_str(), line["request"]["name"].as_str())).collect();
    assert_eq!(outcomes, [(Some("Allow"), Some("web")), (Some("Deny"), Some("bad"))]);
    assert_eq!(decisions[0]["executionId"], predicate.execution_id.to_string());
    Ok(())
}

#[test]
fn an_update_that_changes_nothing_keeps_the_very_attestation() -> Result<()> {
    let rig = Rig::standalone(Options::default(), IMAGES)?;
    let object = deployment("web", "registry.example/web:1");
    rig.apply(&object)?;
    let first = rig.get(&["deployment", "web"])?;
    rig.apply(&object)?;
    let again = rig.get(&["deployment", "web"])?;
    assert_eq!(first["metadata"], again["metadata"], "nothing was written");
    // Somebody else's value for our annotation is no change either; only who touched it is recorded.
    let foreign = format!("{KEY}=something-else");
    rig.cluster.kubectl(&["annotate", "--overwrite", "deployment", "web", &foreign], "")?.ok()?;
    let again = rig.get(&["deployment", "web"])?;
    assert_eq!(first["metadata"]["annotations"], again["metadata"]["annotations"]);

    // A real change gets a writ of its own.
    rig.cluster.kubectl(&["set", "image", "deployment/web", "c=registry.example/web:2"], "")?.ok()?;
    let changed = rig.get(&["deployment", "web"])?;
    let (old, new) = (verified(&first, KEY)?, verified(&changed, KEY)?);
    assert_ne!(old.predicate.execution_id, new.predicate.execution_id);
    assert_eq!(new.predicate.old_object.map(|old| old.uid), first["metadata"]["uid"].as_str().map(str::to_owned));
    Ok(())
}

#[test]
fn scale_and_delete_are_not_attested_and_pass_where_no_policy_is_about_them() -> Result<()> {
    let rig = Rig::standalone(Options::default(), IMAGES)?;
    rig.create(&deployment("web", "registry.example/web:1"))?;
    rig.cluster.kubectl(&["scale", "deployment/web", "--replicas=3"], "")?.ok()?;
    rig.cluster.kubectl(&["delete", "deployment/web", "--wait=false"], "")?.ok()?;
    Ok(())
}
