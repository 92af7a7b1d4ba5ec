//! The suites of stores and ledgers against files and the memory; `e2e_replay` runs them against ConfigMaps.

use std::sync::Arc;

use writ::ledger::{FileLedger, Ledger};
use writ::replay::{EmbeddedStore, Quota};

use crate::memory::{MachineClock, MemoryStore};
use crate::{ledger_suite, suite};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

#[test]
fn the_embedded_store_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("claims.redb");
    let id = EmbeddedStore::initialize(&path).unwrap();
    let store = EmbeddedStore::open(&path, Some(id), Arc::new(MachineClock::new()), Quota::EMBEDDED).unwrap();
    runtime().block_on(suite::check(Arc::new(store)));
}

#[test]
fn the_memory_of_these_tests_keeps_the_contract() {
    runtime().block_on(suite::check(Arc::new(MemoryStore::default())));
}

#[test]
fn the_ledger_in_a_file_keeps_its_promise() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    FileLedger::initialize(&path).unwrap();
    runtime().block_on(ledger_suite::check(Arc::new(FileLedger::open(&path).unwrap()), async |open| {
        drop(open);
        Arc::new(FileLedger::open(&path).unwrap()) as Arc<dyn Ledger>
    }));
}
