//! A cluster, for the commands that ask one.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
    core::discovery::v2::APIGroupDiscovery,
};

use crate::{
    admission::GroupVersionResource,
    canonical::{self, Value},
};

/// Which cluster, and where in it.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ClusterArguments {
    /// The kubeconfig to use; default: as kubectl chooses.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// The namespace of objects that are named; default: the context's.
    #[arg(short = 'n', long, value_name = "NAME")]
    namespace: Option<String>,
    /// Writ's own namespace.
    #[arg(long, value_name = "NAME", default_value = "writ-system")]
    pub(super) writ_namespace: String,
}

/// A cluster that can be asked.
pub(super) struct Cluster {
    pub(super) client: Client,
    namespace: String,
}

/// How Writ was installed, by the arguments of its pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Installation {
    /// Whether the API server has to prove that it is the caller.
    pub(super) callers_authenticated: bool,
    /// Whether `Once` policies are allowed without that.
    pub(super) accepts_unauthenticated_once: bool,
    /// Name of the webhook configurations.
    pub(super) webhook_configuration: String,
    /// The cluster's identity in attestations, where it is not the uid of `kube-system`.
    pub(super) cluster_id: Option<String>,
}

impl Default for Installation {
    fn default() -> Self {
        Self {
            callers_authenticated: false,
            accepts_unauthenticated_once: false,
            webhook_configuration: "zz-writ".to_owned(),
            cluster_id: None,
        }
    }
}

impl Installation {
    pub(super) fn of(set: &StatefulSet) -> Self {
        let pod = set.spec.template.spec.as_ref();
        let containers = pod.map(|pod| pod.containers.as_slice()).unwrap_or_default();
        let arguments: Vec<&str> =
            containers.iter().flat_map(|container| container.args.iter().flatten()).map(String::as_str).collect();
        let value = |name: &str| {
            arguments.iter().find_map(|argument| argument.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
        };
        let default = Self::default();
        Self {
            callers_authenticated: value("--caller-ca").is_some(),
            accepts_unauthenticated_once: arguments.contains(&"--accept-unauthenticated-once"),
            webhook_configuration: value("--webhook-configuration").unwrap_or(default.webhook_configuration),
            cluster_id: value("--cluster-id"),
        }
    }
}

/// A resource as the cluster serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) resource: GroupVersionResource,
    pub(super) namespaced: bool,
}

impl ClusterArguments {
    pub(super) async fn connect(&self) -> anyhow::Result<Cluster> {
        let config = self.config().await?;
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).context("the cluster cannot be reached")?;
        Ok(Cluster { client, namespace })
    }

    async fn config(&self) -> anyhow::Result<Config> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        if let Some(path) = &self.kubeconfig {
            let file = Kubeconfig::read_from(path).with_context(|| format!("`{}` cannot be used", path.display()))?;
            return Ok(Config::from_custom_kubeconfig(file, &options).await?);
        }
        if let Some(context) = &self.context {
            let missing = || format!("the context `{context}` of the kubeconfig cannot be used");
            return Config::from_kubeconfig(&options).await.with_context(missing);
        }
        // The reasons why neither is there would fill a screen.
        let Ok(config) = Config::infer().await else {
            bail!("there is no cluster to ask: give --kubeconfig FILE, or set KUBECONFIG to one that works");
        };
        Ok(config)
    }
}

impl Cluster {
    /// The resource that people mean by a word: `deployments`, `deployment`, `deploy`, `Deployment` or
    /// `deployments.apps`. The core group goes first, as in kubectl.
    pub(super) async fn find(&self, word: &str) -> anyhow::Result<Served> {
        let core =
            self.client.list_core_api_versions_aggregated().await.context("the cluster does not say what it serves")?;
        let groups =
            self.client.list_api_groups_aggregated().await.context("the cluster does not say what it serves")?;
        let (word, wanted) = word.split_once('.').map_or((word, None), |(word, group)| (word, Some(group)));
        let mut all = core
            .items
            .iter()
            .chain(&groups.items)
            .filter(|group| wanted.is_none_or(|wanted| group_name(group) == wanted));
        match all.find_map(|group| in_group(group, word)) {
            Some(served) => Ok(served),
            None => bail!("the cluster serves no resource `{word}`; `kubectl api-resources` lists them"),
        }
    }

    /// An object, its bytes read strictly.
    pub(super) async fn object(&self, served: &Served, name: &str) -> anyhow::Result<Value<'static>> {
        let GroupVersionResource { group, version, resource } = &served.resource;
        let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        let place = if served.namespaced { format!("/namespaces/{}", self.namespace) } else { String::new() };
        let request = hyper::Request::get(format!("{root}{place}/{resource}/{name}")).body(Vec::new())?;
        let text =
            self.client.request_text(request).await.with_context(|| format!("{resource}/{name} cannot be read"))?;
        let value =
            canonical::parse(text.as_bytes()).with_context(|| format!("{resource}/{name} is not acceptable JSON"))?;
        Ok(value.into_owned())
    }
}

fn group_name(group: &APIGroupDiscovery) -> &str {
    group.metadata.as_ref().and_then(|metadata| metadata.name.as_deref()).unwrap_or_default()
}

/// The resource that `word` names in a group, in the version that the cluster prefers.
fn in_group(group: &APIGroupDiscovery, word: &str) -> Option<Served> {
    let word = word.to_lowercase();
    group.versions.iter().find_map(|version| {
        let resource = version.resources.iter().find(|resource| {
            let kind = resource.response_kind.as_ref().and_then(|kind| kind.kind.as_deref());
            let names = [resource.resource.as_deref(), resource.singular_resource.as_deref(), kind];
            names.into_iter().flatten().any(|name| name.to_lowercase() == word) || resource.short_names.contains(&word)
        })?;
        Some(Served {
            resource: GroupVersionResource {
                group: group_name(group).to_owned(),
                version: version.version.clone()?,
                resource: resource.resource.clone()?,
            },
            namespaced: resource.scope.as_deref() == Some("Namespaced"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_shows_in_its_arguments() {
        let set = |args: &[&str]| -> StatefulSet {
            serde_json::from_value(serde_json::json!({"spec": {
                "selector": {}, "serviceName": "writ",
                "template": {"spec": {"containers": [{"name": "writ", "args": args}]}},
            }}))
            .unwrap()
        };
        assert_eq!(Installation::of(&set(&["serve"])), Installation::default());
        let arguments =
            ["--caller-ca=/ca.crt", "--accept-unauthenticated-once", "--webhook-configuration=zz", "--cluster-id=c"];
        let installation = Installation::of(&set(&arguments));
        assert!(installation.callers_authenticated && installation.accepts_unauthenticated_once);
        assert_eq!(
            (installation.webhook_configuration.as_str(), installation.cluster_id.as_deref()),
            ("zz", Some("c"))
        );
    }

    #[test]
    fn people_name_resources_in_many_ways() {
        let group: APIGroupDiscovery = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "apps"},
            "versions": [{"version": "v1", "resources": [{
                "resource": "deployments", "singularResource": "deployment", "shortNames": ["deploy"],
                "responseKind": {"group": "", "version": "", "kind": "Deployment"}, "scope": "Namespaced",
            }]}, {"version": "v1beta1", "resources": [{"resource": "deployments"}, {"resource": "scales", "scope": "Cluster"}]}],
        }))
        .unwrap();
        for (word, found) in [
            ("deployments", Some(("v1", true))),
            ("deployment", Some(("v1", true))),
            ("deploy", Some(("v1", true))),
            ("Deployment", Some(("v1", true))),
            ("scales", Some(("v1beta1", false))),
            ("deploys", None),
            ("", None),
        ] {
            let served = in_group(&group, word);
            assert_eq!(served.as_ref().map(|served| (&*served.resource.version, served.namespaced)), found, "{word}");
        }
    }
}
