//! The embedded store: one redb file, one writing process, every commit on disk before its answer.
//!
//! Writes go to one thread that commits all waiting ones together, so that concurrent claims share one fsync. A commit
//! that fails leaves a store that nobody may trust: it answers nothing any more until it is opened again. A reader
//! beside a running server sees a consistent snapshot ([`inspect`]).

mod file;
mod tables;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures::future::BoxFuture;
use redb::{Database, ReadableDatabase as _};
use tokio::sync::oneshot;

use super::clock::Clock;
use super::contract::{Filter, Held, MAX_PAGE, Page, Stamped, Store, StoreError, Swap, Token};
use super::quota::Quota;
use super::record::{Fingerprint, Record, StoreId};
use crate::time::Timestamp;
use writer::{Job, Write, Writer};

pub use file::inspect;

/// What to do about a missing root.
pub(super) const REMEDY: &str = "restore the file, or initialize a new store deliberately, which forgets every claim";

/// A store of claims in a file.
pub struct EmbeddedStore {
    database: Arc<Database>,
    clock: Arc<dyn Clock>,
    id: StoreId,
    opened_at: Option<Timestamp>,
    jobs: mpsc::SyncSender<Job>,
}

/// The file cannot be used as a store.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// There is no such file.
    #[error(
        "there is no claim store at `{0}`: restore it, or initialize a new one deliberately, which forgets every claim"
    )]
    Missing(PathBuf),
    /// Initializing never replaces anything.
    #[error("`{0}` exists already: a store is initialized once; to use it, open it")]
    Exists(PathBuf),
    /// Another process writes to it.
    #[error("the claim store `{0}` is in use by another process: only one may write; end that one first")]
    InUse(PathBuf),
    /// It was changed by something else than this program, or damaged.
    #[error("the claim store `{path}` is damaged: restore it from a backup ({cause})")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        cause: String,
    },
    /// Its root is missing or another one, or a record in it cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file system said no.
    #[error("the claim store `{path}` cannot be read or written: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl EmbeddedStore {
    /// Makes a new store with a new random id. The file appears complete or not at all.
    ///
    /// # Errors
    /// [`EmbeddedError::Exists`] if there is a file, whatever it is.
    pub fn initialize(path: &Path) -> Result<StoreId, EmbeddedError> {
        file::initialize(path)
    }

    /// Opens a store and checks all of it. `expected` is the id that it must have, where that is known.
    ///
    /// # Errors
    /// [`EmbeddedError`]: a missing, foreign, damaged or used file is never taken for an empty store.
    pub fn open(
        path: &Path,
        expected: Option<StoreId>,
        clock: Arc<dyn Clock>,
        quota: Quota,
    ) -> Result<Self, EmbeddedError> {
        let file::Opened { database, id, opened_at, usage, revision } = file::open(path, expected)?;
        let database = Arc::new(database);
        let (jobs, queue) = mpsc::sync_channel(writer::QUEUE);
        let writer = Writer::new(Arc::clone(&database), Arc::clone(&clock), quota, usage, (opened_at, revision));
        std::thread::Builder::new()
            .name("claim-writer".into())
            .spawn(move || writer.run(&queue))
            .map_err(|source| EmbeddedError::Io { path: path.to_owned(), source })?;
        Ok(Self { database, clock, id, opened_at, jobs })
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> StoreId {
        self.id
    }

    fn stamp<T>(&self, value: T) -> Result<Stamped<T>, StoreError> {
        let time = self.clock.now().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Stamped { value, time, grain: Duration::ZERO })
    }

    fn transaction(&self) -> Result<redb::ReadTransaction, StoreError> {
        self.database.begin_read().map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    async fn write(&self, write: Write) -> Result<Stamped<Swap>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(Job { write, reply }).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => StoreError::Unavailable("too many writes wait for the disk".into()),
            mpsc::TrySendError::Disconnected(_) => StoreError::Broken("the writer has ended".into()),
        })?;
        let swap = answer.await.map_err(|_| StoreError::Unknown("the writer ended".into()))??;
        self.stamp(swap)
    }
}

impl Store for EmbeddedStore {
    fn root(&self) -> BoxFuture<'_, Result<Stamped<StoreId>, StoreError>> {
        Box::pin(async {
            // Through the writer: a store that can be read but not written is not ready.
            self.write(Write::Nothing).await?;
            let found = tables::root(&self.transaction()?)?;
            if found != self.id {
                return Err(StoreError::RootDiffers { expected: self.id, found });
            }
            self.stamp(found)
        })
    }

    fn read<'a>(&'a self, fingerprint: &'a Fingerprint) -> BoxFuture<'a, Result<Stamped<Option<Held>>, StoreError>> {
        Box::pin(async move { self.stamp(tables::read(&self.transaction()?, fingerprint)?) })
    }

    fn create<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<Stamped<Swap>, StoreError>> {
        Box::pin(self.write(Write::Create(Box::new(record.clone()))))
    }

    fn replace<'a>(&'a self, token: &'a Token, record: &'a Record) -> BoxFuture<'a, Result<Stamped<Swap>, StoreError>> {
        Box::pin(self.write(Write::Replace(token.clone(), Box::new(record.clone()))))
    }

    fn remove<'a>(
        &'a self,
        token: &'a Token,
        fingerprint: &'a Fingerprint,
    ) -> BoxFuture<'a, Result<Stamped<Swap>, StoreError>> {
        Box::pin(self.write(Write::Remove(token.clone(), *fingerprint)))
    }

    fn list<'a>(&'a self, filter: Filter, after: Option<&'a str>) -> BoxFuture<'a, Result<Stamped<Page>, StoreError>> {
        Box::pin(async move { self.stamp(tables::list(&self.transaction()?, filter, after, MAX_PAGE)?) })
    }

    fn opened_at(&self) -> Option<Timestamp> {
        self.opened_at
    }
}

#[cfg(test)]
mod tests;
