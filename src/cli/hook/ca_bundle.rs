//! After the release is installed: the webhook configurations learn whom to trust.
//!
//! Only `caBundle` is applied, by a field manager of its own, so that neither this nor Helm undoes the other's work.

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::authority;

/// The field manager of `caBundle`.
const MANAGER: &str = "writ-install";

/// Puts the certificate authority into the webhook configurations, by server-side apply.
#[derive(Clone, Debug, clap::Args)]
pub struct CaBundleHook {
    /// Writ's namespace.
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: String,
    /// The name that the mutating and the validating webhook configuration share.
    #[arg(long, default_value = "zz-writ")]
    pub webhook_configuration: String,
}

impl CaBundleHook {
    pub(super) async fn run(self, client: Client) -> anyhow::Result<()> {
        let bundle = STANDARD.encode(authority::certificate(&client, &self.namespace).await?);
        let name = &self.webhook_configuration;
        apply::<ValidatingWebhookConfiguration>(&client, name, &bundle).await?;
        apply::<MutatingWebhookConfiguration>(&client, name, &bundle).await
    }
}

async fn apply<K>(client: &Client, name: &str, bundle: &str) -> anyhow::Result<()>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::ClusterResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Serialize,
{
    let kind = K::kind(&());
    let configurations: Api<K> = Api::all(client.clone());
    // Applied to nothing, the fragment would be an object of its own.
    let found = configurations
        .get_opt(name)
        .await?
        .with_context(|| format!("{kind} `{name}` is missing: run `helm upgrade`, which creates it"))?;
    let webhooks = with_bundle(&serde_json::to_value(&found)?, bundle);
    let fragment = json!({
        "apiVersion": K::api_version(&()), "kind": kind, "metadata": {"name": name}, "webhooks": webhooks,
    });
    configurations.patch(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&fragment)).await?;
    println!("{kind} `{name}` trusts the certificate authority of Writ");
    Ok(())
}

/// Of every webhook, its name and the bundle alone.
fn with_bundle(configuration: &Value, bundle: &str) -> Vec<Value> {
    let webhooks = configuration.get("webhooks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    webhooks
        .iter()
        .filter_map(|webhook| webhook.get("name"))
        .map(|name| json!({"name": name, "clientConfig": {"caBundle": bundle}}))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bundle_of_each_webhook_is_applied() {
        let found = json!({"webhooks": [
            {"name": "a.writ.dev", "timeoutSeconds": 2, "clientConfig": {"service": {"name": "writ"}}},
            {"name": "b.writ.dev"},
        ]});
        assert_eq!(
            with_bundle(&found, "Qg=="),
            [
                json!({"name": "a.writ.dev", "clientConfig": {"caBundle": "Qg=="}}),
                json!({"name": "b.writ.dev", "clientConfig": {"caBundle": "Qg=="}}),
            ]
        );
    }
}
