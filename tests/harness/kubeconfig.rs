//! The files by which clients find a server and say who they are.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::pki::Identity;

/// How kubectl, Helm, controllers and `writ` reach an API server with a client certificate.
pub(crate) fn cluster_access(server: SocketAddr, authority: &str, identity: &Identity) -> Value {
    kubeconfig(
        "writ",
        json!({"server": format!("https://{server}"), "certificate-authority-data": STANDARD.encode(authority)}),
        identity,
    )
}

/// How an API server says who it is to a webhook: the user named `*` is used for every webhook.
pub(crate) fn webhook_access(identity: &Identity) -> Value {
    kubeconfig("*", json!({}), identity)
}

fn kubeconfig(user: &str, cluster: Value, identity: &Identity) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "writ", "cluster": cluster}],
        "users": [{"name": user, "user": {
            "client-certificate-data": STANDARD.encode(&identity.certificate),
            "client-key-data": STANDARD.encode(&identity.key),
        }}],
        "contexts": [{"name": "writ", "context": {"cluster": "writ", "user": user}}],
        "current-context": "writ",
    })
}
