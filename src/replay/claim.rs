//! The service that carries out what the state machine says, within the budget of each request.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{join_all, join3};

use super::clock::{Clock, Span, StoreClock};
use super::contract::{Held, History, HistoryError, Stamped, Store, StoreError, Swap};
use super::event::{Current, Patience};
use super::machine::{Action, Answer, Claim, ClaimRequest, Terms};
use super::outcome::{Outcome, Unavailable};
use super::record::{Fingerprint, Record, Resource, ResourceVersion, State, StoreId, Target, Version};
use crate::time::Timestamp;

/// Claims authorities, and ends claims when their time has come.
///
/// One per process. [`claim`](Self::claim) inside each request; [`resolve_due`](Self::resolve_due) about every second
/// and [`purge`](Self::purge) about every ten minutes in the background.
pub struct ClaimService {
    pub(super) store: Arc<dyn Store>,
    pub(super) history: Arc<dyn History>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) terms: Terms,
    time: Mutex<StoreClock>,
    /// Claims that this process reserved or saw reserved, by the end of their deadline.
    pub(super) due: Mutex<BTreeSet<(Timestamp, Fingerprint)>>,
    /// When the store was last searched for claims that nobody ended.
    pub(super) swept: Mutex<Option<Duration>>,
}

/// Why no claim can be made now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The store says so.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store did not answer within the budget of a request.
    #[error("the claim store did not answer in time: see whether it is reachable")]
    TimedOut,
    /// A clock is off.
    #[error("{0}")]
    Clock(String),
}

impl ClaimService {
    /// A service over an opened store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, history: Arc<dyn History>, clock: Arc<dyn Clock>, terms: Terms) -> Self {
        let time = StoreClock::new(terms.skew, store.opened_at(), clock.elapsed());
        Self {
            store,
            history,
            clock,
            terms,
            time: Mutex::new(time),
            due: Mutex::new(BTreeSet::new()),
            swept: Mutex::new(None),
        }
    }

    /// The id of the store, if claims can be made now.
    ///
    /// # Errors
    /// [`NotReady`] says why not and what to do.
    pub async fn ready(&self) -> Result<StoreId, NotReady> {
        let started = self.clock.elapsed();
        let root =
            tokio::time::timeout(self.terms.budget, self.store.root()).await.map_err(|_| NotReady::TimedOut)??;
        self.observe(&root, started).map_err(|outcome| NotReady::Clock(outcome.message()))?;
        Ok(root.value)
    }

    /// Claims every authority of the request, or none for it.
    ///
    /// Answers by the request's deadline, and within [`Terms::budget`]. Only [`Outcome::Allowed`] allows; it is given
    /// only before the deadline.
    pub async fn claim(&self, request: ClaimRequest) -> Outcome {
        let deadline = request.deadline.min(self.clock.elapsed().saturating_add(self.terms.budget));
        let left = deadline.saturating_sub(self.clock.elapsed());
        let timed_out = Outcome::StoreUnavailable(Unavailable::TimedOut);
        let Ok(outcome) = tokio::time::timeout(left, self.run(request)).await else { return timed_out };
        // A process that was stopped between the write and here must not allow by what was true before.
        if matches!(outcome, Outcome::Allowed(_)) && self.clock.elapsed() > deadline { timed_out } else { outcome }
    }

    async fn run(&self, request: ClaimRequest) -> Outcome {
        let target = request.target.clone();
        let mut now = match self.store_time().await {
            Ok(now) => now,
            Err(outcome) => return outcome,
        };
        let mut claim = Claim::new(request, self.terms, now);
        loop {
            let action = match claim.action() {
                Action::Done(outcome) => return outcome,
                action => action,
            };
            let answer = match self.perform(action, &target).await {
                Ok((answer, seen)) => {
                    now = seen;
                    answer
                }
                Err(outcome) => Answer::Failed(outcome),
            };
            claim.answer(answer, now);
        }
    }

    /// Carries out one action of a claim.
    pub(super) async fn perform(&self, action: Action, target: &Target) -> Result<(Answer, Span), Outcome> {
        match action {
            Action::Gather { reads, revision, current } => self.gather(&reads, revision, current, target).await,
            Action::Look(record, patience) => self.look(&record, patience).await,
            Action::Create(record) => {
                self.expect_end(&record);
                let started = self.clock.elapsed();
                self.swapped(self.store.create(&record).await, started)
            }
            Action::Replace(token, record) => {
                self.expect_end(&record);
                let started = self.clock.elapsed();
                self.swapped(self.store.replace(&token, &record).await, started)
            }
            Action::Done(outcome) => Err(outcome),
        }
    }

    fn swapped(&self, swap: Result<Stamped<Swap>, StoreError>, started: Duration) -> Result<(Answer, Span), Outcome> {
        let swap = swap.map_err(store_failed)?;
        let now = self.observe(&swap, started)?;
        Ok((
            match swap.value {
                Swap::Done(token) => Answer::Wrote(token),
                Swap::Lost => Answer::Lost,
            },
            now,
        ))
    }

    async fn gather(
        &self,
        reads: &[Fingerprint],
        revision: bool,
        current: bool,
        target: &Target,
    ) -> Result<(Answer, Span), Outcome> {
        let records = join_all(reads.iter().map(|fingerprint| self.read(fingerprint)));
        let revision =
            async { Ok(if revision { Some(self.revision(&target.resource, &target.namespace).await?) } else { None }) };
        let current = async { Ok(if current { Some(self.current(target).await?) } else { None }) };
        let (records, revision, current) = join3(records, revision, current).await;
        let (revision, current) = (revision?, current?);
        let mut now = None;
        let mut found = Vec::with_capacity(reads.len());
        for (fingerprint, read) in reads.iter().zip(records) {
            let (held, span) = read?;
            found.push((*fingerprint, held));
            now = Some(span);
        }
        let (revision, now) = revision.map_or((None, now), |(revision, span)| (Some(revision), Some(span)));
        let (current, now) = match current {
            Some((Some(version), span)) => (Current::At(version), Some(span)),
            Some((None, span)) => (Current::Missing, Some(span)),
            None => (Current::Unread, now),
        };
        let now = match now {
            Some(now) => now,
            None => self.store_time().await?,
        };
        Ok((Answer::Gathered { reads: found, revision, current }, now))
    }

    pub(super) async fn read(&self, fingerprint: &Fingerprint) -> Result<(Option<Held>, Span), Outcome> {
        let started = self.clock.elapsed();
        let read = self.store.read(fingerprint).await.map_err(store_failed)?;
        let now = self.observe(&read, started)?;
        Ok((read.value, now))
    }

    async fn revision(&self, resource: &Resource, namespace: &str) -> Result<(ResourceVersion, Span), Outcome> {
        let started = self.clock.elapsed();
        let revision = self.history.revision(resource, namespace).await.map_err(history_failed)?;
        let now = self.observe(&revision, started)?;
        Ok((revision.value, now))
    }

    async fn current(&self, target: &Target) -> Result<(Option<Version>, Span), Outcome> {
        let started = self.clock.elapsed();
        let current = self.history.current(target).await.map_err(history_failed)?;
        let now = self.observe(&current, started)?;
        Ok((current.value, now))
    }

    async fn look(&self, record: &Record, patience: Patience) -> Result<(Answer, Span), Outcome> {
        let started = self.clock.elapsed();
        let looked = self.history.look(record, patience).await.map_err(history_failed)?;
        let now = self.observe(&looked, started)?;
        Ok((Answer::Looked(looked.value), now))
    }

    /// The store's time: by what is known of its clock, and where nothing is, by asking.
    pub(super) async fn store_time(&self) -> Result<Span, Outcome> {
        let known = lock(&self.time).estimate(self.clock.elapsed());
        match known {
            Some(now) => Ok(now),
            None => {
                let started = self.clock.elapsed();
                let root = self.store.root().await.map_err(store_failed)?;
                self.observe(&root, started)
            }
        }
    }

    /// Takes note of a reply's time, and checks this machine's clock against it.
    pub(super) fn observe<T>(&self, reply: &Stamped<T>, started: Duration) -> Result<Span, Outcome> {
        let local = self.clock.now().map_err(|error| Outcome::StoreUnavailable(Unavailable::Clock(error.0)))?;
        let elapsed = self.clock.elapsed();
        let span = lock(&self.time).observe(reply.time, reply.grain, elapsed);
        let took = elapsed.saturating_sub(started);
        let ahead = local.since(reply.time.plus(reply.grain)).saturating_sub(took);
        let by = ahead.max(reply.time.since(local));
        if by > self.terms.skew {
            return Err(Outcome::ClockSkew { by, limit: self.terms.skew });
        }
        Ok(span)
    }

    /// The time by which records may be forgotten.
    pub(super) fn forgetting(&self) -> Result<Timestamp, super::clock::Halted> {
        lock(&self.time).forgetting(self.clock.elapsed())
    }

    /// A reservation is going to be written: whatever comes of that, it has to be ended.
    fn expect_end(&self, record: &Record) {
        if record.state == State::Reserved {
            lock(&self.due).insert((record.deadline, record.fingerprint));
        }
    }
}

/// A lock whose holder panicked guards plain values that are whole at any time.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn store_failed(error: StoreError) -> Outcome {
    match error {
        StoreError::Full { limit } => Outcome::Full { limit },
        StoreError::ShareUsed { limit } => Outcome::ShareUsed { limit },
        other => Outcome::StoreUnavailable(Unavailable::Store(other.to_string())),
    }
}

fn history_failed(error: HistoryError) -> Outcome {
    match error {
        HistoryError::Unavailable(_) => Outcome::StoreUnavailable(Unavailable::History(error.to_string())),
        HistoryError::NotWatchable(_) | HistoryError::Absent => Outcome::NotWatchable(error.to_string()),
    }
}
