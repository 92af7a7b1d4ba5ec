//! Threat 91: no field of a Policy or PolicyBinding is accepted and ignored.
//!
//! The fields are read from the CRDs, so that a new one cannot be forgotten. For each there is a change of a sample
//! that keeps its type, and after which some decision, refusal or claim is another. Digests do not count: they differ
//! with any change.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that fails stops here")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
    sync::Arc,
};

use serde_json::{Value as Json, json};
use writ::{
    admission::parse_review,
    api::{PolicyBindingSpec, PolicySpec},
    binding::Applicability,
    canonical::{Value, parse},
    controller::{
        Settings,
        ledger::Pin,
        observed::{Observed, Seen, Update},
        state::State,
    },
    decide::{Change, Concerned},
    evaluate::{Decision, Verdict},
    policy_set::PolicySet,
    time::Timestamp,
};

const POLICY: &str = r#"
id: gate
version: v1
matchConstraints:
  resourceRules: [{apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: [CREATE]}]
matchConditions: [{name: judged, expression: "object.spec.kind != 'skip'"}]
params:
- {name: limit, type: Integer, minimum: 1, maximum: 10}
- {name: zones, type: StringList, enum: [a, b], maxLength: 8, pattern: "[a-z]+", maxItems: 4}
variables: [{name: count, expression: object.spec.count}]
signals:
- {name: count, type: Integer, expression: variables.count, minimum: 0, maximum: 100}
- {name: tickets, type: StringList, expression: object.spec.tickets, enum: [CHG-1, CHG-2], maxLength: 8, pattern: "CHG-[0-9]+", maxItems: 4}
- {name: target, type: String, expression: object.metadata.name}
rules:
- {name: many, when: signals.count > params.limit, outcome: Deny, reason: TooMany, message: ask for more, messageExpression: "'no more than ' + object.spec.most"}
- {name: fine, outcome: Allow, reason: Fine}
replay: {mode: Once, key: [target], window: 1h}
"#;

const BINDING: &str = r#"
policyRef: {id: gate, version: v1}
params: {limit: 5, zones: [a]}
matchResources:
  namespaceSelector:
    matchLabels: {tier: web}
    matchExpressions: [{key: zone, operator: In, values: [a, b]}]
subjects: {users: [ann], groups: [ops], serviceAccounts: [{namespace: shop, name: robot}]}
exclude: {namespaces: [attic], groups: [rescue], serviceAccounts: [{namespace: shop, name: mover}]}
mode: Enforce
"#;

/// (operation, namespace, user, groups, `spec` of the object)
const REQUESTS: &[(&str, &str, &str, &[&str], &str)] = &[
    ("CREATE", "shop", "ann", &[], r#"{"kind":"x","count":3,"tickets":["CHG-1"]}"#),
    ("CREATE", "shop", "ann", &[], r#"{"kind":"x","count":7,"tickets":["CHG-1"],"most":"five"}"#),
    ("CREATE", "shop", "ann", &[], r#"{"kind":"x","count":7,"tickets":["CHG-1"]}"#),
    ("CREATE", "shop", "ann", &[], r#"{"kind":"skip","count":3,"tickets":[]}"#),
    ("CREATE", "shop", "ann", &[], r#"{"count":3,"tickets":[]}"#),
    ("CREATE", "shop", "bob", &["ops"], r#"{"kind":"x","count":3,"tickets":[]}"#),
    ("CREATE", "shop", "bob", &[], r#"{"kind":"x","count":3,"tickets":[]}"#),
    ("CREATE", "shop", "system:serviceaccount:shop:robot", &[], r#"{"kind":"x","count":3,"tickets":[]}"#),
    ("CREATE", "shop", "system:serviceaccount:shop:mover", &["ops"], r#"{"kind":"x","count":3,"tickets":[]}"#),
    ("CREATE", "shop", "ann", &["rescue"], r#"{"kind":"x","count":3,"tickets":[]}"#),
    ("CREATE", "attic", "ann", &[], r#"{"kind":"x","count":3,"tickets":[]}"#),
    ("CREATE", "edge", "ann", &[], r#"{"kind":"x","count":3,"tickets":[]}"#),
    ("CREATE", "back", "ann", &[], r#"{"kind":"x","count":3,"tickets":[]}"#),
];

/// The labels of the namespaces.
fn labels(namespace: &str) -> BTreeMap<String, String> {
    let (tier, zone) = match namespace {
        "shop" | "attic" => ("web", "a"),
        "edge" => ("web", "c"),
        _ => ("batch", "a"),
    };
    BTreeMap::from([("tier".to_owned(), tier.to_owned()), ("zone".to_owned(), zone.to_owned())])
}

/// (where, what stands there instead); each keeps the field's type.
type Changes = &'static [(&'static str, &'static str)];

const POLICY_CHANGES: Changes = &[
    ("/id", r#""door""#),
    ("/version", r#""v2""#),
    ("/matchConstraints/resourceRules/0/apiGroups", r#"["batch"]"#),
    ("/matchConstraints/resourceRules/0/apiVersions", r#"["v2"]"#),
    ("/matchConstraints/resourceRules/0/resources", r#"["pods"]"#),
    ("/matchConstraints/resourceRules/0/operations", r#"["DELETE"]"#),
    ("/matchConditions/0/name", r#""other""#),
    ("/matchConditions/0/expression", r#""object.spec.kind == 'skip'""#),
    ("/params/0/name", r#""most""#),
    ("/params/0/type", r#""String""#),
    ("/params/0/minimum", "6"),
    ("/params/0/maximum", "4"),
    ("/params/1/enum", r#"["b"]"#),
    ("/params/1/maxLength", "0"),
    ("/params/1/pattern", r#""[b-z]+""#),
    ("/params/1/maxItems", "0"),
    ("/variables/0/name", r#""number""#),
    ("/variables/0/expression", r#""object.spec.count + 10""#),
    ("/signals/2/name", r#""where""#),
    ("/signals/0/type", r#""String""#),
    ("/signals/0/expression", r#""1""#),
    ("/signals/0/minimum", "4"),
    ("/signals/0/maximum", "2"),
    ("/signals/1/enum", r#"["CHG-2"]"#),
    ("/signals/1/maxLength", "4"),
    ("/signals/1/pattern", r#""CHG-[2-9]""#),
    ("/signals/1/maxItems", "0"),
    ("/rules/0/name", r#""most""#),
    ("/rules/0/when", r#""signals.count > 100""#),
    ("/rules/0/outcome", r#""Allow""#),
    ("/rules/0/reason", r#""Other""#),
    ("/rules/0/message", r#""another""#),
    ("/rules/0/messageExpression", r#""'another'""#),
    ("/replay/mode", r#""Repeatable""#),
    ("/replay/key", r#"["count"]"#),
    ("/replay/window", r#""2h""#),
];

const BINDING_CHANGES: Changes = &[
    ("/policyRef/id", r#""door""#),
    ("/policyRef/version", r#""v2""#),
    ("/policyRef/digest", r#""sha256:0000000000000000000000000000000000000000000000000000000000000000""#),
    ("/params", r#"{"limit": 2, "zones": ["a"]}"#),
    ("/matchResources/namespaceSelector/matchLabels", r#"{"tier": "batch"}"#),
    ("/matchResources/namespaceSelector/matchExpressions/0/key", r#""tier""#),
    ("/matchResources/namespaceSelector/matchExpressions/0/operator", r#""NotIn""#),
    ("/matchResources/namespaceSelector/matchExpressions/0/values", r#"["b"]"#),
    ("/subjects/users", r#"["eve"]"#),
    ("/subjects/groups", r#"["dev"]"#),
    ("/subjects/serviceAccounts/0/namespace", r#""attic""#),
    ("/subjects/serviceAccounts/0/name", r#""other""#),
    ("/exclude/namespaces", r#"["cellar"]"#),
    ("/exclude/groups", r#"["dev"]"#),
    ("/exclude/serviceAccounts/0/namespace", r#""attic""#),
    ("/exclude/serviceAccounts/0/name", r#""other""#),
    ("/mode", r#""Audit""#),
];

/// All that a policy and a binding do: what is in force, and what becomes of each request.
fn behaviour(policy: &Json, binding: &Json) -> String {
    let settings = Settings { guarded_labels: vec!["tier".to_owned(), "zone".to_owned()], ..Settings::default() };
    let mut state = State::new(Arc::new(settings));
    let observed = |name: &str, spec: &Json| {
        let seen = Seen { uid: format!("uid-{name}"), generation: 1, resource_version: 1 };
        Observed { seen, name: name.to_owned(), spec: spec.clone(), status: Json::Null }
    };
    for policy in state.update_policies(Update::Replace(vec![observed("gate.v1", policy)])) {
        state.update_pin("gate.v1", policy.digest(), Pin::Pinned);
    }
    state.update_bindings(Update::Replace(vec![observed("b", binding)]));
    state.settle();
    let mut text = String::new();
    for entry in state.bindings.iter() {
        let shortfall = entry.decision.shortfall.as_ref().map_or("none", |shortfall| shortfall.cause.as_str());
        let replay = entry.decision.in_force.as_ref().map(|kept| kept.policy.replay().clone());
        writeln!(text, "shortfall {shortfall}, replay {replay:?}").unwrap();
    }
    let set = state.policy_set();
    for request in REQUESTS {
        writeln!(text, "{request:?}: {}", becomes(&set, request)).unwrap();
    }
    text
}

/// What becomes of one request.
fn becomes(set: &PolicySet, request: &(&str, &str, &str, &[&str], &str)) -> String {
    let (operation, namespace, user, groups, spec) = request;
    let object = format!(r#"{{"metadata":{{"name":"web","namespace":"{namespace}"}},"spec":{spec}}}"#);
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "operation": operation, "name": "web", "namespace": namespace,
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "userInfo": {"username": user, "groups": groups}
    }});
    let review = review.to_string();
    let request = parse_review(review.as_bytes()).unwrap();
    let object: Value<'_> = parse(object.as_bytes()).unwrap();
    let change = Change::new(&request, Some(&object), None);
    let input = change.input(None, None, Timestamp::from_millis(1_795_564_800_000));
    let mut said = Vec::new();
    for bound in Concerned::of(set, &request).about(&change) {
        let mode = bound.binding.mode.as_str();
        said.push(match change.applicability(&bound.binding, &[labels(namespace)]) {
            Applicability::Governed => match change.by_binding(bound, &input).1 {
                Verdict::Skipped => "skipped".to_owned(),
                // What it cost is nothing that a field may hide behind.
                Verdict::Decided(decision) => format!("{mode} {:?}", Decision { cost: 0, ..*decision }),
            },
            other => format!("{other:?}"),
        });
    }
    said.join("; ")
}

/// The fields of the spec in a CRD that hold a value of their own, as `/rules/0/name`.
fn fields(crd: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("crds").join(crd)).unwrap();
    let crd: Json = serde_saphyr::from_str(&text).unwrap();
    let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut found = BTreeSet::new();
    walk(spec, "", &mut found);
    found
}

fn walk(schema: &Json, path: &str, found: &mut BTreeSet<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            walk(property, &format!("{path}/{name}"), found);
        }
    } else if schema["items"]["properties"].is_object() {
        walk(&schema["items"], &format!("{path}/0"), found);
    } else {
        found.insert(path.to_owned());
    }
}

/// The field that a place in the sample is one of.
fn field(pointer: &str) -> String {
    let generic =
        |part: &str| if part.bytes().all(|byte| byte.is_ascii_digit()) { "0".to_owned() } else { part.to_owned() };
    format!("/{}", pointer[1..].split('/').map(generic).collect::<Vec<_>>().join("/"))
}

/// The sample with one field changed.
fn changed(sample: &Json, (pointer, value): (&str, &str)) -> Json {
    let mut changed = sample.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = changed.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}: no such place in the sample"));
    let value: Json = serde_json::from_str(value).unwrap();
    assert_ne!(parent.get(name), Some(&value), "{pointer}: that is no change");
    parent[name] = value;
    changed
}

fn samples() -> (Json, Json) {
    (serde_saphyr::from_str(POLICY).unwrap(), serde_saphyr::from_str(BINDING).unwrap())
}

#[test]
fn the_sample_does_something_of_everything() {
    let (policy, binding) = samples();
    let text = behaviour(&policy, &binding);
    for part in
        ["shortfall none", "Allow", "Deny", "skipped", "Exempt", "NotGoverned", "no more than five", "EvaluationError"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn every_field_of_a_policy_counts() {
    let (policy, binding) = samples();
    let before = behaviour(&policy, &binding);
    for change in POLICY_CHANGES {
        let policy = changed(&policy, *change);
        serde_json::from_value::<PolicySpec>(policy.clone()).unwrap_or_else(|error| panic!("{change:?}: {error}"));
        assert_ne!(behaviour(&policy, &binding), before, "{change:?} changes nothing: the field is ignored");
    }
    let counted: BTreeSet<String> = POLICY_CHANGES.iter().map(|(pointer, _)| field(pointer)).collect();
    assert_eq!(counted, fields("policies.yaml"), "a field without a change, or a change without a field");
}

#[test]
fn every_field_of_a_binding_counts() {
    let (policy, binding) = samples();
    let before = behaviour(&policy, &binding);
    for change in BINDING_CHANGES {
        let binding = changed(&binding, *change);
        serde_json::from_value::<PolicyBindingSpec>(binding.clone())
            .unwrap_or_else(|error| panic!("{change:?}: {error}"));
        assert_ne!(behaviour(&policy, &binding), before, "{change:?} changes nothing: the field is ignored");
    }
    let counted: BTreeSet<String> = BINDING_CHANGES.iter().map(|(pointer, _)| field(pointer)).collect();
    assert_eq!(counted, fields("policybindings.yaml"), "a field without a change, or a change without a field");
}

/// The types hold the same fields as the CRDs: what the schema does not show, no one can set.
#[test]
fn a_field_that_the_schema_does_not_show_is_refused() {
    let (policy, binding) = samples();
    for (place, parent) in [("", "spec"), ("/replay", "replay"), ("/rules/0", "rule"), ("/signals/0", "signal")] {
        let mut with = policy.clone();
        with.pointer_mut(place).unwrap()["unheard"] = json!(1);
        assert!(serde_json::from_value::<PolicySpec>(with).is_err(), "{parent}");
    }
    for place in ["", "/policyRef", "/matchResources", "/matchResources/namespaceSelector", "/subjects", "/exclude"] {
        let mut with = binding.clone();
        with.pointer_mut(place).unwrap()["unheard"] = json!(1);
        assert!(serde_json::from_value::<PolicyBindingSpec>(with).is_err(), "{place}");
    }
}
