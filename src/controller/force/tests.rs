use serde_json::json;

use super::*;
use crate::{
    api::{Metadata, PolicyBindingSpec},
    controller::observed::{Observed, Seen, Update},
};

/// A policy whose content is told apart by the reason of its rule, with one optional parameter.
fn policy(version: &str, reason: &str, param: Option<&str>) -> Observed {
    let params: Vec<_> = param.iter().map(|name| json!({"name": name, "type": "String"})).collect();
    let spec = json!({
        "id": "p", "version": version,
        "matchConstraints": {"resourceRules": [
            {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["CREATE"]},
        ]},
        "params": params,
        "rules": [{"name": "all", "outcome": "Allow", "reason": reason}],
        "replay": {"mode": "Repeatable"},
    });
    let seen = Seen { uid: format!("uid-{version}-{reason}"), generation: 1, resource_version: 1 };
    Observed { seen, name: format!("p.{version}"), spec, status: json!(null) }
}

fn broken(version: &str) -> Observed {
    let mut policy = policy(version, "Broken", None);
    policy.spec["rules"][0]["when"] = json!("signals.nothing");
    policy
}

fn binding(version: &str, params: serde_json::Value, digest: Option<Digest>) -> Binding {
    let mut spec = json!({"policyRef": {"id": "p", "version": version}, "params": params, "mode": "Enforce"});
    if let Some(digest) = digest {
        spec["policyRef"]["digest"] = json!(digest.to_string());
    }
    let spec: PolicyBindingSpec = serde_json::from_value(spec).unwrap();
    Binding::compile(&Metadata { name: "b".to_owned(), ..Metadata::default() }, &spec, &[]).unwrap()
}

/// All policies, pinned where their content is what the ledger holds: `Good`.
fn policies(objects: Vec<Observed>) -> Policies {
    let mut policies = Policies::default();
    policies.apply(Update::Replace(objects));
    let entries: Vec<_> = policies.iter().map(Arc::clone).collect();
    for entry in entries {
        if let Some(policy) = entry.policy() {
            let pin = match policy.rules()[0].reason.as_str() {
                "Good" => Pin::Pinned,
                "Other" => Pin::Conflict(Digest::plain(b"before")),
                "Unpinned" => Pin::Unanswered,
                _ => Pin::Failed("gone".to_owned()),
            };
            policies.pinned(&entry.name, policy.digest(), pin);
        }
    }
    policies
}

fn digest(policy: Observed) -> Digest {
    crate::policy::digest(&serde_json::from_value(policy.spec).unwrap())
}

fn recorded(version: &str, digest: Digest) -> InForce {
    InForce { id: "p".to_owned(), version: version.to_owned(), digest: digest.to_string() }
}

fn kept(version: &str) -> Kept {
    let policies = policies(vec![policy(version, "Good", Some("team"))]);
    wanted(&binding(version, json!({"team": "then"}), None), &policies).unwrap()
}

/// What the outcome is: the version in force and its parameters, and the cause where it is not the wanted one.
fn outcome(decision: &Decision) -> (Option<String>, Option<&'static str>) {
    let show = |kept: &Kept| {
        let params = String::from_utf8(crate::canonical::encode(&kept.params)).unwrap();
        format!("{} {params}", kept.policy.version())
    };
    (decision.in_force.as_ref().map(show), decision.shortfall.as_ref().map(|shortfall| shortfall.cause.as_str()))
}

#[test]
fn the_wanted_version_or_what_was_in_force() {
    let good = |version| policy(version, "Good", None);
    let v1 = || digest(good("v1"));
    let none = json!({});
    type Case = (&'static str, Vec<Observed>, Binding, Option<InForce>, (Option<&'static str>, Option<&'static str>));
    let cases: Vec<Case> = vec![
        ("wanted", vec![good("v1")], binding("v1", none.clone(), None), None, (Some("v1 {}"), None)),
        ("approved", vec![good("v1")], binding("v1", none.clone(), Some(v1())), None, (Some("v1 {}"), None)),
        ("binding first", vec![], binding("v1", none.clone(), None), None, (None, Some("PolicyMissing"))),
        (
            "an upgrade",
            vec![good("v1"), good("v2")],
            binding("v2", none.clone(), None),
            Some(recorded("v1", v1())),
            (Some("v2 {}"), None),
        ),
        (
            "wanted is missing",
            vec![good("v1")],
            binding("v2", none.clone(), None),
            Some(recorded("v1", v1())),
            (Some("v1 {}"), Some("PolicyMissing")),
        ),
        (
            "wanted is broken",
            vec![good("v1"), broken("v2")],
            binding("v2", none.clone(), None),
            Some(recorded("v1", v1())),
            (Some("v1 {}"), Some("PolicyNotCompiled")),
        ),
        (
            "wanted is unpinned",
            vec![good("v1"), policy("v2", "Unpinned", None)],
            binding("v2", none.clone(), None),
            Some(recorded("v1", v1())),
            (Some("v1 {}"), Some("NotPinned")),
        ),
        (
            "the ledger is gone",
            vec![good("v1"), policy("v2", "Failed", None)],
            binding("v2", none.clone(), None),
            Some(recorded("v1", v1())),
            (Some("v1 {}"), Some("LedgerUnavailable")),
        ),
        (
            "wanted was other before",
            vec![good("v1"), policy("v2", "Other", None)],
            binding("v2", none.clone(), None),
            Some(recorded("v1", v1())),
            (Some("v1 {}"), Some("DigestConflict")),
        ),
        (
            "other content was approved",
            vec![good("v1"), good("v2")],
            binding("v2", none.clone(), Some(v1())),
            Some(recorded("v1", v1())),
            (Some("v1 {}"), Some("DigestMismatch")),
        ),
        (
            "unknown parameter",
            vec![good("v1")],
            binding("v1", json!({"a": 1}), None),
            None,
            (None, Some("InvalidParams")),
        ),
        (
            "missing parameter",
            vec![policy("v1", "Good", Some("team"))],
            binding("v1", none.clone(), None),
            None,
            (None, Some("InvalidParams")),
        ),
        (
            "parameter of the kept one is missing",
            vec![policy("v1", "Good", Some("team"))],
            binding("v2", none.clone(), None),
            Some(recorded("v1", digest(policy("v1", "Good", Some("team"))))),
            (None, Some("PolicyMissing")),
        ),
        (
            "the kept one was created anew with other content",
            vec![policy("v1", "Other", None)],
            binding("v2", none.clone(), None),
            Some(recorded("v1", v1())),
            (None, Some("PolicyMissing")),
        ),
        (
            "the kept one is gone",
            vec![],
            binding("v2", none.clone(), None),
            Some(recorded("v1", v1())),
            (None, Some("PolicyMissing")),
        ),
        (
            "the recorded digest is no digest",
            vec![good("v1")],
            binding("v2", none.clone(), None),
            Some(InForce { digest: "sha256:".to_owned(), ..recorded("v1", v1()) }),
            (None, Some("PolicyMissing")),
        ),
        (
            "recorded under another digest",
            vec![good("v1")],
            binding("v2", none, None),
            Some(recorded("v1", digest(good("v2")))),
            (None, Some("PolicyMissing")),
        ),
    ];
    for (what, objects, binding, recorded, (in_force, cause)) in cases {
        let decision = decide(&binding, None, recorded.as_ref(), &policies(objects));
        assert_eq!(outcome(&decision), (in_force.map(str::to_owned), cause), "{what}");
    }
}

#[test]
fn what_this_process_kept_comes_first_with_parameters_that_fit() {
    let here = || policies(vec![policy("v1", "Good", Some("team"))]);
    for (what, binding, policies, expected) in [
        ("new ones fit", binding("v2", json!({"team": "now"}), None), here(), Some(r#"v1 {"team":"now"}"#)),
        (
            "new ones are for another version",
            binding("v2", json!({"x": 1}), None),
            here(),
            Some(r#"v1 {"team":"then"}"#),
        ),
        ("bad ones for the same version", binding("v1", json!({"x": 1}), None), here(), Some(r#"v1 {"team":"then"}"#)),
        ("the policy is gone", binding("v2", json!({}), None), policies(vec![]), None),
    ] {
        let decision = decide(&binding, Some(&kept("v1")), None, &policies);
        assert_eq!(outcome(&decision).0.as_deref(), expected, "{what}");
        assert!(decision.shortfall.is_some(), "{what}");
    }
}

#[test]
fn a_shortfall_says_what_to_do_and_what_is_in_force() {
    let good = policy("v1", "Good", None);
    let recorded = recorded("v1", digest(good.clone()));
    let message = |recorded: Option<&InForce>, objects| {
        let decision = decide(&binding("v2", json!({}), None), None, recorded, &policies(objects));
        decision.shortfall.unwrap().message
    };
    assert_eq!(
        message(Some(&recorded), vec![good]),
        "policy `p.v2` does not exist: apply it; until then p.v1 stays in force"
    );
    assert_eq!(message(None, vec![]), "policy `p.v2` does not exist: apply it; until then nothing is in force");
    let broken = message(None, vec![broken("v2")]);
    assert!(broken.starts_with("policy `p.v2` does not compile: spec.rules[0].when at 1:"), "{broken}");
}
