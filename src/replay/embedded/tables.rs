//! What stands in the file: the tables, and each record with a checksum of its own.

use redb::{ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::REMEDY;
use crate::digest::Digest;
use crate::replay::contract::{Filter, Held, Page, StoreError, Token};
use crate::replay::record::{FORMAT, Fingerprint, Record, State, StoreId};
use crate::time::Timestamp;

type Key = [u8; 32];
/// Fingerprint → revision, checksum, JSON.
const CLAIMS: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("claims");
/// Fingerprints whose claim is reserved.
const RESERVED: TableDefinition<'_, Key, ()> = TableDefinition::new("reserved");
/// When a claim may be forgotten, in milliseconds, and its fingerprint.
const ENDS: TableDefinition<'_, (i64, Key), ()> = TableDefinition::new("ends");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

const ROOT: &str = "root";
const TIME: &str = "time";
const REVISION: &str = "revision";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Root {
    format: u32,
    store_id: String,
}

fn unavailable(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Corrupted(cause) => malformed("the file", cause),
        error => StoreError::Unavailable(error.to_string()),
    }
}

fn malformed(at: impl ToString, cause: impl ToString) -> StoreError {
    StoreError::Malformed { at: at.to_string(), cause: cause.to_string() }
}

/// Makes all tables, and the root.
pub(super) fn create(transaction: &WriteTransaction, id: StoreId) -> Result<(), redb::Error> {
    transaction.open_table(CLAIMS)?;
    transaction.open_table(RESERVED)?;
    transaction.open_table(ENDS)?;
    let root = Root { format: FORMAT, store_id: id.to_string() };
    // INVARIANT: a number and a string can always be written.
    let root = serde_json::to_vec(&root).unwrap_or_default();
    transaction.open_table(META)?.insert(ROOT, root.as_slice())?;
    Ok(())
}

/// Reads the root.
pub(super) fn root(transaction: &ReadTransaction) -> Result<StoreId, StoreError> {
    let missing = StoreError::RootMissing(REMEDY);
    let table = match transaction.open_table(META) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Err(missing),
        Err(error) => return Err(unavailable(error)),
    };
    let Some(bytes) = table.get(ROOT).map_err(unavailable)? else { return Err(missing) };
    let root: Root = serde_json::from_slice(bytes.value()).map_err(|error| malformed(ROOT, error))?;
    if root.format != FORMAT {
        return Err(malformed(ROOT, "another format: use the version of writ that wrote it"));
    }
    root.store_id.parse().map_err(|error| malformed(ROOT, error))
}

/// The latest time and revision that were written.
pub(super) fn marks(transaction: &ReadTransaction) -> Result<(Option<Timestamp>, u64), StoreError> {
    let table = transaction.open_table(META).map_err(unavailable)?;
    let number = |key| -> Result<Option<u64>, StoreError> {
        let Some(bytes) = table.get(key).map_err(unavailable)? else { return Ok(None) };
        let bytes = bytes.value().try_into().map_err(|_| malformed(key, "not eight bytes"))?;
        Ok(Some(u64::from_le_bytes(bytes)))
    };
    let time = number(TIME)?.map(|millis| Timestamp::from_millis(millis.cast_signed()));
    Ok((time, number(REVISION)?.unwrap_or(0)))
}

/// Writes the latest time and revision.
pub(super) fn mark(transaction: &WriteTransaction, time: Timestamp, revision: u64) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(META)?;
    table.insert(TIME, time.as_millis().cast_unsigned().to_le_bytes().as_slice())?;
    table.insert(REVISION, revision.to_le_bytes().as_slice())?;
    Ok(())
}

/// Reads one record.
pub(super) fn read(transaction: &ReadTransaction, fingerprint: &Fingerprint) -> Result<Option<Held>, StoreError> {
    let table = transaction.open_table(CLAIMS).map_err(unavailable)?;
    read_from(&table, fingerprint)
}

fn read_from(table: &impl ReadableTable<Key, &'static [u8]>, key: &Fingerprint) -> Result<Option<Held>, StoreError> {
    match table.get(*key.as_bytes()).map_err(unavailable)? {
        Some(bytes) => decode(key, bytes.value()).map(Some),
        None => Ok(None),
    }
}

/// The tables that a write changes.
pub(super) struct Open<'t> {
    claims: redb::Table<'t, Key, &'static [u8]>,
    reserved: redb::Table<'t, Key, ()>,
    ends: redb::Table<'t, (i64, Key), ()>,
}

impl<'t> Open<'t> {
    pub(super) fn new(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            claims: transaction.open_table(CLAIMS)?,
            reserved: transaction.open_table(RESERVED)?,
            ends: transaction.open_table(ENDS)?,
        })
    }

    pub(super) fn read(&self, fingerprint: &Fingerprint) -> Result<Option<Held>, StoreError> {
        read_from(&self.claims, fingerprint)
    }

    /// Puts `new` where `old` stands.
    pub(super) fn put(&mut self, old: Option<&Record>, new: &Record, revision: u64) -> Result<(), redb::Error> {
        let key = *new.fingerprint.as_bytes();
        if let Some(old) = old {
            self.unlist(old)?;
        }
        self.claims.insert(key, encode(new, revision).as_slice())?;
        match new.kept_until() {
            Some(until) => self.ends.insert((until.as_millis(), key), ())?,
            None => self.reserved.insert(key, ())?,
        };
        Ok(())
    }

    pub(super) fn remove(&mut self, old: &Record) -> Result<(), redb::Error> {
        self.unlist(old)?;
        self.claims.remove(*old.fingerprint.as_bytes())?;
        Ok(())
    }

    fn unlist(&mut self, old: &Record) -> Result<(), redb::Error> {
        let key = *old.fingerprint.as_bytes();
        match old.kept_until() {
            Some(until) => self.ends.remove((until.as_millis(), key))?,
            None => self.reserved.remove(key)?,
        };
        Ok(())
    }
}

/// One page. The cursor is the last key of the page before, in hexadecimal; for [`Filter::Over`] there is none, since
/// what was seen is removed before the next page is asked for or was not to be removed.
pub(super) fn list(
    transaction: &ReadTransaction,
    filter: Filter,
    after: Option<&str>,
    limit: usize,
) -> Result<Page, StoreError> {
    let claims = transaction.open_table(CLAIMS).map_err(unavailable)?;
    let from = after.map(cursor).transpose()?;
    let keys = match filter {
        Filter::All => {
            let range = claims.range((start(from), std::ops::Bound::Unbounded)).map_err(unavailable)?;
            take(range.map(|entry| entry.map(|(key, _)| key.value())), limit)?
        }
        Filter::Reserved => {
            let table = transaction.open_table(RESERVED).map_err(unavailable)?;
            let range = table.range((start(from), std::ops::Bound::Unbounded)).map_err(unavailable)?;
            take(range.map(|entry| entry.map(|(key, _)| key.value())), limit)?
        }
        Filter::Over(time) => {
            let table = transaction.open_table(ENDS).map_err(unavailable)?;
            let range = table.range(..=(time.as_millis(), [u8::MAX; 32])).map_err(unavailable)?;
            take(range.map(|entry| entry.map(|(key, _)| key.value().1)), usize::MAX)?
        }
    };
    let next =
        (keys.len() == limit).then(|| keys.last().map(|key| Fingerprint::from_bytes(*key).to_string())).flatten();
    let mut records = Vec::with_capacity(keys.len());
    for key in keys {
        let key = Fingerprint::from_bytes(key);
        records.push(read_from(&claims, &key)?.ok_or_else(|| malformed(key, "listed, but there is no such claim"))?);
    }
    Ok(Page { records, next, unreadable: Vec::new() })
}

fn cursor(text: &str) -> Result<Key, StoreError> {
    text.parse::<Digest>().map(|digest| *digest.as_bytes()).map_err(|error| StoreError::Unavailable(error.to_string()))
}

fn start(from: Option<Key>) -> std::ops::Bound<Key> {
    from.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded)
}

fn take(keys: impl Iterator<Item = Result<Key, redb::StorageError>>, limit: usize) -> Result<Vec<Key>, StoreError> {
    keys.take(limit).collect::<Result<_, _>>().map_err(unavailable)
}

/// Reads every record, and checks that the other tables say the same.
pub(super) fn check(transaction: &ReadTransaction, mut each: impl FnMut(&Record)) -> Result<(), StoreError> {
    let claims = transaction.open_table(CLAIMS).map_err(unavailable)?;
    let reserved = transaction.open_table(RESERVED).map_err(unavailable)?;
    let ends = transaction.open_table(ENDS).map_err(unavailable)?;
    let mut counts = (0_u64, 0_u64);
    for entry in claims.range::<Key>(..).map_err(unavailable)? {
        let (key, bytes) = entry.map_err(unavailable)?;
        let Held { record, .. } = decode(&Fingerprint::from_bytes(key.value()), bytes.value())?;
        let listed = match record.kept_until() {
            Some(until) => ends.get((until.as_millis(), key.value())).map_err(unavailable)?.is_some(),
            None => reserved.get(key.value()).map_err(unavailable)?.is_some(),
        };
        if !listed {
            return Err(malformed(record.fingerprint, "the claim is not listed by its state"));
        }
        match record.state {
            State::Reserved => counts.0 += 1,
            _ => counts.1 += 1,
        }
        each(&record);
    }
    let listed = (length(&reserved)?, length(&ends)?);
    if listed != counts {
        return Err(malformed("the lists", "they name claims that are not there"));
    }
    Ok(())
}

fn length(table: &impl redb::ReadableTableMetadata) -> Result<u64, StoreError> {
    table.len().map_err(unavailable)
}

/// Revision and checksum in front of the JSON.
fn encode(record: &Record, revision: u64) -> Vec<u8> {
    let json = record.to_json();
    let mut bytes = Vec::with_capacity(16 + json.len());
    bytes.extend(revision.to_le_bytes());
    bytes.extend(checksum(revision, json.as_bytes()));
    bytes.extend(json.as_bytes());
    bytes
}

fn decode(key: &Fingerprint, bytes: &[u8]) -> Result<Held, StoreError> {
    let at = || key.to_string();
    let Some((revision, rest)) = bytes.split_first_chunk::<8>() else { return Err(malformed(at(), "cut short")) };
    let Some((sum, json)) = rest.split_first_chunk::<8>() else { return Err(malformed(at(), "cut short")) };
    let revision = u64::from_le_bytes(*revision);
    if *sum != checksum(revision, json) {
        return Err(malformed(at(), "the checksum is wrong"));
    }
    let json = std::str::from_utf8(json).map_err(|error| malformed(at(), error))?;
    let record = Record::from_json(json).map_err(|error| malformed(at(), error))?;
    if record.fingerprint != *key {
        return Err(malformed(at(), "the claim is of another fingerprint"));
    }
    Ok(Held { record, token: token(revision) })
}

pub(super) fn token(revision: u64) -> Token {
    Token(revision.to_string())
}

/// Against damage, not against people.
fn checksum(revision: u64, json: &[u8]) -> [u8; 8] {
    let mut bytes = Vec::with_capacity(8 + json.len());
    bytes.extend(revision.to_le_bytes());
    bytes.extend(json);
    let digest = Digest::plain(&bytes);
    digest.as_bytes().first_chunk::<8>().copied().unwrap_or_default()
}
