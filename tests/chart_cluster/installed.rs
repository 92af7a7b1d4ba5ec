//! A control plane with the chart installed, and the people who act in it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::harness::{Cluster, Options, Output, run, wait_until};

pub(crate) const NAMESPACE: &str = "writ";
/// Long for a machine that does other things too; nothing waits longer than it must.
pub(crate) const SOON: Duration = Duration::from_secs(120);
/// A guarded label key of the installation.
pub(crate) const GUARDED: &str = "freeze.example.com/window";
/// The group whose requests the webhooks do not see: here no replica would answer them.
pub(crate) const BREAK_GLASS: &str = "writ:break-glass";

/// Somebody who may do everything but what concerns Writ alone: no right on `writ.dev/records` or `namespacelabels`.
const EVERYTHING_ELSE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: everything-else}
rules:
- apiGroups: ['', apps, coordination.k8s.io, batch, networking.k8s.io]
  resources: ['*']
  verbs: ['*']
- apiGroups: [writ.dev]
  resources: [policies, policies/status, policybindings, policybindings/status]
  verbs: ['*']
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: everything-else}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: everything-else}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: mallory}]
";

/// A cluster in which the chart was installed as Helm does it, hooks included.
pub(crate) struct Installed {
    pub(crate) cluster: Cluster,
    /// A cluster administrator whom no webhook stops.
    pub(crate) root: PathBuf,
    /// Everything but Writ's own rights; no webhook stops them.
    pub(crate) mallory: PathBuf,
    /// The running program.
    pub(crate) writ: PathBuf,
}

/// One for all tests that change nothing of the installation.
pub(crate) fn shared() -> Result<&'static Installed> {
    static SHARED: LazyLock<Result<Installed>> = LazyLock::new(|| {
        let installed = Installed::bare()?;
        installed.install(&[])?;
        Ok(installed)
    });
    SHARED.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))
}

impl Installed {
    /// Only the namespace and the people.
    pub(crate) fn bare() -> Result<Self> {
        Self::on(Options::default())
    }

    /// The same on a cluster of another kind.
    pub(crate) fn on(options: Options) -> Result<Self> {
        let cluster = Cluster::control_plane(options)?;
        cluster.provide("helm")?;
        let account = format!("system:serviceaccount:{NAMESPACE}:writ");
        let installed = Self {
            root: cluster.kubeconfig("root", &["system:masters", BREAK_GLASS])?,
            mallory: cluster.kubeconfig("mallory", &[BREAK_GLASS])?,
            writ: cluster.kubeconfig(&account, &["system:serviceaccounts"])?,
            cluster,
        };
        installed.root(&["create", "namespace", NAMESPACE], "")?;
        installed.root(&["apply", "-f", "-"], EVERYTHING_ELSE)?;
        Ok(installed)
    }

    /// Everything that `helm install` does, with the pods of the hooks replaced by this process.
    pub(crate) fn install(&self, values: &[&str]) -> Result<()> {
        let guarded = format!("--set=guardedLabelKeys={{{GUARDED}}}");
        let values = [&[guarded.as_str()], values].concat();
        self.prepare(&[])?;
        self.job("writ-install", &[])?.ok().context("hook install")?;
        let arguments = [&["install", "writ", CHART, "--no-hooks"], &values[..]].concat();
        self.helm(&arguments)?.ok().context("helm install")?;
        self.job("writ-ca-bundle", &[])?.ok().context("hook ca-bundle")?;
        self.wait_for_protection()
    }

    /// The account of the first hook.
    pub(crate) fn prepare(&self, values: &[&str]) -> Result<()> {
        self.root(&["apply", "-f", "-"], &self.rendered("account", values)?)?;
        Ok(())
    }

    /// The Job of that name as its pod would run it: its arguments, under its service account.
    pub(crate) fn job(&self, name: &str, values: &[&str]) -> Result<Output> {
        let jobs: Vec<Value> = serde_saphyr::from_multiple(&self.rendered("jobs", values)?)?;
        let job = jobs.iter().find(|job| job["metadata"]["name"] == name).with_context(|| format!("no job {name}"))?;
        let pod = &job["spec"]["template"]["spec"];
        let arguments = pod["containers"][0]["args"].as_array().context("the job has no arguments")?;
        let arguments: Vec<&str> = arguments.iter().filter_map(Value::as_str).collect();
        let Some((&"hook", arguments)) = arguments.split_first() else { bail!("not a hook: {arguments:?}") };
        self.hook(pod["serviceAccountName"].as_str().unwrap_or_default(), arguments)
    }

    fn rendered(&self, template: &str, values: &[&str]) -> Result<String> {
        let template = format!("--show-only=templates/hooks/{template}.yaml");
        self.helm(&[&["template", "writ", CHART, &template], values].concat())?.ok()
    }

    /// helm in Writ's namespace, as an administrator whom no webhook stops.
    pub(crate) fn helm(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.command("helm", &self.root);
        command.args(arguments).args(["--namespace", NAMESPACE]);
        run(command, "")
    }

    /// `writ hook` under a service account of the chart.
    pub(crate) fn hook(&self, account: &str, arguments: &[&str]) -> Result<Output> {
        let user = format!("system:serviceaccount:{NAMESPACE}:{account}");
        let groups = ["system:serviceaccounts", &format!("system:serviceaccounts:{NAMESPACE}")];
        let mut command = self.cluster.command(env!("CARGO_BIN_EXE_writ"));
        command.arg("hook").args(arguments);
        command.env("KUBECONFIG", self.cluster.kubeconfig(&user, &groups)?).env("POD_NAMESPACE", NAMESPACE);
        run(command, "")
    }

    /// kubectl as `root`, and it must succeed.
    pub(crate) fn root(&self, arguments: &[&str], stdin: &str) -> Result<String> {
        self.cluster.kubectl_as(&self.root, arguments, stdin)?.ok().with_context(|| arguments.join(" "))
    }

    /// A program of the cluster's own, as somebody.
    pub(crate) fn command(&self, program: &str, kubeconfig: &PathBuf) -> Command {
        let mut command = self.cluster.command(self.cluster.directory().join("bin").join(program));
        command.env("KUBECONFIG", kubeconfig);
        command
    }

    /// The API server takes up a ValidatingAdmissionPolicy a moment after it is stored, each by itself.
    fn wait_for_protection(&self) -> Result<()> {
        let probes: [(&[&str], &str); 4] = [
            (&["create", "configmap", "writ-claim-probe", "--namespace", NAMESPACE], "writ-records"),
            (&["label", "namespace", "default", &format!("{GUARDED}=x")], "writ-namespace-labels"),
            (&["delete", "namespace", NAMESPACE], "writ-namespace"),
            (
                &["patch", "namespace", "default", "--subresource=status", "--type=merge", "--patch", FORGED],
                "writ-attestation-status",
            ),
        ];
        for (arguments, policy) in probes {
            let arguments = [arguments, &["--dry-run=server"]].concat();
            wait_until(policy, SOON, || {
                let output = self.cluster.kubectl_as(&self.mallory, &arguments, "")?;
                Ok((!output.success && output.stderr.contains(policy)).then_some(()))
            })?;
        }
        Ok(())
    }
}

const FORGED: &str = r#"{"metadata": {"annotations": {"attestation.writ.dev/namespaces": "forged"}}}"#;

/// The chart's directory.
pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/writ");
