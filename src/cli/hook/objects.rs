//! Names of what an installation consists of, and the metadata that all of it carries.

use std::collections::BTreeMap;

use kube::api::ObjectMeta;

/// The Secret with the certificate authority: `ca.crt`, `ca.key`.
pub(super) const CA_SECRET: &str = "writ-ca";
/// The ConfigMap with the root record of the store.
pub(in crate::cli) const STORE_ROOT: &str = "writ-store";
/// The ConfigMap with the public key, for verifiers.
pub(in crate::cli) const PUBLIC_KEY: &str = "writ-public-key";
/// The Secret with the signing key, unless the chart's values name another one: `key.pem`.
pub(super) const SIGNING_KEY_SECRET: &str = "writ-signing-key";
/// The Lease of the leader.
pub(super) const LEASE: &str = "writ";
/// ConfigMaps that tell of a store that was in use: they outlive key and root.
const TRACES: [&str; 2] = ["writ-claim-", "writ-ledger-"];
/// The object of each replica.
const REPLICA: &str = "writ-replica-";
/// The Secret's annotation that names the store which the key signs for.
pub(super) const STORE_ID: &str = "writ.dev/store-id";
/// The Secret's annotation while key and store do not name each other yet. No replica has used such a key.
pub(super) const PENDING: &str = "writ.dev/pending";

/// The name, with the labels by which people find what belongs to Writ.
pub(super) fn metadata(name: &str) -> ObjectMeta {
    let labels = [("app.kubernetes.io/name", "writ"), ("app.kubernetes.io/managed-by", "writ-install")];
    ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        ..ObjectMeta::default()
    }
}

/// An annotation's value.
pub(super) fn annotation<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    metadata.annotations.as_ref().and_then(|all| all.get(key)).map(String::as_str)
}

/// The annotations, to be changed.
pub(super) fn annotations(metadata: &mut ObjectMeta) -> &mut BTreeMap<String, String> {
    metadata.annotations.get_or_insert_default()
}

/// Whether a ConfigMap is one of Writ's own records.
pub(super) fn is_record(name: &str) -> bool {
    [STORE_ROOT, PUBLIC_KEY].contains(&name) || name.starts_with(REPLICA) || is_trace(name)
}

/// Whether a ConfigMap tells that a store was in use.
pub(super) fn is_trace(name: &str) -> bool {
    name == PUBLIC_KEY || TRACES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_traces_are_known_by_their_names() {
        for (name, record, trace) in [
            ("writ-claim-0a", true, true),
            ("writ-ledger-a", true, true),
            ("writ-public-key", true, true),
            ("writ-replica-writ-0", true, false),
            ("writ-store", true, false),
            ("writ-store-notes", false, false),
            ("kube-root-ca.crt", false, false),
            ("my-writ-claim-1", false, false),
        ] {
            assert_eq!((is_record(name), is_trace(name)), (record, trace), "{name}");
        }
    }
}
