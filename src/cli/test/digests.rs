//! `writ.lock`: the digests of published policy versions, committed beside them.
//!
//! One line each, as sha256sum writes them. A line is only ever added: a version that was published never changes.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::run::{folder_of, full_name};
use crate::{
    cli::{
        Failure,
        console::{Console, Paint},
        input::reason,
        policies::Policies,
    },
    digest::Digest,
};

/// The file's name.
const LOCK: &str = "writ.lock";
/// Its first line.
const HEADER: &str = "# Published policy versions, by `writ test --update-digests`. A published version never changes.";

/// Policy versions by the folder in which they stand.
#[derive(Debug, Default)]
pub(super) struct Pinned {
    folders: BTreeMap<PathBuf, BTreeMap<String, Digest>>,
}

/// A policy version and what `writ.lock` says about it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct DigestReport {
    /// The policy version, `<id>.<version>`.
    policy: String,
    /// The digest of its normal form, `sha256:…`.
    #[cfg_attr(feature = "cluster", schemars(with = "String"))]
    digest: Digest,
    /// `Pinned` as it is, `New` (not pinned yet) or `Changed` since it was pinned.
    state: State,
}

/// What `writ.lock` says about a policy version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
enum State {
    /// It is pinned as it is.
    Pinned,
    /// It is not pinned yet.
    New,
    /// It changed since it was pinned.
    Changed,
}

impl Pinned {
    pub(super) fn collect(&mut self, policies: &Policies) {
        for loaded in policies.policies.values() {
            let folder = self.folders.entry(folder_of(&loaded.document.file)).or_default();
            folder.insert(full_name(&loaded.policy), loaded.policy.digest());
        }
    }

    /// Compares each folder with its `writ.lock`; with `update` adds what is new.
    pub(super) fn check(self, update: bool) -> Result<Vec<DigestReport>, Failure> {
        let mut reports = Vec::new();
        for (folder, policies) in self.folders {
            let path = folder.join(LOCK);
            let mut lock = read(&path)?;
            let before = lock.len();
            for (policy, digest) in policies {
                let state = match lock.get(&policy) {
                    Some(pinned) if *pinned == digest => State::Pinned,
                    Some(_) => State::Changed,
                    None if update => {
                        lock.insert(policy.clone(), digest);
                        State::Pinned
                    }
                    None => State::New,
                };
                reports.push(DigestReport { policy, digest, state });
            }
            if lock.len() > before {
                let unwritable =
                    |error| Failure::new(format!("`{}` cannot be written: {}", path.display(), reason(&error)));
                std::fs::write(&path, write(&lock)).map_err(unwritable)?;
            }
        }
        Ok(reports)
    }
}

impl DigestReport {
    pub(super) fn holds(&self) -> bool {
        self.state != State::Changed
    }

    pub(super) fn failure(&self) -> Option<String> {
        let Self { policy, digest, .. } = self;
        let changed = format!(
            "{policy} was published with other content, and its digest is now {digest}: undo the change, or publish the next version"
        );
        (!self.holds()).then_some(changed)
    }

    pub(super) fn policy(&self) -> &str {
        &self.policy
    }

    pub(super) fn show(&self, console: &mut Console) {
        match self.state {
            State::Pinned => {}
            State::New => console
                .put(Paint::Faint, "digest")
                .put(Paint::Plain, format!(" {}: not pinned yet (--update-digests)", self.policy))
                .end(),
            State::Changed => console
                .put(Paint::Bad, "FAIL")
                .put(Paint::Plain, format!("  {}", self.failure().unwrap_or_default()))
                .end(),
        }
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, Digest>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(Failure::new(format!("`{}` cannot be read: {}", path.display(), reason(&error)))),
    };
    let mut lock = BTreeMap::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let entry = line.split_once("  ").and_then(|(digest, policy)| Some((policy.to_owned(), digest.parse().ok()?)));
        let fault = |what: &str| Failure::new(format!("{}:{}: {what}", path.display(), index + 1));
        let (policy, digest) = entry.ok_or_else(|| fault("a line is `sha256:<digest>  <id>.<version>`"))?;
        if lock.insert(policy, digest).is_some() {
            return Err(fault("this policy version is pinned twice: keep the line that was published"));
        }
    }
    Ok(lock)
}

fn write(lock: &BTreeMap<String, Digest>) -> String {
    let lines = lock.iter().map(|(policy, digest)| format!("{digest}  {policy}\n"));
    format!("{HEADER}\n{}", lines.collect::<String>())
}
