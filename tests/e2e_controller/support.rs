//! A control plane with Writ's definitions, and controllers of replicas in this process.

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use kube::{
    Api, Client, Config,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, task::JoinHandle};
use writ::{
    api::{Policy, PolicyBinding},
    cli::crds::{CrdForm, crd_files},
    clock::SystemClock,
    controller::{Controller, Settings, TaskError},
    ledger::ConfigMapLedger,
    metrics::Metrics,
    shutdown::{Phase, Shutdown},
};

use crate::harness::{Cluster, Options, wait_until};

/// How long anything may take to become true.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// Writ's own namespace.
pub(crate) const NAMESPACE: &str = "writ-system";

#[expect(clippy::expect_used, reason = "a static has nobody to hand an error to")]
static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| cluster().expect("the control plane comes up"));

/// The control plane that all tests of this file share.
pub(crate) fn shared() -> &'static Cluster {
    &CLUSTER
}

/// A control plane of one's own, with Writ's definitions and namespace.
pub(crate) fn cluster() -> Result<Cluster> {
    let cluster = Cluster::control_plane(Options::default())?;
    let crds: String = crd_files(CrdForm::Plain)?.into_iter().map(|file| format!("---\n{}", file.yaml)).collect();
    cluster.kubectl(&["apply", "--server-side", "-f", "-"], &crds)?.ok()?;
    let names = ["crd/policies.writ.dev", "crd/policybindings.writ.dev"];
    cluster.kubectl(&["wait", "--for=condition=Established", names[0], names[1]], "")?.ok()?;
    cluster.kubectl(&["create", "namespace", NAMESPACE], "")?.ok()?;
    Ok(cluster)
}

/// The controller of one replica, running in this process.
pub(crate) struct Replica {
    pub(crate) controller: Arc<Controller>,
    pub(crate) shutdown: Shutdown,
    runtime: Runtime,
    client: Client,
    task: JoinHandle<Result<(), TaskError>>,
}

impl Replica {
    /// A replica that has read everything.
    pub(crate) fn start(cluster: &Cluster, name: &str) -> Result<Self> {
        Self::through(cluster, name, None)
    }

    /// The same, with the API server at another address.
    pub(crate) fn through(cluster: &Cluster, name: &str, address: Option<SocketAddr>) -> Result<Self> {
        Self::with(cluster, address, Settings { replica: name.to_owned(), ..Settings::default() })
    }

    pub(crate) fn with(cluster: &Cluster, address: Option<SocketAddr>, settings: Settings) -> Result<Self> {
        // Shown only with a test that fails.
        drop(tracing_subscriber::fmt().with_env_filter("writ=info,kube=warn").with_test_writer().try_init());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (client, direct) = runtime.block_on(async {
            let kubeconfig = Kubeconfig::read_from(cluster.admin())?;
            let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
            let direct = Client::try_from(config.clone())?;
            if let Some(address) = address {
                config.cluster_url = format!("https://{address}").parse()?;
            }
            anyhow::Ok((Client::try_from(config)?, direct))
        })?;
        let ledger = Arc::new(ConfigMapLedger::new(client.clone(), NAMESPACE));
        let metrics = Metrics::default().controller;
        let controller = Controller::new(client, settings, ledger, Arc::new(SystemClock), metrics);
        let shutdown = Shutdown::default();
        let task = {
            let (controller, shutdown) = (Arc::clone(&controller), shutdown.clone());
            runtime.spawn(async move { controller.run(&shutdown).await })
        };
        let replica = Self { controller, shutdown, runtime, client: direct, task };
        wait_until("the controller to be ready", SOON, || {
            let faults = replica.controller.faults();
            ensure!(faults.is_empty(), "{}", faults.join("; "));
            Ok(Some(()))
        })?;
        Ok(replica)
    }

    /// Stops in order and waits for the end.
    pub(crate) fn stop(self) -> Result<()> {
        self.shutdown.advance(Phase::Stopping);
        Ok(self.runtime.block_on(self.task)??)
    }

    /// Waits for what the controller is asked.
    pub(crate) fn wait_for<T, E>(&self, asked: impl Future<Output = Result<T, E>>) -> Result<T>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        Ok(self.runtime.block_on(asked)?)
    }

    /// Calls the API server past any proxy.
    pub(crate) fn call<T>(&self, call: impl Future<Output = Result<T, kube::Error>>) -> Result<T> {
        Ok(self.runtime.block_on(call)?)
    }

    pub(crate) fn policies(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &ApiResource::erase::<Policy>(&()))
    }

    pub(crate) fn bindings(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &ApiResource::erase::<PolicyBinding>(&()))
    }

    pub(crate) fn create_policy(&self, id: &str, version: &str, reason: &str) -> Result<()> {
        let object = policy(id, version, reason);
        self.call(self.policies().create(&PostParams::default(), &object)).map(|_| ())
    }

    pub(crate) fn delete_policy(&self, id: &str, version: &str) -> Result<()> {
        self.call(self.policies().delete(&format!("{id}.{version}"), &DeleteParams::default())).map(|_| ())
    }

    /// Creates or changes a binding called like the policy's id.
    pub(crate) fn bind(&self, id: &str, version: &str) -> Result<()> {
        let object = binding(id, version);
        let params = PatchParams::apply("test").force();
        self.call(self.bindings().patch(id, &params, &Patch::Apply(&object))).map(|_| ())
    }

    /// What is in force for a binding, and why it is not what is wanted.
    pub(crate) fn in_force(&self, binding: &str) -> (Option<String>, Option<&'static str>) {
        let Some(view) = self.controller.view() else { return (None, None) };
        let Some(entry) = view.state.bindings.entry(binding) else { return (None, None) };
        let version = entry.decision.in_force.as_ref().map(|kept| kept.policy.version().to_owned());
        (version, entry.decision.shortfall.as_ref().map(|shortfall| shortfall.cause.as_str()))
    }

    /// Waits until that is in force.
    pub(crate) fn expect(&self, binding: &str, version: Option<&str>, cause: Option<&str>) -> Result<()> {
        wait_until(&format!("{version:?} and {cause:?} for {binding}"), SOON, || {
            let (found_version, found_cause) = self.in_force(binding);
            let found = (found_version.as_deref(), found_cause);
            ensure!(found == (version, cause), "it is {found:?}");
            Ok(Some(()))
        })
    }

    /// A field of a stored object.
    pub(crate) fn stored(&self, api: &Api<DynamicObject>, name: &str, pointer: &str) -> Result<Value> {
        let object = self.call(api.get(name))?;
        let json = serde_json::to_value(object)?;
        json.pointer(pointer).cloned().with_context(|| format!("{name} has no {pointer}: {json}"))
    }
}

pub(crate) fn policy(id: &str, version: &str, reason: &str) -> DynamicObject {
    object(json!({
        "apiVersion": "writ.dev/v1alpha1", "kind": "Policy", "metadata": {"name": format!("{id}.{version}")},
        "spec": {
            "id": id, "version": version,
            "matchConstraints": {"resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["services"], "operations": ["CREATE"]},
            ]},
            "rules": [{"name": "all", "when": "1 < 2", "outcome": "Allow", "reason": reason}],
            "replay": {"mode": "Repeatable"},
        },
    }))
}

pub(crate) fn binding(id: &str, version: &str) -> DynamicObject {
    object(json!({
        "apiVersion": "writ.dev/v1alpha1", "kind": "PolicyBinding", "metadata": {"name": id},
        "spec": {"policyRef": {"id": id, "version": version}, "mode": "Enforce"},
    }))
}

#[expect(clippy::expect_used, reason = "a test that writes no object is wrong itself")]
pub(crate) fn object(json: Value) -> DynamicObject {
    serde_json::from_value(json).expect("a test writes objects")
}
