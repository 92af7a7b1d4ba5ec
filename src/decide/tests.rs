use super::*;
use crate::{
    admission::parse_review,
    api::{Metadata, PolicyBindingSpec, PolicySpec},
    canonical::parse,
    policy::compile,
    projection::annotation_key,
};

const TIME: Timestamp = Timestamp::from_millis(1_795_564_800_000);

fn review(operation: &str, subresource: &str, name: &str) -> String {
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","kind":{{"group":"apps","version":"v1","kind":"Deployment"}},
        "resource":{{"group":"apps","version":"v1","resource":"deployments"}},"subResource":"{subresource}","name":"{name}","namespace":"shop",
        "operation":"{operation}","userInfo":{{"username":"ann"}}}}}}"#
    )
}

#[test]
fn a_binding_of_a_pod_carries_nothing() {
    for (group, resource, carries) in [("", "bindings", false), ("example.com", "bindings", true), ("", "pods", true)] {
        let mine = format!(r#""resource":{{"group":"{group}","version":"v1","resource":"{resource}"}}"#);
        let text = review("CREATE", "", "web")
            .replace(r#""resource":{"group":"apps","version":"v1","resource":"deployments"}"#, &mine);
        let request = parse_review(text.as_bytes()).unwrap();
        assert_eq!(Change::new(&request, None, None).carries_attestation(), carries, "{group}/{resource}");
    }
}

const NAMED: &str = r#"{"metadata":{"name":"web"}}"#;
const GENERATED: &str = r#"{"metadata":{"generateName":"web-","name":"web-x7k2p"}}"#;
const HELD: &str = r#"{"metadata":{"name":"web","deletionTimestamp":"t","finalizers":["a/b"]}}"#;
const LET_GO: &str = r#"{"metadata":{"name":"web","deletionTimestamp":"t"}}"#;

/// (operation, subresource, name, object, old object; what it does, carries an attestation, names one object)
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str, Operation, bool, bool);

const CHANGES: &[Row] = &[
    ("CREATE", "", "web", NAMED, "", Operation::Create, true, true),
    ("CREATE", "", "", NAMED, "", Operation::Create, true, false),
    ("CREATE", "", "web", GENERATED, "", Operation::Create, true, false),
    ("CREATE", "eviction", "web", NAMED, "", Operation::Create, false, false),
    ("UPDATE", "", "web", NAMED, NAMED, Operation::Update, true, true),
    ("UPDATE", "", "web-x7k2p", GENERATED, GENERATED, Operation::Update, true, true),
    ("UPDATE", "scale", "web", NAMED, NAMED, Operation::Update, false, false),
    ("UPDATE", "", "web", LET_GO, HELD, Operation::Delete, false, true),
    ("UPDATE", "", "web", HELD, HELD, Operation::Update, true, true),
    // Through a subresource no finalizer goes.
    ("UPDATE", "status", "web", LET_GO, HELD, Operation::Update, false, false),
    ("DELETE", "", "web", "", NAMED, Operation::Delete, false, true),
    ("DELETE", "", "", "", NAMED, Operation::Delete, false, true),
    ("DELETE", "", "", "", "{}", Operation::Delete, false, false),
    ("CONNECT", "exec", "web", "{}", "", Operation::Connect, false, true),
    ("CONNECT", "exec", "", "{}", "", Operation::Connect, false, false),
];

#[test]
fn what_a_change_is() {
    for row @ (operation, subresource, name, object, old, does, carries, one) in CHANGES {
        let text = review(operation, subresource, name);
        let request = parse_review(text.as_bytes()).unwrap();
        let read = |text: &'static str| (!text.is_empty()).then(|| parse(text.as_bytes()).unwrap());
        let (object, old) = (read(object), read(old));
        let change = Change::new(&request, object.as_ref(), old.as_ref());
        let found = (change.operation(), change.carries_attestation(), change.names_one_object());
        assert_eq!(found, (*does, *carries, *one), "{row:?}");
    }
}

#[test]
fn an_update_of_the_object_itself_may_change_nothing() {
    let key = annotation_key("deployments", "apps");
    for (operation, subresource, object, old, nothing) in [
        ("UPDATE", "", NAMED, NAMED, true),
        ("UPDATE", "", NAMED, r#"{"metadata":{"name":"web","resourceVersion":"7"}}"#, true),
        ("UPDATE", "", NAMED, r#"{"metadata":{"name":"web","labels":{"a":"b"}}}"#, false),
        ("UPDATE", "scale", NAMED, NAMED, false),
        ("CREATE", "", NAMED, NAMED, false),
        ("UPDATE", "", LET_GO, HELD, false),
    ] {
        let text = review(operation, subresource, "web");
        let request = parse_review(text.as_bytes()).unwrap();
        let (object, old) = (parse(object.as_bytes()).unwrap(), parse(old.as_bytes()).unwrap());
        let plan = Plan::new(&request.kind, &key, true);
        let change = Change::new(&request, Some(&object), Some(&old));
        assert_eq!(change.changes_nothing(&plan), nothing, "{operation} {subresource} {old:?}");
        assert!(!Change::new(&request, Some(&object), None).changes_nothing(&plan));
    }
}

fn set(operations: &str) -> PolicySet {
    let yaml = format!(
        "id: p\nversion: v1\nmatchConstraints: {{resourceRules: [{{apiGroups: [apps], apiVersions: ['*'], resources: [deployments], operations: [{operations}]}}]}}\nrules: [{{name: a, outcome: Allow, reason: A}}]\nreplay: {{mode: Repeatable}}"
    );
    let spec: PolicySpec = serde_saphyr::from_str(&yaml).unwrap();
    let policy = compile("p.v1", &spec).unwrap();
    let spec: PolicyBindingSpec = serde_saphyr::from_str("policyRef: {id: p, version: v1}\nmode: Enforce").unwrap();
    let binding = Binding::compile(&Metadata { name: "b".to_owned(), ..Metadata::default() }, &spec, &[]).unwrap();
    PolicySet::build(vec![Bound { binding, force: Force::of(std::sync::Arc::new(policy), Value::Null) }])
}

/// An update that lets an object go is the business of policies about DELETE, and of no others.
#[test]
fn who_is_concerned() {
    for (operations, operation, object, concerned, about) in [
        ("UPDATE", "UPDATE", HELD, true, true),
        ("UPDATE", "UPDATE", LET_GO, true, false),
        ("DELETE", "UPDATE", HELD, true, false),
        ("DELETE", "UPDATE", LET_GO, true, true),
        ("DELETE", "CREATE", HELD, false, false),
        ("DELETE", "DELETE", HELD, true, true),
    ] {
        let (set, text) = (set(operations), review(operation, "", "web"));
        let request = parse_review(text.as_bytes()).unwrap();
        let (object, old) = (parse(object.as_bytes()).unwrap(), parse(HELD.as_bytes()).unwrap());
        let change = Change::new(&request, Some(&object), Some(&old));
        let found = Concerned::of(&set, &request);
        assert_eq!(found.is_empty(), !concerned, "{operations} {operation}");
        assert_eq!(found.about(&change).is_empty(), !about, "{operations} {operation} {object:?}");
    }
}

/// The word of the request about the version that it was reviewed under.
#[test]
fn a_reviewed_version_counts_only_where_it_was_written_for_this_object() {
    let word = r#""annotations":{"request.writ.dev/policy.p":"v7"}"#;
    let with = |more: &str| format!(r#"{{"metadata":{{"name":"web",{word}{more}}}}}"#);
    let set = set("'*'");
    for (operation, subresource, object, refused) in [
        ("CREATE", "", with(""), true),
        ("UPDATE", "", with(""), true),
        ("CREATE", "", with("").replace("v7", "v1"), false),
        ("CREATE", "", with("").replace("policy.p", "policy.q"), false),
        ("CREATE", "", with(r#","ownerReferences":[{"uid":"1","controller":true}]"#), false),
        ("CREATE", "", with(r#","ownerReferences":[{"uid":"1","controller":false}]"#), true),
        ("CREATE", "", with(r#","ownerReferences":[{"uid":"1"}]"#), true),
        ("CREATE", "", with(r#","ownerReferences":[{"uid":"1"},{"uid":"2","controller":true}]"#), false),
        ("UPDATE", "scale", with(""), false),
        ("DELETE", "", with(""), false),
    ] {
        let text = review(operation, subresource, "web");
        let request = parse_review(text.as_bytes()).unwrap();
        let parsed = parse(object.as_bytes()).unwrap();
        let change = Change::new(&request, Some(&parsed), None);
        let input = change.input(None, None, TIME);
        let (_, verdict) = change.by_binding(&set.bounds()[0], &input);
        let Verdict::Decided(decision) = verdict else { panic!("skipped") };
        assert_eq!(decision.reason() == "VersionNotInForce", refused, "{operation} {subresource} {object}");
    }
}

#[test]
fn namespaces_count_by_their_own_labels() {
    let text = review("UPDATE", "", "web").replace(
        r#""group":"apps","version":"v1","resource":"deployments""#,
        r#""group":"","version":"v1","resource":"namespaces""#,
    );
    let request = parse_review(text.as_bytes()).unwrap();
    let labelled = |value: &str| format!(r#"{{"metadata":{{"labels":{{"tier":"{value}","n":1}}}}}}"#);
    let (new, old) = (labelled("new"), labelled("old"));
    let (new, old) = (parse(new.as_bytes()).unwrap(), parse(old.as_bytes()).unwrap());
    let labels = Change::new(&request, Some(&new), Some(&old)).own_labels().unwrap();
    let tier = |value: &str| BTreeMap::from([("tier".to_owned(), value.to_owned())]);
    assert_eq!(labels, [tier("new"), tier("old")]);
    let text = review("UPDATE", "", "web");
    let request = parse_review(text.as_bytes()).unwrap();
    assert_eq!(Change::new(&request, Some(&new), Some(&old)).own_labels(), None);
}
