//! The service over faults: whatever a store or a history does not say for certain is a denial.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use writ::digest::{Digest, Domain};
use writ::replay::event::{Current, Successor};
use writ::replay::machine::{Authority, ClaimRequest, Terms};
use writ::replay::outcome::{Outcome, Unavailable};
use writ::replay::record::{Operation, Record, ResourceVersion, State, Target, Version};
use writ::replay::{ClaimService, Clock as _, EmbeddedStore, NoHistory, PurgeReport, Quota, ResolveReport, Store as _};

use crate::memory::{Fault, MEMORY_ID, MachineClock, MemoryHistory, MemoryStore};
use crate::suite::record;

struct Rig {
    store: Arc<MemoryStore>,
    history: Arc<MemoryHistory>,
    clock: Arc<MachineClock>,
    service: Arc<ClaimService>,
}

/// Claims are over at once, so that no test waits.
const SHORT: Terms =
    Terms { commit_bound: Duration::ZERO, skew: Duration::from_secs(5), budget: Duration::from_millis(200) };

fn rig() -> Rig {
    let (store, history) = (Arc::new(MemoryStore::default()), Arc::new(MemoryHistory::default()));
    let clock = Arc::new(MachineClock::new());
    let service = Arc::new(ClaimService::new(store.clone(), history.clone(), clock.clone(), SHORT));
    Rig { store, history, clock, service }
}

impl Rig {
    fn request(&self, operation: Operation, tickets: &[&str]) -> ClaimRequest {
        let sample = record("sample");
        let authority = |ticket: &&str| Authority {
            fingerprint: Digest::of(Domain::Fingerprint, ticket.as_bytes()),
            policy: sample.policy.clone(),
            window: Duration::from_secs(3600),
        };
        let old = sample.target.old.clone().filter(|_| operation == Operation::Update);
        let uid = (operation == Operation::Delete).then(|| "u".to_owned());
        ClaimRequest {
            authorities: tickets.iter().map(authority).collect(),
            target: Target { operation, old, uid, ..sample.target },
            request_uid: "request-1".into(),
            object_uid: "new".into(),
            object_resource_version: String::new(),
            conversion_webhook: false,
            execution_id: "execution-1".into(),
            user: "alice".into(),
            dry_run: false,
            deadline: Duration::MAX,
        }
    }

    async fn claim(&self, operation: Operation, tickets: &[&str]) -> Outcome {
        self.service.claim(self.request(operation, tickets)).await
    }

    fn state(&self, ticket: &str) -> Option<State> {
        self.store.peek(&record(ticket).fingerprint).map(|record| record.state)
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
}

#[test]
fn a_failing_store_denies_and_the_truth_is_read_next_time() {
    run(async {
        for (call, operation) in [("create", Operation::Create), ("create", Operation::Connect)] {
            for (fault, claimed) in [(Fault::Before, false), (Fault::ReplyLost, true), (Fault::Silent, true)] {
                let rig = rig();
                rig.store.faults.plan(call, 0, fault);
                let outcome = rig.claim(operation, &["t"]).await;
                assert!(matches!(outcome, Outcome::StoreUnavailable(_)), "{operation} {fault:?}: {outcome:?}");
                assert_eq!(rig.state("t").is_some(), claimed, "{operation} {fault:?}");
                // The API server asks again about the same call: what was written is seen.
                let again = rig.claim(operation, &["t"]).await;
                let allowed = matches!(again, Outcome::Allowed(_));
                assert_eq!(allowed, operation == Operation::Create || !claimed, "{operation} {fault:?}: {again:?}");
                // Somebody else is never allowed by what was lost.
                let other = ClaimRequest { request_uid: "request-2".into(), ..rig.request(operation, &["t"]) };
                assert!(!matches!(rig.service.claim(other).await, Outcome::Allowed(_)), "{operation} {fault:?}");
            }
        }
    });
}

#[test]
fn a_failing_history_denies_and_writes_nothing() {
    run(async {
        for call in ["revision", "current"] {
            for fault in [Fault::Before, Fault::Silent] {
                let rig = rig();
                rig.history.faults.plan(call, 0, fault);
                let outcome = rig.claim(Operation::Create, &["t"]).await;
                assert!(matches!(outcome, Outcome::StoreUnavailable(_)), "{call} {fault:?}: {outcome:?}");
                assert_eq!(rig.state("t"), None);
            }
        }
    });
}

/// 54: every call of a claim that can fail, in turn, for every operation.
#[test]
fn threat_54_no_failure_at_any_call_allows() {
    run(async {
        for operation in [Operation::Create, Operation::Update, Operation::Delete, Operation::Connect] {
            for call in ["root", "read", "create", "replace"] {
                for after in 0..3 {
                    for fault in [Fault::Before, Fault::ReplyLost, Fault::Silent] {
                        let rig = rig();
                        rig.store.faults.plan(call, after, fault);
                        let hit = rig.claim(operation, &["a", "b"]).await;
                        let used = |state: Option<State>| matches!(state, Some(State::Reserved | State::Completed(_)));
                        let held = used(rig.state("a")) && used(rig.state("b"));
                        let allowed = matches!(hit, Outcome::Allowed(_));
                        assert!(!allowed || held, "{operation} {call} {after} {fault:?}: {hit:?}");
                        if !allowed {
                            assert!(matches!(hit, Outcome::StoreUnavailable(_)), "{hit:?}");
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn a_lost_race_gives_back_what_was_reserved() {
    run(async {
        let rig = rig();
        let (mut first, mut second) = ("a", "b");
        if record(first).fingerprint > record(second).fingerprint {
            (first, second) = (second, first);
        }
        rig.store.faults.plan("create", 1, Fault::Before);
        let outcome = rig.claim(Operation::Update, &[first, second]).await;
        assert!(matches!(outcome, Outcome::StoreUnavailable(_)), "{outcome:?}");
        assert_eq!((rig.state(first), rig.state(second)), (Some(State::Released), None));
    });
}

#[test]
fn an_answer_after_its_deadline_is_no_allow() {
    run(async {
        let rig = rig();
        let late = ClaimRequest { deadline: rig.clock.elapsed(), ..rig.request(Operation::Delete, &["t"]) };
        let outcome = rig.service.claim(late).await;
        assert_eq!(outcome, Outcome::StoreUnavailable(Unavailable::TimedOut));
    });
}

#[test]
fn a_replica_whose_clock_is_off_denies_and_is_not_ready() {
    run(async {
        for off in [-600_000, 600_000, -6000, 6000] {
            let rig = rig();
            rig.clock.set_off(off);
            let outcome = rig.claim(Operation::Connect, &["t"]).await;
            assert!(matches!(outcome, Outcome::ClockSkew { .. }), "{off}: {outcome:?}");
            assert!(rig.service.ready().await.is_err());
            rig.clock.set_off(0);
            assert_eq!(rig.service.ready().await, Ok(MEMORY_ID));
            assert!(matches!(rig.claim(Operation::Connect, &["t"]).await, Outcome::Allowed(_)), "{off}");
        }
    });
}

#[test]
fn readiness_names_the_fault() {
    run(async {
        let rig = rig();
        rig.store.faults.plan("root", 0, Fault::Before);
        rig.store.faults.plan("root", 1, Fault::Silent);
        let reasons =
            [rig.service.ready().await, rig.service.ready().await].map(|result| result.unwrap_err().to_string());
        assert!(reasons[0].contains("cannot be used now") && reasons[1].contains("in time"), "{reasons:?}");
        assert_eq!(rig.service.ready().await, Ok(MEMORY_ID));
    });
}

#[test]
fn a_dry_run_writes_nothing() {
    run(async {
        let rig = rig();
        for operation in [Operation::Create, Operation::Update, Operation::Delete, Operation::Connect] {
            let dry = ClaimRequest { dry_run: true, ..rig.request(operation, &["a", "b"]) };
            assert!(matches!(rig.service.claim(dry).await, Outcome::Allowed(_)), "{operation}");
        }
        assert_eq!(rig.store.writes.load(Ordering::Relaxed), 0);
    });
}

/// Lets the claim of `ticket` be over.
async fn overdue(rig: &Rig, ticket: &str) {
    let held = rig.store.read(&record(ticket).fingerprint).await.unwrap().value.unwrap();
    let deadline = held.record.allowed_at.minus(Duration::from_secs(60));
    rig.store.replace(&held.token, &Record { deadline, ..held.record }).await.unwrap();
}

#[test]
fn the_background_ends_each_claim_once() {
    run(async {
        let old = Version { uid: "u".into(), resource_version: ResourceVersion("7".into()) };
        let searched = ResolveReport { unreadable: Some(0), ..ResolveReport::default() };
        let done = ResolveReport { completed: 1, ..searched.clone() };
        let released = ResolveReport { released: 1, ..searched.clone() };
        let burnt = ResolveReport { undetermined: 1, ..searched.clone() };
        let left = ResolveReport { left: 1, ..searched.clone() };
        for (successor, current, expected) in [
            (Successor::Ours(None), Current::Unread, done),
            (Successor::Foreign, Current::Unread, released.clone()),
            (Successor::None, Current::Missing, released.clone()),
            (Successor::NoneSeen, Current::At(old), released),
            (Successor::NoneSeen, Current::Missing, left),
            (Successor::Gone, Current::Missing, burnt),
        ] {
            let rig = rig();
            assert!(matches!(rig.claim(Operation::Update, &["t"]).await, Outcome::Allowed(_)));
            assert_eq!(rig.service.resolve_due().await, searched, "nothing is due yet");
            overdue(&rig, "t").await;
            // A replica that was started anew finds it by searching the store.
            let service = ClaimService::new(rig.store.clone(), rig.history.clone(), rig.clock.clone(), SHORT);
            service.ready().await.unwrap();
            rig.history.says(successor.clone(), current.clone());
            assert_eq!(service.resolve_due().await, expected, "{successor:?} {current:?}");
            let again = service.resolve_due().await;
            assert_eq!((again.completed, again.released, again.undetermined), (0, 0, 0), "once");
        }
    });
}

#[test]
fn a_claim_that_cannot_be_ended_now_is_ended_later() {
    run(async {
        let rig = rig();
        rig.claim(Operation::Update, &["t"]).await;
        overdue(&rig, "t").await;
        let service = ClaimService::new(rig.store.clone(), rig.history.clone(), rig.clock.clone(), SHORT);
        rig.history.faults.plan("look", 0, Fault::Before);
        let report = service.resolve_due().await;
        assert_eq!((report.left, report.failure.is_some()), (1, true), "{report:?}");
        rig.history.says(Successor::None, Current::Missing);
        assert_eq!(service.resolve_due().await.released, 1);
        assert_eq!(rig.state("t"), Some(State::Released));
    });
}

#[test]
fn nothing_is_forgotten_by_a_clock_that_was_not_watched() {
    run(async {
        let rig = rig();
        rig.claim(Operation::Delete, &["t"]).await;
        assert!(matches!(rig.service.purge().await, PurgeReport::Halted(_)));
        rig.store.faults.plan("root", 0, Fault::Before);
        assert!(matches!(rig.service.purge().await, PurgeReport::Failed(_)));
        assert!(rig.state("t").is_some());
    });
}

#[test]
fn without_an_api_server_once_covers_delete_and_connect_only() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("claims.redb");
        EmbeddedStore::initialize(&path).unwrap();
        let clock = Arc::new(MachineClock::new());
        let store = Arc::new(EmbeddedStore::open(&path, None, clock.clone(), Quota::EMBEDDED).unwrap());
        let service = ClaimService::new(store, Arc::new(NoHistory), clock, Terms::default());
        let rig = rig();
        for (operation, reason) in [
            (Operation::Create, "NotWatchable"),
            (Operation::Update, "NotWatchable"),
            (Operation::Delete, "Claimed"),
            (Operation::Connect, "Replayed"),
        ] {
            assert_eq!(service.claim(rig.request(operation, &["t"])).await.reason(), reason, "{operation}");
        }
    });
}

/// 12: a sample of the drill's million.
#[test]
fn threat_12_of_many_claims_every_authority_is_used_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("claims.redb");
    EmbeddedStore::initialize(&path).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let mut allowed = 0;
    // Twice: before and after a restart.
    for round in 0..2 {
        let clock = Arc::new(MachineClock::new());
        let open = || EmbeddedStore::open(&path, None, clock.clone(), Quota::EMBEDDED);
        let begun = std::time::Instant::now();
        let store = loop {
            match open() {
                Ok(store) => break store,
                Err(error) => assert!(begun.elapsed() < Duration::from_secs(10), "{error}"),
            }
        };
        let terms = Terms { budget: Duration::from_secs(60), ..Terms::default() };
        let service = Arc::new(ClaimService::new(Arc::new(store), Arc::new(NoHistory), clock, terms));
        let rig = rig();
        allowed += runtime.block_on(async {
            let mut tasks = Vec::new();
            for number in 0..2000 {
                // One in a hundred comes twice within a round; all come again in the second one, by another user.
                for copy in 0..if number % 100 == 0 { 2 } else { 1 } {
                    let ticket = format!("ticket-{number}");
                    let request = ClaimRequest {
                        request_uid: format!("{round}-{number}-{copy}"),
                        user: format!("user-{round}"),
                        ..rig.request(Operation::Connect, &[&ticket])
                    };
                    let service = service.clone();
                    tasks.push(tokio::spawn(async move { service.claim(request).await }));
                }
            }
            let mut allowed = 0;
            for task in tasks {
                match task.await.unwrap() {
                    Outcome::Allowed(_) => allowed += 1,
                    Outcome::Replayed(_) => {}
                    other => panic!("{other:?}"),
                }
            }
            allowed
        });
    }
    assert_eq!(allowed, 2000);
}
