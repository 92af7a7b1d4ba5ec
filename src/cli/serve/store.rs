use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use crate::{
    clock::{Clock as _, SystemClock},
    replay::{self, ClaimService, EmbeddedStore, NoHistory, Quota, Terms},
    time::Timestamp,
};

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

/// The embedded store: `embedded:FILE`, or `claims.redb` in `folder`.
pub(super) fn embedded(store: Option<&str>, folder: &Path, initialize: bool) -> anyhow::Result<Opened> {
    let path: PathBuf = match store {
        None => folder.join("claims.redb"),
        Some(text) => match text.strip_prefix("embedded:") {
            Some(path) => path.into(),
            None => bail!("--store {text}: without a cluster only `embedded:FILE` can be used"),
        },
    };
    if initialize && !path.exists() {
        EmbeddedStore::initialize(&path)?;
    }
    let clock = machine_clock();
    let store = EmbeddedStore::open(&path, None, Arc::clone(&clock), Quota::EMBEDDED)
        .context("the store of claims cannot be opened; for the first start add --initialize-store")?;
    let id = store.id().to_string();
    let claims = ClaimService::new(Arc::new(store), Arc::new(NoHistory), Arc::clone(&clock), Terms::default());
    Ok(Opened { claims: Arc::new(claims), clock, id })
}
