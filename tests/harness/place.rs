//! A cluster seen from another process: all that one needs to run a command in it is in its directory.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::node;

/// The directory of a running cluster.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
}

impl Place {
    /// A command in the cluster (with a node: in its namespaces), with its environment.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = match self.enter().split_first() {
            None => Command::new(program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command.envs(self.environment());
        command
    }

    /// What comes before a command to run it in the namespaces of a node; empty without a node.
    pub(crate) fn enter(&self) -> Vec<OsString> {
        let init = fs::read_to_string(self.directory.join("node")).ok().and_then(|init| init.parse().ok());
        init.map(node::enter).unwrap_or_default()
    }

    /// The environment of a command: KUBECONFIG is the administrator's, PATH has kubectl and what else was provided.
    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        let file = |name: &str| self.directory.join(name).into_os_string();
        let mut path = file("bin");
        if let Some(inherited) = std::env::var_os("PATH") {
            path.push(":");
            path.push(inherited);
        }
        vec![
            ("PATH", path),
            ("KUBECONFIG", file("kubeconfig/admin.json")),
            ("KUBECACHEDIR", file("kubectl-cache")),
            ("HELM_CACHE_HOME", file("helm/cache")),
            ("HELM_CONFIG_HOME", file("helm/config")),
            ("HELM_DATA_HOME", file("helm/data")),
            ("WRIT_CLUSTER", self.directory.clone().into_os_string()),
        ]
    }

    /// Where the keeper of a cluster that `up` made takes orders.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join("orders")
    }
}

impl From<&Path> for Place {
    fn from(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }
}
