//! A node with the chart installed as people install it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::harness::{Cluster, Options, Output, WEBHOOK_CALLER, run, wait_until};

/// Long for a machine that does other things too; nothing waits longer than it must.
pub(crate) const SOON: Duration = Duration::from_secs(180);
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/writ");
const N: &str = "--namespace=writ";

/// A cluster with real pods, and the values of the release.
pub(crate) struct Release {
    pub(crate) cluster: Cluster,
    values: PathBuf,
}

/// Whether there can be pods. Says so where there cannot.
pub(crate) fn can_run_pods() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("NOT RUN: a node with pods needs root; as root, `make test-pods` runs it");
    }
    root
}

impl Release {
    /// A node on which nothing is installed yet. The API server authenticates to Writ.
    pub(crate) fn node() -> Result<Self> {
        let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/writ-image.tar");
        ensure!(image.exists(), "there is no image for the pods: `make image` makes it");
        let cluster = Cluster::node(Options::default().authenticate_to_webhooks())?;
        cluster.provide("helm")?;
        cluster.load(&image)?;
        cluster.kubectl(&["create", "namespace", "writ"], "")?.ok()?;
        let callers = cluster.directory().join("callers.crt");
        fs::write(&callers, cluster.webhook_authority().certificate())?;
        let file = format!("--from-file=ca.crt={}", callers.display());
        cluster.kubectl(&["create", "configmap", "callers", N, &file], "")?.ok()?;
        let values = cluster.directory().join("values.json");
        let content = json!({
            "image": {"pullPolicy": "Never"},
            "callerAuthentication": {"caConfigMap": "callers", "names": [WEBHOOK_CALLER]},
            "drainSeconds": 3,
        });
        fs::write(&values, content.to_string())?;
        Ok(Self { cluster, values })
    }

    /// A node with two ready replicas.
    pub(crate) fn installed() -> Result<Self> {
        let release = Self::node()?;
        release.helm_with_values("install", &["--wait"])?.ok()?;
        Ok(release)
    }

    /// `helm install` or `helm upgrade` with the values of this release.
    pub(crate) fn helm_with_values(&self, action: &str, arguments: &[&str]) -> Result<Output> {
        let values = self.values.display().to_string();
        self.helm(&[&[action, "writ", CHART, "--values", &values, "--timeout=300s"], arguments].concat())
    }

    /// Any helm command.
    pub(crate) fn helm(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.cluster.command(self.cluster.directory().join("bin/helm"));
        command.args(arguments).arg(N);
        run(command, "")
    }

    /// kubectl that must succeed.
    pub(crate) fn ok(&self, arguments: &[&str], stdin: &str) -> Result<String> {
        self.cluster.kubectl(arguments, stdin)?.ok().with_context(|| arguments.join(" "))
    }

    /// An object of Writ's namespace.
    pub(crate) fn json(&self, arguments: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.ok(&[&["get", "--output=json", N], arguments].concat(), "")?)?)
    }

    /// A Deployment in the namespace `governed`, created or not.
    pub(crate) fn deploy(&self, name: &str) -> Result<Output> {
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "governed"},
            "spec": {
                "replicas": 0, "selector": {"matchLabels": {"a": "b"}},
                "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
            },
        });
        self.cluster.kubectl(&["create", "-f", "-"], &deployment.to_string())
    }

    /// A policy for Deployments with this one rule, in force for the namespace `governed`.
    pub(crate) fn govern(&self, id: &str, outcome: &str) -> Result<()> {
        let policy = json!({
            "apiVersion": "writ.dev/v1alpha1", "kind": "Policy", "metadata": {"name": format!("{id}.v1")},
            "spec": {
                "id": id, "version": "v1",
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": ["apps"], "apiVersions": ["*"], "resources": ["deployments"],
                    "operations": ["CREATE", "UPDATE", "DELETE"],
                }]},
                "rules": [{"name": "all", "outcome": outcome, "reason": "Sample", "message": "by policy"}],
                "replay": {"mode": "Repeatable"},
            },
        });
        let binding = json!({
            "apiVersion": "writ.dev/v1alpha1", "kind": "PolicyBinding", "metadata": {"name": id},
            "spec": {
                "policyRef": {"id": id, "version": "v1"}, "mode": "Enforce",
                "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "governed"}}},
            },
        });
        self.ok(&["create", "-f", "-"], &policy.to_string())?;
        self.ok(&["create", "-f", "-"], &binding.to_string())?;
        Ok(())
    }

    /// Waits until a Deployment can be created, and removes it again.
    pub(crate) fn wait_for_allow(&self) -> Result<()> {
        wait_until("an allowed Deployment", SOON, || {
            let output = self.deploy("probe")?;
            Ok(output.success.then_some(()))
        })?;
        self.ok(&["delete", "deployment", "probe", "-n", "governed"], "")?;
        Ok(())
    }

    /// Waits until creating a Deployment is refused with this text.
    pub(crate) fn wait_for_refusal(&self, text: &str) -> Result<()> {
        wait_until(text, SOON, || {
            let output = self.deploy("probe")?;
            if output.success {
                self.ok(&["delete", "deployment", "probe", "-n", "governed"], "")?;
            }
            anyhow::ensure!(output.success || output.stderr.contains(text), "{}", output.stderr);
            Ok((!output.success).then_some(()))
        })
    }

    /// Waits until no replica is there.
    pub(crate) fn kill_all(&self) -> Result<()> {
        self.ok(&["scale", "statefulset", "writ", N, "--replicas=0"], "")?;
        self.ok(&["wait", "--for=delete", "pod", "-l", "app.kubernetes.io/component=server", N, "--timeout=180s"], "")?;
        Ok(())
    }

    /// The way past the webhooks.
    pub(crate) fn break_glass() -> [&'static str; 3] {
        ["--kube-as-user=admin", "--kube-as-group=system:masters", "--kube-as-group=writ:break-glass"]
    }

    /// Key and store, which an installation keeps for ever.
    pub(crate) fn identity(&self) -> Result<(Value, Value)> {
        let key = self.json(&["secret", "writ-signing-key"])?["data"].clone();
        Ok((key, self.json(&["configmap", "writ-store"])?["data"].clone()))
    }
}
