use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::controller::{
    fixtures::{binding, binding_spec, hook, once_spec, pin_all, policy, policy_spec, rule, state},
    observed::Update,
    settings::Settings,
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// `Compiled=True/Valid Ready=False/DigestConflict`
fn shown(conditions: &[crate::api::Condition]) -> String {
    let show =
        |condition: &crate::api::Condition| format!("{}={:?}/{}", condition.type_, condition.status, condition.reason);
    conditions.iter().map(show).collect::<Vec<_>>().join(" ")
}

fn ready_of(state: &State, name: &str, others: &[Report]) -> Option<String> {
    let around = Surroundings { state, set_digest: state.policy_set().digest(), others };
    let status = binding_status(state.bindings.entry(name).unwrap(), &around, &mut Reach::default(), NOW)?;
    Some(shown(&status.conditions))
}

#[test]
fn of_policies() {
    let mut broken = policy_spec("v2");
    broken["rules"][0]["when"] = json!("signals.nothing");
    let mut state = state(vec![policy("v1", policy_spec("v1")), policy("v2", broken)], vec![]);
    let status = |state: &State, version: &str| policy_status(state.policies.find("p", version).unwrap(), NOW);
    let good = status(&state, "v1").unwrap();
    assert_eq!(shown(&good.conditions), "Compiled=True/Valid Ready=True/Pinned");
    assert!(good.digest.is_some_and(|digest| digest.starts_with("sha256:")) && good.worst_case_cost.is_some());
    let bad = status(&state, "v2").unwrap();
    assert_eq!(shown(&bad.conditions), "Compiled=False/Invalid Ready=False/NotCompiled");
    assert!(bad.conditions[0].message.starts_with("spec.rules[0].when at 1:"), "{}", bad.conditions[0].message);
    assert_eq!((bad.digest, bad.observed_generation), (None, Some(1)));
    let digest = state.policies.find("p", "v1").unwrap().policy().unwrap().digest();
    for (pin, expected) in [
        (Pin::Conflict(Digest::plain(b"before")), Some("Compiled=True/Valid Ready=False/DigestConflict")),
        (Pin::Failed("gone".to_owned()), Some("Compiled=True/Valid Ready=False/LedgerUnavailable")),
        (Pin::Unanswered, None),
    ] {
        state.update_pin("p.v1", digest, pin);
        assert_eq!(status(&state, "v1").map(|status| shown(&status.conditions)).as_deref(), expected);
    }
}

#[test]
fn what_is_written_is_not_written_again() {
    let mut state = state(vec![policy("v1", policy_spec("v1"))], vec![binding("b", binding_spec("v1", "Enforce"))]);
    let first = policy_status(state.policies.find("p", "v1").unwrap(), NOW).unwrap();
    let mut stored = policy("v1", policy_spec("v1"));
    (stored.seen.resource_version, stored.status) = (2, serde_json::to_value(&first).unwrap());
    state.update_policies(Update::Set(stored));
    let later = NOW.plus(std::time::Duration::from_secs(60));
    assert_eq!(policy_status(state.policies.find("p", "v1").unwrap(), later), Some(first));
}

#[test]
fn of_bindings() {
    let deployments = json!([rule("apps", "deployments", &["CREATE"])]);
    let mut once = once_spec("v2");
    once["matchConstraints"]["resourceRules"] = deployments;
    let mut state = state(
        vec![policy("v1", policy_spec("v1")), policy("v2", once)],
        vec![
            binding("good", binding_spec("v1", "Enforce")),
            binding("missing", binding_spec("v9", "Enforce")),
            binding("once", binding_spec("v2", "Enforce")),
            binding("shadow", binding_spec("v2", "Audit")),
            binding("bad", json!({"mode": "Enforce"})),
        ],
    );
    let is = |state: &State, name: &str, expected: &str| {
        assert_eq!(ready_of(state, name, &[]).as_deref(), Some(expected), "{name}");
    };
    is(&state, "good", "Ready=True/InForce");
    is(&state, "missing", "Ready=False/PolicyMissing");
    is(&state, "bad", "Ready=False/InvalidBinding");
    is(&state, "once", "Ready=False/CallerUnauthenticated");
    is(&state, "shadow", "Ready=True/InForce");
    state.settings = Arc::new(Settings { callers_authenticated: true, ..Settings::default() });
    is(&state, "once", "Ready=False/NotWatchable");
    let resource = crate::admission::GroupVersionResource {
        group: "apps".to_owned(),
        version: "v1".to_owned(),
        resource: "deployments".to_owned(),
    };
    Arc::make_mut(&mut state.kinds).discovered([(resource, true, true)]);
    is(&state, "once", "Ready=True/InForce");
    Arc::make_mut(&mut state.installed).validating = Some(vec![hook(&["apps"], &["deployments"], &["CREATE"])]);
    is(&state, "good", "Ready=False/NotCovered");
    is(&state, "once", "Ready=True/InForce");
    Arc::make_mut(&mut state.installed).validating.as_mut().unwrap()[0].ignores_failure = true;
    is(&state, "once", "Ready=False/FailurePolicyIgnore");
    is(&state, "shadow", "Ready=True/InForce");
}

#[test]
fn ready_means_on_every_ready_replica() {
    let mut state = state(vec![policy("v1", policy_spec("v1"))], vec![binding("b", binding_spec("v1", "Enforce"))]);
    let entry = state.bindings.entry("b").unwrap();
    let own_line = line(entry, &entry.decision.in_force.as_ref().unwrap().policy);
    let own_digest = state.policy_set().digest().to_string();
    let report = |set_digest: &str, line: Option<&str>, ready| Report {
        replica: "writ-1".to_owned(),
        set_digest: set_digest.to_owned(),
        ready,
        versions: line.map(|line| ("b".to_owned(), line.to_owned())).into_iter().collect(),
        ..Report::default()
    };
    for (what, others, expected) in [
        ("alone", vec![], "Ready=True/InForce"),
        ("the same set", vec![report(&own_digest, None, true)], "Ready=True/InForce"),
        ("another set, this version", vec![report("sha256:x", Some(&own_line), true)], "Ready=True/InForce"),
        ("another set, no version", vec![report("sha256:x", None, true)], "Ready=False/NotOnEveryReplica"),
        ("another version", vec![report("sha256:x", Some("uid-b 1 p.v0 00"), true)], "Ready=False/NotOnEveryReplica"),
        ("one that is not ready", vec![report("sha256:x", None, false)], "Ready=True/InForce"),
        ("one of two", vec![report(&own_digest, None, true), report("x", None, true)], "Ready=False/NotOnEveryReplica"),
    ] {
        assert_eq!(ready_of(&state, "b", &others).as_deref(), Some(expected), "{what}");
    }
    // While the ledger is asked there is nothing to say.
    pin_all(&mut state, vec![]);
    state.update_policies(Update::Replace(vec![policy("v1", policy_spec("v1"))]));
    state.settle();
    assert_eq!(ready_of(&state, "b", &[]), None);
}
