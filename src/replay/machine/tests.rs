//! Every row of the table, as data.

use std::time::Duration;

use super::*;
use crate::digest::{Digest, Domain};
use crate::replay::event::{Carried, Successor};
use crate::replay::outcome::{Allowed, FirstUse, Holding, Replayed, Shown};
use crate::replay::record::tests::{record, update};
use crate::replay::record::{Operation, Settled, State};
use crate::time::Timestamp;

const NOW: Span = Span::at(Timestamp::from_millis(1_010_000));
const LATE: Span = Span::at(Timestamp::from_millis(1_040_500));

fn target(operation: Operation) -> Target {
    let uid = (operation == Operation::Delete).then(|| "uid-1".to_owned());
    let old = update("17").old.filter(|_| operation == Operation::Update);
    Target { operation, old, uid, ..update("17") }
}

fn held(operation: Operation, state: State) -> Record {
    let rc = (!operation.is_final()).then(|| ResourceVersion("20".into()));
    Record { target: target(operation), rc, state, ..record() }
}

fn authority(text: &str) -> Authority {
    Authority {
        fingerprint: Digest::of(Domain::Fingerprint, text.as_bytes()),
        policy: record().policy,
        window: Duration::from_secs(3600),
    }
}

fn request(operation: Operation) -> ClaimRequest {
    ClaimRequest {
        authorities: vec![authority("ticket")],
        target: target(operation),
        request_uid: "request-2".into(),
        object_uid: "uid-2".into(),
        object_resource_version: String::new(),
        conversion_webhook: false,
        execution_id: "execution-2".into(),
        user: "bob".into(),
        dry_run: false,
        deadline: Duration::MAX,
    }
}

fn present(record: Record) -> Seen {
    Seen::Present(Box::new(Held { record, token: Token("t1".into()) }))
}

fn looked(successor: Successor, current: Current) -> Looked {
    Looked { successor, current }
}

fn at(uid: &str, resource_version: &str) -> Current {
    Current::At(Version { uid: uid.into(), resource_version: ResourceVersion(resource_version.into()) })
}

fn settled(record: &Record, state: State) -> Finding {
    Finding::Write(Box::new(Record { state, ..record.clone() }))
}

#[test]
fn row_nothing_or_released_is_reserved() {
    for operation in [Operation::Create, Operation::Update, Operation::Delete, Operation::Connect] {
        for seen in [Seen::Absent, Seen::Unread, present(held(operation, State::Released))] {
            assert_eq!(decide(&seen, &request(operation), None, NOW), Decision::Reserve, "{operation} {seen:?}");
        }
    }
}

#[test]
fn row_reserved_update_of_the_same_state_is_shared_by_any_user() {
    let seen = present(held(Operation::Update, State::Reserved));
    assert_eq!(decide(&seen, &request(Operation::Update), None, NOW), Decision::Renew);
}

#[test]
fn row_reserved_otherwise_is_looked_up_first() {
    let other = ClaimRequest { target: update("18"), ..request(Operation::Update) };
    let kept = held(Operation::Update, State::Reserved);
    assert_eq!(decide(&present(kept), &other, None, NOW), Decision::Look);
    let create = held(Operation::Create, State::Reserved);
    assert_eq!(decide(&present(create), &request(Operation::Create), None, NOW), Decision::Look);
}

#[test]
fn row_the_first_successor_decides() {
    let update = held(Operation::Update, State::Reserved);
    let create = held(Operation::Create, State::Reserved);
    let done = State::Completed(Settled::Successor);
    let gone = State::Completed(Settled::HistoryGone);
    let released = State::Released;
    use Current::{Missing, Unread};
    use Successor::{Foreign, Gone, None as Nothing, NoneSeen, Ours};
    for (what, record, successor, current, before, after) in [
        ("ours", &update, Ours(None), Unread, Some(done), Some(done)),
        ("ours, created", &create, Ours(None), Unread, Some(done), Some(done)),
        ("another", &update, Foreign, Unread, Some(released), Some(released)),
        ("another of the name before ours", &create, Foreign, Unread, None, Some(released)),
        ("proven silence", &update, Nothing, Unread, None, Some(released)),
        ("proven silence, created", &create, Nothing, Missing, None, Some(released)),
        ("the state is as it was", &update, NoneSeen, at("uid-1", "17"), None, Some(released)),
        ("as it was, history gone", &update, Gone, at("uid-1", "17"), None, Some(released)),
        ("dead when it was claimed", &update, NoneSeen, at("uid-1", "19"), Some(released), Some(released)),
        ("another object when it was claimed", &update, Gone, at("uid-9", "20"), Some(released), Some(released)),
        ("ours stands there", &create, NoneSeen, at("uid-1", "30"), Some(done), Some(done)),
        ("ours stands there, history gone", &create, Gone, at("uid-1", "30"), Some(done), Some(done)),
        ("history gone", &update, Gone, at("uid-1", "30"), Some(gone), Some(gone)),
        ("history gone, object gone", &update, Gone, Missing, Some(gone), Some(gone)),
        ("history gone, never seen", &create, Gone, Missing, Some(gone), Some(gone)),
    ] {
        let looked = looked(successor, current);
        let expect = |state: Option<State>| state.map_or(Finding::Pending, |state| settled(record, state));
        assert_eq!(settle(record, Some(&looked), NOW), expect(before), "{what}, before the deadline");
        assert_eq!(settle(record, Some(&looked), LATE), expect(after), "{what}, after the deadline");
    }
}

#[test]
fn row_silence_that_is_not_proven_releases_nothing() {
    for (record, current) in [
        (held(Operation::Update, State::Reserved), at("uid-1", "30")),
        (held(Operation::Update, State::Reserved), Current::Missing),
        (held(Operation::Update, State::Reserved), Current::Unread),
        (held(Operation::Create, State::Reserved), Current::Missing),
        (held(Operation::Create, State::Reserved), at("uid-9", "30")),
    ] {
        let looked = looked(Successor::NoneSeen, current);
        assert_eq!(settle(&record, Some(&looked), NOW), Finding::Pending);
        assert_eq!(settle(&record, Some(&looked), LATE), Finding::Unproven, "{looked:?}");
    }
}

#[test]
fn row_no_event_before_the_deadline_is_in_progress_with_the_time_left() {
    let seen = present(held(Operation::Create, State::Reserved));
    let silence = (looked(Successor::NoneSeen, Current::Missing), NOW);
    let left =
        Outcome::InProgress { fingerprint: authority("ticket").fingerprint, remaining: Duration::from_millis(30_500) };
    let request = request(Operation::Create);
    assert_eq!(decide(&seen, &request, Some(&silence), NOW), Decision::Refuse(left));
    // The deadline that passes during the look is not over: an event may have come after it.
    let began_before = decide(&seen, &request, Some(&silence), LATE);
    assert!(matches!(began_before, Decision::Refuse(Outcome::InProgress { .. })), "{began_before:?}");
}

#[test]
fn row_the_same_request_uid_gets_the_same_answer() {
    for operation in [Operation::Create, Operation::Connect] {
        let record = held(operation, State::Reserved);
        let again = ClaimRequest { request_uid: "request-1".into(), ..request(operation) };
        let silence = (looked(Successor::NoneSeen, Current::Missing), NOW);
        assert_eq!(decide(&present(record.clone()), &again, Some(&silence), NOW), Decision::Renew, "{operation}");
        // But not for another target, and not where both have none.
        let mut other = again.clone();
        other.target.name = "api".into();
        let refused = decide(&present(record.clone()), &other, Some(&silence), NOW);
        assert!(matches!(refused, Decision::Refuse(Outcome::InProgress { .. })), "{refused:?}");
        let nameless = Record { request_uid: String::new(), ..record };
        let refused =
            decide(&present(nameless), &ClaimRequest { request_uid: String::new(), ..again }, Some(&silence), NOW);
        assert!(matches!(refused, Decision::Refuse(Outcome::InProgress { .. })), "{refused:?}");
    }
}

#[test]
fn row_completed_delete_of_the_same_uid_is_the_same_answer() {
    let seen = present(held(Operation::Delete, State::Completed(Settled::Final)));
    assert_eq!(decide(&seen, &request(Operation::Delete), None, NOW), Decision::Again);
    let mut other = request(Operation::Delete);
    other.target.uid = Some("uid-9".into());
    assert!(matches!(decide(&seen, &other, None, NOW), Decision::Refuse(Outcome::Replayed(_))));
}

#[test]
fn row_completed_otherwise_is_replayed() {
    for (operation, by) in [
        (Operation::Create, Settled::Successor),
        (Operation::Update, Settled::Successor),
        (Operation::Update, Settled::HistoryGone),
        (Operation::Create, Settled::ConversionWebhook),
        (Operation::Connect, Settled::Final),
    ] {
        let record = held(operation, State::Completed(by));
        // Also for the very request that used it.
        let request = ClaimRequest { request_uid: "request-1".into(), ..request(operation) };
        let first = FirstUse {
            policy: record.policy.clone(),
            execution_id: "execution-1".into(),
            allowed_at: record.allowed_at,
            undetermined: by.is_undetermined(),
            shown: Some(Shown { user: "alice".into(), operation, object: "apps/v1/deployments shop/web".into() }),
        };
        let replayed = Replayed { fingerprint: record.fingerprint, first };
        let expected = Decision::Refuse(Outcome::Replayed(Box::new(replayed)));
        assert_eq!(decide(&present(record), &request, None, NOW), expected, "{operation} {by:?}");
    }
}

#[test]
fn the_first_use_is_shown_within_its_namespace_only() {
    let record = held(Operation::Update, State::Completed(Settled::Successor));
    let elsewhere = Target { namespace: "other".into(), ..update("17") };
    assert_eq!(FirstUse::of(&record, &elsewhere).shown, None);
    let outcome = Outcome::Replayed(Box::new(Replayed {
        fingerprint: record.fingerprint,
        first: FirstUse::of(&record, &elsewhere),
    }));
    for secret in ["alice", "web", "shop"] {
        assert!(!outcome.message().contains(secret), "{}", outcome.message());
    }
    assert!(FirstUse::of(&record, &update("99")).shown.is_some());
}

#[test]
fn of_several_requests_for_one_change_the_stored_one_is_the_first_use() {
    let record = held(Operation::Update, State::Reserved);
    let carried = Carried {
        fingerprints: vec![record.fingerprint],
        operation: Operation::Update,
        old: record.target.old.clone(),
        execution_id: "execution-0".into(),
        user: "carol".into(),
    };
    let Finding::Write(done) = settle(&record, Some(&looked(Successor::Ours(Some(carried)), Current::Unread)), NOW)
    else {
        panic!("it is settled")
    };
    assert_eq!((done.execution_id.as_str(), done.user.as_str()), ("execution-0", "carol"));
}

#[test]
fn kinds_with_a_conversion_webhook_are_never_released() {
    for operation in [Operation::Create, Operation::Update] {
        let record = Record { conversion_webhook: true, ..held(operation, State::Reserved) };
        let burnt = settled(&record, State::Completed(Settled::ConversionWebhook));
        for (successor, current) in [
            (Successor::None, Current::Missing),
            (Successor::Foreign, Current::Unread),
            (Successor::Gone, Current::Missing),
        ] {
            let Finding::Write(written) = settle(&record, Some(&looked(successor, current)), LATE) else {
                panic!("it has ended")
            };
            assert!(matches!(written.state, State::Completed(by) if by.is_undetermined()), "{operation} {written:?}");
        }
        assert_eq!(settle(&record, Some(&looked(Successor::None, Current::Missing)), LATE), burnt);
    }
    let update = Record { conversion_webhook: true, ..held(Operation::Update, State::Reserved) };
    for current in [at("uid-1", "17"), at("uid-9", "18")] {
        let finding = settle(&update, Some(&looked(Successor::NoneSeen, current)), LATE);
        assert_eq!(finding, settled(&update, State::Completed(Settled::ConversionWebhook)));
    }
}

#[test]
fn reserved_delete_and_connect_were_never_allowed() {
    for operation in [Operation::Delete, Operation::Connect] {
        let record = held(operation, State::Reserved);
        assert_eq!(settle(&record, None, NOW), Finding::Pending);
        assert_eq!(settle(&record, None, LATE), settled(&record, State::Released));
    }
}

/// Drives a claim with the answers given, and returns what it did.
fn course(request: ClaimRequest, answers: Vec<Answer>) -> (Vec<Action>, Outcome) {
    let mut claim = Claim::new(request, Terms::default(), NOW);
    let (mut actions, mut answers) = (Vec::new(), answers.into_iter());
    loop {
        match claim.action() {
            Action::Done(outcome) => return (actions, outcome),
            action => actions.push(action),
        }
        let answer = answers.next().unwrap_or_else(|| panic!("no answer to {:?}", actions.last()));
        claim.answer(answer, NOW);
    }
}

fn gathered(reads: &[(&str, Option<Record>)], current: Current) -> Answer {
    let read = |(text, record): &(&str, Option<Record>)| {
        let held = record.clone().map(|record| Held { record, token: Token(format!("token of {text}")) });
        (authority(text).fingerprint, held)
    };
    Answer::Gathered { reads: reads.iter().map(read).collect(), revision: Some(ResourceVersion("25".into())), current }
}

fn wrote(token: &str) -> Answer {
    Answer::Wrote(Token(token.into()))
}

/// Two authorities in the order of their fingerprints.
fn two(operation: Operation) -> (ClaimRequest, &'static str, &'static str) {
    let (mut a, mut b) = ("ticket", "second");
    if authority(a).fingerprint > authority(b).fingerprint {
        (a, b) = (b, a);
    }
    (ClaimRequest { authorities: vec![authority(b), authority(a)], ..request(operation) }, a, b)
}

fn of(text: &str, record: Record) -> Record {
    Record { fingerprint: authority(text).fingerprint, ..record }
}

#[test]
fn one_authority_costs_one_write_after_the_first_reads() {
    let (actions, outcome) = course(request(Operation::Create), vec![gathered(&[], Current::Missing), wrote("t")]);
    assert_eq!(actions[0], Action::Gather { reads: vec![], revision: true, current: true });
    let Action::Create(record) = &actions[1] else { panic!("{actions:?}") };
    assert_eq!(record.deadline, NOW.latest.plus(Duration::from_millis(40_500)), "1.5 s to answer, 34 s, 5 s");
    assert_eq!(record.rc, Some(ResourceVersion("25".into())));
    assert_eq!(outcome.reason(), "Claimed");
    // DELETE needs no history and is final at once.
    let (actions, _) = course(request(Operation::Delete), vec![wrote("t")]);
    assert!(matches!(&actions[..], [Action::Create(record)] if record.state == State::Completed(Settled::Final)));
}

#[test]
fn several_are_read_first_then_reserved_in_order_then_made_final() {
    let (request, a, b) = two(Operation::Delete);
    let (actions, outcome) =
        course(request, vec![gathered(&[(a, None), (b, None)], Current::Unread), wrote("1"), wrote("2"), wrote("3")]);
    let (fa, fb) = (authority(a).fingerprint, authority(b).fingerprint);
    let writes: Vec<_> = actions[1..]
        .iter()
        .map(|action| match action {
            Action::Create(record) => ("create", record.fingerprint, record.state),
            Action::Replace(_, record) => ("replace", record.fingerprint, record.state),
            other => panic!("{other:?}"),
        })
        .collect();
    let done = State::Completed(Settled::Final);
    // The second is the last: held and final in one write.
    assert_eq!(writes, [("create", fa, State::Reserved), ("create", fb, done), ("replace", fa, done)]);
    assert_eq!(
        outcome,
        Outcome::Allowed(Allowed { claims: vec![(fa, Holding::Final), (fb, Holding::Final)], dry_run: false })
    );
}

#[test]
fn a_definite_refusal_writes_nothing() {
    let (request, a, b) = two(Operation::Update);
    let used = of(b, held(Operation::Update, State::Completed(Settled::Successor)));
    let (actions, outcome) = course(request, vec![gathered(&[(a, None), (b, Some(used))], Current::Unread)]);
    assert_eq!((actions.len(), outcome.reason()), (1, "Replayed"));
}

#[test]
fn on_a_lost_race_what_this_execution_reserved_is_released() {
    let (request, a, b) = two(Operation::Update);
    let used = of(b, held(Operation::Update, State::Completed(Settled::Successor)));
    let (actions, outcome) = course(
        request,
        vec![
            gathered(&[(a, None), (b, None)], Current::Unread),
            wrote("mine"),
            Answer::Lost,
            gathered(&[(b, Some(used))], Current::Unread),
            wrote("released"),
        ],
    );
    let Some(Action::Replace(token, record)) = actions.last() else { panic!("{actions:?}") };
    assert_eq!(
        (token.0.as_str(), record.state, record.fingerprint),
        ("mine", State::Released, authority(a).fingerprint)
    );
    assert_eq!(outcome.reason(), "Replayed");
}

#[test]
fn what_is_shared_with_an_allowed_request_is_not_released_on_a_lost_race() {
    let (request, a, b) = two(Operation::Update);
    let shared = of(a, held(Operation::Update, State::Reserved));
    let used = of(b, held(Operation::Update, State::Completed(Settled::Successor)));
    let (actions, outcome) = course(
        request,
        vec![
            gathered(&[(a, Some(shared)), (b, None)], Current::Unread),
            gathered(&[], at("uid-1", "17")),
            wrote("renewed"),
            Answer::Lost,
            gathered(&[(b, Some(used))], Current::Unread),
        ],
    );
    assert!(matches!(actions.last(), Some(Action::Gather { .. })), "{actions:?}");
    assert_eq!(outcome.reason(), "Replayed");
}

#[test]
fn a_renewal_moves_rc_only_on_proof() {
    let kept = held(Operation::Update, State::Reserved);
    for (current, rc) in [(at("uid-1", "17"), "25"), (at("uid-1", "18"), "20"), (Current::Missing, "20")] {
        let (actions, _) = course(
            request(Operation::Update),
            vec![
                gathered(&[], Current::Unread),
                Answer::Lost,
                gathered(&[("ticket", Some(kept.clone()))], Current::Unread),
                gathered(&[], current.clone()),
                wrote("t"),
            ],
        );
        let Some(Action::Replace(_, record)) = actions.last() else { panic!("{actions:?}") };
        assert_eq!(record.rc, Some(ResourceVersion(rc.into())), "{current:?}");
        assert_eq!((record.user.as_str(), record.execution_id.as_str()), ("bob", "execution-2"));
        assert_eq!(record.window_end, kept.window_end, "never shorter");
    }
}

#[test]
fn a_create_that_would_fail_claims_nothing() {
    let taken = at("uid-9", "9");
    let (actions, outcome) =
        course(request(Operation::Create), vec![gathered(&[], taken.clone()), gathered(&[("ticket", None)], taken)]);
    assert_eq!((actions.len(), outcome), (2, Outcome::AlreadyExists));
    let versioned = ClaimRequest { object_resource_version: "7".into(), ..request(Operation::Create) };
    assert_eq!(course(versioned, vec![]), (vec![], Outcome::ResourceVersionSet));
}

#[test]
fn a_name_that_exists_because_of_this_authority_is_a_replay() {
    let used = held(Operation::Create, State::Completed(Settled::Successor));
    let (_, outcome) = course(
        request(Operation::Create),
        vec![gathered(&[], at("uid-1", "30")), gathered(&[("ticket", Some(used))], Current::Unread)],
    );
    assert_eq!(outcome.reason(), "Replayed");
}

#[test]
fn a_dry_run_writes_nothing_and_tells_the_truth() {
    let dry = |operation| ClaimRequest { dry_run: true, ..request(operation) };
    for (what, operation, record, looks, reason) in [
        ("free", Operation::Update, None, vec![], "Claimed"),
        ("released", Operation::Delete, Some(held(Operation::Delete, State::Released)), vec![], "Claimed"),
        ("the same change", Operation::Delete, Some(held(Operation::Delete, State::Reserved)), vec![], "Claimed"),
        (
            "used",
            Operation::Update,
            Some(held(Operation::Update, State::Completed(Settled::Successor))),
            vec![],
            "Replayed",
        ),
        (
            "used, but not known yet",
            Operation::Create,
            Some(held(Operation::Create, State::Reserved)),
            vec![Answer::Looked(looked(Successor::Ours(None), Current::Missing))],
            "Replayed",
        ),
        (
            "open",
            Operation::Create,
            Some(held(Operation::Create, State::Reserved)),
            vec![Answer::Looked(looked(Successor::NoneSeen, Current::Missing))],
            "InProgress",
        ),
    ] {
        let mut answers = vec![gathered(&[("ticket", record)], Current::Missing)];
        answers.extend(looks);
        if operation == Operation::Delete {
            answers.truncate(1);
        }
        let (actions, outcome) = course(dry(operation), answers);
        assert_eq!(outcome.reason(), reason, "{what}");
        let writes = |action: &Action| matches!(action, Action::Create(_) | Action::Replace(..));
        assert!(!actions.iter().any(writes), "{what}: {actions:?}");
    }
}

#[test]
fn an_unknown_outcome_denies() {
    let unknown = Outcome::StoreUnavailable(Unavailable::Store("no reply".into()));
    let (actions, outcome) = course(request(Operation::Connect), vec![Answer::Failed(unknown.clone())]);
    assert_eq!((actions.len(), outcome), (1, unknown));
}

#[test]
fn a_race_that_is_never_won_ends() {
    let mut answers = vec![gathered(&[], Current::Unread)];
    for _ in 0..MAX_LOST {
        answers.extend([Answer::Lost, gathered(&[("ticket", None)], Current::Unread)]);
    }
    let (_, outcome) = course(request(Operation::Update), answers);
    assert_eq!(outcome, contended());
}

#[test]
fn what_can_never_be_claimed_is_refused_without_io() {
    let change = |change: fn(&mut ClaimRequest)| {
        let mut request = request(Operation::Update);
        change(&mut request);
        request
    };
    for (what, request) in [
        ("no authority", change(|request| request.authorities.clear())),
        ("no name", change(|request| request.target.name.clear())),
        ("no old object", change(|request| request.target.old = None)),
        ("a subresource", change(|request| request.target.subresource = "scale".into())),
        (
            "no uid",
            ClaimRequest { target: Target { uid: None, ..target(Operation::Delete) }, ..request(Operation::Delete) },
        ),
        ("no uid of a new object", ClaimRequest { object_uid: String::new(), ..request(Operation::Create) }),
    ] {
        let (actions, outcome) = course(request, vec![]);
        assert!(actions.is_empty() && matches!(outcome, Outcome::NotClaimable(_)), "{what}: {outcome:?}");
    }
}

#[test]
fn an_authority_that_comes_twice_is_one() {
    let long = Authority { window: Duration::from_secs(7200), ..authority("ticket") };
    let request = ClaimRequest { authorities: vec![authority("ticket"), long], ..request(Operation::Delete) };
    let (actions, _) = course(request, vec![wrote("t")]);
    let [Action::Create(record)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(record.window_end, NOW.latest.plus(Duration::from_secs(7200)));
}
