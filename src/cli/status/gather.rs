use k8s_openapi::api::{
    admissionregistration::v1::{
        MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhookConfiguration, WebhookClientConfig,
    },
    apps::v1::StatefulSet,
    core::v1::ConfigMap,
};
use kube::{Api, Client, api::ListParams};
use serde::de::DeserializeOwned;

use crate::{
    api::{Policy, PolicyBinding},
    cli::cluster::Installation,
    controller::replicas::{LABEL, LABEL_VALUE, Report},
};

/// A part that was read, or why it was not.
pub(super) type Part<T> = Result<T, String>;

/// Everything that tells how Writ is, as the cluster has it.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) namespace: String,
    /// `None` where there is none.
    pub(super) server: Part<Option<Server>>,
    pub(super) replicas: Part<Vec<Report>>,
    pub(super) policies: Part<Vec<Policy>>,
    pub(super) bindings: Part<Vec<PolicyBinding>>,
    pub(super) mutating: Part<Option<Webhooks>>,
    pub(super) validating: Part<Option<Webhooks>>,
    /// Their name.
    pub(super) configuration: String,
    /// The data of the store's root record.
    pub(super) store: Part<Option<ConfigMap>>,
    /// The published public key.
    pub(super) key: Part<Option<ConfigMap>>,
}

/// The running program.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    pub(super) image: String,
    pub(super) wanted: i32,
    pub(super) ready: i32,
    pub(super) installation: Installation,
}

/// One webhook configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Webhooks {
    pub(super) ignores_failure: bool,
    pub(super) has_authority: bool,
    pub(super) resources: Vec<String>,
}

/// Reads what there is. Only a cluster that does not answer at all is an error.
pub(super) async fn gather(client: &Client, namespace: &str) -> anyhow::Result<Gathered> {
    client.apiserver_version().await?;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let server = server(client, namespace).await;
    let installed = server.as_ref().ok().and_then(|server| server.as_ref());
    let configuration =
        installed.map_or_else(|| "zz-writ".to_owned(), |server| server.installation.webhook_configuration.clone());
    let reports = ListParams::default().labels(&format!("{LABEL}={LABEL_VALUE}"));
    let mutating: Part<Option<MutatingWebhookConfiguration>> = one(&Api::all(client.clone()), &configuration).await;
    let validating: Part<Option<ValidatingWebhookConfiguration>> = one(&Api::all(client.clone()), &configuration).await;
    Ok(Gathered {
        namespace: namespace.to_owned(),
        replicas: list(&maps, &reports).await.map(|found| found.into_iter().map(Report::read).collect()),
        policies: list(&Api::all(client.clone()), &ListParams::default()).await,
        bindings: list(&Api::all(client.clone()), &ListParams::default()).await,
        mutating: mutating.map(|found| found.map(of_mutating)),
        validating: validating.map(|found| found.map(of_validating)),
        store: one(&maps, "writ-store").await,
        key: one(&maps, "writ-public-key").await,
        configuration,
        server,
    })
}

async fn server(client: &Client, namespace: &str) -> Part<Option<Server>> {
    let found: Option<StatefulSet> = one(&Api::namespaced(client.clone(), namespace), "writ").await?;
    Ok(found.map(|set| {
        let installation = Installation::of(&set);
        let wanted = set.spec.replicas.unwrap_or(1);
        let ready = set.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default();
        let containers = set.spec.template.spec.map(|spec| spec.containers).unwrap_or_default();
        let image = containers.into_iter().find_map(|container| container.image).unwrap_or_default();
        Server { image, wanted, ready, installation }
    }))
}

async fn one<K>(api: &Api<K>, name: &str) -> Part<Option<K>>
where
    K: Clone + std::fmt::Debug + DeserializeOwned,
{
    api.get_opt(name).await.map_err(|error| words(&error))
}

async fn list<K>(api: &Api<K>, parameters: &ListParams) -> Part<Vec<K>>
where
    K: Clone + std::fmt::Debug + DeserializeOwned,
{
    api.list(parameters).await.map(|list| list.items).map_err(|error| words(&error))
}

fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

fn of_mutating(configuration: MutatingWebhookConfiguration) -> Webhooks {
    let hooks = configuration.webhooks.unwrap_or_default();
    webhooks(hooks.into_iter().map(|hook| (hook.failure_policy, hook.client_config, hook.rules)))
}

fn of_validating(configuration: ValidatingWebhookConfiguration) -> Webhooks {
    let hooks = configuration.webhooks.unwrap_or_default();
    webhooks(hooks.into_iter().map(|hook| (hook.failure_policy, hook.client_config, hook.rules)))
}

type Hook = (Option<String>, WebhookClientConfig, Option<Vec<RuleWithOperations>>);

fn webhooks(hooks: impl Iterator<Item = Hook>) -> Webhooks {
    let mut found = Webhooks { has_authority: true, ..Webhooks::default() };
    for (failure_policy, client, rules) in hooks {
        found.ignores_failure |= failure_policy.as_deref() == Some("Ignore");
        found.has_authority &= client.ca_bundle.is_some_and(|bundle| !bundle.0.is_empty());
        for rule in rules.unwrap_or_default() {
            for group in rule.api_groups.unwrap_or_default() {
                let dot = if group.is_empty() { "" } else { "." };
                let resources = rule.resources.clone().unwrap_or_default();
                found.resources.extend(resources.into_iter().map(|resource| format!("{resource}{dot}{group}")));
            }
        }
    }
    found.resources.sort();
    found.resources.dedup();
    found
}
