//! The ConfigMaps of the store, as JSON.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::{PREFIX, REMEDY, ROOT};
use crate::replay::contract::{Held, StoreError, Token};
use crate::replay::record::{FORMAT, Fingerprint, Record, StoreId};
use crate::replay::rest::{self, Metadata};

/// Label of every claim.
pub(super) const ALL: &str = "writ.dev/record=claim";

/// Label with the state of a claim, by which those that are reserved are found. What counts is in the record.
pub(super) const STATE: &str = "writ.dev/claim";

/// A ConfigMap as it is read.
#[derive(Deserialize)]
pub(super) struct Object {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

/// A page of ConfigMaps.
#[derive(Deserialize)]
pub(super) struct List {
    #[serde(default)]
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) items: Vec<Object>,
}

impl Object {
    /// The claim in it.
    pub(super) fn claim(&self, store: StoreId) -> Result<Held, StoreError> {
        let field = |key: &str| self.data.get(key).map_or("", String::as_str);
        if field("storeId") != store.to_string() {
            return Err(self.malformed("it belongs to another store"));
        }
        let record = Record::from_json(field("record")).map_err(|error| self.malformed(error))?;
        if name(&record.fingerprint) != self.metadata.name {
            return Err(self.malformed("its name and its fingerprint differ"));
        }
        let version = self.metadata.version().ok_or_else(|| self.malformed("it has no version"))?;
        Ok(Held { record, token: token(&version.uid, &version.resource_version.0) })
    }

    /// The id in a root record. The install hook writes more into it, which is its own.
    pub(super) fn root(&self) -> Result<StoreId, StoreError> {
        let field = |key: &str| self.data.get(key).map_or("", String::as_str);
        if self.data.is_empty() {
            return Err(StoreError::RootMissing(REMEDY));
        }
        if field("format") != FORMAT.to_string() {
            return Err(self.malformed("another format: use the version of writ that wrote it"));
        }
        field("storeId").parse().map_err(|error| self.malformed(error))
    }

    fn malformed(&self, cause: impl ToString) -> StoreError {
        StoreError::Malformed { at: format!("configmap {}", self.metadata.name), cause: cause.to_string() }
    }
}

pub(super) fn collection(namespace: &str) -> String {
    format!("/api/v1/namespaces/{}/configmaps", rest::segment(namespace))
}

/// The name of a claim's ConfigMap.
pub(super) fn name(fingerprint: &Fingerprint) -> String {
    format!("{PREFIX}{}", fingerprint.to_hex())
}

pub(super) fn token(uid: &str, resource_version: &str) -> Token {
    Token(format!("{uid}/{resource_version}"))
}

/// A claim to write; over the state of uid and resourceVersion, or as a new one.
///
/// `write` is another text for every write: the API server takes an update that changes nothing for none at all, and
/// leaves the resourceVersion as it was, so that two writers would both be told that theirs is done.
pub(super) fn claim(
    namespace: &str,
    store: StoreId,
    record: &Record,
    write: StoreId,
    over: Option<(&str, &str)>,
) -> Vec<u8> {
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name(&record.fingerprint),
            "namespace": namespace,
            "labels": {
                "app.kubernetes.io/name": "writ",
                "app.kubernetes.io/managed-by": "writ",
                "writ.dev/record": "claim",
                STATE: record.state.name(),
            },
        },
        "data": { "storeId": store.to_string(), "record": record.to_json(), "write": write.to_string() },
    });
    if let (Some((uid, resource_version)), Some(metadata)) =
        (over, object.get_mut("metadata").and_then(|value| value.as_object_mut()))
    {
        metadata.insert("uid".into(), uid.into());
        metadata.insert("resourceVersion".into(), resource_version.into());
    }
    object.to_string().into_bytes()
}

/// The root of a new store.
pub(super) fn root(namespace: &str, store: StoreId) -> Vec<u8> {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": ROOT,
            "namespace": namespace,
            "labels": { "app.kubernetes.io/name": "writ", "app.kubernetes.io/managed-by": "writ" },
        },
        "data": { "format": FORMAT.to_string(), "storeId": store.to_string() },
    })
    .to_string()
    .into_bytes()
}

/// Options of a deletion that holds only for this state.
pub(super) fn preconditions((uid, resource_version): (&str, &str)) -> Vec<u8> {
    json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": { "uid": uid, "resourceVersion": resource_version },
    })
    .to_string()
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::record::tests::record;

    const STORE: StoreId = StoreId::from_bytes([5; 16]);

    /// What the API server gives back for what was written.
    fn stored(body: &[u8]) -> serde_json::Value {
        let mut object: serde_json::Value = serde_json::from_slice(body).unwrap();
        object["metadata"]["uid"] = "u".into();
        object["metadata"]["resourceVersion"] = "7".into();
        object
    }

    fn read(object: &serde_json::Value) -> Object {
        serde_json::from_str(&object.to_string()).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let object = stored(&claim("writ-system", STORE, &record(), STORE, None));
        assert_eq!(read(&object).claim(STORE), Ok(Held { record: record(), token: token("u", "7") }));
        let root = stored(&root("writ-system", STORE));
        assert_eq!(read(&root).root(), Ok(STORE));
    }

    #[test]
    fn what_was_tampered_with_is_refused() {
        let object = stored(&claim("writ-system", STORE, &record(), STORE, None));
        assert!(read(&object).claim(StoreId::from_bytes([6; 16])).is_err(), "of another store");
        for (what, path, value) in [
            ("renamed", "/metadata/name", "writ-claim-00"),
            ("of no store", "/data/storeId", ""),
            ("emptied", "/data/record", ""),
            ("cut", "/data/record", r#"{"format":1}"#),
        ] {
            let mut object = object.clone();
            *object.pointer_mut(path).unwrap() = value.into();
            assert!(matches!(read(&object).claim(STORE), Err(StoreError::Malformed { .. })), "{what}");
        }
        let mut root = stored(&root("writ-system", STORE));
        root["data"]["format"] = "2".into();
        assert!(matches!(read(&root).root(), Err(StoreError::Malformed { .. })));
        root.as_object_mut().unwrap().remove("data");
        assert!(matches!(read(&root).root(), Err(StoreError::RootMissing(_))));
    }
}
