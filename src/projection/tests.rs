use super::*;
use crate::canonical::parse;

const KEY: &str = "attestation.writ.dev/deployments.apps";

fn kind(group: &str, kind: &str) -> GroupVersionKind {
    GroupVersionKind { group: group.into(), version: "v1".into(), kind: kind.into() }
}

fn json(text: &str) -> Value<'_> {
    parse(text.as_bytes()).unwrap()
}

/// (group, kind, attested, admitted, same?)
const CASES: &[(&str, &str, &str, &str, bool)] = &[
    // The server fills its own metadata.
    (
        "apps",
        "Deployment",
        r#"{"metadata":{"name":"a","creationTimestamp":null},"spec":{"replicas":1}}"#,
        r#"{"metadata":{"name":"a","uid":"u","creationTimestamp":"t","generation":1,"managedFields":[1],"resourceVersion":"5"},"spec":{"replicas":1},"status":{"x":1}}"#,
        true,
    ),
    // Our annotation does not count, and the map that it alone filled does not either.
    (
        "apps",
        "Deployment",
        r#"{"metadata":{"name":"a"}}"#,
        r#"{"metadata":{"name":"a","annotations":{"attestation.writ.dev/deployments.apps":"w"}}}"#,
        true,
    ),
    // Foreign annotations, labels, finalizers, owners and every other field count.
    (
        "apps",
        "Deployment",
        r#"{"metadata":{"name":"a"}}"#,
        r#"{"metadata":{"name":"a","annotations":{"x":"y"}}}"#,
        false,
    ),
    (
        "apps",
        "Deployment",
        r#"{"metadata":{"name":"a"}}"#,
        r#"{"metadata":{"name":"a","annotations":{"attestation.writ.dev/pods":"w"}}}"#,
        false,
    ),
    ("apps", "Deployment", r#"{"metadata":{"name":"a"}}"#, r#"{"metadata":{"name":"a","labels":{"x":"y"}}}"#, false),
    ("apps", "Deployment", r#"{"metadata":{"name":"a"}}"#, r#"{"metadata":{"name":"a","finalizers":["x"]}}"#, false),
    (
        "apps",
        "Deployment",
        r#"{"metadata":{"name":"a"}}"#,
        r#"{"metadata":{"name":"a","ownerReferences":[{}]}}"#,
        false,
    ),
    ("apps", "Deployment", r#"{"spec":{"replicas":1}}"#, r#"{"spec":{"replicas":2}}"#, false),
    ("apps", "Deployment", r#"{"spec":{"a":1}}"#, r#"{"spec":{"a":1},"data":{}}"#, false),
    // A generated name is left to the server, a given one is not.
    (
        "apps",
        "Deployment",
        r#"{"metadata":{"generateName":"a-"}}"#,
        r#"{"metadata":{"generateName":"a-","name":"a-x"}}"#,
        true,
    ),
    ("apps", "Deployment", r#"{"metadata":{"name":"a"}}"#, r#"{"metadata":{"name":"b"}}"#, false),
    // Status is the server's where the kind has the subresource, but not for Nodes.
    (
        "",
        "Node",
        r#"{"metadata":{"name":"a"},"status":{"x":1}}"#,
        r#"{"metadata":{"name":"a"},"status":{"x":2}}"#,
        false,
    ),
    // Allocation is left to the server; a choice is not.
    (
        "",
        "Service",
        r#"{"spec":{"ports":[{"port":80}]}}"#,
        r#"{"spec":{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1"],"ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","ports":[{"nodePort":30000,"port":80}]}}"#,
        true,
    ),
    ("", "Service", r#"{"spec":{"ports":[]}}"#, r#"{"spec":{"clusterIP":"None","ports":[]}}"#, false),
    ("", "Service", r#"{"spec":{"clusterIP":"10.0.0.1"}}"#, r#"{"spec":{"clusterIP":"10.0.0.2"}}"#, false),
    (
        "",
        "Service",
        r#"{"spec":{"ports":[{"port":80}]}}"#,
        r#"{"spec":{"ports":[{"port":81,"nodePort":30000}]}}"#,
        false,
    ),
    ("", "Pod", r#"{"spec":{"a":1}}"#, r#"{"spec":{"a":1,"clusterIP":"10.0.0.1"}}"#, false),
    (
        "",
        "Namespace",
        r#"{"metadata":{"name":"a"},"spec":{}}"#,
        r#"{"metadata":{"name":"a"},"spec":{"finalizers":["kubernetes"]}}"#,
        true,
    ),
    ("", "Namespace", r#"{"spec":{"finalizers":["x"]}}"#, r#"{"spec":{"finalizers":["x","kubernetes"]}}"#, true),
    ("", "Namespace", r#"{"spec":{"finalizers":["x"]}}"#, r#"{"spec":{"finalizers":["y","kubernetes"]}}"#, false),
    (
        "batch",
        "Job",
        r#"{"spec":{"template":{"metadata":{"labels":{"app":"x"}}}}}"#,
        r#"{"spec":{"selector":{"matchLabels":{"u":"1"}},"template":{"metadata":{"labels":{"app":"x","controller-uid":"1","batch.kubernetes.io/controller-uid":"1","job-name":"j","batch.kubernetes.io/job-name":"j"}}}}}"#,
        true,
    ),
    (
        "batch",
        "Job",
        r#"{"spec":{"template":{"metadata":{}}}}"#,
        r#"{"spec":{"template":{"metadata":{"labels":{"other":"1"}}}}}"#,
        false,
    ),
    // Neither of a claim's sources: nobody may add one. One of them: the server fills in the other.
    (
        "",
        "PersistentVolumeClaim",
        r#"{"spec":{"a":1}}"#,
        r#"{"spec":{"a":1,"dataSource":{"name":"s"},"dataSourceRef":{"name":"s"}}}"#,
        false,
    ),
    (
        "",
        "PersistentVolumeClaim",
        r#"{"spec":{"dataSource":{"name":"s"}}}"#,
        r#"{"spec":{"dataSource":{"name":"s"},"dataSourceRef":{"name":"s"}}}"#,
        true,
    ),
    (
        "",
        "PersistentVolumeClaim",
        r#"{"spec":{"dataSource":{"name":"s"}}}"#,
        r#"{"spec":{"dataSource":{"name":"t"},"dataSourceRef":{"name":"t"}}}"#,
        false,
    ),
    // Fields that another type of Service makes pointless.
    (
        "",
        "Service",
        r#"{"spec":{"type":"ClusterIP","externalTrafficPolicy":"Local","healthCheckNodePort":3,"ports":[{"nodePort":1,"port":80}]}}"#,
        r#"{"spec":{"type":"ClusterIP","ports":[{"port":80}]}}"#,
        true,
    ),
    (
        "",
        "Service",
        r#"{"spec":{"type":"NodePort","ports":[{"nodePort":1,"port":80}]}}"#,
        r#"{"spec":{"type":"NodePort","ports":[{"nodePort":2,"port":80}]}}"#,
        false,
    ),
    (
        "",
        "Service",
        r#"{"spec":{"type":"ClusterIP","externalIPs":["1.2.3.4"],"externalTrafficPolicy":"Local"}}"#,
        r#"{"spec":{"type":"ClusterIP","externalIPs":["1.2.3.4"],"externalTrafficPolicy":"Cluster"}}"#,
        false,
    ),
    (
        "",
        "Service",
        r#"{"spec":{"type":"NodePort","ports":[{"nodePort":1,"port":80}]}}"#,
        r#"{"spec":{"type":"ClusterIP","ports":[{"port":80}]}}"#,
        false,
    ),
    (
        "",
        "ServiceAccount",
        r#"{"secrets":[{"kind":"Secret","name":"a","namespace":"n"}]}"#,
        r#"{"secrets":[{"name":"a"}]}"#,
        true,
    ),
    ("", "ServiceAccount", r#"{"secrets":[{"name":"a"}]}"#, r#"{"secrets":[{"name":"b"}]}"#, false),
    // A profile that an annotation says, and another one.
    (
        "",
        "Pod",
        ARMOURED,
        r#"{"metadata":{"annotations":{"container.apparmor.security.beta.kubernetes.io/c":"localhost/p"}},"spec":{"containers":[{"name":"c","securityContext":{"appArmorProfile":{"type":"Localhost","localhostProfile":"p"}}},{"name":"d"}]}}"#,
        true,
    ),
    (
        "",
        "Pod",
        ARMOURED,
        r#"{"metadata":{"annotations":{"container.apparmor.security.beta.kubernetes.io/c":"localhost/p"}},"spec":{"containers":[{"name":"c","securityContext":{"appArmorProfile":{"type":"Unconfined"}}},{"name":"d"}]}}"#,
        false,
    ),
    (
        "",
        "Pod",
        ARMOURED,
        r#"{"metadata":{"annotations":{"container.apparmor.security.beta.kubernetes.io/c":"localhost/p"}},"spec":{"containers":[{"name":"c"},{"name":"d","securityContext":{"appArmorProfile":{"type":"Localhost","localhostProfile":"p"}}}]}}"#,
        false,
    ),
    // Selectors with the keys of labels written out, and with others.
    (
        "",
        "Pod",
        KEYED,
        r#"{"metadata":{"labels":{"h":"1"}},"spec":{"topologySpreadConstraints":[{"labelSelector":{"matchExpressions":[{"key":"h","operator":"In","values":["1"]}]},"matchLabelKeys":["h"]}]}}"#,
        true,
    ),
    (
        "",
        "Pod",
        KEYED,
        r#"{"metadata":{"labels":{"h":"1"}},"spec":{"topologySpreadConstraints":[{"labelSelector":{"matchExpressions":[{"key":"h","operator":"NotIn","values":["1"]}]},"matchLabelKeys":["h"]}]}}"#,
        false,
    ),
    (
        "",
        "Pod",
        KEYED,
        r#"{"metadata":{"labels":{"h":"1"}},"spec":{"topologySpreadConstraints":[{"labelSelector":{"matchExpressions":[{"key":"h","operator":"In","values":["2"]}]},"matchLabelKeys":["h"]}]}}"#,
        false,
    ),
];

const ARMOURED: &str = r#"{"metadata":{"annotations":{"container.apparmor.security.beta.kubernetes.io/c":"localhost/p"}},"spec":{"containers":[{"name":"c"},{"name":"d"}]}}"#;
const KEYED: &str = r#"{"metadata":{"labels":{"h":"1"}},"spec":{"topologySpreadConstraints":[{"labelSelector":{},"matchLabelKeys":["h"]}]}}"#;

#[test]
fn leaves_out_what_the_server_owns_and_nothing_else() {
    for (group, name, attested, admitted, same) in CASES {
        let plan = Plan::new(&kind(group, name), KEY, true);
        let before = plan.project(&json(attested));
        let after = plan.project_as(&json(admitted), before.id);
        assert_eq!(before.digest == after.digest, *same, "{name}: {attested} -> {admitted}");
        let named = plan.differences(&json(attested), &json(admitted), before.id);
        assert!(*same || !named.is_empty(), "{name}: no difference named: {attested} -> {admitted}");
    }
}

/// (group, kind, attested, admitted, same in a creation?): all are the same in a change.
const OF_NEW_OBJECTS: &[(&str, &str, &str, &str, bool)] = &[
    ("apps", "Deployment", r#"{"metadata":{"name":"a"}}"#, r#"{"metadata":{"name":"a","generation":1}}"#, true),
    ("", "ConfigMap", r#"{"metadata":{"name":"a"}}"#, r#"{"metadata":{"name":"a","generation":1}}"#, false),
    (
        "e.x",
        "Thing",
        r#"{"metadata":{"name":"a","generation":7}}"#,
        r#"{"metadata":{"name":"a","generation":1}}"#,
        true,
    ),
    (
        "apps",
        "Deployment",
        r#"{"metadata":{"name":"a"}}"#,
        r#"{"metadata":{"name":"a","deletionTimestamp":"t"}}"#,
        false,
    ),
    (
        "apps",
        "Deployment",
        r#"{"metadata":{"name":"a"}}"#,
        r#"{"metadata":{"name":"a","deletionGracePeriodSeconds":0}}"#,
        false,
    ),
    (
        "apps",
        "DaemonSet",
        r#"{"metadata":{"name":"a","annotations":{"deprecated.daemonset.template.generation":"0"}}}"#,
        r#"{"metadata":{"name":"a","annotations":{"deprecated.daemonset.template.generation":"1"}}}"#,
        true,
    ),
    (
        "apps",
        "DaemonSet",
        r#"{"metadata":{"name":"a"}}"#,
        r#"{"metadata":{"name":"a","annotations":{"deprecated.daemonset.template.generation":"7"}}}"#,
        false,
    ),
];

#[test]
fn the_server_owns_less_of_an_object_that_does_not_exist_yet() {
    for (group, name, attested, admitted, same) in OF_NEW_OBJECTS {
        for (creating, same) in [(true, *same), (false, true)] {
            let plan = Plan::new(&kind(group, name), KEY, true).creating(creating);
            let before = plan.project(&json(attested));
            let after = plan.project_as(&json(admitted), before.id);
            assert_eq!(before.digest == after.digest, same, "{name}, creating {creating}: {attested} -> {admitted}");
        }
    }
}

#[test]
fn status_counts_without_its_subresource() {
    let (a, b) = (json(r#"{"status":{"x":1}}"#), json(r#"{"status":{"x":2}}"#));
    assert!(Plan::new(&kind("e.x", "Thing"), KEY, true).is_same(&a, &b));
    assert!(!Plan::new(&kind("e.x", "Thing"), KEY, false).is_same(&a, &b));
}

#[test]
fn differences_are_json_pointers() {
    let plan = Plan::new(&kind("apps", "Deployment"), KEY, true);
    let a = json(r#"{"metadata":{"uid":"1"},"spec":{"c":[{"env":[],"image":"a"}],"x/y":1},"status":{"q":1}}"#);
    let b = json(r#"{"metadata":{"uid":"2"},"spec":{"c":[{"env":[1],"image":"a"}],"x/y":2},"status":{}}"#);
    let id = plan.project(&a).id;
    assert_eq!(plan.differences(&a, &b, id), ["/spec/c/0/env", "/spec/x~1y"]);
}

#[test]
fn an_id_has_one_spelling() {
    for (text, status_owned, absent) in [("1", false, 0), ("1s", true, 0), ("1s-1f", true, 0x1f), ("1-a", false, 10)] {
        assert_eq!(text.parse(), Ok(ProjectionId { status_owned, absent }), "{text}");
        assert_eq!(ProjectionId { status_owned, absent }.to_string(), text);
    }
    for wrong in ["", "2", "1x", "1-", "1-0", "1-0a", "1-A", "1s-fffffffff", "01"] {
        assert_eq!(wrong.parse::<ProjectionId>(), Err(ProjectionIdError), "{wrong}");
    }
}

#[test]
fn bits_are_unique_in_each_kind() {
    for exclusion in table::TABLE {
        let of_kind = kind(exclusion.group, exclusion.kind);
        let mut bits: Vec<u8> = table::TABLE
            .iter()
            .filter(|other| other.applies_to(&of_kind))
            .filter_map(|other| if let Owned::WhenAbsent { bit, .. } = other.owned { Some(bit) } else { None })
            .collect();
        let count = bits.len();
        bits.sort_unstable();
        bits.dedup();
        assert_eq!(bits.len(), count, "{of_kind:?}");
        assert!(bits.iter().all(|bit| *bit < 32));
    }
}
