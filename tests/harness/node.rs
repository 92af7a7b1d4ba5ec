//! A node of its own: namespaces in which containerd, kubelet and kube-proxy run real pods. Needs root.

use std::ffi::OsString;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::component::Component;
use super::control_plane::SERVICE_RANGE;
use super::state::State;
use super::tools;

pub(crate) const CONTAINERD: &str = "containerd";
pub(crate) const KUBELET: &str = "kubelet";
pub(crate) const KUBE_PROXY: &str = "kube-proxy";

/// The node's address: of the bridge to which its pods are attached.
pub(crate) const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 88, 0, 1));
/// The node's name in the cluster.
pub(crate) const NODE: &str = "node";
/// Where kube-proxy says that it has written its rules.
pub(crate) const KUBE_PROXY_HEALTH: u16 = 10256;

const PODS: &str = "10.88.0.0/16";
const SOCKET: &str = "/run/containerd/containerd.sock";
const PLUGINS: &str = "/usr/lib/cni";

/// Says in one line what a node needs and the machine lacks.
pub(crate) fn check_prerequisites() -> Result<()> {
    ensure!(
        fs::metadata("/proc/self")?.uid() == 0,
        "a node needs root (namespaces, mounts, control groups): run it as root, or use the control plane alone, without --node"
    );
    for (file, package) in [
        ("/usr/bin/containerd", "containerd"),
        ("/usr/sbin/runc", "runc"),
        ("/usr/lib/cni/bridge", "containernetworking-plugins"),
        ("/usr/sbin/nft", "nftables"),
    ] {
        ensure!(Path::new(file).exists(), "{file} is missing: `make setup` installs the package {package}");
    }
    Ok(())
}

/// The namespaces of one cluster, held by a process that dies with the owner.
pub(crate) struct Namespaces {
    holder: Component,
    init: u32,
}

impl Namespaces {
    /// Makes the namespaces, the bridge and the control groups.
    pub(crate) fn create(state: &State) -> Result<Self> {
        let group = cgroup(state);
        fs::write(state.directory().join("cgroup"), &group)?;
        let mut holder = Component::new("namespaces", "unshare", state.directory())
            .args(["-n", "-m", "-p", "-f", "--kill-child", "--mount-proc", "--propagation", "private", "--"])
            .args(["bash", "-c", include_str!("node.sh"), "node.sh"])
            .args([
                state.directory().as_os_str().to_owned(),
                OsString::from(group),
                OsString::from(ADDRESS.to_string()),
                OsString::from(SERVICE_RANGE),
            ]);
        holder.start()?;
        holder.wait(Duration::from_secs(30), || Ok(state.directory().join("node").exists()))?;
        let init = holder.child_pid()?;
        fs::write(state.directory().join("node"), init.to_string())?;
        Ok(Self { holder, init })
    }

    /// What comes before a command to run it in the namespaces.
    pub(crate) fn enter(&self) -> Vec<OsString> {
        enter(self.init)
    }

    /// The network namespace, for connections from outside.
    pub(crate) fn network(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.init))
    }
}

/// The same for the namespaces of the process with that id. The working directory stays what it is.
pub(crate) fn enter(init: u32) -> Vec<OsString> {
    let mut enter = ["nsenter", "--target", &init.to_string(), "--net", "--mount", "--pid", "--", "env"]
        .map(OsString::from)
        .to_vec();
    if let Ok(directory) = std::env::current_dir() {
        enter.extend([OsString::from("--chdir"), directory.into_os_string()]);
    }
    enter
}

/// The control group of a cluster's pods. The owner's id keeps clusters in several state directories apart.
fn cgroup(state: &State) -> String {
    format!("writ-{}-{}", state.name(), std::process::id())
}

/// What kubelet and kube-proxy need to know.
pub(crate) struct Node<'a> {
    pub(crate) state: &'a State,
    pub(crate) feature_gates: &'a [(String, bool)],
}

impl Node<'_> {
    pub(crate) fn containerd(&self) -> Result<Component> {
        let directory = self.state.subdirectory("containerd")?;
        let networks = self.state.subdirectory("cni")?;
        let network = json!({
            "cniVersion": "1.0.0", "name": "pods", "plugins": [
                {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
                 "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS, "gateway": ADDRESS}]],
                          "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "/run/cni"}},
                {"type": "portmap", "capabilities": {"portMappings": true}},
            ],
        });
        fs::write(networks.join("10-pods.conflist"), network.to_string())?;
        let configuration = self.file("containerd.toml");
        fs::write(&configuration, containerd_configuration(&directory, &networks)?)?;
        Ok(Component::new(CONTAINERD, "/usr/bin/containerd", self.state.directory())
            .args([OsString::from("--config"), configuration.into_os_string()])
            .env("PATH", path()))
    }

    pub(crate) fn kubelet(&self, kubeconfig: &Path) -> Result<Component> {
        let root = self.state.subdirectory("kubelet")?;
        let configuration = json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": false}, "x509": {"clientCAFile": self.file("pki/ca.crt")}},
            "address": ADDRESS,
            "cgroupRoot": format!("/{}", cgroup(self.state)),
            "cgroupDriver": "cgroupfs",
            // There is no DNS in the cluster; at the node's address a query is refused at once instead of lost.
            "clusterDNS": [ADDRESS],
            "containerRuntimeEndpoint": format!("unix://{SOCKET}"),
            // A full disk or little memory on the machine of a test is no reason to evict its pods.
            "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%",
                             "imagefs.available": "0%", "imagefs.inodesFree": "0%"},
            "failCgroupV1": false,
            "failSwapOn": false,
            "featureGates": self.feature_gates.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "imageGCHighThresholdPercent": 100,
            "makeIPTablesUtilChains": false,
            "oomScoreAdj": 0,
            "podLogsDir": self.state.subdirectory("logs/pods")?,
            "resolvConf": "",
            "volumePluginDir": self.state.subdirectory("volume-plugins")?,
        });
        fs::write(self.file("kubelet.json"), configuration.to_string())?;
        Ok(Component::new(KUBELET, tools::path("kubelet")?, self.state.directory())
            .args([
                format!("--config={}", self.file("kubelet.json").display()),
                format!("--kubeconfig={}", kubeconfig.display()),
                format!("--root-dir={}", root.display()),
                format!("--cert-dir={}", self.state.subdirectory("kubelet-pki")?.display()),
                format!("--hostname-override={NODE}"),
                format!("--node-ip={ADDRESS}"),
            ])
            .env("PATH", path()))
    }

    pub(crate) fn kube_proxy(&self, kubeconfig: &Path) -> Result<Component> {
        let configuration = json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": kubeconfig},
            "bindAddress": ADDRESS,
            "healthzBindAddress": format!("{ADDRESS}:{KUBE_PROXY_HEALTH}"),
            "metricsBindAddress": "127.0.0.1:10249",
            "clusterCIDR": PODS,
            "mode": "nftables",
            // Pods share one bridge: without this an answer would go straight to the asking pod, past the translation.
            "nftables": {"masqueradeAll": true, "minSyncPeriod": "100ms"},
            "hostnameOverride": NODE,
            "oomScoreAdj": 0,
            "conntrack": {"maxPerCore": 0},
            "featureGates": self.feature_gates.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        });
        fs::write(self.file("kube-proxy.json"), configuration.to_string())?;
        Ok(Component::new(KUBE_PROXY, tools::path("kube-proxy")?, self.state.directory())
            .args([format!("--config={}", self.file("kube-proxy.json").display())])
            .env("PATH", path()))
    }

    /// What a node's API server needs beyond the arguments of every API server.
    pub(crate) fn api_server_args(&self) -> Vec<String> {
        vec![
            format!("--kubelet-client-certificate={}", self.file("pki/kubelet-client.crt").display()),
            format!("--kubelet-client-key={}", self.file("pki/kubelet-client.key").display()),
            String::from("--kubelet-preferred-address-types=InternalIP"),
            String::from("--enable-admission-plugins=NodeRestriction"),
        ]
    }

    fn file(&self, name: &str) -> PathBuf {
        self.state.directory().join(name)
    }
}

/// `ctr` on the node's containerd.
pub(crate) fn ctr(enter: &[OsString], arguments: &[&str]) -> Result<Command> {
    let (program, before) = enter.split_first().context("this cluster has no node: bring it up with --node")?;
    let mut command = Command::new(program);
    command.args(before).args(["ctr", "--address", SOCKET, "--namespace", "k8s.io"]).args(arguments);
    Ok(command)
}

fn path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}

fn containerd_configuration(directory: &Path, networks: &Path) -> Result<String> {
    // overlayfs on overlayfs does not work: inside a container, layers are copied.
    let filesystem = Command::new("stat").args(["--file-system", "--format=%T"]).arg(directory).output()?.stdout;
    let snapshotter = if filesystem.starts_with(b"overlayfs") { "native" } else { "overlayfs" };
    Ok(format!(
        r#"version = 2
root = "{directory}"
state = "/run/containerd"

[grpc]
address = "{SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
restrict_oom_score_adj = true
disable_apparmor = true

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{PLUGINS}"
conf_dir = "{networks}"
"#,
        directory = directory.display(),
        pause = super::image::PAUSE,
        networks = networks.display(),
    ))
}
