//! Before the release is uninstalled: the protecting policies go first, then the webhooks, and Helm removes the pods.
//!
//! In the other order the cluster would stand before webhooks that nobody answers. Keys, claims and ledger stay.

use k8s_openapi::api::{
    admissionregistration::v1::{
        MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
        ValidatingWebhookConfiguration,
    },
    coordination::v1::Lease,
    core::v1::{ConfigMap, Secret},
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams},
};
use serde::de::DeserializeOwned;

use super::objects::{CA_SECRET, LEASE, SIGNING_KEY_SECRET, is_record};

/// Removes the protecting ValidatingAdmissionPolicies, then the webhooks.
#[derive(Clone, Debug, clap::Args)]
pub struct PreDeleteHook {
    /// Writ's namespace.
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: String,
    /// A protecting ValidatingAdmissionPolicy and the binding of the same name.
    #[arg(long = "protecting-policy", value_name = "NAME")]
    pub protecting_policies: Vec<String>,
    /// The name that the mutating and the validating webhook configuration share.
    #[arg(long, default_value = "zz-writ")]
    pub webhook_configuration: String,
    /// Also removes what is otherwise kept: policies, bindings, claims, ledger, signing key and certificate authority.
    #[arg(long)]
    pub purge: bool,
    /// The Secret with the signing key; it is purged only if Writ made it.
    #[arg(long, default_value = SIGNING_KEY_SECRET)]
    pub signing_key_secret: String,
}

impl PreDeleteHook {
    pub(super) async fn run(self, client: Client) -> anyhow::Result<()> {
        for name in &self.protecting_policies {
            remove::<ValidatingAdmissionPolicyBinding>(&Api::all(client.clone()), name).await?;
            remove::<ValidatingAdmissionPolicy>(&Api::all(client.clone()), name).await?;
        }
        // The validating one first: without its mutating twin it would refuse every change for want of an attestation.
        let name = &self.webhook_configuration;
        remove::<ValidatingWebhookConfiguration>(&Api::all(client.clone()), name).await?;
        remove::<MutatingWebhookConfiguration>(&Api::all(client.clone()), name).await?;
        if self.purge {
            return self.purge(client).await;
        }
        println!("kept: the CRDs with all policies and bindings, claims, ledger, signing key, certificate authority");
        Ok(())
    }

    async fn purge(&self, client: Client) -> anyhow::Result<()> {
        for name in ["policybindings.writ.dev", "policies.writ.dev"] {
            remove::<CustomResourceDefinition>(&Api::all(client.clone()), name).await?;
        }
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &self.namespace);
        for name in names(&maps).await? {
            if is_record(&name) {
                remove(&maps, &name).await?;
            }
        }
        let secrets: Api<Secret> = Api::namespaced(client.clone(), &self.namespace);
        remove(&secrets, CA_SECRET).await?;
        if self.signing_key_secret == SIGNING_KEY_SECRET {
            remove(&secrets, &self.signing_key_secret).await?;
        }
        remove::<Lease>(&Api::namespaced(client, &self.namespace), LEASE).await
    }
}

async fn names<K>(api: &Api<K>) -> kube::Result<Vec<String>>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let mut names = Vec::new();
    let mut page = ListParams::default().limit(500);
    loop {
        let list = api.list_metadata(&page).await?;
        names.extend(list.items.iter().map(kube::ResourceExt::name_any));
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(names),
        }
    }
}

async fn remove<K>(api: &Api<K>, name: &str) -> anyhow::Result<()>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let kind = K::kind(&());
    match api.delete(name, &DeleteParams::default()).await {
        Ok(_) => println!("removed {kind} `{name}`"),
        Err(kube::Error::Api(status)) if status.code == 404 => println!("{kind} `{name}` was not there"),
        Err(error) => return Err(anyhow::Error::new(error).context(format!("removing {kind} `{name}`"))),
    }
    Ok(())
}
