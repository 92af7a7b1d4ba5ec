//! Writ installed by Helm on a node with real pods. Needs root, and the image archive that `make image` writes.
#![allow(dead_code, reason = "each user takes a part")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::harness::{Cluster, Options, Output, WEBHOOK_CALLER, run, wait_until};

pub(crate) const NAMESPACE: &str = "writ-system";
/// The chart, seen from the top of the repository.
pub(crate) const CHART: &str = "charts/writ";
/// How long anything may take to become true.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// The group whose requests are never sent to Writ.
pub(crate) const BREAK_GLASS: &str = "writ:break-glass";

/// The arguments of `helm install` for a cluster whose API servers show a certificate to webhooks.
pub(crate) fn install_arguments() -> Vec<String> {
    let names = format!("callerAuthentication.names={{{WEBHOOK_CALLER}}}");
    ["install", "writ", CHART, "-n", NAMESPACE, "--create-namespace", "--wait", "--timeout", "90s"]
        .into_iter()
        .chain(["--set", "callerAuthentication.caConfigMap=writ-callers", "--set"])
        .map(str::to_owned)
        .chain([names])
        .collect()
}

/// A node on which Writ can be, or is, installed.
pub(crate) struct Installation {
    pub(crate) cluster: Cluster,
}

impl Installation {
    /// A node with helm and the image, and the authority of the webhook callers in Writ's namespace.
    pub(crate) fn bare(image: &Path) -> Result<Self> {
        let cluster = Cluster::node(Options::default().authenticate_to_webhooks())?;
        cluster.provide("helm")?;
        cluster.load(image)?;
        prepare(&cluster)?;
        Ok(Self { cluster })
    }

    /// The same with Writ installed, with further arguments for Helm.
    pub(crate) fn installed(image: &Path, further: &[&str]) -> Result<Self> {
        let installation = Self::bare(image)?;
        let arguments = install_arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(further.iter().copied()).collect();
        installation
            .helm(&arguments)?
            .ok()
            .context("helm install")
            .inspect_err(|_| installation.cluster.keep_logs())?;
        Ok(installation)
    }

    pub(crate) fn helm(&self, arguments: &[&str]) -> Result<Output> {
        helm(&self.cluster, arguments)
    }

    /// kubectl as the administrator, and it must succeed.
    pub(crate) fn kubectl(&self, arguments: &[&str], stdin: &str) -> Result<String> {
        self.cluster.kubectl(arguments, stdin)?.ok().with_context(|| arguments.join(" "))
    }

    pub(crate) fn get(&self, what: &[&str]) -> Result<Value> {
        let arguments = [&["get", "-o", "json"], what].concat();
        Ok(serde_json::from_str(&self.kubectl(&arguments, "")?)?)
    }

    /// The pods of the replicas: name and uid.
    pub(crate) fn replicas(&self) -> Result<Vec<(String, String)>> {
        let pods = self.get(&["pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=server"])?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let items = pods["items"].as_array().cloned().unwrap_or_default();
        Ok(items.iter().map(|pod| (text(&pod["metadata"]["name"]), text(&pod["metadata"]["uid"]))).collect())
    }

    /// Waits until a condition of the cluster holds.
    pub(crate) fn wait(&self, what: &str, condition: impl FnMut() -> Result<bool>) -> Result<()> {
        let mut condition = condition;
        wait_until(what, SOON, || Ok(condition()?.then_some(())))
    }

    /// Applies the policies and bindings of examples and waits until every ready replica has them in force.
    pub(crate) fn apply_examples(&self, names: &[&str]) -> Result<()> {
        for name in names {
            let (policy, binding) = (format!("manifests/{name}/policy.yaml"), format!("manifests/{name}/binding.yaml"));
            self.kubectl(&["apply", "-f", &policy, "-f", &binding], "")?;
        }
        self.kubectl(&["wait", "--for=condition=Ready", "wpol,wpb", "--all", "--timeout=60s"], "")?;
        Ok(())
    }
}

/// helm as the administrator.
pub(crate) fn helm(cluster: &Cluster, arguments: &[&str]) -> Result<Output> {
    let mut command: Command = cluster.command(cluster.directory().join("bin/helm"));
    command.args(arguments);
    run(command, "")
}

/// Writ's namespace with the authority whose certificates the API servers show.
pub(crate) fn prepare(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&["create", "namespace", NAMESPACE], "")?.ok()?;
    let callers = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "writ-callers", "namespace": NAMESPACE},
        "data": {"ca.crt": cluster.webhook_authority().certificate()},
    });
    cluster.kubectl(&["create", "-f", "-"], &callers.to_string())?.ok()?;
    Ok(())
}

/// Fails unless the text has all of the words.
pub(crate) fn says(text: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(text.contains(word), "`{word}` is not in: {text}");
    }
    Ok(())
}
