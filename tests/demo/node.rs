//! The whole thing: a node with real pods, and Writ installed by Helm from its chart.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::harness::Cluster;
use crate::installation::{Installation, NAMESPACE, install_arguments};
use crate::narrator::Narrator;
use crate::stage::Stage;

pub(crate) struct Node {
    installation: Installation,
    program: PathBuf,
}

impl Node {
    pub(crate) fn raise(told: &Narrator, program: PathBuf, image: &Path) -> Result<Self> {
        told.chapter("A real Kubernetes");
        let installation = told.prove_slowly(
            "etcd, API server, controllers, scheduler, containerd, kubelet and kube-proxy run, in namespaces of their own",
            || Installation::bare(image),
        )?;
        told.command("kubectl get nodes");
        told.quote(&installation.kubectl(&["get", "nodes"], "")?);
        Ok(Self { installation, program })
    }
}

impl Stage for Node {
    fn cluster(&self) -> &Cluster {
        &self.installation.cluster
    }

    fn program(&self) -> &Path {
        &self.program
    }

    fn runs_pods(&self) -> bool {
        true
    }

    fn image(&self) -> Result<String> {
        self.cluster().pin("localhost/pause:1", "registry.example.com/apps/web")
    }

    fn install(&self, told: &Narrator) -> Result<()> {
        let arguments = install_arguments();
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        // Only to save the spectator's time: how long a replica that ends goes on answering.
        arguments.extend(["--set", "drainSeconds=3"]);
        told.command(&format!("helm {}", arguments.join(" ")));
        told.prove_slowly(
            "Helm installs Writ: its hooks make authority, signing key and store, two replicas get ready",
            || {
                self.installation.helm(&arguments)?.ok()?;
                ensure!(self.installation.replicas()?.len() == 2, "there are not two replicas");
                Ok(())
            },
        )?;
        told.command(&format!("kubectl get pods -n {NAMESPACE}"));
        told.quote(&self.installation.kubectl(&["get", "pods", "-n", NAMESPACE], "")?);
        Ok(())
    }

    fn outputs(&self) -> Result<Vec<(String, String)>> {
        let mut outputs = Vec::new();
        for (pod, _) in self.installation.replicas()? {
            // A pod that is starting or ending has no log to read.
            let log = self.cluster().kubectl(&["logs", "-n", NAMESPACE, &pod], "")?;
            outputs.push((pod, log.stdout));
        }
        Ok(outputs)
    }

    fn take_away(&self, replica: &str, told: &Narrator) -> Result<()> {
        told.command(&format!("kubectl delete pod {replica} -n {NAMESPACE} --wait=false"));
        self.installation.kubectl(&["delete", "pod", replica, "-n", NAMESPACE, "--wait=false"], "")?;
        Ok(())
    }

    fn restart_all(&self, told: &Narrator) -> Result<()> {
        let installation = &self.installation;
        let before = installation.replicas()?;
        told.command(&format!("kubectl rollout restart statefulset/writ -n {NAMESPACE}"));
        told.prove_slowly("all pods of Writ are other ones now", || {
            installation.kubectl(&["rollout", "restart", "statefulset/writ", "-n", NAMESPACE], "")?;
            let status = ["rollout", "status", "statefulset/writ", "-n", NAMESPACE, "--timeout=90s"];
            installation.kubectl(&status, "")?;
            let after = installation.replicas()?;
            ensure!(after.len() == 2 && after.iter().all(|pod| !before.contains(pod)), "{before:?}, then {after:?}");
            Ok(())
        })
    }
}
