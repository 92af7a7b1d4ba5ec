//! Policies that act once: what the gate asks of a request before it claims, and what it claims.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{
    Row, hold,
    rig::{Given, KEY, Rig, TICKET, create, delete, update},
    through,
};
use crate::replay::record::{Operation, State};

fn ticket(given: &mut Given) {
    given.bound = vec![(TICKET.to_owned(), String::new())];
}

#[tokio::test]
async fn an_authority_acts_once() {
    let mut given = Given::default();
    ticket(&mut given);
    let (mut first, mut second) = (create(), create());
    second["uid"] = json!("r2");
    second["name"] = json!("other");
    second["object"]["metadata"]["name"] = json!("other");
    let rig = Rig::new(&given);
    rig.mutate(&mut first).await;
    rig.mutate(&mut second).await;
    let told = rig.validate(&first).await;
    assert_eq!((told.reason, told.writes), ("", 1));
    let record = given.held.lock().unwrap().values().next().cloned().unwrap();
    assert_eq!((record.state, record.target.operation), (State::Reserved, Operation::Create));
    assert_eq!((record.target.name.as_str(), record.user.as_str()), ("web", "ann"));
    assert!(!record.conversion_webhook);
    let claims = told.lines.last().unwrap()["claims"].clone();
    assert_eq!(claims, json!([record.fingerprint.to_hex()]));
    // The record names the execution of the attestation.
    assert_eq!(record.execution_id, super::rig::statement(&first).predicate.execution_id.to_string());
    let told = rig.validate(&second).await;
    assert_eq!((told.reason, told.writes), ("InProgress", 1));
}

/// The record holds what the one transition is known by.
#[tokio::test]
async fn a_claim_is_for_one_transition() {
    let mut given = Given::default();
    ticket(&mut given);
    given.kind.conversion_webhook = true;
    let (mut request, rig) = (update(), Rig::new(&given));
    rig.mutate(&mut request).await;
    assert_eq!(rig.validate(&request).await.reason, "");
    let record = given.held.lock().unwrap().values().next().cloned().unwrap();
    let old = record.target.old.unwrap();
    assert_eq!((old.uid.as_str(), old.resource_version.0.as_str()), ("o1", "7"));
    assert_eq!((record.target.uid, record.target.subresource.as_str()), (None, ""));
    assert!(record.conversion_webhook);
    // The same transition again is the same claim; another one is not.
    assert_eq!(rig.validate(&request).await.reason, "");
    let mut given = Given { held: std::sync::Arc::default(), ..given };
    ticket(&mut given);
    let rig = Rig::new(&given);
    assert_eq!(rig.validate(&exec()).await.reason, "");
    let record = given.held.lock().unwrap().values().next().cloned().unwrap();
    assert_eq!((record.target.subresource.as_str(), record.target.old), ("exec", None));
}

fn exec() -> Json {
    let mut request = update();
    request["operation"] = json!("CONNECT");
    request["subResource"] = json!("exec");
    request["object"] = json!({"kind": "PodExecOptions", "metadata": {}});
    request["oldObject"] = Json::Null;
    request
}

#[tokio::test]
async fn a_deletion_is_final() {
    let mut given = Given::default();
    ticket(&mut given);
    let rig = Rig::new(&given);
    assert_eq!(rig.validate(&delete()).await.reason, "");
    let record = given.held.lock().unwrap().values().next().cloned().unwrap();
    assert_eq!(record.target.uid.as_deref(), Some("o1"));
    assert!(matches!(record.state, State::Completed(_)), "{record:?}");
    // The same object again, and another one.
    assert_eq!(rig.validate(&delete()).await.reason, "");
    let mut other = delete();
    other["oldObject"]["metadata"]["uid"] = json!("o2");
    assert_eq!(rig.validate(&other).await.reason, "Replayed");
}

#[tokio::test]
async fn once_wants_one_named_object() {
    fn collection() -> Json {
        let mut request = delete();
        request["name"] = json!("");
        request
    }
    let unsupported = "named objects and main resources only";
    let row = |request, reason: &'static str| {
        let says = if reason.is_empty() { "" } else { unsupported };
        Row { request, first: ticket, later: |_, _| (), reason, says }
    };
    hold(&[
        row(create, ""),
        row(update, ""),
        row(exec, ""),
        row(collection, ""),
        row(
            || {
                let mut request = create();
                request["name"] = json!("");
                request["object"]["metadata"]["name"] = json!("web-x7k2p");
                request
            },
            "ReplayUnsupported",
        ),
        // A name that was generated is there at validation; the request may come again with another one.
        row(
            || {
                let mut request = create();
                request["object"]["metadata"]["generateName"] = json!("web-");
                request
            },
            "ReplayUnsupported",
        ),
        row(
            || {
                let mut request = exec();
                request["name"] = json!("");
                request
            },
            "ReplayUnsupported",
        ),
    ])
    .await;
}

/// Refused for that even where the attestation would be refused as well.
#[tokio::test]
async fn once_wants_one_named_object_first_of_all() {
    let generated = || {
        let mut request = create();
        request["object"]["metadata"]["generateName"] = json!("web-");
        request
    };
    let strip = |_: &mut Given, request: &mut Json| {
        request["object"]["metadata"]["annotations"].as_object_mut().unwrap().remove(KEY);
    };
    assert_eq!(through(generated, ticket, strip).await.reason, "ReplayUnsupported");
}

#[tokio::test]
async fn once_wants_authenticated_callers() {
    hold(&[
        Row {
            request: create,
            first: ticket,
            later: |given, _| given.authenticated = false,
            reason: "CallerUnauthenticated",
            says: "configure caller authentication",
        },
        Row {
            request: create,
            first: ticket,
            later: |given, _| {
                given.authenticated = false;
                given.accept_unauthenticated_once = true;
            },
            reason: "",
            says: "",
        },
        // A policy that claims nothing asks nobody.
        Row { request: create, first: |_| (), later: |given, _| given.authenticated = false, reason: "", says: "" },
    ])
    .await;
}

#[tokio::test]
async fn once_wants_a_history() {
    fn blind(given: &mut Given, _: &mut Json) {
        given.kind.watchable = false;
    }
    let row = |request, reason| Row { request, first: ticket, later: blind, reason, says: "" };
    hold(&[row(create, "NotWatchable"), row(update, "NotWatchable"), row(delete, "")]).await;
}

#[tokio::test]
async fn a_claim_that_is_not_sure_denies() {
    hold(&[
        Row {
            request: create,
            first: ticket,
            later: |given, _| given.store_down = true,
            reason: "StoreUnavailable",
            says: "",
        },
        Row {
            request: create,
            first: ticket,
            later: |given, _| given.exists = true,
            reason: "AlreadyExists",
            says: "",
        },
        Row {
            request: || {
                let mut request = create();
                request["object"]["metadata"]["resourceVersion"] = json!("7");
                request
            },
            first: ticket,
            later: |_, _| (),
            reason: "ResourceVersionSet",
            says: "",
        },
    ])
    .await;
}

/// A dry run is answered truthfully, and writes nothing.
#[tokio::test]
async fn a_dry_run_claims_nothing() {
    fn dry() -> Json {
        let mut request = create();
        request["dryRun"] = json!(true);
        request
    }
    let told = through(dry, ticket, |_, _| ()).await;
    assert_eq!((told.reason, told.writes), ("", 0), "{told:?}");
    let told = through(dry, ticket, |given, _| given.exists = true).await;
    assert_eq!((told.reason, told.writes), ("AlreadyExists", 0));
    let told = through(create, ticket, |_, _| ()).await;
    assert_eq!((told.reason, told.writes), ("", 1));
}

/// The claim took longer than there was time: the API server has given up by now.
#[tokio::test]
async fn a_claim_that_came_too_late_denies() {
    let late = |given: &mut Given, _: &mut Json| {
        given.slow_store = true;
        given.left = Duration::from_millis(300);
    };
    let told = through(create, ticket, late).await;
    assert_eq!((told.reason, told.writes), ("DeadlineExceeded", 1));
    let line = told.lines.last().unwrap();
    assert_eq!((line["outcome"].as_str(), line["reason"].as_str()), (Some("Deny"), Some("DeadlineExceeded")));
}
