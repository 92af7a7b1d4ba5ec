use super::*;
use crate::{admission::UserInfo, api::Signal};

fn bind(yaml: &str) -> Result<Binding, Vec<BindingError>> {
    let spec: PolicyBindingSpec =
        serde_saphyr::from_str(&format!("policyRef: {{id: p, version: v1}}\nmode: Enforce\n{yaml}")).unwrap();
    Binding::compile(&Metadata { name: "b".into(), ..Metadata::default() }, &spec, &["team".to_owned()])
}

fn user(name: &str, groups: &[&str]) -> UserInfo {
    UserInfo {
        username: name.into(),
        groups: groups.iter().map(|&group| group.into()).collect(),
        ..UserInfo::default()
    }
}

/// (binding, user, groups, namespace, its labels, expected)
type Case = (&'static str, &'static str, &'static [&'static str], &'static str, Labels, Applicability);
type Labels = &'static [(&'static str, &'static str)];
const CASES: &[Case] = &[
    ("", "ann", &[], "shop", &[], Applicability::Governed),
    (
        "matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}",
        "ann",
        &[],
        "shop",
        &[],
        Applicability::Governed,
    ),
    // The name label is the name, whatever the namespace's labels claim.
    (
        "matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}",
        "ann",
        &[],
        "shop",
        &[("kubernetes.io/metadata.name", "other")],
        Applicability::Governed,
    ),
    (
        "matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}",
        "ann",
        &[],
        "other",
        &[("kubernetes.io/metadata.name", "shop")],
        Applicability::NotGoverned,
    ),
    (
        "matchResources: {namespaceSelector: {matchLabels: {team: a}}}",
        "ann",
        &[],
        "shop",
        &[("team", "a")],
        Applicability::Governed,
    ),
    (
        "matchResources: {namespaceSelector: {matchLabels: {team: a}}}",
        "ann",
        &[],
        "shop",
        &[("team", "b")],
        Applicability::NotGoverned,
    ),
    (
        "matchResources: {namespaceSelector: {matchLabels: {team: a}}}",
        "ann",
        &[],
        "shop",
        &[],
        Applicability::NotGoverned,
    ),
    // A cluster-scoped object has no namespace, and no selector skips it.
    ("matchResources: {namespaceSelector: {matchLabels: {team: a}}}", "ann", &[], "", &[], Applicability::Governed),
    (
        "matchResources: {namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [a]}]}}",
        "ann",
        &[],
        "shop",
        &[],
        Applicability::Governed,
    ),
    (
        "matchResources: {namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [a]}]}}",
        "ann",
        &[],
        "shop",
        &[("team", "a")],
        Applicability::NotGoverned,
    ),
    (
        "matchResources: {namespaceSelector: {matchExpressions: [{key: team, operator: Exists}]}}",
        "ann",
        &[],
        "shop",
        &[("team", "")],
        Applicability::Governed,
    ),
    (
        "matchResources: {namespaceSelector: {matchExpressions: [{key: team, operator: DoesNotExist}]}}",
        "ann",
        &[],
        "shop",
        &[("team", "")],
        Applicability::NotGoverned,
    ),
    ("subjects: {users: [ann]}", "ann", &[], "shop", &[], Applicability::Governed),
    ("subjects: {users: [ann]}", "bob", &[], "shop", &[], Applicability::NotGoverned),
    ("subjects: {groups: [dev]}", "bob", &["ops", "dev"], "shop", &[], Applicability::Governed),
    (
        "subjects: {serviceAccounts: [{namespace: ci, name: bot}]}",
        "system:serviceaccount:ci:bot",
        &[],
        "shop",
        &[],
        Applicability::Governed,
    ),
    (
        "subjects: {serviceAccounts: [{namespace: ci, name: bot}]}",
        "system:serviceaccount:ci:bot2",
        &[],
        "shop",
        &[],
        Applicability::NotGoverned,
    ),
    // Empty subjects are everybody.
    ("subjects: {}", "bob", &[], "shop", &[], Applicability::Governed),
    ("exclude: {namespaces: [shop]}", "ann", &[], "shop", &[], Applicability::Exempt),
    ("exclude: {namespaces: [shop]}", "ann", &[], "other", &[], Applicability::Governed),
    ("exclude: {groups: [\"system:masters\"]}", "ann", &["system:masters"], "shop", &[], Applicability::Exempt),
    (
        "exclude: {serviceAccounts: [{namespace: kube-system, name: deployment-controller}]}",
        "system:serviceaccount:kube-system:deployment-controller",
        &[],
        "shop",
        &[],
        Applicability::Exempt,
    ),
    // Who is not governed is not exempt either.
    ("subjects: {users: [ann]}\nexclude: {namespaces: [shop]}", "bob", &[], "shop", &[], Applicability::NotGoverned),
];

#[test]
fn a_binding_governs_places_and_people() {
    for (yaml, name, groups, namespace, labels, expected) in CASES {
        let binding = bind(yaml).unwrap();
        let labels = labels.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        let places = [NamespaceLabels { name: namespace, labels: &labels }];
        let places = if namespace.is_empty() { &[][..] } else { &places[..] };
        assert_eq!(
            binding.applicability(&user(name, groups), namespace, places),
            *expected,
            "{yaml}: {name} in {namespace}"
        );
    }
}

#[test]
fn a_selector_only_reads_guarded_labels() {
    for (yaml, path) in [
        (
            "matchResources: {namespaceSelector: {matchLabels: {env: prod}}}",
            "spec.matchResources.namespaceSelector.matchLabels",
        ),
        (
            "matchResources: {namespaceSelector: {matchExpressions: [{key: env, operator: Exists}]}}",
            "spec.matchResources.namespaceSelector.matchExpressions[0].key",
        ),
        (
            "matchResources: {namespaceSelector: {matchExpressions: [{key: team, operator: In}]}}",
            "spec.matchResources.namespaceSelector.matchExpressions[0].values",
        ),
        (
            "matchResources: {namespaceSelector: {matchExpressions: [{key: team, operator: Exists, values: [a]}]}}",
            "spec.matchResources.namespaceSelector.matchExpressions[0].values",
        ),
    ] {
        let errors = bind(yaml).unwrap_err();
        assert_eq!(errors.iter().map(|error| error.path.as_str()).collect::<Vec<_>>(), [path], "{yaml}");
    }
}

#[test]
fn parameters_are_exactly_those_declared() {
    let signal: Signal = serde_saphyr::from_str("{name: n, type: Integer, expression: \"1\", maximum: 5}").unwrap();
    let declared = BTreeMap::from([("n".to_owned(), Declaration::of_signal(&signal).unwrap())]);
    let read = |yaml: &str| bind(yaml).unwrap().read_params(&declared);
    assert_eq!(read("params: {n: 5}"), Ok(Value::Object([("n", 5_i64)].into_iter().collect())));
    for (yaml, message) in [
        ("", "spec.params.n: is missing: policy `p` declares it as Integer"),
        ("params: {n: 6}", "spec.params.n: is above the maximum of 5"),
        ("params: {n: \"5\"}", "spec.params.n: is not of type Integer"),
        ("params: {n: 5, m: 1}", "spec.params.m: policy `p` declares no such parameter: remove it"),
    ] {
        assert_eq!(read(yaml).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>(), [message], "{yaml}");
    }
}
