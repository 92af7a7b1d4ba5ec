use std::collections::BTreeMap;

use super::*;
use crate::api::Reason;

const REVIEW: &str = r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u-1",
"kind":{"group":"apps","version":"v1","kind":"Deployment"},"resource":{"group":"apps","version":"v1","resource":"deployments"},
"requestKind":{"group":"apps","version":"v1","kind":"Deployment"},"requestResource":{"group":"apps","version":"v1","resource":"deployments"},
"name":"web","namespace":"shop","operation":"CREATE","userInfo":{"username":"ann","groups":["dev"]},
"object":{"a":{"a":[1,2]}},"oldObject":null,"dryRun":false,"options":{"kind":"CreateOptions"},"later":"field"}}"#;

#[test]
fn reads_the_envelope_and_leaves_the_object() {
    let request = parse_review(REVIEW.as_bytes()).unwrap();
    assert_eq!((&*request.uid, &*request.name, request.operation), ("u-1", "web", Operation::Create));
    assert_eq!(request.object_text(), Some(&br#"{"a":{"a":[1,2]}}"#[..]));
    assert_eq!(request.old_object_text(), None);
    assert_eq!(request.user_info.groups, ["dev"]);
    assert_eq!(request.resource.to_string(), "apps/v1/deployments");
}

#[test]
fn refuses_what_is_not_a_review() {
    let twice = REVIEW.replace("\"name\":\"web\",", "\"name\":\"web\",\"name\":\"api\",");
    let untyped = REVIEW.replace("\"operation\":\"CREATE\"", "\"operation\":\"PATCH\"");
    let cut = &REVIEW[..REVIEW.len() - 2];
    let null = REVIEW.replace("\"uid\":\"u-1\"", "\"uid\":null");
    for body in ["", "{}", "[]", "null", "{\"kind\":\"AdmissionReview\"}", &twice, &untyped, cut, &null] {
        assert!(matches!(parse_review(body.as_bytes()), Err(EnvelopeError::Malformed { .. })), "{body}");
    }
    let beta = REVIEW.replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1");
    assert_eq!(parse_review(beta.as_bytes()).err(), Some(EnvelopeError::WrongKind));
}

#[test]
fn a_denial_is_forbidden_with_details() {
    let denial = Denial {
        reason: Reason::Replayed,
        rule_reason: None,
        message: "used".into(),
        causes: vec![],
        retry_after_seconds: None,
        target: ("apps".into(), "Deployment".into(), "web".into()),
        audit_annotations: BTreeMap::from([("decision", "d".to_owned())]),
        warnings: vec![],
    };
    let text = String::from_utf8(write_answer("u-1", &Answer::Deny(Box::new(denial.clone())))).unwrap();
    assert_eq!(
        text,
        r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u-1","allowed":false,"status":{"status":"Failure","message":"used","reason":"Forbidden","details":{"name":"web","group":"apps","kind":"Deployment","causes":[{"reason":"Replayed","message":"used"}]},"code":403},"auditAnnotations":{"decision":"d"}}}"#
    );
    let busy = Denial { reason: Reason::Overloaded, retry_after_seconds: Some(1), ..denial };
    let text = String::from_utf8(write_answer("u-1", &Answer::Deny(Box::new(busy)))).unwrap();
    assert!(text.contains(r#""retryAfterSeconds":1},"code":429"#), "{text}");
}

#[test]
fn an_allow_carries_its_patch() {
    let answer =
        Answer::Allow { patch: Some(b"[]".to_vec()), warnings: vec!["w".into()], audit_annotations: BTreeMap::new() };
    let text = String::from_utf8(write_answer("u", &answer)).unwrap();
    assert!(text.ends_with(r#""allowed":true,"patchType":"JSONPatch","patch":"W10=","warnings":["w"]}}"#), "{text}");
}
