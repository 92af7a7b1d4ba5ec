//! Before the release is installed or upgraded: certificate authority, signing key and store are made once.
//!
//! Key and store are made together and name each other, so that neither can be lost and made anew unnoticed: an empty
//! store would forget which authorities were used, and another key would disown every attestation.

mod key;
mod plan;

use std::collections::BTreeMap;

use anyhow::Context as _;
use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use self::{
    key::KeyMaterial,
    plan::{FoundKey, Plan, Root, Situation},
};
use super::{
    authority,
    objects::{
        PENDING, PUBLIC_KEY, SIGNING_KEY_SECRET, STORE_ID, STORE_ROOT, annotation, annotations, is_trace, metadata,
    },
};
use crate::replay::StoreId;

const KEY_FILE: &str = "key.pem";
const FORMAT: &str = "1";
const MANAGER: &str = "writ-install";

/// Makes the certificate authority, the signing key and the root of the store, unless they are there.
#[derive(Clone, Debug, clap::Args)]
pub struct InstallHook {
    /// Writ's namespace.
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: String,
    /// The Secret with the signing key (`key.pem`, Ed25519, PKCS#8). Made if it is the default one and missing.
    #[arg(long, default_value = SIGNING_KEY_SECRET)]
    pub signing_key_secret: String,
    /// Serving certificates come from elsewhere, for example from cert-manager.
    #[arg(long)]
    pub no_ca: bool,
    /// Begin an empty store although the one of this id is lost: every authority used before may be used again.
    #[arg(long, value_name = "STORE_ID")]
    pub accept_lost_store: Option<String>,
    /// Go on with another key although the one of this id is lost or was exchanged.
    #[arg(long, value_name = "KEY_ID")]
    pub accept_lost_key: Option<String>,
}

impl InstallHook {
    pub(super) async fn run(self, client: Client) -> anyhow::Result<()> {
        if !self.no_ca {
            authority::ensure(&client, &self.namespace).await?;
        }
        let cluster = Cluster {
            secrets: Api::namespaced(client.clone(), &self.namespace),
            maps: Api::namespaced(client, &self.namespace),
            secret: &self.signing_key_secret,
        };
        let (situation, secret) = cluster.gather(&self).await?;
        let plan = plan::plan(&situation)?;
        let pair = cluster.apply(plan, secret).await?;
        cluster.publish(&pair).await
    }
}

/// A key and a store that name each other.
struct Pair {
    key: KeyMaterial,
    store_id: String,
}

struct Cluster<'a> {
    secrets: Api<Secret>,
    maps: Api<ConfigMap>,
    secret: &'a str,
}

impl Cluster<'_> {
    async fn gather(&self, hook: &InstallHook) -> anyhow::Result<(Situation, Option<Secret>)> {
        let secret = self.secrets.get_opt(self.secret).await?;
        let root = self.maps.get_opt(STORE_ROOT).await?;
        let situation = Situation {
            key: secret.as_ref().map(|secret| found_key(self.secret, secret)).transpose()?,
            root: root.as_ref().map(read_root).transpose()?,
            traces: self.traces().await?,
            may_generate: self.secret == SIGNING_KEY_SECRET,
            secret_name: self.secret.to_owned(),
            accept_lost_store: hook.accept_lost_store.clone(),
            accept_lost_key: hook.accept_lost_key.clone(),
        };
        Ok((situation, secret))
    }

    /// A ConfigMap that tells of an earlier store.
    async fn traces(&self) -> anyhow::Result<Option<String>> {
        let mut page = ListParams::default().limit(500);
        loop {
            let list = self.maps.list_metadata(&page).await?;
            if let Some(name) = list.items.iter().map(kube::ResourceExt::name_any).find(|name| is_trace(name)) {
                return Ok(Some(name));
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(None),
            }
        }
    }

    async fn apply(&self, plan: Plan, secret: Option<Secret>) -> anyhow::Result<Pair> {
        let mut secret = match secret {
            Some(secret) => secret,
            None => new_secret(self.secret, &KeyMaterial::generate()?),
        };
        let key = material(self.secret, &secret)?;
        let store_id = match plan {
            Plan::Keep { store_id } => {
                println!("signing key and store: there, and stay as they are");
                return Ok(Pair { key, store_id });
            }
            Plan::Finish { store_id } | Plan::Rename { store_id } | Plan::RenewKey { store_id } => store_id,
            Plan::Begin => random_id()?,
        };
        // The mark tells the next run, should this one end here, that the pair was never in use.
        secret = self.name(secret, &store_id, true).await?;
        self.write_root(&Root { store_id: store_id.clone(), key_id: key.id() }).await?;
        self.name(secret, &store_id, false).await?;
        println!("signing key `{}` and store `{store_id}` name each other", key.id());
        Ok(Pair { key, store_id })
    }

    /// Writes the store's id onto the Secret. The version that was read is the condition, so that of two hooks one fails.
    async fn name(&self, mut secret: Secret, store_id: &str, pending: bool) -> anyhow::Result<Secret> {
        let found = annotations(&mut secret.metadata);
        found.insert(STORE_ID.to_owned(), store_id.to_owned());
        if pending {
            found.insert(PENDING.to_owned(), "true".to_owned());
        } else {
            found.remove(PENDING);
        }
        let parameters = PostParams::default();
        Ok(if secret.metadata.resource_version.is_some() {
            self.secrets.replace(self.secret, &parameters, &secret).await?
        } else {
            self.secrets.create(&parameters, &secret).await?
        })
    }

    async fn write_root(&self, root: &Root) -> anyhow::Result<()> {
        let data = root_data(root);
        let parameters = PostParams::default();
        match self.maps.get_opt(STORE_ROOT).await? {
            Some(found) if found.data.as_ref() == Some(&data) => {}
            Some(mut found) => {
                found.data = Some(data);
                self.maps.replace(STORE_ROOT, &parameters, &found).await?;
            }
            None => {
                let map = ConfigMap { metadata: metadata(STORE_ROOT), data: Some(data), ..ConfigMap::default() };
                self.maps.create(&parameters, &map).await?;
            }
        }
        Ok(())
    }

    async fn publish(&self, pair: &Pair) -> anyhow::Result<()> {
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(PUBLIC_KEY),
            "data": {"public-key.pem": pair.key.public_pem(), "keyId": pair.key.id(), "storeId": pair.store_id},
        });
        self.maps.patch(PUBLIC_KEY, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&map)).await?;
        println!("public key: published in configmap `{PUBLIC_KEY}`");
        Ok(())
    }
}

fn new_secret(name: &str, key: &KeyMaterial) -> Secret {
    let data = BTreeMap::from([(KEY_FILE.to_owned(), ByteString(key.private_pem().as_bytes().to_vec()))]);
    Secret {
        metadata: metadata(name),
        immutable: Some(true),
        type_: Some("Opaque".to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}

fn material(name: &str, secret: &Secret) -> anyhow::Result<KeyMaterial> {
    let pem = secret.data.as_ref().and_then(|data| data.get(KEY_FILE));
    let pem = pem.with_context(|| format!("secret `{name}` has no `{KEY_FILE}`: put the signing key there"))?;
    KeyMaterial::from_pem(&pem.0)
        .with_context(|| format!("`{KEY_FILE}` of secret `{name}` is no Ed25519 key: make one with `writ keygen`"))
}

fn found_key(name: &str, secret: &Secret) -> anyhow::Result<FoundKey> {
    Ok(FoundKey {
        key_id: material(name, secret)?.id(),
        store_id: annotation(&secret.metadata, STORE_ID).map(str::to_owned),
        pending: annotation(&secret.metadata, PENDING).is_some(),
    })
}

fn read_root(map: &ConfigMap) -> anyhow::Result<Root> {
    let field = |name: &str| map.data.as_ref().and_then(|data| data.get(name)).map(String::as_str);
    let complain =
        || format!("configmap `{STORE_ROOT}` is not the root of a store of this format: restore it from a backup");
    if field("format") != Some(FORMAT) {
        anyhow::bail!(complain());
    }
    Ok(Root {
        store_id: field("storeId").with_context(complain)?.parse::<StoreId>().with_context(complain)?.to_string(),
        key_id: field("keyId").with_context(complain)?.to_owned(),
    })
}

fn root_data(root: &Root) -> BTreeMap<String, String> {
    [("format", FORMAT), ("storeId", &root.store_id), ("keyId", &root.key_id)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn random_id() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bits: {error}"))?;
    Ok(StoreId::from_bytes(bytes).to_string())
}
