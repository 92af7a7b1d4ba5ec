use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::*;
use crate::{
    admission::parse_review,
    controller::{
        fixtures::{binding, binding_spec, hook, once_spec, policy, policy_spec, rule, state},
        observed::Update,
        settings::Settings,
    },
    digest::Digest,
};

/// Sends a change through the envelope, as the API server would.
fn send(
    state: &State,
    resource: &str,
    operation: &str,
    user: &str,
    object: &Json,
    old: &Json,
) -> Result<Vec<String>, Refusal> {
    let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
    let name = [object, old].into_iter().find_map(|object| object.pointer("/metadata/name")?.as_str());
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "operation": operation, "subResource": sub, "userInfo": {"username": user},
        "name": if operation == "DELETE" { "" } else { name.unwrap_or_default() },
        "kind": {"group": "writ.dev", "version": "v1alpha1", "kind": "K"},
        "resource": {"group": "writ.dev", "version": "v1alpha1", "resource": resource},
        "object": object, "oldObject": old,
    }});
    let body = review.to_string();
    admit(&parse_review(body.as_bytes()).unwrap(), state)
}

fn object(name: &str, spec: Json) -> Json {
    json!({"metadata": {"name": name}, "spec": spec})
}

fn words(outcome: &Result<Vec<String>, Refusal>) -> String {
    match outcome {
        Ok(warnings) if warnings.is_empty() => "allowed".to_owned(),
        Ok(warnings) => format!("warned: {}", warnings.join(" | ")),
        Err(refusal) => format!("{}: {}", refusal.reason, refusal.message),
    }
}

fn with(mut value: Json, pointer: &str, new: Json) -> Json {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Json::Array(items) => items[key.parse::<usize>().unwrap()] = new,
        parent => parent[key] = new,
    }
    value
}

#[test]
fn policies_are_compiled_at_apply_and_never_edited() {
    let mut state = state(vec![policy("v1", policy_spec("v1"))], vec![]);
    Arc::make_mut(&mut state.pinned).insert("p.v7".to_owned(), Digest::plain(b"before"));
    let good = object("p.v2", policy_spec("v2"));
    let bad = |pointer: &str, new: Json| with(object("p.v2", policy_spec("v2")), pointer, new);
    for (what, operation, new, old, expected) in [
        ("good", "CREATE", good.clone(), Json::Null, "allowed"),
        (
            "name",
            "CREATE",
            bad("/metadata/name", json!("q.v2")),
            Json::Null,
            "InvalidPolicy: policy `q.v2` is not acceptable: metadata.name: must be `p.v2`",
        ),
        (
            "expression",
            "CREATE",
            bad("/spec/rules/0/when", json!("signals.x == 1")),
            Json::Null,
            "InvalidPolicy: policy `p.v2` is not acceptable: spec.rules[0].when at 1:",
        ),
        (
            "unknown field",
            "CREATE",
            bad("/spec/extra", json!(1)),
            Json::Null,
            "InvalidPolicy: the spec cannot be read: spec: unknown field `extra`",
        ),
        (
            "published before with other content",
            "CREATE",
            object("p.v7", policy_spec("v7")),
            Json::Null,
            "InvalidPolicy: policy `p.v7` was published before",
        ),
        ("labels", "UPDATE", bad("/metadata/labels", json!({"a": "b"})), good.clone(), "allowed"),
        (
            "edit",
            "UPDATE",
            bad("/spec/rules/0/reason", json!("Other")),
            good.clone(),
            "InvalidPolicy: a published policy version never changes: publish `p.<next>` instead",
        ),
        ("unused", "DELETE", Json::Null, good.clone(), "allowed"),
    ] {
        let outcome = send(&state, "policies", operation, "ann", &new, &old);
        assert!(words(&outcome).starts_with(expected), "{what}: {}", words(&outcome));
    }
    let refused = send(
        &state,
        "policies",
        "CREATE",
        "ann",
        &bad("/spec/rules/0/when", json!("signals.x == 1 && 1")),
        &Json::Null,
    );
    let causes = refused.unwrap_err().causes;
    assert!(
        causes.iter().all(|(reason, message)| reason == FIELD && message.starts_with("spec.rules[0].when")),
        "{causes:?}"
    );
}

#[test]
fn a_policy_warns_of_what_will_not_work() {
    let state = state(vec![], vec![]);
    let once = once_spec("v1");
    let warned = words(&send(&state, "policies", "CREATE", "ann", &object("p.v1", once.clone()), &Json::Null));
    assert!(warned.contains("these cannot: `apps/v1/deployments`"), "{warned}");
    let spec = with(policy_spec("v1"), "/matchConstraints/resourceRules/0/apiVersions", json!(["v9"]));
    let warned = words(&send(&state, "policies", "CREATE", "ann", &object("p.v1", spec), &Json::Null));
    assert!(warned.contains("do not send `CREATE apps/v9/deployments`, `UPDATE apps/v9/deployments`"), "{warned}");
}

#[test]
fn what_is_in_use_is_not_deleted() {
    let policies = || ["v1", "v2", "v3"].map(|version| policy(version, policy_spec(version))).to_vec();
    let mut state = state(policies(), vec![binding("b", binding_spec("v1", "Enforce"))]);
    // v2 is wanted, missing at first: v1 stays in force until v2 is there.
    let mut wants_v9 = binding("b", binding_spec("v9", "Enforce"));
    wants_v9.seen.generation = 2;
    state.update_bindings(Update::Set(wants_v9));
    // Recorded, although its parameters do not fit: as after a restart in the middle of an upgrade.
    let mut spec = binding_spec("v9", "Audit");
    spec["params"] = json!({"x": 1});
    let mut recorded = binding("c", spec);
    let digest = state.policies.find("p", "v2").unwrap().policy().unwrap().digest();
    recorded.status = json!({"inForce": {"id": "p", "version": "v2", "digest": digest.to_string()}});
    state.update_bindings(Update::Set(recorded));
    state.settle();
    let delete = |version: &str| {
        let old = object(&format!("p.{version}"), policy_spec(version));
        words(&send(&state, "policies", "DELETE", "ann", &Json::Null, &old))
    };
    for (version, expected) in [
        ("v1", "StillInUse: policy `p.v1` is still in use: binding `b` has it in force. First point"),
        ("v2", "StillInUse: policy `p.v2` is still in use: binding `c` has it in force."),
        ("v3", "allowed"),
        ("v9", "StillInUse: policy `p.v9` is still in use: binding `b` names it, binding `c` names it."),
    ] {
        assert!(delete(version).starts_with(expected), "{version}: {}", delete(version));
    }
}

#[test]
fn bindings_are_checked_against_the_policy_that_they_want() {
    let spec = with(policy_spec("v1"), "/params", json!([{"name": "team", "type": "String"}]));
    let broken = with(policy_spec("v2"), "/rules/0/when", json!("1"));
    let mut ignoring = state(vec![policy("v3", policy_spec("v3"))], vec![]);
    Arc::make_mut(&mut ignoring.installed).validating.as_mut().unwrap()[0].ignores_failure = true;
    let state = state(
        vec![policy("v1", spec), policy("v2", broken), policy("v3", policy_spec("v3"))],
        vec![binding("kept", binding_spec("v3", "Enforce"))],
    );
    let v1 = |params: Json| with(binding_spec("v1", "Enforce"), "/params", params);
    let v3 = || binding_spec("v3", "Enforce");
    let selector = |key: &str| with(v3(), "/matchResources", json!({"namespaceSelector": {"matchLabels": {key: "x"}}}));
    let pinned = |digest: Digest| with(v3(), "/policyRef/digest", json!(digest.to_string()));
    let digest = state.policies.find("p", "v3").unwrap().policy().unwrap().digest();
    for (what, spec, expected) in [
        ("good", v1(json!({"team": "a"})), "allowed"),
        (
            "missing parameter",
            v1(json!({})),
            "InvalidPolicy: binding `b` is not acceptable: spec.params.team: is missing",
        ),
        ("wrong type", v1(json!({"team": 1})), "InvalidPolicy: binding `b` is not acceptable: spec.params.team"),
        (
            "unknown parameter",
            v1(json!({"team": "a", "x": 1})),
            "InvalidPolicy: binding `b` is not acceptable: spec.params.x",
        ),
        ("guarded label", selector("team"), "allowed"),
        ("the name", selector("kubernetes.io/metadata.name"), "allowed"),
        (
            "unguarded label",
            selector("mine"),
            "InvalidPolicy: binding `b` is not acceptable: spec.matchResources.namespaceSelector.matchLabels: label `mine` is not guarded",
        ),
        ("approved", pinned(digest), "allowed"),
        (
            "other content approved",
            pinned(Digest::plain(b"x")),
            "InvalidPolicy: binding `b` is not acceptable: spec.policyRef.digest: policy `p.v3` has the digest",
        ),
        ("unknown mode", binding_spec("v3", "Maybe"), "InvalidPolicy: the spec cannot be read: spec: unknown variant"),
        (
            "policy comes later",
            binding_spec("v8", "Enforce"),
            "warned: policy `p.v8` does not exist yet: until then everything that this binding can govern is denied",
        ),
        (
            "in shadow, policy comes later",
            binding_spec("v8", "Audit"),
            "warned: policy `p.v8` does not exist yet: until then nothing is decided",
        ),
        ("policy does not compile", binding_spec("v2", "Enforce"), "warned: policy `p.v2` does not compile"),
    ] {
        let outcome = send(&state, "policybindings", "CREATE", "ann", &object("b", spec), &Json::Null);
        assert!(words(&outcome).starts_with(expected), "{what}: {}", words(&outcome));
    }
    let later = object("kept", binding_spec("v8", "Enforce"));
    let warned = words(&send(&state, "policybindings", "UPDATE", "ann", &later, &object("kept", v3())));
    assert_eq!(warned, "warned: policy `p.v8` does not exist yet: until then p.v3 stays in force");
    // failurePolicy Ignore
    let create = |mode: &str| {
        words(&send(&ignoring, "policybindings", "CREATE", "ann", &object("b", binding_spec("v3", mode)), &Json::Null))
    };
    assert!(create("Enforce").contains("FailurePolicyIgnore"), "{}", create("Enforce"));
    assert_eq!(create("Warn"), "allowed");
    // What changes nothing is never in the way.
    let invalid = object("b", binding_spec("v3", "Maybe"));
    assert_eq!(words(&send(&state, "policybindings", "UPDATE", "ann", &invalid, &invalid)), "allowed");
    assert_eq!(words(&send(&state, "policybindings", "DELETE", "ann", &Json::Null, &invalid)), "allowed");
}

#[test]
fn an_enforce_binding_warns_of_what_is_not_enforced() {
    let mut spec = once_spec("v1");
    let rules = json!([rule("apps", "deployments", &["CREATE"]), rule("apps", "deployments/scale", &["UPDATE"])]);
    spec["matchConstraints"]["resourceRules"] = rules;
    let mut state = state(vec![policy("v2", policy_spec("v2"))], vec![]);
    let warned = |state: &State, mode: &str| {
        words(&send(state, "policybindings", "CREATE", "ann", &object("b", binding_spec("v2", mode)), &Json::Null))
    };
    assert_eq!(warned(&state, "Enforce"), "allowed");
    Arc::make_mut(&mut state.installed).validating = Some(vec![hook(&["apps"], &["deployments"], &["CREATE"])]);
    assert_eq!(
        warned(&state, "Enforce"),
        "warned: not enforced for `UPDATE apps/v1/deployments`: the installed webhook rules do not send that; add it to \
         the chart's webhook rules"
    );
    assert_eq!(warned(&state, "Audit"), "allowed");
    let once =
        with(once_spec("v3"), "/matchConstraints/resourceRules", json!([rule("apps", "deployments", &["CREATE"])]));
    crate::controller::fixtures::pin_all(&mut state, vec![policy("v2", policy_spec("v2")), policy("v3", once)]);
    let bind = |state: &State| {
        words(&send(state, "policybindings", "CREATE", "ann", &object("b", binding_spec("v3", "Enforce")), &Json::Null))
    };
    assert!(
        bind(&state).contains("CallerUnauthenticated") && bind(&state).contains("NotWatchable"),
        "{}",
        bind(&state)
    );
    state.settings = Arc::new(Settings { accept_unauthenticated_once: true, ..Settings::default() });
    assert!(!bind(&state).contains("CallerUnauthenticated"), "{}", bind(&state));
}

#[test]
fn only_writ_writes_status() {
    let state = state(vec![], vec![]);
    let own = "system:serviceaccount:writ-system:writ";
    let old = object("b", binding_spec("v1", "Enforce"));
    let forged = with(old.clone(), "/status", json!({"inForce": {"id": "p", "version": "v1", "digest": "x"}}));
    for (resource, user, new, expected) in [
        ("policybindings/status", "admin", &forged, "ReservedForWrit"),
        ("policies/status", "admin", &forged, "ReservedForWrit"),
        ("policybindings/status", own, &forged, "allowed"),
        ("policybindings/status", "admin", &old, "allowed"),
    ] {
        let outcome = words(&send(&state, resource, "UPDATE", user, new, &old));
        assert!(outcome.starts_with(expected), "{resource} {user}: {outcome}");
    }
}

#[test]
fn duplicate_keys_are_refused() {
    let review = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE",
        "kind":{"group":"writ.dev","version":"v1alpha1","kind":"Policy"},"name":"p.v1",
        "resource":{"group":"writ.dev","version":"v1alpha1","resource":"policies"},
        "object":{"metadata":{"name":"p.v1"},"spec":{"id":"p","id":"q"}}}}"#;
    let refusal = admit(&parse_review(review.as_bytes()).unwrap(), &state(vec![], vec![])).unwrap_err();
    assert_eq!(refusal.reason, Reason::MalformedObject);
}
