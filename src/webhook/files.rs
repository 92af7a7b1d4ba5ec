//! Certificates in files: read again and again, taken into use when they changed.
//!
//! Contents are compared, not times: Kubernetes exchanges a mounted Secret by a symbolic link. A change is used when two
//! readings agree, so that a pair that is being written in two steps is not taken for a broken one.

use std::{fs, io, path::PathBuf, sync::Arc, time::Duration};

use sha2::{Digest as _, Sha256};
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::{
    Callers, CallersError, CertificateError, Pair, ServingCertificate,
    certificate::{IssueError, issue},
};
use crate::{
    clock::{Clock, ClockError},
    metrics::{CauseLabels, WebhookMetrics},
    time::Timestamp,
};

/// How often files are read.
pub const EVERY: Duration = Duration::from_secs(1);

/// Files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A file cannot be read.
    #[error("`{path}` cannot be read: {error}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The certificate cannot serve.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// No certificate can be issued.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The callers' authority cannot be used.
    #[error(transparent)]
    Callers(#[from] CallersError),
    /// The time cannot be told.
    #[error(transparent)]
    Clock(#[from] ClockError),
}

/// A serving certificate from two PEM files, and what keeps it up to date.
///
/// # Errors
/// [`FileError`]
pub fn certificate_from_files(
    certificates: PathBuf,
    key: PathBuf,
    now: Timestamp,
) -> Result<(Arc<ServingCertificate>, Follower), FileError> {
    let (read, seen) = read([&certificates, &key])?;
    let serving = Arc::new(ServingCertificate::new(pair(&read), now)?);
    Ok((Arc::clone(&serving), Follower::new(Target::Certificate(serving), vec![certificates, key], seen)))
}

/// A serving certificate that is issued here by an authority in two PEM files, and what renews it when two thirds of
/// its life are over or the authority changed.
///
/// # Errors
/// [`FileError`]
pub fn certificate_from_authority(
    certificate: PathBuf,
    key: PathBuf,
    names: Vec<String>,
    life: Duration,
    now: Timestamp,
) -> Result<(Arc<ServingCertificate>, Follower), FileError> {
    let (read, seen) = read([&certificate, &key])?;
    let Pair { certificates: authority, key: authority_key } = pair(&read);
    let issued = issue(authority, authority_key, &names, life, now)?;
    let serving = Arc::new(ServingCertificate::new(issued.pair(), now)?);
    let target = Target::Issued { serving: Arc::clone(&serving), names, life };
    Ok((serving, Follower::new(target, vec![certificate, key], seen)))
}

/// The callers by an authority in a PEM file, and what keeps it up to date.
///
/// # Errors
/// [`FileError`]
pub fn callers_from_file(
    authority: PathBuf,
    names: impl IntoIterator<Item = String>,
) -> Result<(Arc<Callers>, Follower), FileError> {
    let (read, seen) = read([&authority])?;
    let callers = Arc::new(Callers::new(first(&read), names)?);
    Ok((Arc::clone(&callers), Follower::new(Target::Callers(callers), vec![authority], seen)))
}

/// What a follower needs besides its files.
#[derive(Clone, Debug)]
pub struct Reload {
    /// Says whether a certificate is valid now, and when it is due for renewal.
    pub clock: Arc<dyn Clock>,
    /// Counts what was exchanged and what could not be.
    pub metrics: WebhookMetrics,
}

/// Keeps what came from files up to date.
#[derive(Debug)]
pub struct Follower {
    target: Target,
    paths: Vec<PathBuf>,
    /// The contents in use.
    used: Contents,
    /// The contents of the last reading.
    seen: Contents,
    /// The contents whose fault was reported.
    reported: Option<Contents>,
}

#[derive(Debug)]
enum Target {
    Certificate(Arc<ServingCertificate>),
    Issued { serving: Arc<ServingCertificate>, names: Vec<String>, life: Duration },
    Callers(Arc<Callers>),
}

/// SHA-256 over the files' contents; `None` where one cannot be read.
type Contents = Option<[u8; 32]>;
type Read = Vec<Zeroizing<Vec<u8>>>;

impl Follower {
    fn new(target: Target, paths: Vec<PathBuf>, contents: [u8; 32]) -> Self {
        Self { target, paths, used: Some(contents), seen: Some(contents), reported: None }
    }

    /// Follows the files until the program ends. What cannot be used is reported once and tried again; what is in use
    /// stays in use.
    pub async fn run(mut self, reload: Reload, every: Duration) {
        loop {
            let reload = reload.clone();
            let step = tokio::task::spawn_blocking(move || {
                self.step(&reload);
                self
            });
            self = match step.await {
                Ok(follower) => follower,
                // Only a panic or the end of the runtime ends a blocking task early.
                Err(_) => return,
            };
            sleep(every).await;
        }
    }

    /// Reads the files once, and takes into use what is new and steady.
    pub fn step(&mut self, reload: &Reload) {
        let read = read(&self.paths);
        let contents = read.as_ref().ok().map(|(_, contents)| *contents);
        let steady = std::mem::replace(&mut self.seen, contents) == contents;
        if steady && (contents != self.used || self.is_due(reload)) {
            let what = CauseLabels { cause: self.target.name() };
            match read.and_then(|(read, _)| self.target.take(&read, reload)) {
                Ok(()) => {
                    (self.used, self.reported) = (contents, None);
                    reload.metrics.reloads.get_or_create(&what).inc();
                    tracing::info!(what = what.cause, "taken into use anew");
                }
                Err(error) if self.reported != Some(contents) => {
                    self.reported = Some(contents);
                    reload.metrics.reload_faults.get_or_create(&what).inc();
                    tracing::error!(what = what.cause, error = %error, "not usable; the old one stays in use");
                }
                Err(_) => {}
            }
        }
        if let Some(serving) = self.target.serving() {
            reload.metrics.certificate_expiry.set(serving.not_after().as_millis() / 1000);
        }
    }

    fn is_due(&self, reload: &Reload) -> bool {
        match &self.target {
            Target::Issued { serving, .. } => reload.clock.now().is_ok_and(|now| now >= serving.renewal_due()),
            Target::Certificate(_) | Target::Callers(_) => false,
        }
    }
}

impl Target {
    const fn name(&self) -> &'static str {
        match self {
            Self::Certificate(_) | Self::Issued { .. } => "certificate",
            Self::Callers(_) => "callers",
        }
    }

    const fn serving(&self) -> Option<&Arc<ServingCertificate>> {
        match self {
            Self::Certificate(serving) | Self::Issued { serving, .. } => Some(serving),
            Self::Callers(_) => None,
        }
    }

    fn take(&self, read: &Read, reload: &Reload) -> Result<(), FileError> {
        match self {
            Self::Certificate(serving) => Ok(serving.replace(pair(read), reload.clock.now()?)?),
            Self::Issued { serving, names, life } => {
                let now = reload.clock.now()?;
                let Pair { certificates, key } = pair(read);
                let issued = issue(certificates, key, names, *life, now)?;
                Ok(serving.replace(issued.pair(), now)?)
            }
            Self::Callers(callers) => Ok(callers.replace(first(read))?),
        }
    }
}

fn read<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<(Read, [u8; 32]), FileError> {
    let mut contents = Vec::new();
    let mut hash = Sha256::new();
    for path in paths {
        let bytes = fs::read(path).map_err(|error| FileError::Read { path: path.clone(), error })?;
        hash.update(bytes.len().to_be_bytes());
        hash.update(&bytes);
        contents.push(Zeroizing::new(bytes));
    }
    Ok((contents, hash.finalize().into()))
}

fn first(read: &Read) -> &[u8] {
    read.first().map_or(&[], |bytes| bytes.as_slice())
}

fn pair(read: &Read) -> Pair<'_> {
    Pair { certificates: first(read), key: read.get(1).map_or(&[], |bytes| bytes.as_slice()) }
}

#[cfg(test)]
mod tests;
