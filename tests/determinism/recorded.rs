//! The lines of evidence of a whole runtime. What a line has of time and chance is an input of the runtime: the time
//! and the execution's id of a call, the clock of the store of claims, the replica's identity.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read as _, Seek as _},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::{BoxFuture, ready};
use serde_json::{Value as Json, json};
use writ::{
    admission::{Answer, GroupVersionResource, Request, parse_review},
    api::Reason,
    attest::ExecutionId,
    canonical::Value,
    digest::Digest,
    keyring::{Keyring, KeyringEntry},
    policy_set::PolicySet,
    replay::{self, ClaimService, ClockError, EmbeddedStore, NoHistory, Quota, Terms},
    runtime::{Call, Identity, KindFacts, NamespaceFacts, Parts, Refusal, Runtime, Snapshot, World, WorldError},
    sign::Signer,
    telemetry::DecisionLines,
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_millis(1_795_564_800_000);
/// Longer than the slowest disk takes; no line shows it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a replica knows of a cluster that stands still.
struct Still(Arc<Snapshot>);

impl World for Still {
    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        Some(Arc::clone(&self.0))
    }

    fn is_current(&self, _: Timestamp) -> bool {
        true
    }

    fn namespace<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<NamespaceFacts>, WorldError>> {
        let labels = [("kubernetes.io/metadata.name", name), ("window", "night"), ("é", "x"), ("a", "b")];
        let labels: BTreeMap<_, _> = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let object = Value::from(json!({"metadata": {"name": name, "labels": labels}}));
        let (uid, resource_version) = ("n1".to_owned(), "3".to_owned());
        Box::pin(ready(Ok(Arc::new(NamespaceFacts { uid, resource_version, labels, object }))))
    }

    fn kind(&self, _: &GroupVersionResource) -> KindFacts {
        KindFacts { status_subresource: true, conversion_webhook: false, watchable: true }
    }

    fn faults(&self) -> Vec<String> {
        Vec::new()
    }

    fn refused(&self, _: &Value<'_>, _: &str, _: &str) {}

    fn admit_own<'a>(&'a self, _: &'a Request<'a>) -> BoxFuture<'a, Result<Vec<String>, Refusal>> {
        Box::pin(ready(Err(Refusal::new(Reason::InvalidPolicy, "no change"))))
    }
}

impl replay::Clock for Still {
    fn now(&self) -> Result<Timestamp, ClockError> {
        Ok(NOW)
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

fn runtime(set: PolicySet, lines: &File, folder: &Path) -> Runtime {
    let world = Arc::new(Still(Arc::new(Snapshot { set, changed_at: NOW.minus(PATIENCE) })));
    let store = folder.join("claims");
    EmbeddedStore::initialize(&store).unwrap();
    let store = EmbeddedStore::open(&store, None, world.clone(), Quota::EMBEDDED).unwrap();
    let terms = Terms { budget: PATIENCE, ..Terms::default() };
    let claims = Arc::new(ClaimService::new(Arc::new(store), Arc::new(NoHistory), world.clone(), terms));
    // TEST KEY, never used for anything else.
    let signer = Signer::from_seed(&[1; 32]).unwrap();
    Runtime::new(Parts {
        keyring: Keyring::new([KeyringEntry::always(signer.public_key().clone())]).unwrap(),
        signer,
        claims,
        clock: world.clone(),
        world,
        store_id: "01010101010101010101010101010101".to_owned(),
        cluster_id: "cluster".to_owned(),
        identity: Identity {
            executable: Digest::plain(b"executable"),
            build: "1".to_owned(),
            evaluator: "1".to_owned(),
            replica: "writ-0".to_owned(),
            cluster: "cluster".to_owned(),
        },
        exempt_namespaces: Vec::new(),
        accept_unauthenticated_once: false,
        evidence: Arc::new(DecisionLines::to(lines.try_clone().unwrap()).unwrap()),
    })
}

fn call<'a>(request: &'a Request<'a>, number: u8) -> Call<'a> {
    let execution_id = ExecutionId::from_bytes([number; 16]);
    Call { request, authenticated: true, now: NOW, deadline: Instant::now() + PATIENCE, execution_id }
}

/// Puts the annotation that mutate answers with on the object.
async fn attest(runtime: &Runtime, review: &mut Json, number: u8) {
    let text = review.to_string();
    let request = parse_review(text.as_bytes()).unwrap();
    let Answer::Allow { patch: Some(patch), .. } = runtime.mutate(call(&request, number)).await else { return };
    let operations: Json = serde_json::from_slice(&patch).unwrap();
    let key = operations[0]["path"].as_str().unwrap().trim_start_matches("/metadata/annotations/").replace("~1", "/");
    review["request"]["object"]["metadata"]["annotations"][key] = operations[0]["value"].clone();
}

/// Requests of every outcome.
fn requests(review: &str) -> Vec<Json> {
    let request = |change: &dyn Fn(&mut Json)| {
        let mut review: Json = serde_json::from_str(review).unwrap();
        change(&mut review["request"]);
        review
    };
    let created = |change: fn(&mut Json)| {
        request(&move |request: &mut Json| {
            (request["namespace"], request["object"]["metadata"]["namespace"]) = (json!("shop"), json!("shop"));
            let image = format!("registry.example.com/apps/web@sha256:{}", "0".repeat(64));
            let container = json!({"name": "web", "image": image, "resources": {"limits": {"memory": "64Mi"}}});
            request["object"]["spec"]["template"] = json!({"spec": {"containers": [container]}});
            change(request);
        })
    };
    let deleted = |uid: &'static str| {
        request(&move |request: &mut Json| {
            (request["namespace"], request["operation"]) = (json!("shop"), json!("DELETE"));
            request["oldObject"] = request["object"].take();
            request["oldObject"]["metadata"]["uid"] = json!(uid);
        })
    };
    vec![
        // Denied by the examples.
        request(&|_| ()),
        created(|_| ()),
        created(|request| request["object"]["spec"]["replicas"] = json!(4)),
        // One of the bindings leaves it out.
        created(|request| request["userInfo"]["groups"] = json!(["operators"])),
        deleted("o1"),
        // The authority acts once.
        deleted("o2"),
    ]
}

/// The lines of all requests, each sent to mutate and then to validate.
pub(super) fn lines(set: PolicySet, review: &str) -> String {
    let mut lines = tempfile::tempfile().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let runtime = runtime(set, &lines, folder.path());
    let decide = async {
        for (number, mut review) in (1..).zip(requests(review)) {
            attest(&runtime, &mut review, number).await;
            let text = review.to_string();
            runtime.validate(call(&parse_review(text.as_bytes()).unwrap(), 100 + number)).await;
        }
    };
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(decide);
    let mut told = String::new();
    lines.rewind().unwrap();
    lines.read_to_string(&mut told).unwrap();
    told
}
