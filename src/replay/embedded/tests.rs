use std::fs;
use std::sync::atomic::{AtomicI64, Ordering};

use tempfile::TempDir;

use super::*;
use crate::digest::{Digest, Domain};
use crate::replay::clock::ClockError;
use crate::replay::record::tests::record;
use crate::replay::record::{Settled, State};

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Result<Timestamp, ClockError> {
        Ok(Timestamp::from_millis(self.0.load(Ordering::Relaxed)))
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(Hands(AtomicI64::new(5_000)))
}

fn open(path: &Path) -> Result<EmbeddedStore, EmbeddedError> {
    EmbeddedStore::open(path, None, clock(), Quota::EMBEDDED)
}

fn numbered(number: usize, state: State) -> Record {
    Record { fingerprint: Digest::of(Domain::Fingerprint, &number.to_le_bytes()), state, ..record() }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A closed store with `count` completed records and two reserved ones.
fn filled(count: usize) -> (TempDir, PathBuf, StoreId) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("claims.redb");
    let id = EmbeddedStore::initialize(&path).unwrap();
    let store = open(&path).unwrap();
    wait(async {
        for number in 0..count {
            store.create(&numbered(number, State::Completed(Settled::Final))).await.unwrap();
        }
        for number in count..count + 2 {
            store.create(&numbered(number, State::Reserved)).await.unwrap();
        }
    });
    close(store, &path);
    (directory, path, id)
}

/// Waits until the writer's thread has let go of the file.
fn close(store: EmbeddedStore, path: &Path) {
    drop(store);
    let begun = std::time::Instant::now();
    while matches!(file::open(path, None), Err(EmbeddedError::InUse(_))) {
        assert!(begun.elapsed() < Duration::from_secs(10), "the file is still in use");
        std::thread::yield_now();
    }
}

#[test]
fn claims_survive_a_restart() {
    let (_directory, path, id) = filled(10);
    let store = open(&path).unwrap();
    assert_eq!((store.id(), store.opened_at()), (id, Some(Timestamp::from_millis(5_000))));
    wait(async {
        let held = store.read(&numbered(3, State::Reserved).fingerprint).await.unwrap().value.unwrap();
        assert_eq!(held.record, numbered(3, State::Completed(Settled::Final)));
        let again = store.create(&numbered(3, State::Reserved)).await.unwrap().value;
        assert_eq!(again, Swap::Lost);
        // A token from before the restart is still the token of that state, and a new one never repeats an old one.
        let Swap::Done(next) = store.replace(&held.token, &held.record).await.unwrap().value else { panic!("lost") };
        assert_ne!(next, held.token);
    });
}

#[test]
fn initializing_never_replaces_anything() {
    let (_directory, path, _) = filled(1);
    assert!(matches!(EmbeddedStore::initialize(&path), Err(EmbeddedError::Exists(_))));
    fs::write(&path, b"").unwrap();
    assert!(matches!(EmbeddedStore::initialize(&path), Err(EmbeddedError::Exists(_))));
}

#[test]
fn a_lost_store_is_not_an_empty_one() {
    let (directory, path, id) = filled(1);
    let other = StoreId::from_bytes([7; 16]);
    let foreign = EmbeddedStore::open(&path, Some(other), clock(), Quota::EMBEDDED).err();
    let Some(EmbeddedError::Store(StoreError::RootDiffers { expected, found })) = foreign else {
        panic!("{foreign:?}")
    };
    assert_eq!((expected, found), (other, id));

    let missing = directory.path().join("other.redb");
    assert!(matches!(open(&missing), Err(EmbeddedError::Missing(_))));
    assert!(!missing.exists(), "opening makes no file");

    fs::write(&missing, b"").unwrap();
    assert!(matches!(open(&missing), Err(EmbeddedError::Damaged { .. })));

    let rootless = directory.path().join("rootless.redb");
    drop(Database::create(&rootless).unwrap());
    assert!(matches!(open(&rootless), Err(EmbeddedError::Store(StoreError::RootMissing(_)))));
}

#[test]
fn only_one_process_writes_and_others_may_look() {
    let (_directory, path, id) = filled(3);
    let store = open(&path).unwrap();
    assert!(matches!(open(&path), Err(EmbeddedError::InUse(_))));
    let mut seen = Vec::new();
    let look = |seen: &mut Vec<Record>| {
        inspect(&path, |found, records| {
            assert_eq!(found, id);
            seen.extend(records);
            Ok(())
        })
    };
    look(&mut seen).unwrap();
    assert_eq!(seen.len(), 5);
    wait(store.create(&numbered(9, State::Reserved))).unwrap();
    seen.clear();
    look(&mut seen).unwrap();
    assert_eq!(seen.len(), 6, "what was answered is seen");
    close(store, &path);
    look(&mut seen).unwrap();
}

#[test]
fn listings_follow_the_states() {
    let (_directory, path, _) = filled(1200);
    let store = open(&path).unwrap();
    let list = |filter| {
        let (mut all, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = wait(store.list(filter, after.as_deref())).unwrap().value;
            all.extend(page.records);
            after = page.next;
            if after.is_none() {
                return all;
            }
        }
    };
    assert_eq!(list(Filter::All).len(), 1202);
    assert_eq!(list(Filter::Reserved).len(), 2);
    let end = record().window_end;
    assert_eq!(list(Filter::Over(end.minus(Duration::from_millis(1)))).len(), 0);
    assert_eq!(list(Filter::Over(end)).len(), 1200);
    let reserved = list(Filter::Reserved).remove(0);
    let released = Record { state: State::Released, ..reserved.record };
    wait(store.replace(&reserved.token, &released)).unwrap();
    assert_eq!((list(Filter::Reserved).len(), list(Filter::Over(end)).len()), (1, 1201));
    for held in list(Filter::Over(end)) {
        wait(store.remove(&held.token, &held.record.fingerprint)).unwrap();
    }
    assert_eq!(list(Filter::All).len(), 1);
}

#[test]
fn concurrent_claims_share_commits_and_one_wins() {
    let (_directory, path, _) = filled(0);
    let store = Arc::new(open(&path).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let won = runtime.block_on(async {
        let tasks: Vec<_> = (0..2000)
            .map(|number| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.create(&numbered(100 + number % 500, State::Reserved)).await.unwrap() })
            })
            .collect();
        let mut won = 0;
        for task in tasks {
            won += usize::from(matches!(task.await.unwrap().value, Swap::Done(_)));
        }
        won
    });
    assert_eq!(won, 500);
}

/// Opens a file that something happened to: either every acknowledged claim is there, or it is refused.
fn never_forgets(path: &Path, what: &str) -> bool {
    let Ok(opened) = file::open(path, None) else { return false };
    let transaction = opened.database.begin_read().unwrap();
    let page = tables::list(&transaction, Filter::All, None, usize::MAX).unwrap();
    assert_eq!(page.records.len(), 5, "{what}: claims were forgotten");
    true
}

#[test]
fn a_file_cut_anywhere_is_refused_or_complete() {
    let (directory, path, _) = filled(3);
    let whole = fs::read(&path).unwrap();
    let copy = directory.path().join("copy.redb");
    let mut cuts: Vec<usize> = (0..whole.len()).step_by(257).collect();
    cuts.extend(whole.len().saturating_sub(64)..whole.len());
    for length in cuts {
        fs::write(&copy, &whole[..length]).unwrap();
        never_forgets(&copy, &format!("cut at {length}"));
    }
    fs::write(&copy, &whole).unwrap();
    assert!(never_forgets(&copy, "whole"));
}

#[test]
fn a_flipped_bit_is_refused_or_harmless() {
    let (directory, path, _) = filled(3);
    let whole = fs::read(&path).unwrap();
    let copy = directory.path().join("copy.redb");
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut refused = 0;
    for at in (0..whole.len()).step_by(211) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&copy, &bytes).unwrap();
        refused += usize::from(!never_forgets(&copy, &format!("bit of byte {at}")));
    }
    std::panic::set_hook(hook);
    assert!(refused > 10, "{refused}");
}

#[test]
fn a_record_that_was_tampered_with_is_refused() {
    let (_directory, path, _) = filled(3);
    let whole = fs::read(&path).unwrap();
    // Inside the JSON of a record: the page's own checksum fails, whatever the record's says.
    let at = whole.windows(5).rposition(|window| window == b"alice").unwrap();
    let mut bytes = whole;
    bytes[at] = b'b';
    fs::write(&path, bytes).unwrap();
    assert!(matches!(open(&path), Err(EmbeddedError::Damaged { .. } | EmbeddedError::Store(_))));
}
