//! `writ claims` over the file of an embedded store.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use writ::{
    digest::{Digest, Domain},
    replay::{self, EmbeddedStore, Quota, Record, Store as _},
    time::Timestamp,
};

use crate::{run::writ, schema};

struct Noon;

impl replay::Clock for Noon {
    fn now(&self) -> Result<Timestamp, replay::ClockError> {
        Ok(Timestamp::from_millis(1_795_600_000_000))
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

fn record(ticket: &str, state: &Value, user: &str) -> Record {
    let mut record = json!({
        "format": 1,
        "fingerprint": Digest::of(Domain::Fingerprint, ticket.as_bytes()).to_string(),
        "policy": {"id": "ticket", "version": "v1", "digest": Digest::of(Domain::Policy, b"p").to_string()},
        "target": {"operation": "DELETE", "resource": {"group": "apps", "version": "v1", "resource": "deployments"}, "namespace": "shop", "name": ticket, "uid": "u"},
        "requestUid": "r", "objectUid": "u", "executionId": "e", "user": user,
        "allowedAt": "2026-11-24T09:00:00.000Z", "deadline": "2026-11-24T09:00:39.000Z", "windowEnd": "2026-12-24T09:00:00.000Z",
    });
    record.as_object_mut().unwrap().extend(state.as_object().unwrap().clone());
    Record::from_json(&record.to_string()).unwrap()
}

#[test]
fn the_claims_of_a_file_are_listed_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claims.redb");
    EmbeddedStore::initialize(&path).unwrap();
    // The server goes on while its file is read.
    let store = EmbeddedStore::open(&path, None, Arc::new(Noon), Quota::EMBEDDED).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (ticket, user) in [("CHG-1", "ann"), ("CHG-2", "bob\u{1b}[2J")] {
        let done = json!({"state": "Completed", "completedBy": "Final"});
        runtime.block_on(store.create(&record(ticket, &done, user))).unwrap();
    }
    let answer = |arguments: &[&str]| -> (Option<i32>, Value) {
        let output =
            writ(&[&["claims", "--file", "claims.redb", "-o", "json"], arguments].concat(), b"", folder.path());
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(schema::check_answer(&answer), Ok(()));
        (output.status.code(), answer)
    };
    let (code, all) = answer(&[]);
    assert_eq!((code, all["claims"].as_array().map(Vec::len)), (Some(0), Some(2)), "{all}");
    let first = Digest::of(Domain::Fingerprint, b"CHG-1").to_string();
    let (code, one) = answer(&[&first]);
    assert_eq!((code, &one["claims"][0]["object"]), (Some(0), &json!("apps/v1/deployments shop/CHG-1")), "{one}");
    assert_eq!(one["claims"][0]["completedBy"], "Final");
    let nobody = Digest::of(Domain::Fingerprint, b"CHG-3").to_string();
    assert_eq!(answer(&[&nobody]).0, Some(1));
    for (arguments, count) in [
        (&["--user", "ann"][..], 1),
        (&["--policy", "other"], 0),
        (&["--state", "Completed"], 2),
        (&["--state", "Reserved"], 0),
    ] {
        assert_eq!(answer(arguments).1["claims"].as_array().map(Vec::len), Some(count), "{arguments:?}");
    }
    let text = writ(&["claims", "--file", "claims.redb"], b"", folder.path()).stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("by bob\\u{1b}[2J, ticket.v1") && text.contains("2 claims in store "), "{text}");
}
