//! What every store of claims must do: one suite for all of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use writ::digest::{Digest, Domain};
use writ::replay::Store;
use writ::replay::contract::{Filter, Held, MAX_PAGE, Swap, Token};
use writ::replay::record::{
    Fingerprint, Operation, PolicyVersion, Record, Resource, ResourceVersion, Settled, State, Target, Version,
};
use writ::time::Timestamp;

/// A reserved claim of an UPDATE.
pub(crate) fn record(ticket: &str) -> Record {
    let now = Timestamp::from_millis(1_800_000_000_000);
    Record {
        fingerprint: Digest::of(Domain::Fingerprint, ticket.as_bytes()),
        policy: PolicyVersion { id: "ticket".into(), version: "v1".into(), digest: Digest::plain(b"policy") },
        target: Target {
            operation: Operation::Update,
            resource: Resource { group: "apps".into(), version: "v1".into(), resource: "deployments".into() },
            subresource: String::new(),
            namespace: "shop".into(),
            name: "web".into(),
            old: Some(Version { uid: "u".into(), resource_version: ResourceVersion("7".into()) }),
            uid: None,
        },
        request_uid: "request".into(),
        object_uid: "u".into(),
        rc: Some(ResourceVersion("9".into())),
        conversion_webhook: false,
        execution_id: "execution".into(),
        user: "alice".into(),
        allowed_at: now,
        deadline: now.plus(Duration::from_secs(40)),
        window_end: now.plus(Duration::from_secs(3600)),
        state: State::Reserved,
    }
}

fn completed(ticket: &str) -> Record {
    Record { state: State::Completed(Settled::Successor), ..record(ticket) }
}

fn done(swap: &Swap) -> Token {
    match swap {
        Swap::Done(token) => token.clone(),
        Swap::Lost => panic!("the write was lost"),
    }
}

async fn read(store: &dyn Store, fingerprint: &Fingerprint) -> Option<Held> {
    store.read(fingerprint).await.unwrap().value
}

/// Runs the whole suite against a store that is empty.
pub(crate) async fn check(store: Arc<dyn Store>) {
    one_truth(&*store).await;
    compare_and_swap(&*store).await;
    forgetting_reuses_no_token(&*store).await;
    one_of_many_creates_wins(&store).await;
    one_of_many_replaces_wins(&store).await;
    any_text_is_kept(&*store).await;
    listings_show_all(&*store).await;
    the_root_stays(&*store).await;
}

async fn one_truth(store: &dyn Store) {
    let record = record("truth");
    assert_eq!(read(store, &record.fingerprint).await, None);
    let token = done(&store.create(&record).await.unwrap().value);
    let held = Held { record: record.clone(), token };
    assert_eq!(read(store, &record.fingerprint).await, Some(held.clone()), "what was answered is read");
    let other = Record { user: "bob".into(), ..record.clone() };
    assert_eq!(store.create(&other).await.unwrap().value, Swap::Lost);
    assert_eq!(read(store, &record.fingerprint).await, Some(held), "a lost create changes nothing");
}

async fn compare_and_swap(store: &dyn Store) {
    let first = record("swap");
    let old = done(&store.create(&first).await.unwrap().value);
    let second = Record { user: "bob".into(), ..first.clone() };
    let new = done(&store.replace(&old, &second).await.unwrap().value);
    assert_ne!(old, new);
    assert_eq!(store.replace(&old, &completed("swap")).await.unwrap().value, Swap::Lost);
    assert_eq!(store.remove(&old, &first.fingerprint).await.unwrap().value, Swap::Lost);
    assert_eq!(read(store, &first.fingerprint).await, Some(Held { record: second.clone(), token: new.clone() }));
    // A write of the same content is another state as well.
    let same = done(&store.replace(&new, &second).await.unwrap().value);
    assert_ne!(same, new);
    assert_eq!(store.replace(&new, &second).await.unwrap().value, Swap::Lost);
    let new = same;
    let newer = done(&store.replace(&new, &completed("swap")).await.unwrap().value);
    assert_eq!(store.replace(&new, &second).await.unwrap().value, Swap::Lost);
    assert_eq!(read(store, &first.fingerprint).await.unwrap(), Held { record: completed("swap"), token: newer });
    // Nothing is made by a replace.
    let absent = record("absent");
    assert_eq!(store.replace(&new, &absent).await.unwrap().value, Swap::Lost);
    assert_eq!(read(store, &absent.fingerprint).await, None);
}

async fn forgetting_reuses_no_token(store: &dyn Store) {
    let record = record("forget");
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let token = done(&store.create(&record).await.unwrap().value);
        for earlier in &tokens {
            assert_ne!(earlier, &token);
            assert_eq!(store.replace(earlier, &record).await.unwrap().value, Swap::Lost);
            assert_eq!(store.remove(earlier, &record.fingerprint).await.unwrap().value, Swap::Lost);
        }
        assert!(matches!(store.remove(&token, &record.fingerprint).await.unwrap().value, Swap::Done(_)));
        assert_eq!(read(store, &record.fingerprint).await, None);
        tokens.push(token);
    }
}

async fn one_of_many_creates_wins(store: &Arc<dyn Store>) {
    for round in 0..10 {
        let writers = (0..8).map(|number| {
            let store = Arc::clone(store);
            let record = Record { user: format!("user-{number}"), ..record(&format!("race-{round}")) };
            tokio::spawn(async move { (store.create(&record).await.unwrap().value, record) })
        });
        let mut winners = Vec::new();
        for result in join_all(writers).await {
            if let (Swap::Done(token), record) = result.unwrap() {
                winners.push(Held { record, token });
            }
        }
        assert_eq!(winners.len(), 1, "exactly one of concurrent creates is done");
        let held = read(&**store, &winners[0].record.fingerprint).await;
        assert_eq!(held.as_ref(), winners.first());
    }
}

async fn one_of_many_replaces_wins(store: &Arc<dyn Store>) {
    let base = record("replaces");
    let mut token = done(&store.create(&base).await.unwrap().value);
    for _ in 0..10 {
        let writers = (0..8).map(|number| {
            let (store, token) = (Arc::clone(store), token.clone());
            let record = Record { user: format!("user-{number}"), ..base.clone() };
            tokio::spawn(async move { store.replace(&token, &record).await.unwrap().value })
        });
        let results: Vec<_> = join_all(writers).await.into_iter().map(Result::unwrap).collect();
        let winners: Vec<_> = results.iter().filter(|swap| **swap != Swap::Lost).collect();
        assert_eq!(winners.len(), 1, "exactly one of concurrent replaces is done");
        token = done(winners[0]);
    }
}

async fn any_text_is_kept(store: &dyn Store) {
    for text in ["", "ünï☃\u{10FFFF}", "line\nbreak\t\"quoted\" \\ \u{1}", &"x".repeat(512)] {
        let mut record = record(&format!("text-{text}"));
        record.user = text.into();
        record.request_uid = text.into();
        store.create(&record).await.unwrap();
        assert_eq!(read(store, &record.fingerprint).await.map(|held| held.record), Some(record));
    }
}

async fn all(store: &dyn Store, filter: Filter) -> BTreeSet<Fingerprint> {
    let (mut found, mut after) = (BTreeSet::new(), None::<String>);
    loop {
        let page = store.list(filter, after.as_deref()).await.unwrap().value;
        assert_eq!(page.unreadable, Vec::<String>::new());
        assert!(page.records.len() <= MAX_PAGE || matches!(filter, Filter::Over(_)));
        for held in page.records {
            assert_eq!(read(store, &held.record.fingerprint).await, Some(held.clone()), "a listed state is the state");
            found.insert(held.record.fingerprint);
        }
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

async fn listings_show_all(store: &dyn Store) {
    let before = all(store, Filter::All).await;
    let tickets: Vec<String> = (0..MAX_PAGE + 30).map(|number| format!("listed-{number}")).collect();
    let mut expected = before;
    for (number, ticket) in tickets.iter().enumerate() {
        let record = if number % 10 == 0 { record(ticket) } else { completed(ticket) };
        expected.insert(record.fingerprint);
        store.create(&record).await.unwrap();
    }
    assert_eq!(all(store, Filter::All).await, expected);
    let reserved = all(store, Filter::Reserved).await;
    for (number, ticket) in tickets.iter().enumerate() {
        assert_eq!(reserved.contains(&record(ticket).fingerprint), number % 10 == 0, "{ticket}");
    }
    let end = record("any").window_end;
    let early = all(store, Filter::Over(end.minus(Duration::from_millis(1)))).await;
    let over = all(store, Filter::Over(end)).await;
    for (number, ticket) in tickets.iter().enumerate() {
        let fingerprint = record(ticket).fingerprint;
        assert!(!early.contains(&fingerprint), "{ticket} is not over yet");
        assert_eq!(over.contains(&fingerprint), number % 10 != 0, "{ticket}");
    }
}

async fn the_root_stays(store: &dyn Store) {
    let (first, second) = (store.root().await.unwrap(), store.root().await.unwrap());
    assert_eq!(first.value, second.value);
    let later = second.time.since(first.time);
    assert!(first.time <= second.time && later < Duration::from_secs(60), "{first:?} {second:?}");
    store.count().await.unwrap();
}
