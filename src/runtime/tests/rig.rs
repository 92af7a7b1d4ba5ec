//! A whole runtime without a cluster: what a replica knows is given, and what it answers and records is read.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read as _, Seek as _},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use serde_json::{Value as Json, json};

use crate::{
    admission::{Answer, GroupVersionResource, Request, parse_review},
    api::{Metadata, PolicyBindingSpec, PolicySpec, Reason},
    attest::{ExecutionId, Statement},
    binding::Binding,
    canonical::Value,
    digest::Digest,
    keyring::{Keyring, KeyringEntry},
    policy::compile,
    policy_set::{Bound, Force, PolicySet},
    replay::{
        self, ClaimService, History, HistoryError, Store, StoreError, Terms,
        contract::{Filter, Held, Page, Stamped, Swap, Token},
        event::{Current, Looked, Patience, Successor},
        record::{Fingerprint, Record, Resource, ResourceVersion, StoreId, Target, Version},
    },
    runtime::{
        Call, Identity, KindFacts, NamespaceFacts, Parts, Refusal, Runtime, SETTLING, Snapshot, World, WorldError,
    },
    sign::Signer,
    telemetry::DecisionLines,
    time::Timestamp,
    verify::Verifier,
};

/// When the requests of these tests come.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_795_564_800_000);

/// Governs Deployments and all their subresources: frozen ones are denied, others allowed.
pub(super) const GATE: &str = "
id: gate
version: v1
matchConstraints: {resourceRules: [{apiGroups: [apps], apiVersions: ['*'], resources: [deployments, deployments/*], operations: ['*']}]}
signals: [{name: tier, type: String, expression: \"object[?'spec'][?'tier'].orValue('none')\"}]
rules:
- {name: frozen, when: \"signals.tier == 'frozen'\", outcome: Deny, reason: Frozen, message: wait for the thaw}
- {name: fine, outcome: Allow, reason: Fine}
replay: {mode: Repeatable}";

/// The same for change tickets that act once.
pub(super) const TICKET: &str = "
id: ticket
version: v1
matchConstraints:
  resourceRules:
  - {apiGroups: [apps], apiVersions: ['*'], resources: [deployments], operations: ['*']}
  - {apiGroups: [apps], apiVersions: ['*'], resources: [deployments/*], operations: [CONNECT]}
signals: [{name: ticket, type: String, expression: \"request.userInfo.extra[?'ticket'][?0].orValue('CHG-1')\"}]
rules: [{name: fine, outcome: Allow, reason: Fine}]
replay: {mode: Once, key: [ticket], window: 1h}";

/// What a replica knows and how its surroundings behave.
#[derive(Clone)]
pub(super) struct Given {
    /// Policy and binding, as the YAML of their specs; the binding refers to the policy by itself.
    pub(super) bound: Vec<(String, String)>,
    pub(super) read: bool,
    pub(super) current: bool,
    pub(super) changed_at: Timestamp,
    pub(super) kind: KindFacts,
    pub(super) namespace: Option<BTreeMap<String, String>>,
    pub(super) own: Result<Vec<String>, Reason>,
    pub(super) cluster_id: &'static str,
    pub(super) store_id: &'static str,
    pub(super) signers: Vec<u8>,
    pub(super) authenticated: bool,
    pub(super) accept_unauthenticated_once: bool,
    pub(super) now: Timestamp,
    pub(super) left: Duration,
    pub(super) disk_full: bool,
    /// The store takes longer than there is time.
    pub(super) slow_store: bool,
    pub(super) store_down: bool,
    /// An object of the name is stored.
    pub(super) exists: bool,
    pub(super) held: Arc<Mutex<BTreeMap<Fingerprint, Record>>>,
    /// What the world was told of refusals.
    pub(super) heard: Arc<Mutex<Vec<String>>>,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            bound: vec![(GATE.to_owned(), String::new())],
            read: true,
            current: true,
            changed_at: NOW.minus(SETTLING).minus(Duration::from_millis(1)),
            kind: KindFacts { status_subresource: true, conversion_webhook: false, watchable: true },
            namespace: Some(BTreeMap::new()),
            own: Ok(vec!["seen".to_owned()]),
            cluster_id: "cluster",
            store_id: "01010101010101010101010101010101",
            signers: vec![1],
            authenticated: true,
            accept_unauthenticated_once: false,
            now: NOW,
            left: Duration::from_secs(60),
            disk_full: false,
            slow_store: false,
            store_down: false,
            exists: false,
            held: Arc::default(),
            heard: Arc::default(),
        }
    }
}

/// What came of a validating call.
#[derive(Debug)]
pub(super) struct Told {
    /// The reason code; empty for an allow.
    pub(super) reason: &'static str,
    /// The rule's own word, where a rule denied.
    pub(super) word: Option<String>,
    pub(super) message: String,
    pub(super) causes: Vec<(String, String)>,
    pub(super) retry: Option<u32>,
    pub(super) warnings: Vec<String>,
    pub(super) audit: BTreeMap<&'static str, String>,
    /// The recorded lines.
    pub(super) lines: Vec<Json>,
    /// Writes to the store of claims.
    pub(super) writes: usize,
}

pub(super) struct Rig {
    runtime: Runtime,
    given: Given,
    store: Arc<FakeStore>,
    lines: File,
}

/// The signing key of these tests. TEST KEYS, never used for anything else.
pub(super) fn signer(seed: u8) -> Signer {
    Signer::from_seed(&[seed; 32]).unwrap()
}

impl Rig {
    pub(super) fn new(given: &Given) -> Self {
        let deadline = Instant::now() + given.left;
        let store = Arc::new(FakeStore {
            held: Arc::clone(&given.held),
            now: given.now,
            until: given.slow_store.then_some(deadline),
            down: given.store_down,
            writes: AtomicUsize::new(0),
        });
        let clock: Arc<dyn replay::Clock> = Arc::new(Stopped(given.now));
        let history = Arc::new(FakeHistory { now: given.now, exists: given.exists });
        let claims = ClaimService::new(store.clone(), history, clock.clone(), Terms::default());
        let lines = tempfile::tempfile().unwrap();
        let out = if given.disk_full {
            File::options().write(true).open("/dev/full").unwrap()
        } else {
            lines.try_clone().unwrap()
        };
        let keys = given.signers.iter().map(|seed| KeyringEntry::always(signer(*seed).public_key().clone()));
        let runtime = Runtime::new(Parts {
            world: Arc::new(FakeWorld::of(given)),
            signer: signer(given.signers[0]),
            keyring: Keyring::new(keys).unwrap(),
            claims: Arc::new(claims),
            clock,
            store_id: given.store_id.to_owned(),
            cluster_id: given.cluster_id.to_owned(),
            identity: Identity {
                executable: Digest::plain(b"executable"),
                build: "1".to_owned(),
                evaluator: "1".to_owned(),
                replica: "writ-0".to_owned(),
                cluster: given.cluster_id.to_owned(),
            },
            exempt_namespaces: vec!["kube-system".to_owned(), "writ-system".to_owned()],
            accept_unauthenticated_once: given.accept_unauthenticated_once,
            evidence: Arc::new(DecisionLines::to(out).unwrap()),
        });
        Self { runtime, given: given.clone(), store, lines }
    }

    fn call<'a>(&self, request: &'a Request<'a>, number: u8) -> Call<'a> {
        Call {
            request,
            authenticated: self.given.authenticated,
            now: self.given.now,
            deadline: self.store.until.unwrap_or_else(|| Instant::now() + self.given.left),
            execution_id: ExecutionId::from_bytes([number; 16]),
        }
    }

    /// Sends a request through the mutating webhook, and applies what it answers.
    pub(super) async fn mutate(&self, request: &mut Json) {
        let text = review(request);
        let parsed = parse_review(&text).unwrap();
        let Answer::Allow { patch, .. } = self.runtime.mutate(self.call(&parsed, 1)).await else {
            panic!("mutate denies nothing");
        };
        if request["operation"] == "CREATE" {
            // What the API server fills in before it validates.
            request["object"]["metadata"]["uid"] = json!("o1");
        }
        let Some(patch) = patch else { return };
        let operations: Json = serde_json::from_slice(&patch).unwrap();
        let operation = &operations.as_array().unwrap()[0];
        let metadata = request["object"]["metadata"].as_object_mut().unwrap();
        match (operation["op"].as_str().unwrap(), operation["path"].as_str().unwrap()) {
            ("add", "/metadata/annotations") => {
                metadata.insert("annotations".to_owned(), operation["value"].clone());
            }
            (op, path) => {
                let key = path.strip_prefix("/metadata/annotations/").unwrap().replace("~1", "/");
                let annotations = metadata["annotations"].as_object_mut().unwrap();
                match op {
                    "add" => annotations.insert(key, operation["value"].clone()),
                    _ => annotations.remove(&key),
                };
            }
        }
    }

    pub(super) async fn validate(&self, request: &Json) -> Told {
        self.validate_text(&review(request)).await
    }

    pub(super) async fn validate_text(&self, text: &[u8]) -> Told {
        let parsed = parse_review(text).unwrap();
        let answer = self.runtime.validate(self.call(&parsed, 2)).await;
        let mut recorded = String::new();
        let mut lines = &self.lines;
        lines.rewind().unwrap();
        lines.read_to_string(&mut recorded).unwrap();
        let lines = recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let writes = self.store.writes.load(Ordering::SeqCst);
        match answer {
            Answer::Allow { patch, warnings, audit_annotations } => {
                assert_eq!(patch, None);
                Told {
                    reason: "",
                    word: None,
                    message: String::new(),
                    causes: Vec::new(),
                    retry: None,
                    warnings,
                    audit: audit_annotations,
                    lines,
                    writes,
                }
            }
            Answer::Deny(denial) => Told {
                reason: denial.reason.as_str(),
                word: denial.rule_reason,
                message: denial.message,
                causes: denial.causes,
                retry: denial.retry_after_seconds,
                warnings: denial.warnings,
                audit: denial.audit_annotations,
                lines,
                writes,
            },
        }
    }
}

fn review(request: &Json) -> Vec<u8> {
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    serde_json::to_vec(&review).unwrap()
}

/// The annotation of Deployments.
pub(super) const KEY: &str = "attestation.writ.dev/deployments.apps";

/// The creation of a Deployment.
pub(super) fn create() -> Json {
    json!({
        "uid": "r1", "operation": "CREATE", "name": "web", "namespace": "shop", "dryRun": false,
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "requestKind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "requestResource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "userInfo": {"username": "ann", "uid": "u-ann", "groups": ["dev"], "extra": {"scope": ["all"]}},
        "object": {
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "annotations": {"team": "a"}},
            "spec": {"tier": "web", "replicas": 1}
        },
        "oldObject": null, "options": null
    })
}

/// A change of a Deployment.
pub(super) fn update() -> Json {
    let mut request = create();
    request["operation"] = json!("UPDATE");
    request["object"]["metadata"]["uid"] = json!("o1");
    request["object"]["metadata"]["resourceVersion"] = json!("7");
    request["oldObject"] = request["object"].clone();
    request["object"]["spec"]["replicas"] = json!(2);
    request
}

/// A deletion of a Deployment.
pub(super) fn delete() -> Json {
    let mut request = update();
    request["operation"] = json!("DELETE");
    request["object"] = Json::Null;
    request
}

/// What the attestation on the new object says.
pub(super) fn statement(request: &Json) -> Statement {
    let keyring = Keyring::new([KeyringEntry::always(signer(1).public_key().clone())]).unwrap();
    let text = request["object"]["metadata"]["annotations"][KEY].as_str().unwrap();
    (*Verifier::offline(&keyring).verify_compact(text).unwrap()).clone()
}

/// Puts a well-signed attestation of anything on the new object.
pub(super) fn attest(request: &mut Json, statement: Statement) {
    let signed = signer(1).sign(statement).unwrap();
    request["object"]["metadata"]["annotations"][KEY] = json!(signed.compact());
}

struct FakeWorld {
    snapshot: Option<Arc<Snapshot>>,
    given: Given,
}

impl FakeWorld {
    fn of(given: &Given) -> Self {
        let bounds = given.bound.iter().enumerate().map(|(index, (policy, binding))| bind(index, policy, binding));
        let set = PolicySet::build(bounds.collect());
        let snapshot = Snapshot { set, changed_at: given.changed_at };
        Self { snapshot: given.read.then(|| Arc::new(snapshot)), given: given.clone() }
    }
}

/// A binding that refers to the policy; without a policy, one that has none in force.
fn bind(index: usize, policy: &str, binding: &str) -> Bound {
    let spec: Option<PolicySpec> = (!policy.is_empty()).then(|| serde_saphyr::from_str(policy).unwrap());
    let (id, version) = spec.as_ref().map_or(("gone", "v1"), |spec| (spec.id.as_str(), spec.version.as_str()));
    let text = format!("policyRef: {{id: {id}, version: {version}}}\n{binding}");
    let text = if text.contains("mode: ") { text } else { format!("{text}\nmode: Enforce") };
    let binding: PolicyBindingSpec = serde_saphyr::from_str(&text).unwrap();
    let metadata =
        Metadata { name: format!("b{index}"), uid: format!("uid-b{index}"), generation: 1, ..Metadata::default() };
    let binding = Binding::compile(&metadata, &binding, &["tier".to_owned()]).unwrap();
    let force = match &spec {
        Some(spec) => {
            let policy = compile(&format!("{id}.{version}"), spec).unwrap();
            let params = binding.read_params(policy.params()).unwrap();
            Force::of(Arc::new(policy), params)
        }
        None => Force::Unavailable { message: "nothing is in force".to_owned() },
    };
    Bound { binding, force }
}

impl World for FakeWorld {
    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.clone()
    }

    fn is_current(&self, now: Timestamp) -> bool {
        assert_eq!(now, self.given.now);
        self.given.current
    }

    fn namespace<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<NamespaceFacts>, WorldError>> {
        let labels = self.given.namespace.clone().ok_or_else(|| WorldError("no answer".to_owned()));
        let facts = labels.map(|labels| {
            let object = json!({"metadata": {"name": name, "labels": labels}});
            let (uid, resource_version) = ("n1".to_owned(), "3".to_owned());
            Arc::new(NamespaceFacts { uid, resource_version, labels, object: Value::from(object) })
        });
        Box::pin(async { facts })
    }

    fn kind(&self, _: &GroupVersionResource) -> KindFacts {
        self.given.kind
    }

    fn faults(&self) -> Vec<String> {
        Vec::new()
    }

    fn refused(&self, object: &Value<'_>, reason: &str, message: &str) {
        let name = object.at(&["metadata", "name"]).and_then(Value::as_str).unwrap_or_default();
        self.given.heard.lock().unwrap().push(format!("{name}: {reason}: {message}"));
    }

    fn admit_own<'a>(&'a self, _: &'a Request<'a>) -> BoxFuture<'a, Result<Vec<String>, Refusal>> {
        let answer = self.given.own.clone().map_err(|reason| Refusal::new(reason, "not so"));
        Box::pin(async { answer })
    }
}

/// A clock that stands still.
struct Stopped(Timestamp);

impl replay::Clock for Stopped {
    fn now(&self) -> Result<Timestamp, replay::ClockError> {
        Ok(self.0)
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// A store in memory; its only token says that a record is there.
struct FakeStore {
    held: Arc<Mutex<BTreeMap<Fingerprint, Record>>>,
    now: Timestamp,
    until: Option<Instant>,
    down: bool,
    writes: AtomicUsize,
}

impl FakeStore {
    fn stamp<T>(&self, value: T) -> Result<Stamped<T>, StoreError> {
        if self.down {
            return Err(StoreError::Unavailable("planned".to_owned()));
        }
        Ok(Stamped { value, time: self.now, grain: Duration::ZERO })
    }

    fn write(&self, record: &Record) -> Result<Stamped<Swap>, StoreError> {
        // A write that blocks the thread: no timeout of the caller ends it.
        while self.until.is_some_and(|until| Instant::now() < until) {
            std::thread::yield_now();
        }
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.held.lock().unwrap().insert(record.fingerprint, record.clone());
        self.stamp(Swap::Done(Token(String::new())))
    }
}

impl Store for FakeStore {
    fn root(&self) -> BoxFuture<'_, Result<Stamped<StoreId>, StoreError>> {
        Box::pin(async { self.stamp(StoreId::from_bytes([1; 16])) })
    }

    fn read<'a>(&'a self, fingerprint: &'a Fingerprint) -> BoxFuture<'a, Result<Stamped<Option<Held>>, StoreError>> {
        let record = self.held.lock().unwrap().get(fingerprint).cloned();
        let held = record.map(|record| Held { record, token: Token(String::new()) });
        Box::pin(async { self.stamp(held) })
    }

    fn create<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<Stamped<Swap>, StoreError>> {
        Box::pin(async {
            if self.held.lock().unwrap().contains_key(&record.fingerprint) {
                return self.stamp(Swap::Lost);
            }
            self.write(record)
        })
    }

    fn replace<'a>(&'a self, _: &'a Token, record: &'a Record) -> BoxFuture<'a, Result<Stamped<Swap>, StoreError>> {
        Box::pin(async { self.write(record) })
    }

    fn remove<'a>(&'a self, _: &'a Token, _: &'a Fingerprint) -> BoxFuture<'a, Result<Stamped<Swap>, StoreError>> {
        Box::pin(async { self.stamp(Swap::Lost) })
    }

    fn list<'a>(&'a self, _: Filter, _: Option<&'a str>) -> BoxFuture<'a, Result<Stamped<Page>, StoreError>> {
        Box::pin(async { self.stamp(Page::default()) })
    }
}

struct FakeHistory {
    now: Timestamp,
    exists: bool,
}

impl FakeHistory {
    fn stamp<T>(&self, value: T) -> Result<Stamped<T>, HistoryError> {
        Ok(Stamped { value, time: self.now, grain: Duration::ZERO })
    }
}

impl History for FakeHistory {
    fn revision<'a>(
        &'a self,
        _: &'a Resource,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Stamped<ResourceVersion>, HistoryError>> {
        Box::pin(async { self.stamp(ResourceVersion("100".to_owned())) })
    }

    fn current<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, Result<Stamped<Option<Version>>, HistoryError>> {
        let version = Version { uid: "o1".to_owned(), resource_version: ResourceVersion("7".to_owned()) };
        Box::pin(async { self.stamp(self.exists.then_some(version)) })
    }

    fn look<'a>(&'a self, _: &'a Record, _: Patience) -> BoxFuture<'a, Result<Stamped<Looked>, HistoryError>> {
        Box::pin(async { self.stamp(Looked { successor: Successor::NoneSeen, current: Current::Unread }) })
    }
}
