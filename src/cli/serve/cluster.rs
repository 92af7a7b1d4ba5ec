//! The parts of a server that stand in a cluster.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::sync::mpsc;

use super::store::{Opened, machine_clock, tend};
use crate::{
    attest::KeyId,
    cli::hook::{PUBLIC_KEY, STORE_ROOT},
    clock::SystemClock,
    controller::{Controller, Settings},
    keyring::Keyring,
    ledger::ConfigMapLedger,
    metrics::{ClaimMetrics, Metrics},
    replay::{self, ApiHistory, ClaimService, ConfigMapStore, Quota, StoreId, Terms},
    shutdown::{Phase, Shutdown},
};

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
    expected: Option<StoreId>,
    keyring: Keyring,
    cluster_id: &str,
    metrics: &ClaimMetrics,
) -> anyhow::Result<Opened> {
    let clock = machine_clock();
    let store = Arc::new(ConfigMapStore::open(client.clone(), namespace, expected, Quota::CONFIG_MAP).await?);
    let id = store.id().to_string();
    let read = replay::attested(Arc::new(keyring), cluster_id.to_owned(), id.clone());
    let history = Arc::new(ApiHistory::new(client.clone(), read));
    let claims = Arc::new(ClaimService::new(store, history, Arc::clone(&clock), Terms::default()));
    tokio::spawn(tend(Arc::clone(&claims), metrics.clone()));
    Ok(Opened { claims, clock, id })
}

/// The store that belongs to the signing key: key and store are made together, and each names the other.
///
/// # Errors
/// One is there without the other, or they do not belong together. Nobody may take a new store for the old one.
pub(super) async fn pair(client: &Client, namespace: &str, key: KeyId) -> anyhow::Result<Option<StoreId>> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let data = |map: Option<ConfigMap>| map.map(|map| map.data.unwrap_or_default());
    let root = data(maps.get_opt(STORE_ROOT).await.context("the root of the store of claims cannot be read")?);
    let published = data(maps.get_opt(PUBLIC_KEY).await.context("the published key cannot be read")?);
    check_pair(root.as_ref(), published.as_ref(), &key.to_string())
}

fn check_pair(
    root: Option<&BTreeMap<String, String>>,
    published: Option<&BTreeMap<String, String>>,
    key: &str,
) -> anyhow::Result<Option<StoreId>> {
    // Whether there is a root at all is the store's own question.
    let Some(root) = root else { return Ok(None) };
    let named = root.get("keyId").map_or("none", String::as_str);
    if named != key {
        bail!(
            "the store of claims belongs to the signing key `{named}`, and this replica has `{key}`: restore the key, or run the install hook, which says what to do"
        );
    }
    let Some(store) = published.and_then(|map| map.get("storeId")) else { return Ok(None) };
    if root.get("storeId") != Some(store) {
        bail!(
            "the signing key belongs to the store of claims `{store}`, which was lost or exchanged: restore it from a backup, or run the install hook, which says what to do"
        );
    }
    Ok(Some(store.parse()?))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_and_store_name_each_other() {
        const STORE: &str = "0123456789abcdef0123456789abcdef";
        const OTHER: &str = "ffffffffffffffffffffffffffffffff";
        type Data = Option<&'static [(&'static str, &'static str)]>;
        /// What, the root, what is published, the store that is expected or a part of the refusal.
        type Case = (&'static str, Data, Data, Result<Option<&'static str>, &'static str>);
        let root: Data = Some(&[("storeId", STORE), ("keyId", "mine")]);
        let cases: &[Case] = &[
            ("a pair", root, Some(&[("storeId", STORE)]), Ok(Some(STORE))),
            ("nothing published", root, None, Ok(None)),
            ("no root", None, Some(&[("storeId", STORE)]), Ok(None)),
            (
                "another key",
                Some(&[("storeId", STORE), ("keyId", "theirs")]),
                None,
                Err("belongs to the signing key `theirs`"),
            ),
            ("a root without a key", Some(&[("storeId", STORE)]), None, Err("belongs to the signing key `none`")),
            ("another store", root, Some(&[("storeId", OTHER)]), Err(OTHER)),
            ("a root without an id", Some(&[("keyId", "mine")]), Some(&[("storeId", STORE)]), Err("lost or exchanged")),
        ];
        let map = |data: Data| -> Option<BTreeMap<String, String>> {
            Some(data?.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
        };
        for (what, root, published, expected) in cases {
            let found = check_pair(map(*root).as_ref(), map(*published).as_ref(), "mine");
            match (found, expected) {
                (Ok(found), Ok(expected)) => {
                    assert_eq!(found.map(|id| id.to_string()).as_deref(), *expected, "{what}");
                }
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{what}: {error}"),
                (found, _) => panic!("{what}: {found:?}"),
            }
        }
    }
}
