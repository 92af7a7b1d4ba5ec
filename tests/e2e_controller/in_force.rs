use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{
    harness::wait_until,
    support::{Replica, SOON, object, policy, shared},
};

/// GitOps applies in any order: a binding may be there before its policy.
#[test]
fn a_binding_may_come_before_its_policy() -> Result<()> {
    let replica = Replica::start(shared(), "order")?;
    replica.bind("order", "v1")?;
    replica.expect("order", None, Some("PolicyMissing"))?;
    replica.create_policy("order", "v1", "Good")?;
    let applied = Instant::now();
    replica.expect("order", Some("v1"), None)?;
    eprintln!("in force {:?} after the policy was created", applied.elapsed());
    let again = Replica::start(shared(), "order-2")?;
    again.expect("order", Some("v1"), None)?;
    let digests = [&replica, &again].map(|replica| replica.controller.snapshot().map(|snapshot| snapshot.set.digest()));
    ensure!(digests[0].is_some() && digests[0] == digests[1], "two replicas, two sets: {digests:?}");
    again.stop()?;
    replica.stop()
}

/// Threat 44: a wanted version that is missing or bad leaves the last good one in force.
#[test]
fn a_wanted_version_that_is_missing_or_bad_leaves_the_old_one_in_force() -> Result<()> {
    let replica = Replica::start(shared(), "kept")?;
    replica.create_policy("kept", "v1", "Good")?;
    replica.bind("kept", "v1")?;
    replica.expect("kept", Some("v1"), None)?;
    replica.bind("kept", "v2")?;
    replica.expect("kept", Some("v1"), Some("PolicyMissing"))?;
    let mut bad = policy("kept", "v2", "Bad");
    bad.data["spec"]["rules"][0]["when"] = json!("signals.nothing");
    replica.call(replica.policies().create(&Default::default(), &bad))?;
    replica.expect("kept", Some("v1"), Some("PolicyNotCompiled"))?;
    replica.create_policy("kept", "v3", "Good")?;
    replica.bind("kept", "v3")?;
    replica.expect("kept", Some("v3"), None)?;
    replica.stop()
}

/// Threat 32: a version that was deleted and created again with other content is never in force, also not for a
/// replica that has not seen the first one.
#[test]
fn a_version_created_again_with_other_content_is_not_in_force() -> Result<()> {
    let replica = Replica::start(shared(), "conflict")?;
    replica.create_policy("conflict", "v1", "Good")?;
    replica.bind("conflict", "v1")?;
    replica.expect("conflict", Some("v1"), None)?;
    replica.delete_policy("conflict", "v1")?;
    replica.expect("conflict", None, Some("PolicyMissing"))?;
    replica.create_policy("conflict", "v1", "Evil")?;
    replica.expect("conflict", None, Some("DigestConflict"))?;
    let late = Replica::start(shared(), "conflict-late")?;
    late.expect("conflict", None, Some("DigestConflict"))?;
    // The content that was published under this version may come back.
    replica.delete_policy("conflict", "v1")?;
    replica.expect("conflict", None, Some("PolicyMissing"))?;
    replica.create_policy("conflict", "v1", "Good")?;
    replica.expect("conflict", Some("v1"), None)?;
    late.expect("conflict", Some("v1"), None)?;
    late.stop()?;
    replica.stop()
}

/// Threat 33: the API server itself refuses an edit of a published version.
#[test]
fn a_published_version_cannot_be_edited() -> Result<()> {
    let replica = Replica::start(shared(), "edit")?;
    replica.create_policy("edit", "v1", "Good")?;
    let patch = r#"{"spec":{"rules":[{"name":"all","outcome":"Allow","reason":"Evil"}]}}"#;
    for subresource in [&[][..], &["--subresource=status"]] {
        let arguments = [&["patch", "policy", "edit.v1", "--type=merge", "-p", patch], subresource].concat();
        let output = shared().kubectl(&arguments, "")?;
        let refused = !output.success && output.stderr.contains("publish the next version");
        ensure!(refused || output.stdout.contains("no change"), "{arguments:?}: {output:?}");
    }
    let reason = replica.stored(&replica.policies(), "edit.v1", "/spec/rules/0/reason")?;
    ensure!(reason == "Good", "{reason}");
    replica.stop()
}

/// One object that cannot be read does not block the rest: the definition of a later release allows more.
#[test]
fn one_unreadable_object_blocks_nothing() -> Result<()> {
    let replica = Replica::start(shared(), "unreadable")?;
    let selector = json!({"namespaceSelector": {"matchLabels": {"mine": "x"}}});
    let unguarded = object(json!({
        "apiVersion": "writ.dev/v1alpha1", "kind": "PolicyBinding", "metadata": {"name": "unreadable-bad"},
        "spec": {"policyRef": {"id": "unreadable", "version": "v1"}, "mode": "Audit", "matchResources": selector},
    }));
    replica.call(replica.bindings().create(&Default::default(), &unguarded))?;
    replica.expect("unreadable-bad", None, Some("InvalidBinding"))?;
    replica.create_policy("unreadable", "v1", "Good")?;
    replica.bind("unreadable", "v1")?;
    replica.expect("unreadable", Some("v1"), None)?;
    replica.call(replica.bindings().delete("unreadable-bad", &Default::default()))?;
    wait_until("the binding to be forgotten", SOON, || {
        let view = replica.controller.view();
        Ok(view.filter(|view| view.state.bindings.entry("unreadable-bad").is_none()))
    })?;
    replica.stop()
}
