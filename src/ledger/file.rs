//! The ledger of a program without a cluster: a file to which one line per pin is appended.
//!
//! Each line carries a digest over all lines up to it, so that a line that was changed, removed or moved is noticed. A
//! last line without its end was never answered, and is cut off.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{Ledger, LedgerError, Pinned};
use crate::digest::Digest;

/// The first line of the file.
const HEAD: &str = "{\"writ-ledger\":1}\n";

/// Bytes of a ledger that are read: some hundred thousand versions.
const MAX_LEDGER: u64 = 64 << 20;

/// A ledger in a file. One process at a time has it open.
#[derive(Debug)]
pub struct FileLedger {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    /// By (id, version).
    pins: BTreeMap<(String, String), Digest>,
    chain: Digest,
    /// Set once a write failed: how the file ends is not known any more.
    broken: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    version: String,
    digest: Digest,
    /// Over the chain so far and the three fields.
    chain: Digest,
}

impl FileLedger {
    /// Makes an empty ledger, deliberately: every version may then be published with any content.
    ///
    /// # Errors
    /// If there is a file already, or it cannot be written.
    pub fn initialize(path: &Path) -> Result<(), LedgerError> {
        let failed = |error: io::Error| LedgerError(format!("the ledger `{}` cannot be made: {error}", path.display()));
        let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
        file.write_all(HEAD.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|directory| directory.sync_all()).map_err(failed)
    }

    /// Opens a ledger.
    ///
    /// # Errors
    /// If it is missing, damaged, or open in another process: it is never taken for an empty one.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let name = path.display();
        let failed = |error: io::Error| LedgerError(format!("the ledger `{name}` cannot be opened: {error}"));
        let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LedgerError(format!(
                    "the ledger `{name}` is in use by another process: end that one first"
                )));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut text = String::new();
        let read = (&file).take(MAX_LEDGER).read_to_string(&mut text).map_err(failed)?;
        let (pins, chain, length) = parse(&text)
            .filter(|_| (read as u64) < MAX_LEDGER)
            .ok_or_else(|| LedgerError(format!("the ledger `{name}` is damaged: restore it from a backup")))?;
        if length < text.len() as u64 {
            file.set_len(length).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        file.seek(SeekFrom::Start(length)).map_err(failed)?;
        let state = State { file, pins, chain, broken: false };
        Ok(Self { path: path.to_owned(), state: Mutex::new(state) })
    }

    fn pin_version(&self, id: &str, version: &str, digest: Digest) -> Result<Pinned, LedgerError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (id.to_owned(), version.to_owned());
        if let Some(pinned) = state.pins.get(&key) {
            return Ok(if *pinned == digest { Pinned::Same } else { Pinned::Conflict(*pinned) });
        }
        let failed =
            |error: io::Error| LedgerError(format!("the ledger `{}` cannot be written: {error}", self.path.display()));
        if state.broken {
            return Err(failed(io::Error::other("an earlier write failed; restart this process")));
        }
        let chain = link(&state.chain, id, version, &digest);
        let line = Line { id: key.0.clone(), version: key.1.clone(), digest, chain };
        let mut line = serde_json::to_string(&line).map_err(|error| failed(error.into()))?;
        line.push('\n');
        // INVARIANT: durable before it is answered. Pins are rare: a publication waits for the disk here.
        if let Err(error) = state.file.write_all(line.as_bytes()).and_then(|()| state.file.sync_data()) {
            state.broken = true;
            return Err(failed(error));
        }
        state.pins.insert(key, digest);
        state.chain = chain;
        Ok(Pinned::Same)
    }

    fn all(&self) -> Vec<(String, Digest)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.pins.iter().map(|((id, version), digest)| (format!("{id}.{version}"), *digest)).collect()
    }
}

impl Ledger for FileLedger {
    fn pinned(&self) -> BoxFuture<'_, Result<Vec<(String, Digest)>, LedgerError>> {
        Box::pin(async { Ok(self.all()) })
    }

    fn pin<'a>(&'a self, id: &'a str, version: &'a str, digest: Digest) -> BoxFuture<'a, Result<Pinned, LedgerError>> {
        Box::pin(async move { self.pin_version(id, version, digest) })
    }
}

type Pins = BTreeMap<(String, String), Digest>;

/// The pins, the chain, and how many bytes are whole lines; none where a line is wrong.
fn parse(text: &str) -> Option<(Pins, Digest, u64)> {
    let mut rest = text.strip_prefix(HEAD)?;
    let (mut pins, mut chain) = (Pins::new(), Digest::plain(HEAD.as_bytes()));
    while let Some((line, after)) = rest.split_once('\n') {
        let Line { id, version, digest, chain: said } = serde_json::from_str(line).ok()?;
        chain = link(&chain, &id, &version, &digest);
        if said != chain || pins.insert((id, version), digest).is_some() {
            return None;
        }
        rest = after;
    }
    Some((pins, chain, (text.len() - rest.len()) as u64))
}

fn link(chain: &Digest, id: &str, version: &str, digest: &Digest) -> Digest {
    // Neither an id nor a digest contains a line feed, so the four parts can be told apart.
    Digest::plain(format!("{chain}\n{id}\n{version}\n{digest}").as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn pin(ledger: &FileLedger, version: &str, content: &str) -> Result<Pinned, LedgerError> {
        ledger.pin_version("images", version, Digest::plain(content.as_bytes()))
    }

    fn filled() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger");
        FileLedger::initialize(&path).unwrap();
        let ledger = FileLedger::open(&path).unwrap();
        for version in ["v1", "v2", "v3"] {
            assert_eq!(pin(&ledger, version, version), Ok(Pinned::Same));
        }
        (directory, path)
    }

    #[test]
    fn a_lost_or_used_ledger_is_not_an_empty_one() {
        let (directory, path) = filled();
        assert!(FileLedger::initialize(&path).is_err(), "it exists");
        let open = FileLedger::open(&path).unwrap();
        assert!(FileLedger::open(&path).unwrap_err().0.contains("in use"));
        drop(open);
        let missing = directory.path().join("missing");
        assert!(FileLedger::open(&missing).is_err() && !missing.exists());
        fs::write(&path, "").unwrap();
        assert!(FileLedger::open(&path).unwrap_err().0.contains("damaged"));
    }

    /// 72: cut at every byte: whole lines stay, and only a line that was never answered goes.
    #[test]
    fn a_torn_line_is_cut_off() {
        let (_directory, path) = filled();
        let whole = fs::read_to_string(&path).unwrap();
        for length in HEAD.len()..=whole.len() {
            fs::write(&path, &whole.as_bytes()[..length]).unwrap();
            let lines = whole[..length].matches('\n').count() - 1;
            let ledger = FileLedger::open(&path).unwrap();
            assert_eq!(ledger.all().len(), lines, "cut at {length}");
            // It goes on from there.
            assert_eq!(pin(&ledger, "v9", "v9"), Ok(Pinned::Same));
            drop(ledger);
            assert_eq!(FileLedger::open(&path).unwrap().all().len(), lines + 1);
        }
    }

    /// 72: every bit.
    #[test]
    fn a_changed_line_is_damage() {
        let (_directory, path) = filled();
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                fs::write(&path, &bytes).unwrap();
                let opened = FileLedger::open(&path);
                // Only the end of the last line can be lost unnoticed, as by a torn write.
                assert!(opened.is_err() || at == whole.len() - 1, "bit {bit} of byte {at}");
            }
        }
        let text = String::from_utf8(whole).unwrap();
        let lines: Vec<_> = text.lines().collect();
        for wrong in [
            [lines[0], lines[2], lines[1], lines[3]].join("\n"),
            [lines[0], lines[1], lines[3]].join("\n"),
            [lines[0], lines[1], lines[1], lines[2]].join("\n"),
        ] {
            fs::write(&path, wrong + "\n").unwrap();
            assert!(FileLedger::open(&path).is_err());
        }
    }
}
