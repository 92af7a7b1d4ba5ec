//! The background work: each reserved claim is ended once, soon after its deadline, and what is over is forgotten.

use std::time::Duration;

use futures::{StreamExt as _, stream};

use super::claim::{ClaimService, lock, store_failed};
use super::clock::Halted;
use super::contract::{Filter, Held, Swap};
use super::machine::{Answer, Resolve, Resolved};
use super::outcome::{Outcome, Unavailable};
use super::record::{Fingerprint, State};
use crate::time::Timestamp;

/// How often the store is searched for claims whose own replica did not end them. With the hold of a claim this stays
/// under the 75 s that the API server's watch cache keeps at least.
pub const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// How long a claim is left to the replica that made it before others end it.
pub const OWNER_FIRST: Duration = Duration::from_secs(5);

/// Claims that one pass ends at the same time.
const AT_ONCE: usize = 32;

/// How long ending one claim may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// What one pass over the claims that are due came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolveReport {
    /// Claims whose change was stored.
    pub completed: usize,
    /// Claims of which no change came.
    pub released: usize,
    /// Claims that are burnt, because what came of them is not known.
    pub undetermined: usize,
    /// Claims that are still to be ended.
    pub left: usize,
    /// Records that cannot be read: damaged or tampered with. Their authorities are denied. `None` where the store was
    /// not searched in this pass.
    pub unreadable: Option<usize>,
    /// The last cause why one could not be ended.
    pub failure: Option<String>,
}

/// What one pass of forgetting came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PurgeReport {
    /// So many records were forgotten.
    Forgot(usize),
    /// Nothing may be forgotten now.
    Halted(Halted),
    /// It was interrupted.
    Failed(Outcome),
}

impl ClaimService {
    /// Ends the claims that are due. Call it about every second; calls must not overlap for long, but may.
    pub async fn resolve_due(&self) -> ResolveReport {
        let mut report = ResolveReport::default();
        let now = match self.store_time().await {
            Ok(now) => now.earliest,
            Err(outcome) => return ResolveReport { failure: Some(cause(&outcome)), ..report },
        };
        match self.sweep(now).await {
            Ok(unreadable) => report.unreadable = unreadable,
            Err(outcome) => report.failure = Some(cause(&outcome)),
        }
        let ended = stream::iter(self.take_due(now))
            .map(|fingerprint| async move { (fingerprint, self.resolve_in_time(&fingerprint).await) })
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        for (fingerprint, resolved) in ended {
            self.report(&mut report, fingerprint, resolved);
        }
        report
    }

    /// Forgets what need not be kept any longer, by the store's clock, and lets the store count what it holds. Call it
    /// at the start and about every ten minutes.
    pub async fn purge(&self) -> PurgeReport {
        if let Err(error) = self.store.count().await {
            return PurgeReport::Failed(store_failed(error));
        }
        // The clock is read now, so that a jump since the last reply is seen before anything is forgotten by it.
        let started = self.clock.elapsed();
        let observed = match self.store.root().await {
            Ok(root) => self.observe(&root, started).map(|_| ()),
            Err(error) => Err(store_failed(error)),
        };
        if let Err(outcome) = observed {
            return PurgeReport::Failed(outcome);
        }
        let over = match self.forgetting() {
            Ok(time) => time,
            Err(halted) => return PurgeReport::Halted(halted),
        };
        match self.forget(over).await {
            Ok(count) => PurgeReport::Forgot(count),
            Err(outcome) => PurgeReport::Failed(outcome),
        }
    }

    async fn forget(&self, over: Timestamp) -> Result<usize, Outcome> {
        let mut count: usize = 0;
        let mut after: Option<String> = None;
        loop {
            let page = self.store.list(Filter::Over(over), after.as_deref()).await.map_err(store_failed)?.value;
            for held in page.records {
                // INVARIANT: what the listing chose is checked here; the token makes the check hold at the removal.
                if held.record.kept_until().is_none_or(|until| until > over) {
                    continue;
                }
                let removed = self.store.remove(&held.token, &held.record.fingerprint).await.map_err(store_failed)?;
                count = count.saturating_add(usize::from(removed.value != Swap::Lost));
            }
            after = page.next;
            if after.is_none() {
                return Ok(count);
            }
        }
    }

    /// Searches the store for overdue claims of other replicas, or of this one before it was started again.
    /// None where it is not time yet; else how many records cannot be read.
    async fn sweep(&self, now: Timestamp) -> Result<Option<usize>, Outcome> {
        let elapsed = self.clock.elapsed();
        if lock(&self.swept).is_some_and(|last| elapsed.saturating_sub(last) < SWEEP_EVERY) {
            return Ok(None);
        }
        let mut after: Option<String> = None;
        let mut unreadable = 0;
        loop {
            let page = self.store.list(Filter::Reserved, after.as_deref()).await.map_err(store_failed)?.value;
            let mut due = lock(&self.due);
            for Held { record, .. } in page.records {
                if record.state == State::Reserved && record.deadline.plus(OWNER_FIRST) <= now {
                    due.insert((record.deadline, record.fingerprint));
                }
            }
            drop(due);
            unreadable += page.unreadable.len();
            after = page.next;
            if after.is_none() {
                *lock(&self.swept) = Some(elapsed);
                return Ok(Some(unreadable));
            }
        }
    }

    fn take_due(&self, now: Timestamp) -> Vec<Fingerprint> {
        let mut due = lock(&self.due);
        // Deadlines up to and including now: everything before the next millisecond.
        let later = due.split_off(&(now.plus(Duration::from_millis(1)), Fingerprint::from_bytes([0; 32])));
        let mut taken: Vec<_> =
            std::mem::replace(&mut *due, later).into_iter().map(|(_, fingerprint)| fingerprint).collect();
        taken.sort_unstable();
        taken.dedup();
        taken
    }

    async fn resolve_in_time(&self, fingerprint: &Fingerprint) -> Resolved {
        match tokio::time::timeout(RESOLVE_TIMEOUT, self.resolve(fingerprint)).await {
            Ok(resolved) => resolved,
            Err(_) => Resolved::Failed(Outcome::StoreUnavailable(Unavailable::TimedOut)),
        }
    }

    /// Ends one claim, if its deadline is over.
    async fn resolve(&self, fingerprint: &Fingerprint) -> Resolved {
        let (held, now) = match self.read(fingerprint).await {
            Ok((Some(held), now)) => (held, now),
            Ok((None, _)) => return Resolved::Changed,
            Err(outcome) => return Resolved::Failed(outcome),
        };
        let target = held.record.target.clone();
        let mut resolve = Resolve::new(held, now);
        while let Some(action) = resolve.action() {
            let answer = self.perform(action, &target).await;
            resolve.answer(answer.map_or_else(Answer::Failed, |(answer, _)| answer));
        }
        resolve.result().cloned().unwrap_or(Resolved::Later)
    }

    fn report(&self, report: &mut ResolveReport, fingerprint: Fingerprint, resolved: Resolved) {
        match resolved {
            Resolved::Ended(State::Completed(by)) if by.is_undetermined() => report.undetermined += 1,
            Resolved::Ended(State::Completed(_)) => report.completed += 1,
            Resolved::Ended(_) => report.released += 1,
            // Whoever changed it knows when it ends; the search of the store finds it otherwise.
            Resolved::Changed => {}
            Resolved::Later | Resolved::Failed(_) => {
                report.left += 1;
                // Due in the next pass, whatever the clock does until then.
                lock(&self.due).insert((Timestamp::from_millis(i64::MIN), fingerprint));
            }
        }
        if let Resolved::Failed(outcome) = &resolved {
            report.failure = Some(cause(outcome));
        }
    }
}

/// The cause for operators: the message for users says less.
fn cause(outcome: &Outcome) -> String {
    match outcome {
        Outcome::StoreUnavailable(
            Unavailable::Store(cause) | Unavailable::History(cause) | Unavailable::Clock(cause),
        ) => cause.clone(),
        Outcome::StoreUnavailable(Unavailable::TimedOut) => "timed out".into(),
        other => other.message(),
    }
}
