use std::collections::BTreeMap;

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
    core::ObjectMeta,
};

use super::{Ledger, LedgerError, Pinned};
use crate::digest::Digest;

/// Prefix of the names of the ledger's ConfigMaps: `writ-ledger-<id>.<version>`.
const NAME_PREFIX: &str = "writ-ledger-";
/// Label by which the ledger's ConfigMaps are listed.
const LABEL: &str = "writ.dev/record";
/// Its value.
const LABEL_VALUE: &str = "ledger";
/// How many ConfigMaps one list request returns.
const PAGE: u32 = 500;

/// A ledger of one immutable ConfigMap for each policy version, in Writ's namespace.
pub struct ConfigMapLedger {
    api: Api<ConfigMap>,
}

impl ConfigMapLedger {
    /// The ledger in `namespace`.
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { api: Api::namespaced(client, namespace) }
    }

    async fn pin_version(&self, id: &str, version: &str, digest: Digest) -> Result<Pinned, LedgerError> {
        let name = format!("{NAME_PREFIX}{id}.{version}");
        // Create-if-absent: whoever comes first pins, and nobody overwrites.
        match self.api.create(&PostParams::default(), &record(&name, id, version, digest)).await {
            Ok(_) => return Ok(Pinned::Same),
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {}
            Err(error) => return Err(unavailable("written", &error)),
        }
        let stored = self.api.get(&name).await.map_err(|error| unavailable("read", &error))?;
        let (_, pinned) = read(&stored)?;
        Ok(if pinned == digest { Pinned::Same } else { Pinned::Conflict(pinned) })
    }

    async fn list(&self) -> Result<Vec<(String, Digest)>, LedgerError> {
        let mut pinned = Vec::new();
        let mut params = ListParams::default().labels(&format!("{LABEL}={LABEL_VALUE}")).limit(PAGE);
        loop {
            let page = self.api.list(&params).await.map_err(|error| unavailable("read", &error))?;
            for record in &page.items {
                pinned.push(read(record)?);
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(pinned),
            }
        }
    }
}

impl Ledger for ConfigMapLedger {
    fn pinned(&self) -> BoxFuture<'_, Result<Vec<(String, Digest)>, LedgerError>> {
        Box::pin(self.list())
    }

    fn pin<'a>(&'a self, id: &'a str, version: &'a str, digest: Digest) -> BoxFuture<'a, Result<Pinned, LedgerError>> {
        Box::pin(self.pin_version(id, version, digest))
    }
}

fn record(name: &str, id: &str, version: &str, digest: Digest) -> ConfigMap {
    let data = [("id", id.to_owned()), ("version", version.to_owned()), ("digest", digest.to_string())];
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(BTreeMap::from([(LABEL.to_owned(), LABEL_VALUE.to_owned())])),
            ..ObjectMeta::default()
        },
        data: Some(data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        immutable: Some(true),
        ..ConfigMap::default()
    }
}

/// What a record pins, as (policy name, digest).
fn read(stored: &ConfigMap) -> Result<(String, Digest), LedgerError> {
    let name = stored.metadata.name.as_deref().unwrap_or_default();
    let damaged = || LedgerError(format!("the ledger's record `{name}` is damaged: restore it from a backup"));
    let data = stored.data.as_ref().ok_or_else(damaged)?;
    let (id, version) = data.get("id").zip(data.get("version")).ok_or_else(damaged)?;
    let policy = format!("{id}.{version}");
    if name != format!("{NAME_PREFIX}{policy}") {
        return Err(damaged());
    }
    let digest = data.get("digest").and_then(|text| text.parse().ok()).ok_or_else(damaged)?;
    Ok((policy, digest))
}

fn unavailable(what: &str, error: &kube::Error) -> LedgerError {
    LedgerError(format!("the ledger could not be {what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_what_it_pins_or_is_damaged() {
        let digest = Digest::plain(b"content");
        let good = record("writ-ledger-p.v1", "p", "v1", digest);
        assert_eq!(read(&good), Ok(("p.v1".to_owned(), digest)));
        let mut renamed = good.clone();
        renamed.metadata.name = Some("writ-ledger-p.v2".to_owned());
        let mut edited = good.clone();
        edited.data.as_mut().unwrap().insert("digest".to_owned(), "sha256:00".to_owned());
        let mut emptied = good;
        emptied.data = None;
        for damaged in [renamed, edited, emptied] {
            assert!(read(&damaged).is_err(), "{damaged:?}");
        }
    }
}
