//! The parts of a server that stand in a cluster.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::sync::mpsc;

use super::store::{Opened, machine_clock};
use crate::{
    clock::SystemClock,
    controller::{Controller, Settings},
    keyring::Keyring,
    ledger::ConfigMapLedger,
    metrics::Metrics,
    replay::{self, ApiHistory, ClaimService, ConfigMapStore, Quota, Terms},
    shutdown::{Phase, Shutdown},
};

/// How often claims that are due are ended.
const RESOLVE_EVERY: Duration = Duration::from_secs(1);
/// How often claims whose window is over are forgotten.
const PURGE_EVERY: Duration = Duration::from_secs(600);

/// A client of the cluster that `kubeconfig` names, or that the program runs in.
pub(super) async fn client(kubeconfig: Option<&Path>) -> anyhow::Result<Client> {
    let mut config = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).with_context(|| format!("{} cannot be used", path.display()))?;
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?
        }
        None => Config::incluster().context("this is not a pod of a cluster: give --kubeconfig or --standalone")?,
    };
    // An answer is wanted now or not at all: a retry would hold an admission past its deadline.
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

/// The id of a cluster: the uid of its namespace `kube-system`.
pub(super) async fn cluster_id(client: &Client) -> anyhow::Result<String> {
    let namespace = Api::<Namespace>::all(client.clone())
        .get("kube-system")
        .await
        .context("the namespace `kube-system` cannot be read")?;
    namespace.metadata.uid.context("the namespace `kube-system` has no uid")
}

/// Opens the store of claims, and tends it in the background.
pub(super) async fn store(
    client: &Client,
    namespace: &str,
    keyring: Keyring,
    cluster_id: &str,
) -> anyhow::Result<Opened> {
    let clock = machine_clock();
    let store = Arc::new(ConfigMapStore::open(client.clone(), namespace, None, Quota::CONFIG_MAP).await?);
    let id = store.id().to_string();
    let read = replay::attested(Arc::new(keyring), cluster_id.to_owned(), id.clone());
    let history = Arc::new(ApiHistory::new(client.clone(), read));
    let claims = Arc::new(ClaimService::new(store, history, Arc::clone(&clock), Terms::default()));
    tokio::spawn(tend(Arc::clone(&claims)));
    Ok(Opened { claims, clock, id })
}

async fn tend(claims: Arc<ClaimService>) {
    let mut resolve = tokio::time::interval(RESOLVE_EVERY);
    let mut purge = tokio::time::interval(PURGE_EVERY);
    loop {
        tokio::select! {
            _ = resolve.tick() => {
                let report = claims.resolve_due().await;
                if let Some(failure) = report.failure {
                    tracing::warn!(left = report.left, failure, "claims could not be ended");
                }
            }
            _ = purge.tick() => {
                let report = claims.purge().await;
                tracing::debug!(?report, "forgot claims whose window is over");
            }
        }
    }
}

/// Starts the controller: what it knows is the world of this replica. `held` is let go after its last word.
pub(super) fn controller(
    client: &Client,
    settings: Settings,
    metrics: &Metrics,
    shutdown: &Shutdown,
    held: mpsc::Sender<()>,
) -> Arc<Controller> {
    let ledger = Arc::new(ConfigMapLedger::new(client.clone(), &settings.namespace));
    let controller =
        Controller::new(client.clone(), settings, ledger, Arc::new(SystemClock), metrics.controller.clone());
    let (running, until) = (Arc::clone(&controller), shutdown.clone());
    tokio::spawn(async move {
        if let Err(error) = running.run(&until).await {
            // Nothing new would be learnt any more: end, so that the process is started anew.
            tracing::error!(error = %error, "the controller ended");
            until.advance(Phase::Stopping);
        }
        drop(held);
    });
    controller
}
