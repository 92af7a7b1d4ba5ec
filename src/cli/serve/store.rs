use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use crate::{
    clock::{Clock as _, SystemClock},
    ledger::FileLedger,
    metrics::{ClaimMetrics, EndLabels},
    replay::{self, ClaimService, EmbeddedStore, NoHistory, PurgeReport, Quota, ResolveReport, Terms},
    time::Timestamp,
};

/// How often claims that are due are ended.
const RESOLVE_EVERY: Duration = Duration::from_secs(1);
/// How often claims whose window is over are forgotten.
const PURGE_EVERY: Duration = Duration::from_secs(600);

/// An opened store of claims with the service over it.
pub(super) struct Opened {
    pub(super) claims: Arc<ClaimService>,
    pub(super) clock: Arc<dyn replay::Clock>,
    pub(super) id: String,
}

/// The clocks of this machine.
struct MachineClock {
    started: Instant,
}

impl replay::Clock for MachineClock {
    fn now(&self) -> Result<Timestamp, replay::ClockError> {
        SystemClock.now().map_err(|error| replay::ClockError(error.to_string()))
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

pub(super) fn machine_clock() -> Arc<dyn replay::Clock> {
    Arc::new(MachineClock { started: Instant::now() })
}

/// Where the embedded store is: `embedded:FILE`, or `claims.redb` in `folder`.
pub(super) fn place(store: Option<&str>, folder: &Path) -> anyhow::Result<PathBuf> {
    match store {
        None => Ok(folder.join("claims.redb")),
        Some(text) => match text.strip_prefix("embedded:") {
            Some(path) => Ok(path.into()),
            None => bail!("--store {text}: without a cluster only `embedded:FILE` can be used"),
        },
    }
}

/// The embedded store, and its tending in the background.
pub(super) fn embedded(path: &Path, initialize: bool, metrics: &ClaimMetrics) -> anyhow::Result<Opened> {
    if initialize && !path.exists() {
        EmbeddedStore::initialize(path)?;
    }
    let clock = machine_clock();
    let store = EmbeddedStore::open(path, None, Arc::clone(&clock), Quota::EMBEDDED)
        .context("the store of claims cannot be opened; for the first start add --initialize-store")?;
    let id = store.id().to_string();
    let claims = ClaimService::new(Arc::new(store), Arc::new(NoHistory), Arc::clone(&clock), Terms::default());
    let claims = Arc::new(claims);
    tokio::spawn(tend(Arc::clone(&claims), metrics.clone()));
    Ok(Opened { claims, clock, id })
}

/// The ledger of published versions: a file beside the embedded store.
pub(super) fn ledger(store: &Path, initialize: bool) -> anyhow::Result<FileLedger> {
    let path = store.with_file_name("policies.ledger");
    if initialize && !path.exists() {
        FileLedger::initialize(&path)?;
    }
    FileLedger::open(&path)
        .context("the ledger of published versions is needed; for the first start add --initialize-store")
}

/// Ends claims that are due, and forgets those whose window is over, as long as the process lives.
pub(super) async fn tend(claims: Arc<ClaimService>, metrics: ClaimMetrics) {
    let mut resolve = tokio::time::interval(RESOLVE_EVERY);
    let mut purge = tokio::time::interval(PURGE_EVERY);
    let mut unreadable = 0;
    loop {
        tokio::select! {
            _ = resolve.tick() => {
                let report = claims.resolve_due().await;
                count(&report, &metrics);
                if let Some(failure) = report.failure {
                    tracing::warn!(left = report.left, failure, "claims could not be ended");
                }
                if let Some(found) = report.unreadable {
                    if found > unreadable {
                        tracing::error!(
                            records = found,
                            "the store of claims holds records that were damaged or tampered with: their authorities are denied; see `writ claims`"
                        );
                    }
                    unreadable = found;
                }
            }
            _ = purge.tick() => match claims.purge().await {
                PurgeReport::Forgot(count) => {
                    metrics.forgotten.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
                    tracing::debug!(count, "forgot claims whose window is over");
                }
                PurgeReport::Halted(halted) => tracing::warn!(?halted, "no claim is forgotten now"),
                PurgeReport::Failed(outcome) => {
                    metrics.failures.inc();
                    tracing::warn!(cause = outcome.message(), "claims could not be forgotten");
                }
            },
        }
    }
}

fn count(report: &ResolveReport, metrics: &ClaimMetrics) {
    let ends = [("completed", report.completed), ("released", report.released), ("undetermined", report.undetermined)];
    for (end, count) in ends {
        metrics.ended.get_or_create(&EndLabels { end }).inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }
    let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    metrics.left.set(gauge(report.left));
    if let Some(unreadable) = report.unreadable {
        metrics.unreadable.set(gauge(unreadable));
    }
    if report.failure.is_some() {
        metrics.failures.inc();
    }
}
