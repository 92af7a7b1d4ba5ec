//! Objects of a cluster, with the key that it publishes.

use anyhow::{Context as _, bail};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, Namespace},
};
use kube::Api;

use super::{
    check::{Given, attested_version},
    source::Subject,
};
use crate::{
    cli::{
        Failure, block_on,
        cluster::{Cluster, ClusterArguments, Installation},
    },
    keyring::{Keyring, KeyringEntry, PublicKey},
};

/// The ConfigMap with the public key, made at installation.
const PUBLIC_KEY: &str = "writ-public-key";

/// An object of the cluster. What was not given to compare with is taken from the cluster too.
pub(super) fn read(
    arguments: &ClusterArguments,
    kind: &str,
    name: &str,
    given: &mut Given,
) -> Result<Subject, Failure> {
    Ok(block_on(async {
        let cluster = arguments.connect().await?;
        complete(&cluster, arguments, given).await?;
        let mut served = cluster.find(kind).await?;
        let mut object = cluster.object(&served, name).await?;
        // Attested in another version of the API: only there the object has the attested content.
        if let Some(version) = attested_version(&object, &served.resource.to_string(), given)
            && version != served.resource.version
        {
            served.resource.version = version;
            object = cluster.object(&served, name).await?;
        }
        let resource = Some(served.resource.to_string());
        anyhow::Ok(Subject { resource, ..Subject::object(format!("{kind}/{name}"), object) })
    })?)
}

/// Takes the key and the cluster's identity from the cluster, where they were not given.
async fn complete(cluster: &Cluster, arguments: &ClusterArguments, given: &mut Given) -> anyhow::Result<()> {
    if given.keyring.iter().len() == 0 {
        let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), &arguments.writ_namespace);
        let place = format!("configmap {PUBLIC_KEY} in namespace {}", arguments.writ_namespace);
        let map = maps
            .get(PUBLIC_KEY)
            .await
            .with_context(|| format!("the public key in {place} cannot be read; give it with --key FILE"))?;
        let Some(pem) = map.data.as_ref().and_then(|data| data.get("public-key.pem")) else {
            bail!("there is no public key in {place}; give it with --key FILE");
        };
        given.keyring = Keyring::new([KeyringEntry::always(PublicKey::from_pem(pem)?)])?;
        given.key_of_cluster = true;
    }
    if given.cluster_id.is_none() {
        let sets: Api<StatefulSet> = Api::namespaced(cluster.client.clone(), &arguments.writ_namespace);
        let installed = sets.get_opt("writ").await.ok().flatten();
        given.cluster_id = installed.and_then(|set| Installation::of(&set).cluster_id);
    }
    if given.cluster_id.is_none() {
        let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
        // Who may not read it can still verify the rest.
        let system = namespaces.get("kube-system").await.ok();
        given.cluster_id = system.and_then(|namespace| namespace.metadata.uid);
    }
    Ok(())
}
