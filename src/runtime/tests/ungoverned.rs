//! Requests that nothing decides about, and what keeps a decision from being made at all.

use std::time::Duration;

use serde_json::json;

use super::{
    Row, hold,
    rig::{GATE, Given, KEY, NOW, Rig, create, delete, update},
    through,
};
use crate::{api::Reason, runtime::SETTLING};

/// A binding that governs nobody who asks here.
fn not_governed(given: &mut Given) {
    given.bound = vec![(GATE.to_owned(), "subjects: {users: [somebody]}".to_owned())];
}

fn exempt(given: &mut Given) {
    given.bound = vec![(GATE.to_owned(), "exclude: {groups: [dev]}".to_owned())];
}

fn audited(given: &mut Given) {
    given.bound = vec![(GATE.to_owned(), "mode: Audit".to_owned())];
}

/// An update that changes nothing.
fn idle() -> serde_json::Value {
    let mut request = update();
    request["object"] = request["oldObject"].clone();
    request
}

/// An update that lets a deleting object go.
fn last_finalizer() -> serde_json::Value {
    let mut request = update();
    request["object"]["metadata"]["annotations"][KEY] = json!("kept");
    request["object"]["metadata"]["deletionTimestamp"] = json!("2026-11-24T12:00:00Z");
    request["oldObject"] = request["object"].clone();
    request["oldObject"]["metadata"]["finalizers"] = json!(["a/b"]);
    request
}

#[tokio::test]
async fn our_annotation_is_ours_where_nothing_is_decided() {
    let touched = "belongs to writ";
    hold(&[
        Row { request: create, first: not_governed, later: |_, _| (), reason: "", says: "" },
        Row {
            request: create,
            first: not_governed,
            later: |_, request| request["object"]["metadata"]["annotations"][KEY] = json!("forged"),
            reason: "ReservedForWrit",
            says: touched,
        },
        Row { request: create, first: exempt, later: |_, _| (), reason: "", says: "" },
        Row {
            request: create,
            first: exempt,
            later: |_, request| request["object"]["metadata"]["annotations"][KEY] = json!("forged"),
            reason: "ReservedForWrit",
            says: touched,
        },
        Row {
            request: create,
            first: audited,
            later: |_, request| request["object"]["metadata"]["annotations"][KEY] = json!("forged"),
            reason: "ReservedForWrit",
            says: touched,
        },
        Row { request: idle, first: |_| (), later: |_, _| (), reason: "", says: "" },
        Row {
            request: idle,
            first: |_| (),
            later: |_, request| request["object"]["metadata"]["annotations"][KEY] = json!("forged"),
            reason: "ReservedForWrit",
            says: touched,
        },
        Row {
            request: idle,
            first: |_| (),
            later: |_, request| request["oldObject"]["metadata"]["annotations"][KEY] = json!("stripped"),
            reason: "ReservedForWrit",
            says: touched,
        },
        Row {
            request: idle,
            first: |_| (),
            later: |_, request| {
                request["object"]["metadata"]["annotations"][KEY] = json!("kept");
                request["oldObject"]["metadata"]["annotations"][KEY] = json!("kept");
            },
            reason: "",
            says: "",
        },
        // Nothing governs it, but the stored object has an attestation: it stays.
        Row {
            request: update,
            first: not_governed,
            later: |_, request| request["oldObject"]["metadata"]["annotations"][KEY] = json!("kept"),
            reason: "ReservedForWrit",
            says: touched,
        },
        // A change that deletes the object may leave it out.
        Row {
            request: last_finalizer,
            first: not_governed,
            later: |_, request| request["object"]["metadata"]["annotations"] = json!({}),
            reason: "",
            says: "",
        },
        Row {
            request: delete,
            first: not_governed,
            later: |_, request| request["oldObject"]["metadata"]["annotations"][KEY] = json!("kept"),
            reason: "",
            says: "",
        },
    ])
    .await;
}

/// Between the two calls of one request a binding went: that is not the user's fault.
#[tokio::test]
async fn a_binding_that_just_went_is_no_forgery() {
    hold(&[
        Row {
            request: create,
            first: |_| (),
            later: |given, _| {
                not_governed(given);
                given.changed_at = NOW.minus(SETTLING);
            },
            reason: "PolicySetChanged",
            says: "try again (else: the annotation",
        },
        Row {
            request: create,
            first: |_| (),
            later: |given, _| {
                not_governed(given);
                given.changed_at = NOW.minus(SETTLING).minus(Duration::from_millis(1));
            },
            reason: "ReservedForWrit",
            says: "",
        },
    ])
    .await;
}

#[tokio::test]
async fn places_that_are_exempt_by_fixed_rule() {
    fn lease() -> serde_json::Value {
        let mut request = create();
        request["resource"] = json!({"group": "coordination.k8s.io", "version": "v1", "resource": "leases"});
        request["namespace"] = json!("kube-node-lease");
        request
    }
    fn everything_denied(given: &mut Given) {
        // Nothing in force: whatever the binding is about is denied.
        given.bound = vec![(String::new(), String::new())];
    }
    let reserved = "nothing is in force";
    hold(&[
        Row {
            request: create,
            first: everything_denied,
            later: |_, _| (),
            reason: "PolicyUnavailable",
            says: reserved,
        },
        Row {
            request: create,
            first: everything_denied,
            later: |_, request| request["namespace"] = json!("kube-system"),
            reason: "",
            says: "",
        },
        Row {
            request: create,
            first: everything_denied,
            later: |_, request| request["namespace"] = json!("writ-system"),
            reason: "",
            says: "",
        },
        Row { request: lease, first: everything_denied, later: |_, _| (), reason: "", says: "" },
        Row {
            request: lease,
            first: everything_denied,
            later: |_, request| request["namespace"] = json!("shop"),
            reason: "PolicyUnavailable",
            says: reserved,
        },
        Row {
            request: lease,
            first: everything_denied,
            later: |_, request| request["resource"]["resource"] = json!("pods"),
            reason: "PolicyUnavailable",
            says: reserved,
        },
    ])
    .await;
}

#[tokio::test]
async fn changes_of_our_own_kinds_have_their_own_rule() {
    fn policy() -> serde_json::Value {
        let mut request = create();
        request["resource"] = json!({"group": "writ.dev", "version": "v1alpha1", "resource": "policies"});
        request
    }
    let told = through(policy, |_| (), |_, _| ()).await;
    assert_eq!((told.reason, told.warnings), ("", vec!["seen".to_owned()]));
    let told = through(policy, |_| (), |given, _| given.own = Err(Reason::InvalidPolicy)).await;
    assert_eq!(told.reason, "InvalidPolicy");
}

/// An object of a kind that no binding is about.
fn service() -> serde_json::Value {
    let mut request = create();
    request["resource"] = json!({"group": "", "version": "v1", "resource": "services"});
    request
}

#[tokio::test]
async fn what_cannot_be_read_is_denied() {
    hold(&[
        Row { request: create, first: |_| (), later: |given, _| given.read = false, reason: "NotReady", says: "again" },
        Row {
            request: create,
            first: |_| (),
            later: |given, _| given.namespace = None,
            reason: "NamespaceUnavailable",
            says: "`shop` could not be read (no answer)",
        },
        Row {
            request: create,
            first: |_| (),
            later: |given, _| given.current = false,
            reason: "PolicyStale",
            says: "try again",
        },
        // A binding that this replica has not seen may govern it.
        Row {
            request: create,
            first: not_governed,
            later: |given, _| given.current = false,
            reason: "PolicyStale",
            says: "",
        },
        Row {
            request: service,
            first: |_| (),
            later: |given, _| given.current = false,
            reason: "PolicyStale",
            says: "",
        },
        Row { request: service, first: |_| (), later: |_, _| (), reason: "", says: "" },
        // What changes nothing is seen without any policy.
        Row { request: idle, first: |_| (), later: |given, _| given.current = false, reason: "", says: "" },
    ])
    .await;
}

#[tokio::test]
async fn malformed_objects_are_denied_and_recorded() {
    let rig = Rig::new(&Given::default());
    let text = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"r1","operation":"CREATE",
        "kind":{"group":"apps","version":"v1","kind":"Deployment"},"name":"web","namespace":"shop",
        "resource":{"group":"apps","version":"v1","resource":"deployments"},"FIELD":{"a":1,"a":2}}}"#;
    for field in ["object", "oldObject", "options"] {
        let told = rig.validate_text(text.replace("FIELD", field).as_bytes()).await;
        assert_eq!(told.reason, "MalformedObject", "{field}");
        let line = told.lines.last().unwrap();
        assert_eq!((line["outcome"].as_str(), line["reason"].as_str()), (Some("Deny"), Some("MalformedObject")));
    }
    // What no binding is about and does not name our annotation is not read.
    let other = text.replace(r#""resource":"deployments""#, r#""resource":"jobs""#).replace("FIELD", "object");
    assert_eq!(rig.validate_text(other.as_bytes()).await.reason, "");
    let named = other.replace(r#"{"a":1"#, &format!(r#"{{"{KEY}":1,"a":1"#));
    assert_eq!(rig.validate_text(named.as_bytes()).await.reason, "MalformedObject");
}
