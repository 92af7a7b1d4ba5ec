//! Attested objects for transcripts of `writ verify`: always the same bytes.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};
use writ::{
    admission::GroupVersionKind,
    attest::{
        Binding, DecisionRecord, ExecutionId, Kind, Mode, ObjectName, Operation, Outcome, Policy, Predicate, Replay,
        Resource, Statement, SubtreeTag, User,
    },
    digest::{Digest, Domain},
    projection::{Plan, annotation_key},
    sign::Signer,
    time::Timestamp,
};

/// The policy that decided.
const POLICY: &str = "apiVersion: writ.dev/v1alpha1
kind: Policy
metadata: {name: change-ticket.v3}
spec:
  id: change-ticket
  version: v3
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: [CREATE, UPDATE]}
  rules:
  - {name: always, outcome: Allow, reason: TicketPresented}
  replay: {mode: Repeatable}
";

/// An object and its attestation: `attested.json` and what others made of it.
pub(crate) fn write(folder: &Path) {
    let put = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    let json = |name: &str, value: &Value| put(name, &serde_json::to_string_pretty(value).unwrap());
    let signer = Signer::from_seed(&[7; 32]).unwrap();
    put("writ.pub", &signer.public_key().to_pem());
    put("other.pub", &Signer::from_seed(&[8; 32]).unwrap().public_key().to_pem());
    let id = signer.key_id();
    put("keyring.json", &writ::keyring::Keyring::parse(&signer.public_key().to_pem()).unwrap().to_json());
    put("policy.yaml", POLICY);
    put("policy-edited.yaml", &POLICY.replace("TicketPresented", "Whatever"));
    put("policy-v4.yaml", &POLICY.replace("v3", "v4"));
    put("policy-other.yaml", &POLICY.replace("change-ticket", "freeze"));

    let object = deployment();
    let signed = signer.sign(statement(&object, id)).unwrap();
    put("compact.txt", signed.compact());
    put("envelope.json", &signed.envelope().to_json());
    let attested =
        with(&object, "/metadata/annotations", "attestation.writ.dev/deployments.apps", signed.compact().into());
    json("attested.json", &attested);
    json("plain.json", &object);

    let mut scaled = with(&attested, "/metadata/annotations", "deployment.kubernetes.io/revision", "4".into());
    scaled["spec"]["replicas"] = json!(7);
    scaled["status"] = json!({"replicas": 7});
    scaled["metadata"]["uid"] = json!("3a1c9a52-0a66-4b57-8d4e-2f6f0f7a7b11");
    json("scaled.json", &scaled);
    let mut edited = attested.clone();
    edited["spec"]["template"]["spec"]["containers"][0]["image"] = json!("registry.example.com/apps/web:evil");
    json("edited.json", &edited);
    let mut moved = attested.clone();
    moved["metadata"]["namespace"] = json!("attic");
    json("moved.json", &moved);
    let mut renamed = attested.clone();
    renamed["metadata"]["name"] = json!("web2");
    json("renamed.json", &renamed);
    let mut copied = attested.clone();
    copied["kind"] = json!("ReplicaSet");
    json("copied.json", &copied);
    let flipped = signed.compact().replacen(
        &signed.compact()[400..401],
        if &signed.compact()[400..401] == "A" { "B" } else { "A" },
        1,
    );
    json(
        "flipped.json",
        &with(&object, "/metadata/annotations", "attestation.writ.dev/deployments.apps", flipped.into()),
    );

    let mut denied = statement(&object, id);
    denied.predicate.decisions[0].outcome = Outcome::Deny;
    let denied = signer.sign(denied).unwrap();
    json(
        "denied.json",
        &with(&object, "/metadata/annotations", "attestation.writ.dev/deployments.apps", denied.compact().into()),
    );
    let mut trial = statement(&object, id);
    trial.predicate.dry_run = true;
    let trial = signer.sign(trial).unwrap();
    json(
        "dry-run.json",
        &with(&object, "/metadata/annotations", "attestation.writ.dev/deployments.apps", trial.compact().into()),
    );
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "annotations": {"change.example.com/ticket": "CHG-1234"}},
        "spec": {
            "replicas": 2,
            "template": {"spec": {"containers": [{"name": "web", "image": "registry.example.com/apps/web:1"}]}},
        },
    })
}

fn with(object: &Value, place: &str, key: &str, value: Value) -> Value {
    let mut object = object.clone();
    object.pointer_mut(place).unwrap()[key] = value;
    object
}

fn statement(object: &Value, signer: writ::attest::KeyId) -> Statement {
    let kind = GroupVersionKind { group: "apps".into(), version: "v1".into(), kind: "Deployment".into() };
    let plan = Plan::new(&kind, &annotation_key("deployments", "apps"), true);
    let projection = plan.project(&writ::canonical::Value::from(object.clone()));
    let deployments = Resource { group: "apps".into(), version: "v1".into(), resource: "deployments".into() };
    let issued_at = Timestamp::from_millis(1_795_563_215_123);
    let subtrees = projection.subtrees.iter().map(|(name, digest)| (name.clone(), SubtreeTag::of(digest)));
    let predicate = Predicate {
        cluster_id: "2f7b1c6e-3a4d-4c59-9b1e-7d2f8a6c5e10".into(),
        store_id: "8c0e5b1f6d2a4f7e8b3c1a9d4e7f2c65".into(),
        execution_id: ExecutionId::from_bytes(*b"0123456789abcdef"),
        issued_at,
        admit_before: issued_at.plus(Duration::from_secs(40)),
        dry_run: false,
        operation: Operation::Create,
        resource: deployments.clone(),
        request_resource: deployments,
        kind: Kind { group: "apps".into(), version: "v1".into(), kind: "Deployment".into() },
        sub_resource: String::new(),
        namespace: "shop".into(),
        name: ObjectName::Given("web".into()),
        old_object: None,
        user: User {
            username: "alice".into(),
            uid: String::new(),
            digest: User::digest_of(&["developers".into()], &std::collections::BTreeMap::new()),
        },
        projection: projection.id.to_string(),
        subtrees: subtrees.collect(),
        decisions: vec![DecisionRecord {
            binding: Binding {
                name: "change-tickets".into(),
                uid: "c1a5e9d3-7f2b-4a68-b0d4-3e8c6f1a9b57".into(),
                generation: 3,
                digest: Digest::of(Domain::Binding, b"binding"),
                mode: Mode::Enforce,
            },
            policy: Policy { id: "change-ticket".into(), version: "v3".into(), digest: Some(policy_digest()) },
            params: None,
            rule: Some("always".into()),
            outcome: Outcome::Allow,
            reason: "TicketPresented".into(),
            replay: Some(Replay::Repeatable),
            signals: Some(Digest::of(Domain::Signals, b"{}")),
        }],
        runtime: Digest::of(Domain::Runtime, b"runtime"),
        signer,
    };
    Statement { subject: projection.digest, predicate }
}

fn policy_digest() -> Digest {
    let text = serde_json::json!({
        "id": "change-ticket",
        "version": "v3",
        "matchConstraints": {"resourceRules": [
            {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["CREATE", "UPDATE"]},
        ]},
        "rules": [{"name": "always", "outcome": "Allow", "reason": "TicketPresented"}],
        "replay": {"mode": "Repeatable"},
    });
    writ::policy::digest(&serde_json::from_value(text).unwrap())
}
