//! Namespaces: from the watch, on a miss by a live read.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, Resource as _};

use super::{
    NamespaceFacts, WorldError,
    observed::{Seen, Update, resource_version},
};
use crate::canonical::Value;

/// How long a live read may take: it stands between a request and its answer.
const READ_LIMIT: Duration = Duration::from_millis(500);

/// A namespace and which state of it was seen.
#[derive(Clone, Debug)]
pub(super) struct NamespaceEntry {
    /// `metadata.name`
    pub(super) name: String,
    /// Which state of it.
    pub(super) seen: Seen,
    /// What decisions read.
    pub(super) facts: Arc<NamespaceFacts>,
}

/// All namespaces that the watch has reported.
#[derive(Debug, Default)]
pub(super) struct Namespaces(RwLock<BTreeMap<String, NamespaceEntry>>);

impl Namespaces {
    /// Takes a change in.
    pub(super) fn apply(&self, update: Update<NamespaceEntry>) {
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match update {
            Update::Replace(all) => *entries = all.into_iter().map(|entry| (entry.name.clone(), entry)).collect(),
            Update::Set(entry) => {
                entries.insert(entry.name.clone(), entry);
            }
            Update::Remove(entry) => {
                entries.remove(&entry.name);
            }
        }
    }

    /// A namespace that the watch has reported.
    #[must_use]
    pub(super) fn find(&self, name: &str) -> Option<Arc<NamespaceFacts>> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(name).map(|entry| Arc::clone(&entry.facts))
    }

    /// A namespace; where the watch has not reported it yet, as the API server has it now.
    ///
    /// # Errors
    /// It does not exist, or cannot be read in time.
    pub(super) async fn read(&self, client: &Client, name: &str) -> Result<Arc<NamespaceFacts>, WorldError> {
        if let Some(facts) = self.find(name) {
            return Ok(facts);
        }
        let api: Api<Namespace> = Api::all(client.clone());
        match tokio::time::timeout(READ_LIMIT, api.get(name)).await {
            Ok(Ok(namespace)) => Ok(entry(&namespace).facts),
            Ok(Err(error)) => Err(WorldError(format!("namespace `{name}` cannot be read: {error}"))),
            Err(_) => Err(WorldError(format!("namespace `{name}` was not read within {} ms", READ_LIMIT.as_millis()))),
        }
    }

    /// Every name with the state of it that was seen.
    pub(super) fn with_seen<T>(&self, use_them: impl FnOnce(&BTreeMap<String, NamespaceEntry>) -> T) -> T {
        use_them(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A namespace as decisions read it: without what a ValidatingAdmissionPolicy does not see of it either.
#[must_use]
pub(super) fn entry(namespace: &Namespace) -> NamespaceEntry {
    let mut object = namespace.clone();
    let meta = object.meta_mut();
    (meta.managed_fields, meta.owner_references) = (None, None);
    let json = serde_json::to_value(&object).unwrap_or_default();
    let meta = namespace.meta();
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let facts = NamespaceFacts {
        uid: text(&meta.uid),
        resource_version: text(&meta.resource_version),
        labels: meta.labels.clone().unwrap_or_default(),
        object: Value::from(json),
    };
    let seen = Seen {
        uid: facts.uid.clone(),
        generation: meta.generation.unwrap_or_default(),
        resource_version: resource_version(meta.resource_version.as_deref()),
    };
    NamespaceEntry { name: text(&meta.name), seen, facts: Arc::new(facts) }
}
