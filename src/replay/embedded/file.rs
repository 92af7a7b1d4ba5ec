//! Making, opening and looking into the file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{Builder, ConcurrencyMode, Database, DatabaseError, ReadableDatabase as _, StorageError};

use super::{EmbeddedError, tables};
use crate::replay::contract::{Filter, Page, StoreError};
use crate::replay::quota::Usage;
use crate::replay::record::{Record, StoreId};
use crate::time::Timestamp;

/// Bytes of the file that are kept in memory.
const CACHE: usize = 8 << 20;

/// A store that was opened.
pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) id: StoreId,
    pub(super) opened_at: Option<Timestamp>,
    pub(super) usage: Usage,
    pub(super) revision: u64,
}

pub(super) fn initialize(path: &Path) -> Result<StoreId, EmbeddedError> {
    let io = |source| EmbeddedError::Io { path: path.to_owned(), source };
    if path.symlink_metadata().is_ok() {
        return Err(EmbeddedError::Exists(path.to_owned()));
    }
    let id = StoreId::from_bytes(random().map_err(io)?);
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{id}"));
    let draft = PathBuf::from(draft);
    let made = fill(&draft, id).and_then(|()| publish(&draft, path));
    // The draft is of no use, whatever came of it.
    let _: io::Result<()> = fs::remove_file(&draft);
    made?;
    Ok(id)
}

fn random() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

fn fill(draft: &Path, id: StoreId) -> Result<(), EmbeddedError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(draft).map_err(|source| EmbeddedError::Io { path: draft.to_owned(), source })?;
    let write = || -> Result<(), redb::Error> {
        let database = builder().create(draft)?;
        let transaction = database.begin_write()?;
        tables::create(&transaction, id)?;
        transaction.commit()?;
        database.close()?;
        Ok(())
    };
    write().map_err(|error| damaged(draft, error))
}

/// Gives the finished draft its name, never over an existing file, and makes the name durable.
fn publish(draft: &Path, path: &Path) -> Result<(), EmbeddedError> {
    let io = |source| EmbeddedError::Io { path: path.to_owned(), source };
    match fs::hard_link(draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(EmbeddedError::Exists(path.to_owned())),
        other => other.map_err(io),
    }?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|directory| directory.sync_all()).map_err(io)
}

pub(super) fn open(path: &Path, expected: Option<StoreId>) -> Result<Opened, EmbeddedError> {
    check_file(path)?;
    // A damaged file may make the library panic; that, too, is a file that cannot be used.
    let opened = catch_unwind(AssertUnwindSafe(|| -> Result<Opened, EmbeddedError> {
        let mut builder = builder();
        let database = builder.set_check_integrity_on_open(true).open(path).map_err(|error| refused(path, error))?;
        let transaction = database.begin_read().map_err(|error| damaged(path, error))?;
        let id = tables::root(&transaction)?;
        if let Some(expected) = expected
            && expected != id
        {
            return Err(StoreError::RootDiffers { expected, found: id }.into());
        }
        let (opened_at, revision) = tables::marks(&transaction)?;
        let mut usage = Usage::default();
        tables::check(&transaction, |record| usage.note(None, Some(record)))?;
        drop(transaction);
        Ok(Opened { database, id, opened_at, usage, revision })
    }));
    opened.unwrap_or_else(|_| Err(damaged(path, "its structure is broken")))
}

/// Reads all records of a store, also while a server writes to it, and calls `each` with every page.
///
/// The pages are of one snapshot. Of a file that was not closed (its server was killed) a copy is repaired and read.
///
/// # Errors
/// [`EmbeddedError`] as for opening; what `each` returns ends the reading.
pub fn inspect(path: &Path, mut each: impl FnMut(StoreId, Vec<Record>) -> io::Result<()>) -> Result<(), EmbeddedError> {
    check_file(path)?;
    let read = catch_unwind(AssertUnwindSafe(|| match builder().open_read_only(path) {
        Ok(database) => pages(path, &database, &mut each),
        Err(DatabaseError::RepairAborted) => inspect_copy(path, &mut each),
        Err(error) => Err(refused(path, error)),
    }));
    read.unwrap_or_else(|_| Err(damaged(path, "its structure is broken")))
}

fn inspect_copy(
    path: &Path,
    each: &mut impl FnMut(StoreId, Vec<Record>) -> io::Result<()>,
) -> Result<(), EmbeddedError> {
    let io = |source| EmbeddedError::Io { path: path.to_owned(), source };
    let mut copy = path.as_os_str().to_owned();
    copy.push(format!(".{}", StoreId::from_bytes(random().map_err(io)?)));
    let copy = PathBuf::from(copy);
    let read = fs::copy(path, &copy).map_err(io).and_then(|_| {
        let mut builder = builder();
        let database = builder.set_check_integrity_on_open(true).open(&copy).map_err(|error| refused(path, error))?;
        pages(path, &database, each)
    });
    let _: io::Result<()> = fs::remove_file(&copy);
    read
}

fn pages(
    path: &Path,
    database: &impl redb::ReadableDatabase,
    each: &mut impl FnMut(StoreId, Vec<Record>) -> io::Result<()>,
) -> Result<(), EmbeddedError> {
    let transaction = database.begin_read().map_err(|error| damaged(path, error))?;
    let id = tables::root(&transaction)?;
    let mut after = None;
    loop {
        let Page { records, next, .. } =
            tables::list(&transaction, Filter::All, after.as_deref(), crate::replay::contract::MAX_PAGE)?;
        each(id, records.into_iter().map(|held| held.record).collect())
            .map_err(|source| EmbeddedError::Io { path: path.to_owned(), source })?;
        after = next;
        if after.is_none() {
            return Ok(());
        }
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE).set_concurrency_mode(ConcurrencyMode::SingleWriter);
    builder
}

/// The library makes a new database of an empty file: that must not happen to a store that was lost.
fn check_file(path: &Path) -> Result<(), EmbeddedError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() == 0 => Err(damaged(path, "it is empty")),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(EmbeddedError::Missing(path.to_owned())),
        Err(source) => Err(EmbeddedError::Io { path: path.to_owned(), source }),
    }
}

fn refused(path: &Path, error: DatabaseError) -> EmbeddedError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => EmbeddedError::InUse(path.to_owned()),
        DatabaseError::Storage(StorageError::Io(source)) if source.kind() != io::ErrorKind::InvalidData => {
            EmbeddedError::Io { path: path.to_owned(), source }
        }
        error => damaged(path, error),
    }
}

fn damaged(path: &Path, cause: impl ToString) -> EmbeddedError {
    EmbeddedError::Damaged { path: path.to_owned(), cause: cause.to_string() }
}
