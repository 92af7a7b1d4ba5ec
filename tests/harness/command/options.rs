//! The options of `up`, `with` and `shell`.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::harness::{Audit, Cluster, Minor, Options};

/// What a cluster shall be like, as a person says it.
#[derive(clap::Args)]
pub(crate) struct Wanted {
    /// With a node that runs pods (needs root); controllers and scheduler are then always there
    #[arg(long)]
    pub(crate) node: bool,
    /// The cluster's name: a-z, 0-9 and '-'
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The API server is of the previous Kubernetes minor (built at its first use)
    #[arg(long)]
    pub(crate) previous: bool,
    /// A second API server on the same etcd
    #[arg(long)]
    pub(crate) second_api_server: bool,
    /// The second API server is of the previous minor
    #[arg(long, requires = "second_api_server")]
    pub(crate) second_previous: bool,
    /// With the controller-manager
    #[arg(long)]
    pub(crate) controllers: bool,
    /// With the scheduler
    #[arg(long)]
    pub(crate) scheduler: bool,
    /// The API servers show a client certificate to webhooks
    #[arg(long)]
    pub(crate) authenticate_to_webhooks: bool,
    /// Write an audit log
    #[arg(long)]
    pub(crate) audit: bool,
    /// A feature gate, NAME=true or NAME=false
    #[arg(long = "feature-gate", value_name = "NAME=BOOL", value_parser = gate)]
    pub(crate) feature_gates: Vec<(String, bool)>,
    /// A further argument for every API server
    #[arg(long = "api-server-arg", value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub(crate) api_server_args: Vec<String>,
    /// An image archive to load into the node
    #[arg(long, value_name = "ARCHIVE")]
    pub(crate) load: Vec<PathBuf>,
}

impl Wanted {
    /// Brings the cluster up, with kubectl and helm for the commands that run in it.
    pub(crate) fn bring_up(&self) -> Result<Cluster> {
        crate::only_a_node_loads(self)?;
        let cluster = if self.node { Cluster::node(self.options()) } else { Cluster::control_plane(self.options()) }?;
        cluster.provide("helm")?;
        for archive in &self.load {
            cluster.load(archive)?;
        }
        Ok(cluster)
    }

    /// The same as arguments, for the process that keeps the cluster.
    pub(crate) fn to_arguments(&self, name: &str) -> Vec<String> {
        let mut arguments = vec![String::from("--name"), name.to_owned()];
        let flags = [
            (self.node, "--node"),
            (self.previous, "--previous"),
            (self.second_api_server, "--second-api-server"),
            (self.second_previous, "--second-previous"),
            (self.controllers, "--controllers"),
            (self.scheduler, "--scheduler"),
            (self.authenticate_to_webhooks, "--authenticate-to-webhooks"),
            (self.audit, "--audit"),
        ];
        arguments.extend(flags.iter().filter(|(set, _)| *set).map(|(_, flag)| (*flag).to_owned()));
        arguments.extend(self.feature_gates.iter().map(|(gate, on)| format!("--feature-gate={gate}={on}")));
        arguments.extend(self.api_server_args.iter().map(|argument| format!("--api-server-arg={argument}")));
        arguments.extend(self.load.iter().map(|archive| format!("--load={}", archive.display())));
        arguments
    }

    fn options(&self) -> Options {
        let minor = |previous| if previous { Minor::Previous } else { Minor::Current };
        Options {
            name: self.name.clone(),
            minor: minor(self.previous),
            second_api_server: self.second_api_server.then(|| minor(self.second_previous)),
            controller_manager: self.controllers,
            scheduler: self.scheduler,
            authenticate_to_webhooks: self.authenticate_to_webhooks,
            audit: if self.audit { Audit::Metadata } else { Audit::Off },
            feature_gates: self.feature_gates.clone(),
            api_server_args: self.api_server_args.clone(),
            api_server_env: Vec::new(),
            etcd_args: Vec::new(),
        }
    }
}

fn gate(text: &str) -> Result<(String, bool)> {
    let (name, enabled) = text.split_once('=').context("a feature gate is NAME=true or NAME=false")?;
    Ok((name.to_owned(), enabled.parse().context("a feature gate is NAME=true or NAME=false")?))
}
