use serde_json::json;

use super::*;
use crate::cli::cluster::Installation;

fn map(data: serde_json::Value) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": "m"}, "data": data})).unwrap()
}

fn policy_object(status: &str) -> Policy {
    serde_json::from_value(json!({
        "apiVersion": "writ.dev/v1alpha1", "kind": "Policy", "metadata": {"name": "a.v1"},
        "spec": {"id": "a", "version": "v1", "matchConstraints": {"resourceRules": []}, "rules": [], "replay": {"mode": "Repeatable"}},
        "status": {"digest": "sha256:00", "conditions": [{"type": "Ready", "status": status, "reason": "R", "message": "m", "lastTransitionTime": "t"}]},
    }))
    .unwrap()
}

fn binding_object(mode: &str, status: serde_json::Value) -> PolicyBinding {
    serde_json::from_value(json!({
        "apiVersion": "writ.dev/v1alpha1", "kind": "PolicyBinding", "metadata": {"name": "b"},
        "spec": {"policyRef": {"id": "a", "version": "v2"}, "mode": mode},
        "status": status,
    }))
    .unwrap()
}

fn ready_status() -> serde_json::Value {
    json!({
        "inForce": {"id": "a", "version": "v1", "digest": "sha256:00"},
        "conditions": [{"type": "Ready", "status": "True", "reason": "InForce", "message": "m", "lastTransitionTime": "t"}],
    })
}

fn report(name: &str, set: &str, ready: bool) -> Report {
    Report {
        replica: name.to_owned(),
        set_digest: set.to_owned(),
        ready,
        heartbeat: "h".to_owned(),
        ..Report::default()
    }
}

/// Everything as it should be.
fn well() -> Gathered {
    let installation = Installation { callers_authenticated: true, ..Installation::default() };
    let webhooks =
        || Ok(Some(Webhooks { has_authority: true, ignores_failure: false, resources: vec!["pods".to_owned()] }));
    Gathered {
        namespace: "writ-system".to_owned(),
        server: Ok(Some(Server { image: "writ:1".to_owned(), wanted: 2, ready: 2, installation })),
        replicas: Ok(vec![report("writ-0", "sha256:aa", true), report("writ-1", "sha256:aa", true)]),
        policies: Ok(vec![policy_object("True")]),
        bindings: Ok(vec![binding_object("Enforce", ready_status())]),
        mutating: webhooks(),
        validating: webhooks(),
        configuration: "zz-writ".to_owned(),
        store: Ok(Some(map(json!({"storeId": "s"})))),
        key: Ok(Some(map(json!({"keyId": "k", "storeId": "s"})))),
    }
}

#[test]
fn all_is_well() {
    let result = assess(well());
    assert_eq!((result.problems.as_slice(), result.unreadable.as_slice(), result.healthy), (&[][..], &[][..], true));
    assert_eq!(result.bindings[0].in_force.as_deref(), Some("a.v1"));
    assert_eq!(result.bindings[0].wanted, "a.v2");
    assert_eq!(result.store, Some(StoreReport { id: Some("s".to_owned()) }));
}

#[test]
fn each_fault_is_named() {
    type Break = fn(&mut Gathered);
    let faults: &[(Break, &str)] = &[
        (|all| all.server = Ok(None), "there is no StatefulSet `writ`"),
        (|all| all.server.as_mut().unwrap().as_mut().unwrap().ready = 1, "1 of 2 replicas are ready"),
        (
            |all| all.server.as_mut().unwrap().as_mut().unwrap().installation = Installation::default(),
            "callers are not authenticated",
        ),
        (|all| all.replicas.as_mut().unwrap()[0].ready = false, "replica `writ-0` is not ready"),
        (|all| all.replicas.as_mut().unwrap()[0].set_digest.push('b'), "the replicas do not have the same policies"),
        (|all| all.replicas = Ok(Vec::new()), "no replica reports"),
        (|all| all.policies = Ok(vec![policy_object("False")]), "policy `a.v1` is not ready (R)"),
        (|all| all.bindings = Ok(vec![binding_object("Audit", json!({}))]), "binding `b` is not ready (Unseen)"),
        (|all| all.mutating = Ok(None), "there is no mutating webhook configuration `zz-writ`"),
        (|all| all.validating = Ok(None), "there is no validating webhook configuration `zz-writ`"),
        (|all| all.validating.as_mut().unwrap().as_mut().unwrap().has_authority = false, "has no caBundle"),
        (|all| all.mutating.as_mut().unwrap().as_mut().unwrap().ignores_failure = true, "has failurePolicy Ignore"),
        (|all| all.store = Ok(None), "the store of claims has no root record"),
        (|all| all.store = Ok(Some(map(json!({})))), "the store of claims has no root record"),
        (|all| all.store = Ok(Some(map(json!({"storeId": "t"})))), "the store of claims is `t`"),
        (|all| all.key = Ok(None), "no public key is published"),
    ];
    for (fault, expected) in faults {
        let mut gathered = well();
        fault(&mut gathered);
        let result = assess(gathered);
        assert!(!result.healthy, "{expected}");
        assert_eq!(result.problems.len(), 1, "{expected}: {:?}", result.problems);
        assert!(result.problems[0].contains(expected), "{expected}: {:?}", result.problems);
    }
}

#[test]
fn what_cannot_be_read_is_not_called_well() {
    type Break = fn(&mut Gathered);
    let parts: &[Break] = &[
        |all| all.server = Err("forbidden".to_owned()),
        |all| all.replicas = Err("forbidden".to_owned()),
        |all| all.policies = Err("forbidden".to_owned()),
        |all| all.bindings = Err("forbidden".to_owned()),
        |all| all.mutating = Err("forbidden".to_owned()),
        |all| all.validating = Err("forbidden".to_owned()),
        |all| all.store = Err("forbidden".to_owned()),
        |all| all.key = Err("forbidden".to_owned()),
    ];
    for (index, part) in parts.iter().enumerate() {
        let mut gathered = well();
        part(&mut gathered);
        let result = assess(gathered);
        assert!(!result.healthy, "{index}");
        assert_eq!((result.problems.len(), result.unreadable.len()), (0, 1), "{index}: {result:?}");
    }
}
