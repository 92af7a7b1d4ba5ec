use serde_json::json;

use super::*;
use crate::controller::fixtures::{hook, policy_spec};

fn policy(rules: serde_json::Value) -> Policy {
    let mut spec = policy_spec("v1");
    spec["matchConstraints"]["resourceRules"] = rules;
    crate::policy::compile("p.v1", &serde_json::from_value(spec).unwrap()).unwrap()
}

fn rule(group: &str, resources: &[&str], operations: &[&str]) -> serde_json::Value {
    json!([{"apiGroups": [group], "apiVersions": ["v1"], "resources": resources, "operations": operations}])
}

#[test]
fn what_is_sent_of_a_policy() {
    let all = || vec![hook(&["apps"], &["deployments", "deployments/scale"], &["CREATE", "UPDATE", "DELETE"])];
    let installed = Installed {
        mutating: Some(vec![hook(&["apps"], &["deployments"], &["CREATE", "UPDATE"])]),
        validating: Some(all()),
    };
    for (what, rules, missing, partial) in [
        ("all of it", rule("apps", &["deployments"], &["CREATE", "UPDATE"]), "", ""),
        ("deletion needs no mutation", rule("apps", &["deployments"], &["DELETE"]), "", ""),
        ("any operation", rule("apps", &["deployments"], &["*"]), "", ""),
        ("a subresource", rule("apps", &["deployments/scale"], &["UPDATE"]), "", ""),
        ("a subresource, any operation", rule("apps", &["deployments/scale"], &["*"]), "", ""),
        (
            "another subresource",
            rule("apps", &["deployments/status"], &["UPDATE"]),
            "`UPDATE apps/v1/deployments/status`",
            "",
        ),
        ("all subresources", rule("apps", &["deployments/*"], &["UPDATE"]), "", "`UPDATE apps/v1/deployments/*`"),
        ("another resource", rule("apps", &["statefulsets"], &["CREATE"]), "`CREATE apps/v1/statefulsets`", ""),
        ("another group", rule("", &["pods"], &["CREATE"]), "`CREATE v1/pods`", ""),
        ("every resource", rule("apps", &["*"], &["CREATE"]), "", "`CREATE apps/v1/*`"),
        ("every group", rule("*", &["*/*"], &["UPDATE"]), "", "`UPDATE */v1/*/*`"),
        ("every scale", rule("apps", &["*/scale"], &["UPDATE"]), "", "`UPDATE apps/v1/*/scale`"),
        ("every exec", rule("apps", &["*/exec"], &["CONNECT"]), "`CONNECT apps/v1/*/exec`", ""),
    ] {
        let coverage = installed.coverage(&policy(rules));
        assert_eq!(
            (describe(&coverage.missing).as_str(), describe(&coverage.partial).as_str()),
            (missing, partial),
            "{what}"
        );
    }
}

#[test]
fn what_makes_hooks_worthless() {
    let deployments = || policy(rule("apps", &["deployments"], &["CREATE"]));
    let hooks = || Some(vec![hook(&["*"], &["*/*"], &["*"])]);
    let evadable = || Some(vec![Hook { selects_objects: true, ..hook(&["*"], &["*/*"], &["*"]) }]);
    for (what, mutating, validating, covered) in [
        ("both", hooks(), hooks(), true),
        ("mutate is missing", None, hooks(), false),
        ("validate is missing", hooks(), None, false),
        ("validate has no webhook", hooks(), Some(vec![]), false),
        ("objects can evade mutate", evadable(), hooks(), false),
        ("objects can evade validate", hooks(), evadable(), false),
    ] {
        assert_eq!(Installed { mutating, validating }.coverage(&deployments()).is_covered(), covered, "{what}");
    }
    let open = Some(vec![Hook { ignores_failure: true, ..Hook::default() }]);
    assert!(Installed { mutating: open.clone(), validating: hooks() }.ignores_failure());
    assert!(Installed { mutating: hooks(), validating: open }.ignores_failure());
    assert!(!Installed { mutating: hooks(), validating: hooks() }.ignores_failure());
}

#[test]
fn few_targets_are_named() {
    let target = |version: usize| Target {
        operation: "CREATE",
        group: "a".to_owned(),
        version: version.to_string(),
        resource: "b".to_owned(),
    };
    let text = describe(&(0..7).map(target).collect::<Vec<_>>());
    assert!(text.starts_with("`CREATE a/0/b`, ") && text.ends_with("`CREATE a/4/b` and 2 more"), "{text}");
}
