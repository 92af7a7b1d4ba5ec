//! A running writ in front of a real API server, called by URL.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use writ::{
    attest::Statement,
    clock::{Clock as _, SystemClock},
    keyring::{Keyring, KeyringEntry},
    sign::Signer,
    verify::Verifier,
    webhook::certificate::authority,
};

use crate::harness::{Client, Cluster, Options, WEBHOOK_CALLER, wait_until};

/// How long anything may take to become true.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// The cluster id of standalone servers in these tests.
pub(crate) const CLUSTER_ID: &str = "test-cluster";

/// TEST KEY, never used for anything else.
const SIGNING_SEED: [u8; 32] = [7; 32];

/// Everything is allowed and attested, under every operation and subresource.
pub(crate) const ALLOW_ALL: &str = r#"
apiVersion: writ.dev/v1alpha1
kind: Policy
metadata: {name: all.v1}
spec:
  id: all
  version: v1
  matchConstraints:
    resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'], operations: ['*']}]
  rules: [{name: all, outcome: Allow, reason: Allowed}]
  replay: {mode: Repeatable}
---
apiVersion: writ.dev/v1alpha1
kind: PolicyBinding
metadata: {name: all}
spec: {policyRef: {id: all, version: v1}, mode: Enforce}
"#;

/// A cluster with writ in front of it.
pub(crate) struct Rig {
    pub(crate) cluster: Arc<Cluster>,
    /// Its keys and certificates.
    pub(crate) folder: PathBuf,
    port: u16,
    authority: String,
}

/// Where a writ gets its policies from.
enum Source<'s> {
    /// The YAML of a file.
    Files { policies: &'s str, cluster_id: &'s str },
    /// The API server.
    Cluster,
    /// The API server as this kubeconfig reaches it.
    Through(&'s Path),
}

/// The key that the servers of these tests sign with.
pub(crate) fn signer() -> Signer {
    Signer::from_seed(&SIGNING_SEED).expect("the test key is a key")
}

impl Rig {
    /// A control plane that authenticates to its webhooks, and writ with these policies in front of it.
    pub(crate) fn standalone(options: Options, policies: &str) -> Result<Self> {
        let cluster = Arc::new(Cluster::control_plane(options.authenticate_to_webhooks())?);
        Self::beside(cluster, policies, CLUSTER_ID)
    }

    /// A control plane with the CRDs and the root of a store, and writ outside of it with `--kubeconfig`.
    pub(crate) fn in_cluster(options: Options) -> Result<Self> {
        let cluster = Arc::new(Cluster::control_plane(options.authenticate_to_webhooks())?);
        let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
        cluster.kubectl(&["apply", "--server-side", "-f", crds], "")?.ok()?;
        cluster.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"], "")?.ok()?;
        cluster.kubectl(&["create", "namespace", "writ-system"], "")?.ok()?;
        let root = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "writ-store", "namespace": "writ-system"},
            "data": {"format": "1", "storeId": "0123456789abcdef0123456789abcdef", "keyId": signer().key_id().to_string()}});
        cluster.kubectl(&["create", "-f", "-"], &root.to_string())?.ok()?;
        Self::start(cluster, &Source::Cluster)
    }

    /// Another replica on the same store; the webhooks are moved to it.
    pub(crate) fn another_replica(&self) -> Result<Self> {
        Self::start(Arc::clone(&self.cluster), &Source::Cluster)
    }

    /// Another standalone writ for a cluster that runs; its webhooks replace those of an earlier one.
    pub(crate) fn beside(cluster: Arc<Cluster>, policies: &str, cluster_id: &str) -> Result<Self> {
        Self::start(cluster, &Source::Files { policies, cluster_id })
    }

    fn start(cluster: Arc<Cluster>, source: &Source<'_>) -> Result<Self> {
        let port = cluster.port()?;
        let folder = cluster.directory().join(format!("writ-{port}"));
        fs::create_dir_all(&folder)?;
        let now = SystemClock.now()?;
        let issued = authority("writ test authority", Duration::from_secs(86_400), now)?;
        fs::write(folder.join("ca.crt"), &issued.certificate)?;
        fs::write(folder.join("ca.key"), issued.key.as_bytes())?;
        fs::write(folder.join("key.pem"), signer().to_pkcs8_pem().as_bytes())?;
        fs::write(folder.join("callers.crt"), cluster.webhook_authority().certificate())?;
        let rig = Self { cluster, folder, port, authority: issued.certificate };
        rig.add(source)?;
        rig.cluster.launch(&rig.name())?;
        rig.wait_ready()?;
        rig.register(true, true)?;
        Ok(rig)
    }

    /// The name of the component.
    pub(crate) fn name(&self) -> String {
        format!("writ-{}", self.port)
    }

    /// The arguments of a replica with the keys of this one; where its policies are is left to say.
    pub(crate) fn serve(&self, name: &str, port: u16) -> Vec<OsString> {
        let path = |name: &str| self.folder.join(name).into_os_string();
        let flags: [(&str, OsString); 7] = [
            ("--listen", format!("127.0.0.1:{port}").into()),
            ("--ca-dir", self.folder.clone().into_os_string()),
            ("--serving-name", "127.0.0.1".into()),
            ("--signing-key", path("key.pem")),
            ("--caller-ca", path("callers.crt")),
            ("--caller-name", WEBHOOK_CALLER.into()),
            ("--replica", name.into()),
        ];
        let flags = flags.into_iter().flat_map(|(flag, value)| [flag.into(), value]);
        std::iter::once("serve".into()).chain(flags).collect()
    }

    fn add(&self, source: &Source<'_>) -> Result<()> {
        let mut arguments = self.serve(&self.name(), self.port);
        let mut flags: Vec<(&str, OsString)> = vec![("--drain-seconds", "0".into())];
        match source {
            Source::Files { policies, cluster_id } => {
                fs::write(self.folder.join("policies.yaml"), policies)?;
                flags.push(("--standalone", self.folder.clone().into_os_string()));
                flags.push(("--cluster-id", cluster_id.into()));
                arguments.push("--initialize-store".into());
            }
            Source::Cluster | Source::Through(_) => {
                let path = if let Source::Through(path) = source { path } else { self.cluster.admin() };
                flags.push(("--kubeconfig", path.into()));
                flags.push(("--own-user", "admin".into()));
            }
        }
        for (flag, value) in flags {
            arguments.extend([flag.into(), value]);
        }
        let component = self.cluster.component(&self.name(), env!("CARGO_BIN_EXE_writ")).args(arguments);
        self.cluster.add(component);
        Ok(())
    }

    /// Ends the process and starts it anew.
    pub(crate) fn restart(&self) -> Result<()> {
        self.cluster.stop(&self.name())?;
        self.cluster.launch(&self.name())?;
        self.wait_ready()
    }

    /// The same with another kubeconfig.
    pub(crate) fn restart_with(&self, kubeconfig: &Path) -> Result<()> {
        self.cluster.stop(&self.name())?;
        self.add(&Source::Through(kubeconfig))?;
        self.cluster.launch(&self.name())?;
        self.wait_ready()
    }

    /// Applies policies and bindings, and waits until a dry run of `probe` is refused in the name of a policy version.
    pub(crate) fn govern(&self, policies: &str, probe: &Value, version: &str) -> Result<()> {
        self.cluster.kubectl(&["apply", "-f", "-"], policies)?.ok()?;
        wait_until("the policy to be in force", SOON, || {
            let output = self.cluster.kubectl(&["create", "--dry-run=server", "-f", "-"], &probe.to_string())?;
            Ok(output.stderr.contains(version).then_some(()))
        })
    }

    /// A client of writ's own port, as the API server is one or as nobody.
    pub(crate) fn client(&self, authenticated: bool) -> Result<Client> {
        let address = format!("127.0.0.1:{}", self.port).parse()?;
        let identity = if authenticated { self.cluster.webhook_caller() } else { None };
        Client::tls(address, &self.authority, identity)
    }

    pub(crate) fn wait_ready(&self) -> Result<()> {
        wait_until("writ to be ready", SOON, || {
            let response = self.client(false)?.get("/readyz")?;
            ensure!(response.status == 200, "{}", response.text());
            Ok(Some(()))
        })
        .inspect_err(|_| self.cluster.keep_logs())
    }

    /// Registers the webhooks by URL: each of them or not.
    pub(crate) fn register(&self, mutate: bool, validate: bool) -> Result<()> {
        self.cluster
            .kubectl(
                &[
                    "delete",
                    "--ignore-not-found",
                    "mutatingwebhookconfiguration,validatingwebhookconfiguration",
                    "zz-writ",
                ],
                "",
            )?
            .ok()?;
        if mutate {
            self.apply(&self.configuration("MutatingWebhookConfiguration", "mutate", &["CREATE", "UPDATE"], &["*"]))?;
        }
        if validate {
            self.apply(&self.configuration("ValidatingWebhookConfiguration", "validate", &["*"], &["*/*"]))?;
        }
        // The API server learns of a configuration through a watch.
        self.wait_registered(mutate, validate)
    }

    fn configuration(&self, kind: &str, path: &str, operations: &[&str], resources: &[&str]) -> Value {
        let mut webhook = json!({
            "name": format!("{path}.writ.dev"),
            "clientConfig": {"url": format!("https://127.0.0.1:{}/{path}", self.port), "caBundle": base64(self.authority.as_bytes())},
            "rules": [{"apiGroups": ["", "apps", "batch", "policy", "example.com", "writ.dev"], "apiVersions": ["*"], "operations": operations, "resources": resources}],
            "namespaceSelector": {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "writ-system"]}]},
            "failurePolicy": "Fail", "sideEffects": "NoneOnDryRun", "admissionReviewVersions": ["v1"], "timeoutSeconds": 2, "matchPolicy": "Equivalent",
        });
        if path == "mutate" {
            webhook["reinvocationPolicy"] = json!("IfNeeded");
        }
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "zz-writ"}, "webhooks": [webhook]})
    }

    /// Waits until a dry run shows what the configurations promise, in a namespace of its own.
    fn wait_registered(&self, mutate: bool, validate: bool) -> Result<()> {
        let probe = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "writ-probe", "namespace": "default", "annotations": {"attestation.writ.dev/configmaps": "probe"}}});
        // Mutate takes a foreign value away or writes its own over it; alone, validate refuses it.
        wait_until("the API server to call the webhooks", SOON, || {
            let output =
                self.cluster.kubectl(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &probe.to_string())?;
            let denied = !output.success;
            let kept = output.stdout.contains("\"attestation.writ.dev/configmaps\": \"probe\"");
            Ok((denied == (validate && !mutate) && (denied || kept != mutate)).then_some(()))
        })
    }

    pub(crate) fn apply(&self, object: &Value) -> Result<String> {
        self.cluster.kubectl(&["apply", "-f", "-"], &object.to_string())?.ok()
    }

    /// `kubectl create` as the administrator; the stored object.
    pub(crate) fn create(&self, object: &Value) -> Result<Value> {
        let text = self.cluster.kubectl(&["create", "-o", "json", "-f", "-"], &object.to_string())?.ok()?;
        Ok(serde_json::from_str(&text)?)
    }

    /// `kubectl create` that must be refused; the message.
    pub(crate) fn refused(&self, object: &Value) -> Result<String> {
        self.cluster.kubectl(&["create", "-f", "-"], &object.to_string())?.refused()
    }

    pub(crate) fn get(&self, what: &[&str]) -> Result<Value> {
        let arguments: Vec<&str> = ["get", "-o", "json"].into_iter().chain(what.iter().copied()).collect();
        Ok(serde_json::from_str(&self.cluster.kubectl(&arguments, "")?.ok()?)?)
    }

    /// The lines of decisions so far.
    pub(crate) fn decisions(&self) -> Result<Vec<Value>> {
        let log = fs::read_to_string(self.cluster.log(&self.name())?)?;
        let lines = log.lines().filter(|line| line.contains("\"kind\":\"Decision\""));
        lines.map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
    }
}

/// The attestation under `key` of a stored object, verified offline.
pub(crate) fn verified(object: &Value, key: &str) -> Result<Statement> {
    let text = object["metadata"]["annotations"][key].as_str().with_context(|| format!("no {key} on {object}"))?;
    let keyring = Keyring::new([KeyringEntry::always(signer().public_key().clone())])?;
    let statement = Verifier::offline(&keyring).verify_compact(text)?;
    Ok((*statement).clone())
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}

/// A deployment of one container.
pub(crate) fn deployment(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": image}]}}}
    })
}

/// Panics with the text unless it contains all of the words.
pub(crate) fn assert_says(text: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(text.contains(word), "`{word}` is not in: {text}");
    }
    Ok(())
}
