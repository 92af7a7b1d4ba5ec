//! The one writer: takes all writes that wait, commits them together, answers them.

use std::sync::{Arc, mpsc};

use redb::Database;
use tokio::sync::oneshot;

use super::tables::{self, Open};
use crate::replay::clock::Clock;
use crate::replay::contract::{StoreError, Swap, Token};
use crate::replay::quota::{Quota, Usage};
use crate::replay::record::{Fingerprint, Record};
use crate::time::Timestamp;

/// Writes that may wait.
pub(super) const QUEUE: usize = 4096;

/// Writes in one commit, at most.
const BATCH: usize = 512;

/// One write.
pub(super) enum Write {
    /// Only shows that the writer works.
    Nothing,
    Create(Box<Record>),
    Replace(Token, Box<Record>),
    Remove(Token, Fingerprint),
}

/// One write, and where its answer goes.
pub(super) struct Job {
    pub(super) write: Write,
    pub(super) reply: oneshot::Sender<Result<Swap, StoreError>>,
}

pub(super) struct Writer {
    database: Arc<Database>,
    clock: Arc<dyn Clock>,
    quota: Quota,
    usage: Usage,
    revision: u64,
    /// INVARIANT: never goes back, also when the clock does.
    latest: Option<Timestamp>,
    broken: Option<String>,
}

impl Writer {
    pub(super) fn new(
        database: Arc<Database>,
        clock: Arc<dyn Clock>,
        quota: Quota,
        usage: Usage,
        (latest, revision): (Option<Timestamp>, u64),
    ) -> Self {
        Self { database, clock, quota, usage, revision, latest, broken: None }
    }

    /// Works until nobody can ask any more.
    pub(super) fn run(mut self, queue: &mpsc::Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            let mut batch = vec![first];
            batch.extend(queue.try_iter().take(BATCH - 1));
            self.commit(batch);
        }
    }

    fn commit(&mut self, batch: Vec<Job>) {
        if let Some(cause) = &self.broken {
            let cause = cause.clone();
            return answer(batch.into_iter().map(|job| (job, Err(StoreError::Broken(cause.clone())))));
        }
        if batch.iter().all(|job| matches!(job.write, Write::Nothing)) {
            return answer(batch.into_iter().map(|job| (job, Ok(Swap::Lost))));
        }
        match self.write_all(&batch) {
            Ok(results) => answer(batch.into_iter().zip(results)),
            Err(error) => {
                // Whether the disk has it is not known, and by how much the memory differs from it neither.
                let cause = error.to_string();
                answer(batch.into_iter().map(|job| (job, Err(StoreError::Unknown(cause.clone())))));
                self.broken = Some(cause);
            }
        }
    }

    fn write_all(&mut self, batch: &[Job]) -> Result<Vec<Result<Swap, StoreError>>, redb::Error> {
        // INVARIANT: durability is immediate by default: commit returns after fsync.
        let transaction = self.database.begin_write()?;
        let mut results = Vec::with_capacity(batch.len());
        {
            let mut open = Open::new(&transaction)?;
            for job in batch {
                results.push(self.write_one(&mut open, &job.write)?);
            }
        }
        // A clock that cannot be read now does not undo the claims: the mark only stays behind.
        let now = self.clock.now().ok();
        self.latest = now.max(self.latest);
        if let Some(latest) = self.latest {
            tables::mark(&transaction, latest, self.revision)?;
        }
        transaction.commit()?;
        Ok(results)
    }

    /// The inner result is the answer, the outer one the end of the store.
    fn write_one(&mut self, open: &mut Open<'_>, write: &Write) -> Result<Result<Swap, StoreError>, redb::Error> {
        let fingerprint = match write {
            Write::Nothing => return Ok(Ok(Swap::Lost)),
            Write::Create(record) | Write::Replace(_, record) => &record.fingerprint,
            Write::Remove(_, fingerprint) => fingerprint,
        };
        let old = match open.read(fingerprint) {
            Ok(old) => old,
            Err(error) => return Ok(Err(error)),
        };
        let (old, new) = match (write, old) {
            (Write::Create(record), None) => (None, Some(record)),
            (Write::Replace(token, record), Some(old)) if old.token == *token => (Some(old.record), Some(record)),
            (Write::Remove(token, _), Some(old)) if old.token == *token => (Some(old.record), None),
            _ => return Ok(Ok(Swap::Lost)),
        };
        if let Some(new) = new
            && let Err(error) = self.usage.check(self.quota, old.as_ref(), new)
        {
            return Ok(Err(error));
        }
        self.revision += 1;
        match (new, &old) {
            (Some(new), _) => open.put(old.as_ref(), new, self.revision)?,
            (None, Some(old)) => open.remove(old)?,
            (None, None) => {}
        }
        self.usage.note(old.as_ref(), new.map(|new| &**new));
        Ok(Ok(Swap::Done(tables::token(self.revision))))
    }
}

fn answer(answers: impl Iterator<Item = (Job, Result<Swap, StoreError>)>) {
    for (job, result) in answers {
        // Who no longer waits reads the truth next time.
        let _: Result<(), _> = job.reply.send(result);
    }
}
