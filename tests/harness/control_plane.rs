//! etcd, API servers, controller-manager and scheduler: the files they need and the arguments they get.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::KeyPair;
use serde_json::json;

use super::component::Component;
use super::options::{Audit, Minor, Options};
use super::pki::{Authority, Identity};
use super::state::State;
use super::tools;

/// The names of the components, as `stop`, `start` and the others take them.
pub(crate) const ETCD: &str = "etcd";
pub(crate) const API_SERVER: &str = "kube-apiserver";
pub(crate) const SECOND_API_SERVER: &str = "kube-apiserver-2";
pub(crate) const CONTROLLER_MANAGER: &str = "kube-controller-manager";
pub(crate) const SCHEDULER: &str = "kube-scheduler";

/// Service addresses; the first is the API server's own Service.
pub(crate) const SERVICE_RANGE: &str = "10.96.0.0/16";
const FIRST_SERVICE: &str = "10.96.0.1";

/// The addresses on which a control plane listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) etcd: SocketAddr,
    pub(crate) etcd_peer: SocketAddr,
    pub(crate) api_server: SocketAddr,
    pub(crate) second_api_server: SocketAddr,
}

impl Addresses {
    /// Free ports on loopback.
    pub(crate) fn loopback(state: &State) -> Result<Self> {
        let free = || -> Result<SocketAddr> { Ok(SocketAddr::from(([127, 0, 0, 1], state.port()?))) };
        Ok(Self { etcd: free()?, etcd_peer: free()?, api_server: free()?, second_api_server: free()? })
    }

    /// The usual ports of an address that is the cluster's own.
    pub(crate) fn fixed(address: IpAddr) -> Self {
        let at = |port| SocketAddr::new(address, port);
        Self { etcd: at(2379), etcd_peer: at(2380), api_server: at(6443), second_api_server: at(6444) }
    }
}

/// What all components of one cluster share.
pub(crate) struct Plan<'a> {
    pub(crate) state: &'a State,
    pub(crate) options: &'a Options,
    pub(crate) addresses: Addresses,
    pub(crate) authority: &'a Authority,
    pub(crate) webhook_caller: Option<&'a Identity>,
    /// What the form of the cluster adds to every API server's arguments.
    pub(crate) api_server_args: Vec<String>,
}

impl Plan<'_> {
    /// Writes certificates, keys and configuration files.
    pub(crate) fn write_files(&self) -> Result<()> {
        let pki = self.state.subdirectory("pki")?;
        self.authority.write(&pki)?;
        let address = self.addresses.api_server.ip().to_string();
        let names = [&address, "localhost", "127.0.0.1", "kubernetes.default.svc", "kubernetes.default", FIRST_SERVICE];
        self.authority.server(&names)?.write(&pki, "apiserver")?;
        let tokens = KeyPair::generate()?;
        fs::write(pki.join("service-accounts.key"), tokens.serialize_pem())?;
        fs::write(pki.join("service-accounts.pub"), tokens.public_key_pem())?;
        self.authority.client("kube-apiserver", &["system:masters"])?.write(&pki, "kubelet-client")?;
        fs::write(self.file("audit-policy.json"), audit_policy(self.options.audit).to_string())?;
        fs::write(self.file("admission.json"), self.admission().to_string())?;
        Ok(())
    }

    pub(crate) fn etcd(&self) -> Result<Component> {
        let (client, peer) = (self.addresses.etcd, self.addresses.etcd_peer);
        Ok(Component::new(ETCD, tools::path("etcd")?, self.state.directory())
            .args([
                format!("--data-dir={}", self.file("etcd").display()),
                format!("--listen-client-urls=http://{client}"),
                format!("--advertise-client-urls=http://{client}"),
                format!("--listen-peer-urls=http://{peer}"),
                format!("--initial-advertise-peer-urls=http://{peer}"),
                format!("--initial-cluster=default=http://{peer}"),
                String::from("--log-level=warn"),
            ])
            .args(self.options.etcd_args.clone()))
    }

    pub(crate) fn api_server(&self, name: &str, minor: Minor, address: SocketAddr) -> Result<Component> {
        let program = match minor {
            Minor::Current => "kube-apiserver",
            Minor::Previous => "kube-apiserver-previous",
        };
        let pki = self.file("pki");
        let file = |name: &str| pki.join(name).display().to_string();
        let mut component = Component::new(name, tools::path(program)?, self.state.directory()).args([
            format!("--etcd-servers=http://{}", self.addresses.etcd),
            format!("--bind-address={}", address.ip()),
            format!("--secure-port={}", address.port()),
            format!("--advertise-address={}", address.ip()),
            format!("--tls-cert-file={}", file("apiserver.crt")),
            format!("--tls-private-key-file={}", file("apiserver.key")),
            format!("--client-ca-file={}", file("ca.crt")),
            String::from("--service-account-issuer=https://kubernetes.default.svc"),
            format!("--service-account-key-file={}", file("service-accounts.pub")),
            format!("--service-account-signing-key-file={}", file("service-accounts.key")),
            format!("--service-cluster-ip-range={SERVICE_RANGE}"),
            String::from("--authorization-mode=Node,RBAC"),
            String::from("--allow-privileged=true"),
            String::from("--profiling=false"),
            // Watches of controllers would hold an orderly end up for a minute.
            String::from("--shutdown-watch-termination-grace-period=1s"),
            format!("--admission-control-config-file={}", self.file("admission.json").display()),
        ]);
        for (name, value) in &self.options.api_server_env {
            component = component.env(name, value);
        }
        if address.ip().is_loopback() {
            // Nothing can be advertised on loopback, and the server refuses to try.
            component = component.args(["--endpoint-reconciler-type=none"]);
        }
        if self.options.audit != Audit::Off {
            component = component.args([
                format!("--audit-policy-file={}", self.file("audit-policy.json").display()),
                format!("--audit-log-path={}", audit_log(self.state, name).display()),
                // A line is in the file before its request is answered.
                String::from("--audit-log-mode=blocking"),
            ]);
        }
        Ok(component
            .args(self.feature_gates())
            .args(self.api_server_args.clone())
            .args(self.options.api_server_args.clone()))
    }

    pub(crate) fn controller_manager(&self, kubeconfig: &Path) -> Result<Component> {
        let pki = self.file("pki");
        Ok(Component::new(CONTROLLER_MANAGER, tools::path("kube-controller-manager")?, self.state.directory())
            .args([
                format!("--kubeconfig={}", kubeconfig.display()),
                format!("--root-ca-file={}", pki.join("ca.crt").display()),
                format!("--service-account-private-key-file={}", pki.join("service-accounts.key").display()),
                format!("--cluster-signing-cert-file={}", pki.join("ca.crt").display()),
                format!("--cluster-signing-key-file={}", pki.join("ca.key").display()),
                // Its default is a place of the machine, which it would make.
                format!("--flex-volume-plugin-dir={}", self.file("volume-plugins").display()),
                String::from("--use-service-account-credentials=true"),
                String::from("--kube-api-qps=500"),
                String::from("--kube-api-burst=1000"),
                String::from("--leader-elect=false"),
                String::from("--secure-port=0"),
            ])
            .args(self.feature_gates()))
    }

    pub(crate) fn scheduler(&self, kubeconfig: &Path) -> Result<Component> {
        Ok(Component::new(SCHEDULER, tools::path("kube-scheduler")?, self.state.directory())
            .args([
                format!("--kubeconfig={}", kubeconfig.display()),
                String::from("--leader-elect=false"),
                String::from("--secure-port=0"),
            ])
            .args(self.feature_gates()))
    }

    pub(crate) fn feature_gates(&self) -> Option<String> {
        let gates: Vec<String> =
            self.options.feature_gates.iter().map(|(name, enabled)| format!("{name}={enabled}")).collect();
        (!gates.is_empty()).then(|| format!("--feature-gates={}", gates.join(",")))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.state.directory().join(name)
    }

    /// With a certificate, the API server shows it to every webhook, whatever its address.
    fn admission(&self) -> serde_json::Value {
        let path = self.file("webhook-caller.json");
        let plugins = ["MutatingAdmissionWebhook", "ValidatingAdmissionWebhook"].map(|plugin| {
            json!({"name": plugin, "configuration": {
                "apiVersion": "apiserver.config.k8s.io/v1", "kind": "WebhookAdmissionConfiguration",
                "kubeConfigFile": path,
            }})
        });
        let plugins = if self.webhook_caller.is_some() { plugins.to_vec() } else { Vec::new() };
        json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration", "plugins": plugins})
    }
}

/// The audit log of one API server.
pub(crate) fn audit_log(state: &State, api_server: &str) -> PathBuf {
    state.directory().join("logs").join(format!("{api_server}.audit.jsonl"))
}

fn audit_policy(audit: Audit) -> serde_json::Value {
    let level = match audit {
        Audit::Off => "None",
        Audit::Metadata => "Metadata",
        Audit::RequestResponse => "RequestResponse",
    };
    json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
        "omitStages": ["RequestReceived"], "rules": [{"level": level}],
    })
}
