//! What is recorded before it is answered, and what is told.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{
    rig::{Given, TICKET, create, statement},
    through,
};
use crate::runtime::tests::rig::Rig;

fn exempt(given: &mut Given) {
    given.bound[0].1 = "exclude: {groups: [dev]}".to_owned();
}

fn frozen() -> Json {
    let mut request = create();
    request["object"]["spec"]["tier"] = json!("frozen");
    request
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_allowed() {
    let full = |given: &mut Given, _: &mut Json| given.disk_full = true;
    let told = through(create, |_| (), full).await;
    assert_eq!(told.reason, "EvidenceUnavailable");
    assert!(told.message.contains("could not be recorded"), "{}", told.message);
    // An exempt request is recorded too; one that nothing is about is not.
    assert_eq!(through(create, exempt, full).await.reason, "EvidenceUnavailable");
    let nobody = |given: &mut Given| given.bound[0].1 = "subjects: {users: [somebody]}".to_owned();
    assert_eq!(through(create, nobody, full).await.reason, "");
    let shadow = |given: &mut Given| given.bound[0].1 = "mode: Audit".to_owned();
    assert_eq!(through(create, shadow, full).await.reason, "EvidenceUnavailable");
    // A denial stands, recorded or not.
    assert_eq!(through(frozen, |_| (), full).await.reason, "PolicyDenied");
}

/// The clock is looked at once more after the decision was recorded.
#[tokio::test]
async fn an_answer_that_comes_too_late_denies() {
    let told = through(create, exempt, |given, _| given.left = Duration::ZERO).await;
    assert_eq!(told.reason, "DeadlineExceeded");
    assert_eq!(through(create, exempt, |_, _| ()).await.reason, "");
}

#[tokio::test]
async fn a_refusal_is_told_and_nothing_else_is() {
    let heard = async |request: fn() -> Json, change: fn(&mut Json)| {
        let given = Given::default();
        let (mut request, rig) = (request(), Rig::new(&given));
        change(&mut request);
        rig.mutate(&mut request).await;
        rig.validate(&request).await;
        given.heard.lock().unwrap().clone()
    };
    let told = heard(frozen, |_| ()).await;
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("web: ") && told[0].contains("wait for the thaw"), "{told:?}");
    assert!(heard(frozen, |request| request["dryRun"] = json!(true)).await.is_empty());
    assert!(heard(create, |_| ()).await.is_empty());
}

#[tokio::test]
async fn a_line_says_what_was_decided() {
    let (mut request, rig) = (create(), Rig::new(&Given::default()));
    rig.mutate(&mut request).await;
    let told = rig.validate(&request).await;
    let line = told.lines.last().unwrap();
    let attested = statement(&request);
    assert_eq!(line["outcome"], "Allow");
    assert_eq!(line["reason"], "Fine");
    assert_eq!(line["executionId"], attested.predicate.execution_id.to_string());
    assert_eq!(line["subject"], attested.subject.to_string());
    assert_eq!(line["decisions"][0]["rule"], "fine");
    assert_eq!(line["decisions"][0]["signals"], json!({"tier": "web"}));
    assert_eq!(line["request"]["namespaceObject"], json!({"uid": "n1", "resourceVersion": "3"}));
    assert_eq!(line["callerAuthenticated"], true);
    assert_eq!(told.audit["policy"], "gate.v1");
    assert_eq!(told.audit["rule"], "fine");
    assert_eq!(told.audit["outcome"], "Allow");

    let told = through(frozen, |_| (), |_, _| ()).await;
    let line = told.lines.last().unwrap();
    assert_eq!((&line["outcome"], &line["reason"]), (&json!("Deny"), &json!("Frozen")));
    assert_eq!(line["decisions"][0]["outcome"], "Deny");
    assert_eq!((told.audit["outcome"].as_str(), told.audit["rule"].as_str()), ("Deny", "frozen"));

    let told = through(create, exempt, |_, _| ()).await;
    let line = told.lines.last().unwrap();
    assert_eq!((&line["outcome"], &line["decisions"][0]["outcome"]), (&json!("Exempt"), &json!("Exempt")));

    // So is a refusal where nothing governs.
    let nobody = |given: &mut Given| given.bound[0].1 = "subjects: {users: [somebody]}".to_owned();
    let forged = |_: &mut Given, request: &mut Json| {
        request["object"]["metadata"]["annotations"][super::rig::KEY] = json!("forged");
    };
    let told = through(create, nobody, forged).await;
    assert_eq!(told.lines.last().unwrap()["reason"], "ReservedForWrit");

    // In shadow a denial is recorded as what it would have been.
    let told = through(frozen, |given| given.bound[0].1 = "mode: Audit".to_owned(), |_, _| ()).await;
    let line = told.lines.last().unwrap();
    assert_eq!((&line["outcome"], &line["decisions"][0]["outcome"]), (&json!("Allow"), &json!("WouldDeny")));
}

/// A denial names what is held: nothing.
#[tokio::test]
async fn a_denial_claims_nothing() {
    let both = |given: &mut Given| given.bound.push((TICKET.to_owned(), String::new()));
    let told = through(frozen, both, |_, _| ()).await;
    assert_eq!((told.reason, told.writes), ("PolicyDenied", 0));
    assert_eq!(told.lines.last().unwrap()["claims"], Json::Null);
}

/// Mutate attests only what every Enforce binding allows, and says nothing to nobody.
#[tokio::test]
async fn only_what_is_allowed_is_attested() {
    let attested = |request: &Json| request["object"]["metadata"]["annotations"][super::rig::KEY].is_string();
    for (request, expected) in [(create(), true), (frozen(), false)] {
        let (mut request, rig) = (request, Rig::new(&Given::default()));
        rig.mutate(&mut request).await;
        assert_eq!(attested(&request), expected);
    }
    // An attestation that the user sends along is replaced, or taken away where nothing is decided.
    for (first, expected) in [((|_| ()) as fn(&mut Given), true), (exempt, false)] {
        let mut given = Given::default();
        first(&mut given);
        let (mut request, rig) = (create(), Rig::new(&given));
        request["object"]["metadata"]["annotations"][super::rig::KEY] = json!("forged");
        rig.mutate(&mut request).await;
        assert_eq!(attested(&request), expected);
        assert_eq!(rig.validate(&request).await.reason, "");
    }
}
