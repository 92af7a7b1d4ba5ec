//! A store and a history in memory, and the faults that a network puts between them and a replica.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use writ::clock::{Clock as _, SystemClock};
use writ::replay::contract::{Filter, Held, MAX_PAGE, Page, Stamped, Swap, Token};
use writ::replay::event::{Current, Looked, Patience, Successor};
use writ::replay::record::{Fingerprint, Record, Resource, ResourceVersion, State, StoreId, Target, Version};
use writ::replay::{Clock, ClockError, History, HistoryError, Store, StoreError};
use writ::time::Timestamp;

/// The clocks of this machine, and how far the wall clock is set off.
pub(crate) struct MachineClock {
    started: Instant,
    off: Mutex<i64>,
}

impl MachineClock {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), off: Mutex::new(0) }
    }

    pub(crate) fn set_off(&self, millis: i64) {
        *self.off.lock().unwrap() = millis;
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Result<Timestamp, ClockError> {
        let now = SystemClock.now().map_err(|error| ClockError(error.to_string()))?;
        Ok(Timestamp::from_millis(now.as_millis() + *self.off.lock().unwrap()))
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

fn stamp<T>(value: T) -> Stamped<T> {
    Stamped { value, time: SystemClock.now().unwrap(), grain: Duration::ZERO }
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails, and nothing was done.
    Before,
    /// It is done, and the reply is lost.
    ReplyLost,
    /// It is done, and the reply never comes.
    Silent,
}

/// Faults of the calls to come: for a kind of call, which one of them, counted from now.
#[derive(Default)]
pub(crate) struct Faults(Mutex<Vec<(&'static str, u64, Fault)>>);

impl Faults {
    pub(crate) fn plan(&self, call: &'static str, after: u64, fault: Fault) {
        self.0.lock().unwrap().push((call, after, fault));
    }

    fn next(&self, call: &str) -> Option<Fault> {
        let mut planned = self.0.lock().unwrap();
        let mut now = None;
        planned.retain_mut(|(of, after, fault)| {
            if *of != call {
                return true;
            }
            if *after == 0 {
                now = Some(*fault);
                return false;
            }
            *after -= 1;
            true
        });
        now
    }
}

/// A store in memory. Tests only.
#[derive(Default)]
pub(crate) struct MemoryStore {
    claims: Mutex<BTreeMap<Fingerprint, (Record, u64)>>,
    revision: AtomicU64,
    pub(crate) faults: Faults,
    pub(crate) writes: AtomicU64,
}

pub(crate) const MEMORY_ID: StoreId = StoreId::from_bytes([1; 16]);

impl MemoryStore {
    fn held((record, revision): &(Record, u64)) -> Held {
        Held { record: record.clone(), token: Token(revision.to_string()) }
    }

    fn put(&self, claims: &mut BTreeMap<Fingerprint, (Record, u64)>, record: &Record) -> Swap {
        let revision = self.revision.fetch_add(1, Ordering::Relaxed) + 1;
        self.writes.fetch_add(1, Ordering::Relaxed);
        claims.insert(record.fingerprint, (record.clone(), revision));
        Swap::Done(Token(revision.to_string()))
    }

    /// The record as it stands, whatever is planned.
    pub(crate) fn peek(&self, fingerprint: &Fingerprint) -> Option<Record> {
        self.claims.lock().unwrap().get(fingerprint).map(|(record, _)| record.clone())
    }

    async fn write(
        &self,
        call: &'static str,
        write: impl FnOnce(&mut BTreeMap<Fingerprint, (Record, u64)>) -> Swap + Send,
    ) -> Result<Stamped<Swap>, StoreError> {
        let fault = self.faults.next(call);
        if fault == Some(Fault::Before) {
            return Err(StoreError::Unavailable("planned".into()));
        }
        let swap = write(&mut self.claims.lock().unwrap());
        match fault {
            Some(Fault::ReplyLost) => Err(StoreError::Unknown("planned".into())),
            Some(Fault::Silent) => std::future::pending().await,
            _ => Ok(stamp(swap)),
        }
    }

    async fn fail(&self, call: &'static str) -> Result<(), StoreError> {
        match self.faults.next(call) {
            None => Ok(()),
            Some(Fault::Silent) => std::future::pending().await,
            Some(_) => Err(StoreError::Unavailable("planned".into())),
        }
    }
}

impl Store for MemoryStore {
    fn root(&self) -> BoxFuture<'_, Result<Stamped<StoreId>, StoreError>> {
        Box::pin(async {
            self.fail("root").await?;
            Ok(stamp(MEMORY_ID))
        })
    }

    fn read<'a>(&'a self, fingerprint: &'a Fingerprint) -> BoxFuture<'a, Result<Stamped<Option<Held>>, StoreError>> {
        Box::pin(async move {
            self.fail("read").await?;
            Ok(stamp(self.claims.lock().unwrap().get(fingerprint).map(Self::held)))
        })
    }

    fn create<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<Stamped<Swap>, StoreError>> {
        Box::pin(self.write("create", |claims| {
            if claims.contains_key(&record.fingerprint) { Swap::Lost } else { self.put(claims, record) }
        }))
    }

    fn replace<'a>(&'a self, token: &'a Token, record: &'a Record) -> BoxFuture<'a, Result<Stamped<Swap>, StoreError>> {
        Box::pin(self.write("replace", |claims| {
            let same = claims.get(&record.fingerprint).is_some_and(|entry| Self::held(entry).token == *token);
            if same { self.put(claims, record) } else { Swap::Lost }
        }))
    }

    fn remove<'a>(
        &'a self,
        token: &'a Token,
        fingerprint: &'a Fingerprint,
    ) -> BoxFuture<'a, Result<Stamped<Swap>, StoreError>> {
        Box::pin(self.write("remove", |claims| {
            let same = claims.get(fingerprint).is_some_and(|entry| Self::held(entry).token == *token);
            if same && claims.remove(fingerprint).is_some() { Swap::Done(token.clone()) } else { Swap::Lost }
        }))
    }

    fn list<'a>(&'a self, filter: Filter, after: Option<&'a str>) -> BoxFuture<'a, Result<Stamped<Page>, StoreError>> {
        Box::pin(async move {
            self.fail("list").await?;
            let claims = self.claims.lock().unwrap();
            let wanted = |held: &Held| match filter {
                Filter::All => true,
                Filter::Reserved => held.record.state == State::Reserved,
                Filter::Over(time) => held.record.kept_until().is_some_and(|until| until <= time),
            };
            let from = after.map_or(0, |text| text.parse().unwrap());
            let found: Vec<Held> = claims.values().map(Self::held).filter(wanted).skip(from).collect();
            let next = (found.len() > MAX_PAGE).then(|| (from + MAX_PAGE).to_string());
            Ok(stamp(Page { records: found.into_iter().take(MAX_PAGE).collect(), next, unreadable: Vec::new() }))
        })
    }
}

/// A history in memory that says what it is told to.
pub(crate) struct MemoryHistory {
    pub(crate) looked: Mutex<Looked>,
    pub(crate) current: Mutex<Option<Version>>,
    pub(crate) faults: Faults,
}

impl Default for MemoryHistory {
    fn default() -> Self {
        let looked = Looked { successor: Successor::NoneSeen, current: Current::Unread };
        Self { looked: Mutex::new(looked), current: Mutex::new(None), faults: Faults::default() }
    }
}

impl MemoryHistory {
    pub(crate) fn says(&self, successor: Successor, current: Current) {
        *self.looked.lock().unwrap() = Looked { successor, current };
    }

    async fn fail(&self, call: &'static str) -> Result<(), HistoryError> {
        match self.faults.next(call) {
            None => Ok(()),
            Some(Fault::Silent) => std::future::pending().await,
            Some(_) => Err(HistoryError::Unavailable("planned".into())),
        }
    }
}

impl History for MemoryHistory {
    fn revision<'a>(
        &'a self,
        _: &'a Resource,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Stamped<ResourceVersion>, HistoryError>> {
        Box::pin(async {
            self.fail("revision").await?;
            Ok(stamp(ResourceVersion("100".into())))
        })
    }

    fn current<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, Result<Stamped<Option<Version>>, HistoryError>> {
        Box::pin(async {
            self.fail("current").await?;
            Ok(stamp(self.current.lock().unwrap().clone()))
        })
    }

    fn look<'a>(&'a self, _: &'a Record, _: Patience) -> BoxFuture<'a, Result<Stamped<Looked>, HistoryError>> {
        Box::pin(async {
            self.fail("look").await?;
            Ok(stamp(self.looked.lock().unwrap().clone()))
        })
    }
}
