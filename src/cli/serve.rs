//! `writ serve`: the one place that wires everything together.

mod cluster;
mod gate;
mod keys;
mod standalone;
mod store;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::Args;
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

use crate::{
    attest::KeyId,
    clock::{Clock as _, SystemClock},
    controller::Settings,
    digest::Digest,
    keyring::{Keyring, KeyringEntry},
    metrics::Metrics,
    runtime::{Identity, Parts, Runtime, World},
    shutdown::Shutdown,
    sign::Signer,
    telemetry::{self, DecisionLines, LogFormat},
    webhook::{self, Limits, Reload, Setup},
};

/// How long a certificate that a replica issues for itself lives.
const CERTIFICATE_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);
/// How often it is looked whether the store of claims answers.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// How soon what could not be had at the start is asked for again.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// How often files are looked at for a change.
const FOLLOW_EVERY: Duration = Duration::from_secs(2);
/// How long the controller may take to give back its lease and to remove its report; it gives up before.
const FAREWELL: Duration = Duration::from_secs(3);

/// Run the controller and the webhooks: in a cluster, outside one with `--kubeconfig`, or with `--standalone DIR`
/// without one.
#[derive(Debug, Args)]
pub struct ServeCommand {
    /// Where to listen for HTTPS: /mutate, /validate, /livez, /readyz and /metrics.
    #[arg(long, env = "WRIT_LISTEN", default_value = "0.0.0.0:8443", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Policies and bindings from the files of a folder, the store of claims in the same folder, no cluster.
    #[arg(long, env = "WRIT_STANDALONE", value_name = "DIR", conflicts_with = "kubeconfig")]
    standalone: Option<PathBuf>,
    /// Run outside the cluster that this file names.
    #[arg(long, env = "WRIT_KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Writ's own namespace.
    #[arg(long, env = "WRIT_NAMESPACE", default_value = "writ-system", value_name = "NAME")]
    namespace: String,
    /// Name of this replica, unique among the replicas.
    #[arg(long, env = "WRIT_REPLICA", default_value = "writ-0", value_name = "NAME")]
    replica: String,
    /// A folder with `ca.crt` and `ca.key`: the replica issues its own serving certificate.
    #[arg(
        long,
        env = "WRIT_CA_DIR",
        value_name = "DIR",
        required_unless_present = "tls_dir",
        conflicts_with = "tls_dir"
    )]
    ca_dir: Option<PathBuf>,
    /// A folder with `tls.crt` and `tls.key`: the serving certificate.
    #[arg(long, env = "WRIT_TLS_DIR", value_name = "DIR")]
    tls_dir: Option<PathBuf>,
    /// DNS names and addresses for the serving certificate that the replica issues; default: the service's names.
    #[arg(long = "serving-name", env = "WRIT_SERVING_NAMES", value_name = "NAME", value_delimiter = ',')]
    serving_names: Vec<String>,
    /// Name of the Service in front of the replicas.
    #[arg(long, env = "WRIT_SERVICE", default_value = "writ", value_name = "NAME")]
    service: String,
    /// The key that signs attestations: Ed25519, PKCS#8 PEM.
    #[arg(long, env = "WRIT_SIGNING_KEY", value_name = "FILE")]
    signing_key: PathBuf,
    /// Authority of the client certificate by which the API server proves itself; without it anybody may call.
    #[arg(long, env = "WRIT_CALLER_CA", value_name = "FILE", requires = "caller_names")]
    caller_ca: Option<PathBuf>,
    /// Name in that certificate; may be given several times.
    #[arg(long = "caller-name", env = "WRIT_CALLER_NAMES", value_name = "NAME", value_delimiter = ',')]
    caller_names: Vec<String>,
    /// Serve `Once` policies although callers are not authenticated: whoever reaches the port can use up authorities.
    #[arg(long, env = "WRIT_ACCEPT_UNAUTHENTICATED_ONCE")]
    accept_unauthenticated_once: bool,
    /// Where claims are kept: `configmap` (default in a cluster) or `embedded:FILE` (default outside one).
    #[arg(long, env = "WRIT_STORE", value_name = "STORE")]
    store: Option<String>,
    /// Make the embedded store, and the ledger of published versions beside it, if there is none. A lost one is then
    /// not noticed: only for the first start.
    #[arg(long, env = "WRIT_INITIALIZE_STORE")]
    initialize_store: bool,
    /// A label key of namespaces that bindings may select by, because only trusted people can set it.
    #[arg(long = "guarded-label", env = "WRIT_GUARDED_LABELS", value_name = "KEY", value_delimiter = ',')]
    guarded_labels: Vec<String>,
    /// Name of the installed webhook configurations, to see what they cover.
    #[arg(long, env = "WRIT_WEBHOOK_CONFIGURATION", default_value = "zz-writ", value_name = "NAME")]
    webhook_configuration: String,
    /// Identity of the cluster in attestations; default: the uid of the namespace `kube-system`.
    #[arg(long, env = "WRIT_CLUSTER_ID", value_name = "ID")]
    cluster_id: Option<String>,
    /// A further user as whom replicas act, beside the service account `writ`; may be given several times.
    #[arg(long = "own-user", env = "WRIT_OWN_USERS", value_name = "NAME", value_delimiter = ',')]
    own_users: Vec<String>,
    /// How long to go on serving after a signal to stop, while the endpoint is withdrawn.
    #[arg(long, env = "WRIT_DRAIN_SECONDS", default_value_t = 5, value_name = "SECONDS")]
    drain_seconds: u64,
    /// What to log: a level, or a list as in `info,writ::webhook=debug`.
    #[arg(long, env = "WRIT_LOG_LEVEL", default_value = "info", value_name = "FILTER")]
    log_level: String,
    /// How many threads to use; default: as many as the machine has cores.
    #[arg(long, env = "WRIT_THREADS", value_name = "COUNT")]
    threads: Option<usize>,
}

impl ServeCommand {
    /// Serves until a signal says to stop.
    ///
    /// # Errors
    /// Whatever keeps it from starting, and what to do about it.
    pub fn run(self) -> anyhow::Result<()> {
        telemetry::init(&self.log_level, LogFormat::Auto)?;
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if let Some(threads) = self.threads {
            builder.worker_threads(threads.max(1));
        }
        builder.enable_all().build()?.block_on(self.serve())
    }

    async fn serve(self) -> anyhow::Result<()> {
        let metrics = Arc::new(Metrics::default());
        let clock = Arc::new(SystemClock);
        let now = clock.now()?;
        let (certificate, certificate_follower) = self.certificate(now)?;
        let callers = self.callers()?;
        let shutdown = Shutdown::default();
        let reload = Reload { clock: clock.clone(), metrics: metrics.webhook.clone() };
        tokio::spawn(certificate_follower.run(reload.clone(), FOLLOW_EVERY));
        let callers = callers.map(|(callers, follower)| {
            tokio::spawn(follower.run(reload, FOLLOW_EVERY));
            callers
        });
        if callers.is_none() {
            tracing::warn!(
                "callers are not authenticated: whoever reaches this port can ask for attestations; configure --caller-ca"
            );
        }
        let listener =
            TcpListener::bind(self.listen).await.with_context(|| format!("cannot listen on {}", self.listen))?;
        let draining = shutdown.clone();
        let delay = Duration::from_secs(self.drain_seconds);
        tokio::spawn(async move { draining.drain_on_signal(delay).await });
        tracing::info!(address = %listener.local_addr()?, replica = self.replica, "serving");
        let gate = Arc::new(gate::Gate::new(callers.is_some()));
        let evidence = Arc::new(DecisionLines::stdout().context("standard output cannot be used for decisions")?);
        let (running, mut controller_ended) = mpsc::channel::<()>(1);
        let start =
            Start { command: self, running, evidence, executable: executable()?, callers_known: callers.is_some() };
        let mut assembling = tokio::spawn(start.assemble(Arc::clone(&gate), Arc::clone(&metrics), shutdown.clone()));
        let setup = Setup {
            admission: gate,
            clock,
            metrics,
            shutdown,
            certificate,
            callers,
            limits: Limits::default(),
            finish: Duration::from_secs(10),
        };
        let served = tokio::select! {
            served = webhook::serve(listener, setup) => served?,
            // Only a fault that no waiting mends ends it.
            Ok(Err(error)) = &mut assembling => return Err(error),
        };
        assembling.abort();
        // Nothing is sent: it is over once the last of its tasks has let go.
        let _ = timeout(FAREWELL, controller_ended.recv()).await;
        tracing::info!(cut = served.cut, "stopped");
        Ok(())
    }

    fn certificate(
        &self,
        now: crate::time::Timestamp,
    ) -> anyhow::Result<(Arc<webhook::ServingCertificate>, webhook::Follower)> {
        if let Some(folder) = &self.tls_dir {
            return Ok(webhook::certificate_from_files(folder.join("tls.crt"), folder.join("tls.key"), now)?);
        }
        let folder = self.ca_dir.as_ref().context("give --ca-dir or --tls-dir")?;
        let names = if self.serving_names.is_empty() {
            let (service, namespace) = (&self.service, &self.namespace);
            vec![format!("{service}.{namespace}.svc"), format!("{service}.{namespace}.svc.cluster.local")]
        } else {
            self.serving_names.clone()
        };
        Ok(webhook::certificate_from_authority(
            folder.join("ca.crt"),
            folder.join("ca.key"),
            names,
            CERTIFICATE_LIFE,
            now,
        )?)
    }

    fn callers(&self) -> anyhow::Result<Option<(Arc<webhook::Callers>, webhook::Follower)>> {
        let Some(file) = &self.caller_ca else { return Ok(None) };
        Ok(Some(webhook::callers_from_file(file.clone(), self.caller_names.clone())?))
    }
}

/// What a runtime is made of, once the rest can be had.
struct Start {
    command: ServeCommand,
    /// Held as long as the controller runs.
    running: mpsc::Sender<()>,
    evidence: Arc<DecisionLines>,
    executable: Digest,
    callers_known: bool,
}

impl Start {
    /// Makes the runtime and opens the gate; what is not there yet is tried again, while the server says "not ready".
    async fn assemble(self, gate: Arc<gate::Gate>, metrics: Arc<Metrics>, shutdown: Shutdown) -> anyhow::Result<()> {
        let signer = self.signer(&gate).await;
        let keyring = Keyring::new([KeyringEntry::always(signer.public_key().clone())])?;
        let (world, store, cluster_id): (Arc<dyn World>, store::Opened, String) = match &self.command.standalone {
            Some(folder) => {
                // Before anything is made in the folder.
                let id = self
                    .command
                    .cluster_id
                    .clone()
                    .context("--standalone needs --cluster-id: attestations are for one cluster")?;
                let now = SystemClock.now()?;
                let files = standalone::Files::read(folder, &self.command.guarded_labels, now)?;
                let place = store::place(self.command.store.as_deref(), folder)?;
                files.pin(&store::ledger(&place, self.command.initialize_store)?).await?;
                let store = store::embedded(&place, self.command.initialize_store, &metrics.claims)?;
                (Arc::new(files), store, id)
            }
            None => {
                let client = cluster::client(self.command.kubeconfig.as_deref()).await?;
                let world = cluster::controller(&client, self.settings(), &metrics, &shutdown, self.running.clone());
                let keys = (keyring.clone(), signer.key_id());
                let (store, id) = self.wait_for_cluster(&client, &keys, &gate, &metrics).await;
                (world, store, id)
            }
        };
        let runtime = Runtime::new(Parts {
            world,
            keyring,
            claims: store.claims,
            clock: store.clock,
            store_id: store.id,
            identity: Identity {
                executable: self.executable,
                build: env!("CARGO_PKG_VERSION").to_owned(),
                evaluator: format!("cel/{}", env!("CARGO_PKG_VERSION")),
                replica: self.command.replica.clone(),
                cluster: cluster_id.clone(),
            },
            cluster_id,
            exempt_namespaces: vec![self.command.namespace.clone(), "kube-system".to_owned()],
            accept_unauthenticated_once: self.command.accept_unauthenticated_once,
            evidence: self.evidence,
            signer,
        });
        runtime.check_store().await?;
        let runtime = gate.set(runtime);
        loop {
            tokio::time::sleep(CHECK_EVERY).await;
            // What only a new process mends ends this one.
            runtime.check_store().await?;
        }
    }

    fn settings(&self) -> Settings {
        let command = &self.command;
        let own = format!("system:serviceaccount:{}:writ", command.namespace);
        Settings {
            namespace: command.namespace.clone(),
            replica: command.replica.clone(),
            guarded_labels: command.guarded_labels.clone(),
            webhook_configuration: command.webhook_configuration.clone(),
            own_users: std::iter::once(own).chain(command.own_users.iter().cloned()).collect(),
            callers_authenticated: self.callers_known,
            accept_unauthenticated_once: command.accept_unauthenticated_once,
            ..Settings::default()
        }
    }

    /// The store of claims and the id of the cluster, as soon as the API server gives them.
    async fn wait_for_cluster(
        &self,
        client: &kube::Client,
        keys: &(Keyring, KeyId),
        gate: &gate::Gate,
        metrics: &Metrics,
    ) -> (store::Opened, String) {
        loop {
            match self.try_cluster(client, keys, metrics).await {
                Ok(found) => return found,
                Err(error) => gate.wait_for(&error),
            }
            tokio::time::sleep(RETRY_EVERY).await;
        }
    }

    /// The signing key, as soon as its file can be used: a key that is restored needs no restart, and none is made up.
    async fn signer(&self, gate: &gate::Gate) -> Signer {
        loop {
            match keys::signer(&self.command.signing_key) {
                Ok(signer) => return signer,
                Err(error) => gate.wait_for(&error),
            }
            tokio::time::sleep(RETRY_EVERY).await;
        }
    }

    async fn try_cluster(
        &self,
        client: &kube::Client,
        (keyring, key): &(Keyring, KeyId),
        metrics: &Metrics,
    ) -> anyhow::Result<(store::Opened, String)> {
        let id = match &self.command.cluster_id {
            Some(id) => id.clone(),
            None => cluster::cluster_id(client).await?,
        };
        let namespace = &self.command.namespace;
        let expected = cluster::pair(client, namespace, *key).await?;
        let store = cluster::store(client, namespace, expected, keyring.clone(), &id, &metrics.claims).await?;
        Ok((store, id))
    }
}

/// SHA-256 of the running executable.
fn executable() -> anyhow::Result<Digest> {
    let path = std::env::current_exe().context("the running executable cannot be found")?;
    // Not at once: what the file would take stays with the process.
    let digest = std::fs::File::open(&path).and_then(Digest::plain_of);
    digest.with_context(|| format!("the running executable {} cannot be read", path.display()))
}
