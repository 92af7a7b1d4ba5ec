//! Without root: a control plane alone. The chart is installed without pods; Writ's replicas are processes beside it
//! (`writ serve --kubeconfig`), as the chart's service account, and the API server calls them by URL.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::{Client, Cluster, Options, WEBHOOK_CALLER, run, wait_until};
use crate::installation::{NAMESPACE, SOON, helm, install_arguments, prepare};
use crate::narrator::Narrator;
use crate::stage::Stage;

pub(crate) struct Plane {
    cluster: Cluster,
    program: PathBuf,
    replicas: [Replica; 2],
    /// Where what this part of the logs was before the last restart ends, for each replica.
    read_from: [Cell<usize>; 2],
}

struct Replica {
    name: &'static str,
    port: u16,
}

impl Plane {
    pub(crate) fn raise(told: &Narrator, program: PathBuf) -> Result<Self> {
        told.chapter("A real Kubernetes, as far as it goes without root");
        told.note(
            "A node with pods needs root (namespaces, mounts, control groups). Here is a control plane alone: the chart is \
             installed without its pods, and Writ's replicas are processes beside it that the API server calls by URL.",
        );
        let cluster = told.prove_slowly("etcd, API server and controllers run", || {
            let cluster = Cluster::control_plane(Options::default().controller_manager().authenticate_to_webhooks())?;
            cluster.provide("helm")?;
            prepare(&cluster)?;
            Ok(cluster)
        })?;
        let replicas =
            [Replica { name: "writ-0", port: cluster.port()? }, Replica { name: "writ-1", port: cluster.port()? }];
        Ok(Self { cluster, program, replicas, read_from: Default::default() })
    }

    fn folder(&self) -> PathBuf {
        self.cluster.directory().join("writ")
    }

    fn kubectl(&self, arguments: &[&str], stdin: &str) -> Result<String> {
        self.cluster.kubectl(arguments, stdin)?.ok().with_context(|| arguments.join(" "))
    }

    /// What the chart's first hook does in a pod, and the files that the chart would mount.
    fn make_keys(&self) -> Result<()> {
        let mut hook = self.cluster.command(&self.program);
        hook.args(["hook", "install"]).env("POD_NAMESPACE", NAMESPACE);
        run(hook, "")?.ok()?;
        fs::create_dir_all(self.folder())?;
        for (secret, file) in [("writ-ca", "ca.crt"), ("writ-ca", "ca.key"), ("writ-signing-key", "key.pem")] {
            let secret = self.kubectl(&["get", "secret", secret, "-n", NAMESPACE, "-o", "json"], "")?;
            let secret: Value = serde_json::from_str(&secret)?;
            let content = secret["data"][file].as_str().with_context(|| format!("there is no {file}"))?;
            fs::write(self.folder().join(file), STANDARD.decode(content)?)?;
        }
        fs::write(self.folder().join("callers.crt"), self.cluster.webhook_authority().certificate())?;
        Ok(())
    }

    fn start_replicas(&self) -> Result<()> {
        let account = format!("system:serviceaccount:{NAMESPACE}:writ");
        let group = format!("system:serviceaccounts:{NAMESPACE}");
        let account = self.cluster.kubeconfig(&account, &["system:serviceaccounts", &group])?;
        let file = |name: &str| self.folder().join(name).display().to_string();
        for Replica { name, port } in &self.replicas {
            let component = self.cluster.component(name, &self.program).args([
                "serve".to_owned(),
                format!("--listen=127.0.0.1:{port}"),
                format!("--kubeconfig={}", account.display()),
                format!("--namespace={NAMESPACE}"),
                format!("--replica={name}"),
                format!("--ca-dir={}", self.folder().display()),
                "--serving-name=127.0.0.1".to_owned(),
                format!("--signing-key={}", file("key.pem")),
                format!("--caller-ca={}", file("callers.crt")),
                format!("--caller-name={WEBHOOK_CALLER}"),
                "--drain-seconds=0".to_owned(),
            ]);
            self.cluster.add(component);
            self.cluster.launch(name)?;
        }
        self.wait_ready()
    }

    fn wait_ready(&self) -> Result<()> {
        let authority = fs::read_to_string(self.folder().join("ca.crt"))?;
        for Replica { name, port } in &self.replicas {
            let client = Client::tls(format!("127.0.0.1:{port}").parse()?, &authority, None)?;
            wait_until(&format!("{name} to be ready"), SOON, || {
                Ok((client.get("/readyz")?.status == 200).then_some(()))
            })?;
        }
        Ok(())
    }

    /// Lets the API server call this replica.
    fn call(&self, replica: &Replica) -> Result<()> {
        let authority = STANDARD.encode(fs::read(self.folder().join("ca.crt"))?);
        for (kind, paths) in [
            ("mutatingwebhookconfiguration", &["mutate"][..]),
            ("validatingwebhookconfiguration", &["validate", "validate"]),
        ] {
            let clients = paths.iter().enumerate().map(|(index, path)| {
                let url = format!("https://127.0.0.1:{}/{path}", replica.port);
                let client = json!({"url": url, "caBundle": authority});
                json!({"op": "replace", "path": format!("/webhooks/{index}/clientConfig"), "value": client})
            });
            let patch = Value::from_iter(clients).to_string();
            self.kubectl(&["patch", kind, "zz-writ", "--type=json", "--patch", &patch], "")?;
        }
        Ok(())
    }

    fn other(&self, name: &str) -> Result<&Replica> {
        self.replicas.iter().find(|replica| replica.name != name).context("there is no other replica")
    }
}

impl Stage for Plane {
    fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn program(&self) -> &Path {
        &self.program
    }

    fn runs_pods(&self) -> bool {
        false
    }

    fn image(&self) -> Result<String> {
        Ok(format!("registry.example.com/apps/web@sha256:{}", "5".repeat(64)))
    }

    fn install(&self, told: &Narrator) -> Result<()> {
        let arguments = install_arguments();
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).filter(|&word| word != "--wait").collect();
        arguments.extend(["--no-hooks", "--set", "replicas=0"]);
        told.prove("authority, signing key and store are made (`writ hook install`)", || self.make_keys())?;
        told.command(&format!("helm {}", arguments.join(" ")));
        told.prove_slowly("Helm installs the chart without pods", || helm(&self.cluster, &arguments)?.ok())?;
        told.command("writ serve --kubeconfig … --replica writ-0 &   # and writ-1");
        told.prove("two replicas are ready", || self.start_replicas())?;
        let [first, _] = &self.replicas;
        told.prove("the API server calls the first by URL", || {
            self.call(first)?;
            wait_until("the webhook", SOON, || {
                let probe = ["create", "clusterrole", "probe", "--verb=get", "--resource=pods", "--dry-run=server"];
                Ok(self.cluster.kubectl(&probe, "")?.success.then_some(()))
            })
        })
    }

    fn outputs(&self) -> Result<Vec<(String, String)>> {
        let mut outputs = Vec::new();
        for (Replica { name, .. }, from) in self.replicas.iter().zip(&self.read_from) {
            let log = fs::read(self.cluster.log(name)?)?;
            let new = log.get(from.get()..).unwrap_or_default();
            outputs.push(((*name).to_owned(), String::from_utf8_lossy(new).into_owned()));
        }
        Ok(outputs)
    }

    fn take_away(&self, replica: &str, told: &Narrator) -> Result<()> {
        let other = self.other(replica)?;
        told.command(&format!("kubectl patch …webhookconfiguration zz-writ …   # calls {} from now on", other.name));
        self.call(other)
    }

    fn restart_all(&self, told: &Narrator) -> Result<()> {
        told.prove("both replicas were ended and started anew", || {
            let pids =
                |plane: &Self| plane.replicas.iter().map(|one| plane.cluster.pid(one.name)).collect::<Result<Vec<_>>>();
            let before = pids(self)?;
            for (Replica { name, .. }, from) in self.replicas.iter().zip(&self.read_from) {
                self.cluster.stop(name)?;
                from.set(fs::read(self.cluster.log(name)?)?.len());
                self.cluster.launch(name)?;
            }
            self.wait_ready()?;
            let after = pids(self)?;
            ensure!(after.iter().all(|pid| !before.contains(pid)), "{before:?}, then {after:?}");
            Ok(())
        })
    }
}
