//! The rows of the table, each against the history of a real API server.

use writ::replay::Outcome;
use writ::replay::machine::ClaimRequest;
use writ::replay::outcome::{Allowed, Holding};
use writ::replay::record::{Operation, Settled, State};

use crate::rig::{Rig, authority, fingerprint, shared};

const USED: State = State::Completed(Settled::Successor);

#[test]
fn row_nothing_is_reserved_durably_before_the_answer() {
    shared(async |rig: Rig| {
        let request = rig.request(Operation::Create, "web", "t", "1");
        rig.allowed(&request).await;
        let record = rig.record("t").await.unwrap();
        assert_eq!((record.state, record.target, record.user), (State::Reserved, request.target, request.user));
        assert!(record.rc.is_some());
    });
}

#[test]
fn row_released_is_reserved_again() {
    shared(async |rig: Rig| {
        let old = rig.create("web", None).await;
        rig.allowed(&rig.update(&old, "web", "t", "1")).await;
        let new = rig.change("web", None).await;
        rig.allowed(&rig.update(&new, "web", "t", "2")).await;
        assert_eq!(rig.record("t").await.unwrap().request_uid, "2");
    });
}

/// 23: an attempt that conflicts, or fails after the allow, burns nothing.
#[test]
fn row_update_of_the_same_state_is_allowed_and_names_the_latest_user() {
    shared(async |rig: Rig| {
        let old = rig.create("web", None).await;
        for user in ["1", "2", "3"] {
            rig.allowed(&rig.update(&old, "web", "t", user)).await;
            let record = rig.record("t").await.unwrap();
            assert_eq!((record.user, record.state), (format!("user-of-{user}"), State::Reserved));
        }
        // Only one of them can be stored, and then it is used; the first use is the one that was stored.
        let new = rig.change("web", Some(&rig.update(&old, "web", "t", "2"))).await;
        let outcome = rig.refused(&rig.update(&new, "web", "t", "4"), "Replayed").await;
        assert!(outcome.message().contains("`user-of-2`"), "{}", outcome.message());
        assert_eq!(rig.state("t").await, Some(USED));
    });
}

/// 12.
#[test]
fn row_the_first_successor_carries_the_fingerprint() {
    shared(async |rig: Rig| {
        let create = rig.request(Operation::Create, "web", "t", "1");
        rig.allowed(&create).await;
        rig.create("web", Some(&create)).await;
        // Whatever came after does not matter.
        rig.change("web", None).await;
        rig.remove("web").await;
        rig.refused(&rig.request(Operation::Create, "web", "t", "2"), "Replayed").await;
        rig.refused(&rig.request(Operation::Create, "other", "t", "3"), "Replayed").await;
        assert_eq!(rig.state("t").await, Some(USED));
    });
}

#[test]
fn row_the_first_successor_is_another_change() {
    shared(async |rig: Rig| {
        let old = rig.create("web", None).await;
        let first = rig.update(&old, "web", "t", "1");
        rig.allowed(&first).await;
        let new = rig.change("web", None).await;
        // The same state comes too late, and whoever carries it later over another state proves nothing.
        rig.change("web", Some(&first)).await;
        rig.allowed(&rig.update(&new, "web", "t", "2")).await;
    });
}

/// A first attempt on a stale cached object: its claim is on a state that is already dead.
#[test]
fn row_a_claim_on_a_dead_state_is_released_at_once() {
    shared(async |rig: Rig| {
        let old = rig.create("web", None).await;
        let new = rig.change("web", None).await;
        rig.allowed(&rig.update(&old, "web", "t", "1")).await;
        rig.allowed(&rig.update(&new, "web", "t", "2")).await;
        assert_eq!(rig.record("t").await.unwrap().target.old, Some(new));
    });
}

/// 85.
#[test]
fn row_no_event_before_the_deadline_is_in_progress_and_the_same_call_gets_the_same_answer() {
    shared(async |rig: Rig| {
        let first = rig.request(Operation::Create, "web", "t", "1");
        rig.allowed(&first).await;
        let other = rig.request(Operation::Create, "web", "t", "2");
        let Outcome::InProgress { remaining, .. } = rig.refused(&other, "InProgress").await else { panic!("open") };
        assert!(remaining <= crate::rig::TERMS.hold() + std::time::Duration::from_secs(2), "{remaining:?}");
        rig.allowed(&first).await;
        // Somebody else's object of that name comes and goes: ours may still be stored.
        rig.create("web", None).await;
        rig.remove("web").await;
        rig.refused(&other, "InProgress").await;
        rig.create("web", Some(&first)).await;
        rig.refused(&other, "Replayed").await;
    });
}

#[test]
fn row_no_event_after_the_deadline_is_released() {
    shared(async |rig: Rig| {
        let create = rig.request(Operation::Create, "web", "t", "1");
        let old = rig.create("api", None).await;
        rig.allowed(&create).await;
        rig.allowed(&rig.update(&old, "api", "u", "1")).await;
        let ended =
            async || rig.state("t").await == Some(State::Released) && rig.state("u").await == Some(State::Released);
        rig.resolve_until("both are released", ended).await;
        rig.allowed(&rig.request(Operation::Create, "web", "t", "2")).await;
        rig.allowed(&rig.update(&old, "api", "u", "2")).await;
    });
}

#[test]
fn row_the_background_completes_what_was_stored() {
    shared(async |rig: Rig| {
        let old = rig.create("api", None).await;
        let (create, update) = (rig.request(Operation::Create, "web", "t", "1"), rig.update(&old, "api", "u", "1"));
        rig.allowed(&create).await;
        rig.allowed(&update).await;
        rig.create("web", Some(&create)).await;
        rig.remove("web").await;
        rig.change("api", Some(&update)).await;
        rig.change("api", None).await;
        let ended = async || rig.state("t").await == Some(USED) && rig.state("u").await == Some(USED);
        rig.resolve_until("both are completed", ended).await;
    });
}

/// 86.
#[test]
fn row_completed_delete_of_the_same_uid_is_the_same_answer() {
    shared(async |rig: Rig| {
        let old = rig.create("web", None).await;
        for request in ["1", "2", "3"] {
            rig.allowed(&rig.delete(&old.uid, "web", "t", request)).await;
        }
        assert_eq!(rig.state("t").await, Some(State::Completed(Settled::Final)));
        // 87: one ticket deletes one object.
        let other = rig.create("api", None).await;
        rig.refused(&rig.delete(&other.uid, "api", "t", "4"), "Replayed").await;
    });
}

#[test]
fn row_completed_otherwise_is_replayed_and_shows_its_first_use_in_its_namespace_only() {
    shared(async |rig: Rig| {
        let connect = rig.request(Operation::Connect, "web", "t", "1");
        rig.allowed(&connect).await;
        for request in ["1", "2"] {
            let again = rig.request(Operation::Connect, "web", "t", request);
            let outcome = rig.refused(&again, "Replayed").await;
            assert!(outcome.message().contains("user-of-1"), "{}", outcome.message());
        }
        let mut elsewhere = rig.request(Operation::Connect, "web", "t", "3");
        elsewhere.target.namespace = "default".into();
        let outcome = rig.refused(&elsewhere, "Replayed").await;
        assert!(!outcome.message().contains("user-of-1") && !outcome.message().contains(&rig.shop));
    });
}

/// 23: nobody can lock another's ticket by a CREATE that will fail.
#[test]
fn a_create_that_would_fail_claims_nothing() {
    shared(async |rig: Rig| {
        rig.create("web", None).await;
        rig.refused(&rig.request(Operation::Create, "web", "t", "1"), "AlreadyExists").await;
        let versioned =
            ClaimRequest { object_resource_version: "7".into(), ..rig.request(Operation::Create, "api", "t", "2") };
        rig.refused(&versioned, "ResourceVersionSet").await;
        assert_eq!(rig.state("t").await, None);
    });
}

fn with(mut request: ClaimRequest, tickets: &[&str]) -> ClaimRequest {
    request.authorities = tickets.iter().map(|ticket| authority(ticket)).collect();
    request
}

#[test]
fn several_policies_are_all_held_or_none() {
    shared(async |rig: Rig| {
        let old = rig.create("web", None).await;
        rig.allowed(&rig.delete(&old.uid, "web", "used", "0")).await;
        for operation in [Operation::Create, Operation::Connect] {
            let refused = with(rig.request(operation, "other", "", "1"), &["a", "used", "b"]);
            rig.refused(&refused, "Replayed").await;
            assert_eq!((rig.state("a").await, rig.state("b").await), (None, None), "{operation}");
        }
        let connect = with(rig.request(Operation::Connect, "web", "", "2"), &["a", "b", "c"]);
        let Outcome::Allowed(Allowed { claims, .. }) = rig.claim(&connect).await else { panic!("free") };
        let mut expected = ["a", "b", "c"].map(|ticket| (fingerprint(ticket), Holding::Final));
        expected.sort_by_key(|(fingerprint, _)| *fingerprint);
        assert_eq!(claims, expected);
        for ticket in ["a", "b", "c"] {
            assert_eq!(rig.state(ticket).await, Some(State::Completed(Settled::Final)));
        }
    });
}

/// 24.
#[test]
fn a_dry_run_reads_answers_truthfully_and_writes_nothing() {
    shared(async |rig: Rig| {
        let dry = |request: ClaimRequest| ClaimRequest { dry_run: true, ..request };
        let count = async || rig.records().list(&kube::api::ListParams::default()).await.unwrap().items.len();
        let before = count().await;
        let create = rig.request(Operation::Create, "web", "t", "1");
        rig.allowed(&dry(create.clone())).await;
        rig.allowed(&dry(rig.request(Operation::Connect, "web", "u", "1"))).await;
        assert_eq!(count().await, before);
        rig.allowed(&create).await;
        rig.refused(&dry(rig.request(Operation::Create, "web", "t", "2")), "InProgress").await;
        rig.create("web", Some(&create)).await;
        rig.refused(&dry(rig.request(Operation::Create, "web", "t", "2")), "Replayed").await;
        assert_eq!(rig.state("t").await, Some(State::Reserved), "also what it finds out is not written");
    });
}

#[test]
fn kinds_with_a_conversion_webhook_are_never_released() {
    shared(async |rig: Rig| {
        let old = rig.create("web", None).await;
        let request = ClaimRequest { conversion_webhook: true, ..rig.update(&old, "web", "t", "1") };
        rig.allowed(&request).await;
        let new = rig.change("web", None).await;
        let outcome = rig.refused(&rig.update(&new, "web", "t", "2"), "Replayed").await;
        assert!(outcome.message().contains("may have been used"), "{}", outcome.message());
        assert_eq!(rig.state("t").await, Some(State::Completed(Settled::ConversionWebhook)));
    });
}

#[test]
fn a_kind_that_cannot_be_watched_is_denied() {
    shared(async |rig: Rig| {
        for (group, version, resource) in
            [("", "v1", "bindings"), ("authorization.k8s.io", "v1", "subjectaccessreviews"), ("nobody", "v1", "things")]
        {
            let mut request = rig.request(Operation::Create, "web", "t", "1");
            let kind = &mut request.target.resource;
            (kind.group, kind.version, kind.resource) = (group.into(), version.into(), resource.into());
            rig.refused(&request, "NotWatchable").await;
            assert_eq!(rig.state("t").await, None, "{resource}");
        }
    });
}

/// Cluster-scoped objects, and the one kind whose request names it as its own namespace.
#[test]
fn cluster_scoped_kinds_have_a_history_too() {
    shared(async |rig: Rig| {
        for (group, resource, name, namespace) in
            [("", "namespaces", "fresh", "fresh"), ("rbac.authorization.k8s.io", "clusterroles", "test:role", "")]
        {
            let mut request = rig.request(Operation::Create, name, resource, "1");
            (request.target.resource.group, request.target.resource.resource) = (group.into(), resource.into());
            request.target.namespace = namespace.into();
            rig.allowed(&request).await;
            rig.refused(&ClaimRequest { request_uid: "2".into(), ..request }, "InProgress").await;
        }
    });
}
