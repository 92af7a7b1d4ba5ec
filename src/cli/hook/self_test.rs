//! `helm test`: is Writ asked, and does it answer?
//!
//! Through the API server and as a dry run, so that the whole way is tried and nothing is stored: one policy that Writ
//! must accept, and one that it must refuse.

use std::time::Duration;

use anyhow::{Context as _, bail};
use k8s_openapi::api::{admissionregistration::v1::ValidatingWebhookConfiguration, apps::v1::StatefulSet};
use kube::{Api, Client, api::PostParams};
use serde_json::json;

use crate::api::{Policy, Reason};

/// Asks the API server to ask Writ, without changing anything.
#[derive(Clone, Debug, clap::Args)]
pub struct SelfTestHook {
    /// Writ's namespace.
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: String,
    /// The StatefulSet of the replicas.
    #[arg(long, default_value = "writ")]
    pub stateful_set: String,
    /// The name of the validating webhook configuration.
    #[arg(long, default_value = "zz-writ")]
    pub webhook_configuration: String,
    /// How long to wait for all replicas to be ready, in seconds.
    #[arg(long, default_value_t = 60)]
    pub timeout_seconds: u64,
}

impl SelfTestHook {
    pub(super) async fn run(self, client: Client) -> anyhow::Result<()> {
        self.replicas_are_ready(&client).await?;
        self.webhooks_trust_writ(&client).await?;
        let policies: Api<Policy> = Api::all(client);
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        policies
            .create(&dry_run, &policy("true")?)
            .await
            .context("a valid policy was refused: look at the logs of the replicas")?;
        println!("a valid policy is accepted");
        match policies.create(&dry_run, &policy("signals.undeclared")?).await {
            Err(kube::Error::Api(status)) if status.message.contains(Reason::InvalidPolicy.as_str()) => {
                println!("an invalid policy is refused: {}", status.message);
                Ok(())
            }
            Err(error) => Err(error).context("an invalid policy was refused, but not by Writ"),
            Ok(_) => bail!(
                "an invalid policy was accepted: the API server does not ask Writ. Is webhook configuration `{}` as \
                 the chart made it?",
                self.webhook_configuration
            ),
        }
    }

    async fn replicas_are_ready(&self, client: &Client) -> anyhow::Result<()> {
        let sets: Api<StatefulSet> = Api::namespaced(client.clone(), &self.namespace);
        let attempts = self.timeout_seconds.max(1);
        for attempt in 1..=attempts {
            let set = sets.get(&self.stateful_set).await?;
            let wanted = set.spec.replicas.unwrap_or(1);
            let ready = set.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0);
            if wanted > 0 && ready >= wanted {
                println!("all {wanted} replicas are ready");
                return Ok(());
            }
            if attempt == attempts {
                bail!(
                    "{ready} of {wanted} replicas are ready: `kubectl -n {} get pods` and their logs say why",
                    self.namespace
                );
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    async fn webhooks_trust_writ(&self, client: &Client) -> anyhow::Result<()> {
        let name = &self.webhook_configuration;
        let configurations: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
        let configuration = configurations
            .get_opt(name)
            .await?
            .with_context(|| format!("validating webhook configuration `{name}` is missing: run `helm upgrade`"))?;
        for webhook in configuration.webhooks.unwrap_or_default() {
            if webhook.client_config.ca_bundle.is_none() {
                bail!("webhook `{}` has no `caBundle`: run `helm upgrade`, whose last hook sets it", webhook.name);
            }
        }
        Ok(())
    }
}

fn policy(when: &str) -> anyhow::Result<Policy> {
    Ok(serde_json::from_value(json!({
        "apiVersion": crate::api::API_VERSION, "kind": "Policy",
        "metadata": {"name": "writ-self-test.v1"},
        "spec": {
            "id": "writ-self-test", "version": "v1",
            "matchConstraints": {"resourceRules": [
                {"apiGroups": ["apps"], "apiVersions": ["*"], "resources": ["deployments"], "operations": ["CREATE"]},
            ]},
            "rules": [{"name": "all", "when": when, "outcome": "Allow", "reason": "SelfTest"}],
            "replay": {"mode": "Repeatable"},
        },
    }))?)
}
