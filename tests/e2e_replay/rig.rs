//! A service of claims in a namespace of its own, and a client that changes objects.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;
use writ::digest::{Digest, Domain};
use writ::replay::event::Carried;
use writ::replay::machine::{Authority, ClaimRequest, Terms};
use writ::replay::record::{
    Fingerprint, Operation, PolicyVersion, Record, Resource, ResourceVersion, State, StoreId, Target, Version,
};
use writ::replay::{ApiHistory, ClaimService, ConfigMapStore, Outcome, Quota, ReadAttestation, Store};

use crate::harness::{Cluster, Options};
use crate::memory::MachineClock;

/// The cluster of the tests that do not disturb it.
static SHARED: LazyLock<Cluster> = LazyLock::new(|| Cluster::control_plane(Options::default()).unwrap());

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The annotation by which these tests say what a change carries.
const CARRIES: &str = "test/carries";

/// Short spans, so that a deadline passes within a test: 1.5 + 1 + 3 s.
pub(crate) const TERMS: Terms =
    Terms { commit_bound: Duration::from_secs(1), skew: Duration::from_secs(3), budget: Duration::from_millis(1500) };

pub(crate) struct Rig {
    pub(crate) client: Client,
    pub(crate) service: Arc<ClaimService>,
    pub(crate) store: Arc<ConfigMapStore>,
    /// Writ's namespace.
    pub(crate) namespace: String,
    /// The namespace of the objects that change.
    pub(crate) shop: String,
}

/// Runs a test in the shared cluster.
pub(crate) fn shared(test: impl AsyncFnOnce(Rig)) {
    within(&SHARED, test);
}

pub(crate) fn within(cluster: &Cluster, test: impl AsyncFnOnce(Rig)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let rig = Rig::new(cluster.admin()).await;
        test(rig).await;
    });
}

pub(crate) async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    // A write that is sent again by the client itself would lose against itself.
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

impl Rig {
    async fn new(kubeconfig: &Path) -> Self {
        let client = client(kubeconfig).await;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (namespace, shop) = (format!("writ-{number}"), format!("shop-{number}"));
        let namespaces: Api<Namespace> = Api::all(client.clone());
        for name in [&namespace, &shop] {
            let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
            namespaces.create(&PostParams::default(), &namespace).await.unwrap();
        }
        let id = ConfigMapStore::initialize(client.clone(), &namespace).await.unwrap();
        let store = open(&client, &namespace, Some(id)).await;
        let service = Arc::new(service(&client, store.clone()));
        assert_eq!(service.ready().await, Ok(id));
        Self { client, service, store, namespace, shop }
    }

    /// Another replica.
    pub(crate) async fn replica(&self, kubeconfig: &Path) -> ClaimService {
        let client = client(kubeconfig).await;
        let store = open(&client, &self.namespace, Some(self.store.id())).await;
        service(&client, store)
    }

    pub(crate) fn records(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn objects(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &self.shop)
    }

    pub(crate) async fn record(&self, ticket: &str) -> Option<Record> {
        self.store.read(&fingerprint(ticket)).await.unwrap().value.map(|held| held.record)
    }

    pub(crate) async fn state(&self, ticket: &str) -> Option<State> {
        self.record(ticket).await.map(|record| record.state)
    }

    /// A request for the object `name`, made by `request` for `ticket`.
    pub(crate) fn request(&self, operation: Operation, name: &str, ticket: &str, request: &str) -> ClaimRequest {
        ClaimRequest {
            authorities: vec![authority(ticket)],
            target: Target {
                operation,
                resource: Resource { group: String::new(), version: "v1".into(), resource: "configmaps".into() },
                subresource: String::new(),
                namespace: self.shop.clone(),
                name: name.into(),
                old: None,
                uid: None,
            },
            request_uid: request.into(),
            object_uid: format!("uid-of-{request}"),
            object_resource_version: String::new(),
            conversion_webhook: false,
            execution_id: format!("execution-of-{request}"),
            user: format!("user-of-{request}"),
            dry_run: false,
            deadline: Duration::MAX,
        }
    }

    pub(crate) fn update(&self, old: &Version, name: &str, ticket: &str, request: &str) -> ClaimRequest {
        let mut claim = self.request(Operation::Update, name, ticket, request);
        claim.target.old = Some(old.clone());
        claim.object_uid.clone_from(&old.uid);
        claim
    }

    pub(crate) fn delete(&self, uid: &str, name: &str, ticket: &str, request: &str) -> ClaimRequest {
        let mut claim = self.request(Operation::Delete, name, ticket, request);
        claim.target.uid = Some(uid.into());
        claim
    }

    pub(crate) async fn claim(&self, request: &ClaimRequest) -> Outcome {
        self.service.claim(request.clone()).await
    }

    pub(crate) async fn allowed(&self, request: &ClaimRequest) {
        let outcome = self.claim(request).await;
        assert!(matches!(outcome, Outcome::Allowed(_)), "{outcome:?}");
    }

    pub(crate) async fn refused(&self, request: &ClaimRequest, reason: &str) -> Outcome {
        let outcome = self.claim(request).await;
        assert_eq!(outcome.reason(), reason, "{outcome:?}");
        outcome
    }

    /// Stores a new object; with what the claim of `carries` says, where one is given.
    pub(crate) async fn create(&self, name: &str, carries: Option<&ClaimRequest>) -> Version {
        let annotations = carries.map(|request| annotation(Some(request)));
        let metadata = json!({"name": name, "annotations": annotations});
        let object: ConfigMap = serde_json::from_value(json!({"metadata": metadata})).unwrap();
        version(&self.objects().create(&PostParams::default(), &object).await.unwrap())
    }

    /// Changes an object.
    pub(crate) async fn change(&self, name: &str, carries: Option<&ClaimRequest>) -> Version {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed).to_string();
        let patch = json!({"metadata": {"annotations": annotation(carries)}, "data": {"count": count}});
        version(&self.objects().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap())
    }

    pub(crate) async fn remove(&self, name: &str) {
        self.objects().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Works in the background until `done`.
    pub(crate) async fn resolve_until(&self, what: &str, done: impl AsyncFn() -> bool) {
        let begun = Instant::now();
        let mut reports = Vec::new();
        while !done().await {
            assert!(begun.elapsed() < Duration::from_secs(60), "{what}: {reports:?}");
            reports.push(self.service.resolve_due().await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

pub(crate) fn service(client: &Client, store: Arc<ConfigMapStore>) -> ClaimService {
    let history = ApiHistory::new(client.clone(), reader());
    ClaimService::new(store, Arc::new(history), Arc::new(MachineClock::new()), TERMS)
}

pub(crate) async fn open(client: &Client, namespace: &str, id: Option<StoreId>) -> Arc<ConfigMapStore> {
    Arc::new(ConfigMapStore::open(client.clone(), namespace, id, Quota::CONFIG_MAP).await.unwrap())
}

pub(crate) fn fingerprint(ticket: &str) -> Fingerprint {
    Digest::of(Domain::Fingerprint, ticket.as_bytes())
}

pub(crate) fn authority(ticket: &str) -> Authority {
    Authority {
        fingerprint: fingerprint(ticket),
        policy: PolicyVersion { id: "ticket".into(), version: "v1".into(), digest: Digest::plain(b"policy") },
        window: Duration::from_secs(3600),
    }
}

pub(crate) fn version(object: &ConfigMap) -> Version {
    Version {
        uid: object.metadata.uid.clone().unwrap(),
        resource_version: ResourceVersion(object.metadata.resource_version.clone().unwrap()),
    }
}

/// What a change carries, in place of an attestation.
fn annotation(request: Option<&ClaimRequest>) -> serde_json::Value {
    let Some(request) = request else { return json!({CARRIES: null}) };
    let fingerprints: Vec<_> = request.authorities.iter().map(|authority| authority.fingerprint).collect();
    let carried = json!({
        "fingerprints": fingerprints,
        "operation": request.target.operation,
        "old": request.target.old,
        "execution": request.execution_id,
        "user": request.user,
    });
    json!({CARRIES: carried.to_string()})
}

fn reader() -> ReadAttestation {
    Arc::new(|_, annotations: &BTreeMap<String, String>| {
        let value: serde_json::Value = serde_json::from_str(annotations.get(CARRIES)?).ok()?;
        Some(Carried {
            fingerprints: serde_json::from_value(value["fingerprints"].clone()).ok()?,
            operation: serde_json::from_value(value["operation"].clone()).ok()?,
            old: serde_json::from_value(value["old"].clone()).ok()?,
            execution_id: value["execution"].as_str()?.into(),
            user: value["user"].as_str()?.into(),
        })
    })
}
