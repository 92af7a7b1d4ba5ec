//! Statements for tests: realistic ones, and arbitrary ones for property tests.

use proptest::prelude::*;

use super::*;
use crate::{
    digest::{Digest, Domain},
    time::Timestamp,
};

/// The creation of a Deployment that one `Once` policy allowed.
pub(crate) fn create(signer: KeyId) -> Statement {
    let digest = |text: &str| Digest::of(Domain::Projection, text.as_bytes());
    let deployments = Resource { group: "apps".into(), version: "v1".into(), resource: "deployments".into() };
    let issued_at = Timestamp::from_millis(1_795_563_215_123);
    let predicate = Predicate {
        cluster_id: "2f7b1c6e-3a4d-4c59-9b1e-7d2f8a6c5e10".into(),
        store_id: "8c0e5b1f6d2a4f7e8b3c1a9d4e7f2c65".into(),
        execution_id: ExecutionId::from_bytes(*b"0123456789abcdef"),
        issued_at,
        admit_before: issued_at.plus(std::time::Duration::from_secs(40)),
        dry_run: false,
        operation: Operation::Create,
        resource: deployments.clone(),
        request_resource: deployments,
        kind: Kind { group: "apps".into(), version: "v1".into(), kind: "Deployment".into() },
        sub_resource: String::new(),
        namespace: "shop".into(),
        name: ObjectName::Given("checkout-frontend".into()),
        old_object: None,
        user: User {
            username: "system:serviceaccount:delivery:release-pipeline".into(),
            uid: "5d0c9a7e-1b2f-4e63-8f4a-9c7b6d5e4f32".into(),
            digest: digest("user"),
        },
        projection: "k8s-1.37/v1".into(),
        subtrees: ["apiVersion", "kind", "metadata", "spec"]
            .map(|name| (name.to_owned(), SubtreeTag::of(&digest(name))))
            .into(),
        decisions: vec![DecisionRecord {
            binding: Binding {
                name: "production-change-tickets".into(),
                uid: "c1a5e9d3-7f2b-4a68-b0d4-3e8c6f1a9b57".into(),
                generation: 3,
                digest: digest("binding"),
                mode: Mode::Enforce,
            },
            policy: Policy { id: "change-ticket".into(), version: "v3".into(), digest: Some(digest("policy")) },
            params: Some(digest("params")),
            rule: Some("ticket-approved".into()),
            outcome: Outcome::Allow,
            reason: "TicketApproved".into(),
            replay: Some(Replay::Once { fingerprint: Some(digest("fingerprint")) }),
            signals: Some(digest("signals")),
        }],
        runtime: digest("runtime"),
        signer,
    };
    Statement { subject: digest("object"), predicate }
}

/// The update of a custom object under a generated name by two policies: every optional value is the other way.
pub(crate) fn update(signer: KeyId) -> Statement {
    let mut statement = create(signer);
    let digest = |text: &str| Digest::of(Domain::Projection, text.as_bytes());
    let predicate = &mut statement.predicate;
    predicate.dry_run = true;
    predicate.operation = Operation::Update;
    predicate.request_resource.version = "v1beta1".into();
    predicate.kind = Kind { group: "autoscaling".into(), version: "v1".into(), kind: "Scale".into() };
    predicate.sub_resource = "scale".into();
    predicate.name = ObjectName::Generated("batch-".into());
    predicate.old_object = Some(OldObject {
        uid: "0a9b8c7d-6e5f-4a3b-8c1d-2e3f4a5b6c7d".into(),
        resource_version: "184467440".into(),
        digest: digest("old"),
    });
    predicate.subtrees.clear();
    predicate.decisions.push(DecisionRecord {
        binding: Binding {
            name: "trial".into(),
            uid: String::new(),
            generation: MAX_GENERATION,
            digest: digest("trial"),
            mode: Mode::Audit,
        },
        policy: Policy { id: "trial".into(), version: "1".into(), digest: None },
        params: None,
        rule: None,
        outcome: Outcome::Deny,
        reason: "PolicyUnavailable".into(),
        replay: None,
        signals: None,
    });
    statement
}

/// Any statement that keeps the rules, with strings of every shape.
pub(crate) fn any(signer: KeyId) -> impl Strategy<Value = Statement> {
    (any_head(), any_object(), any_user(), prop::collection::vec(any_decision(), 1..4)).prop_map(
        move |(mut head, (subject, object), user, decisions)| {
            head.signer = signer;
            head.user = user;
            head.decisions = decisions;
            let (operation, dry_run, kind, name, namespace, old_object) = object;
            head.operation = operation;
            head.dry_run = dry_run;
            head.kind = kind;
            head.name = name;
            head.namespace = namespace;
            head.old_object = old_object;
            Statement { subject, predicate: head }
        },
    )
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        prop::sample::select(vec!["v1", "apps", "Deployment", "webhooks", "metadata"]).prop_map(str::to_owned),
        any_bytes().prop_map(|[a, b, ..]: [u8; 32]| format!("{a:02x}{b:02x}1a52-7b1c-4d3e-9a55-0c8f6d2a4b10")),
        any_bytes().prop_map(|bytes: [u8; 16]| format!("{:032x}", u128::from_be_bytes(bytes))),
        proptest::num::u64::ANY.prop_map(|number| number.to_string()),
        "(system:|system:node:|system:serviceaccount:)[a-z:]{0,20}",
        "[a-z0-9-]{1,70}",
        ".{0,20}",
    ]
}

fn any_bytes<const N: usize>() -> impl Strategy<Value = [u8; N]>
where
    [u8; N]: Arbitrary,
{
    proptest::arbitrary::any::<[u8; N]>()
}

fn any_digest() -> impl Strategy<Value = Digest> {
    any_bytes().prop_map(Digest::from_bytes)
}

fn any_resource() -> impl Strategy<Value = Resource> {
    (any_text(), any_text(), any_text()).prop_map(|(group, version, resource)| Resource { group, version, resource })
}

fn any_head() -> impl Strategy<Value = Predicate> {
    let ids = (any_text(), any_text(), any_text(), any_text(), any_bytes());
    let times = (0..200_000_000_000_000_i64, 1..=120_000_u64);
    let subtrees = prop::collection::btree_map(any_text(), any_bytes().prop_map(SubtreeTag::from_bytes), 0..6);
    let requested = prop::option::of(any_resource());
    (ids, times, any_resource(), requested, subtrees, any_digest()).prop_map(
        |(
            (cluster_id, store_id, sub_resource, projection, id),
            (millis, validity),
            resource,
            other,
            subtrees,
            runtime,
        )| {
            let mut predicate = create(KeyId::from_bytes([0; 32])).predicate;
            predicate.cluster_id = cluster_id;
            predicate.store_id = store_id;
            predicate.sub_resource = sub_resource;
            predicate.projection = projection;
            predicate.execution_id = ExecutionId::from_bytes(id);
            predicate.issued_at = Timestamp::from_millis(millis);
            predicate.admit_before = predicate.issued_at.plus(std::time::Duration::from_millis(validity));
            predicate.request_resource = other.unwrap_or_else(|| resource.clone());
            predicate.resource = resource;
            predicate.subtrees = subtrees;
            predicate.runtime = runtime;
            predicate
        },
    )
}

type AnyObject = (Operation, bool, Kind, ObjectName, String, Option<OldObject>);

fn any_object() -> impl Strategy<Value = (Digest, AnyObject)> {
    let operation = (0..4_u8).prop_map(|number| Operation::from_number(number).unwrap());
    let kind = any_resource().prop_map(|r| Kind { group: r.group, version: r.version, kind: r.resource });
    let name = prop_oneof![any_text().prop_map(ObjectName::Given), any_text().prop_map(ObjectName::Generated)];
    let old = (any_text(), any_text(), any_digest());
    let old = old.prop_map(|(uid, resource_version, digest)| OldObject { uid, resource_version, digest });
    let object = (operation, proptest::bool::ANY, kind, name, any_text(), prop::option::of(old));
    (any_digest(), object)
}

fn any_user() -> impl Strategy<Value = User> {
    (any_text(), any_text(), any_digest()).prop_map(|(username, uid, digest)| User { username, uid, digest })
}

fn any_decision() -> impl Strategy<Value = DecisionRecord> {
    let binding = (any_text(), any_text(), 0..=MAX_GENERATION, any_digest(), 0..3_u8);
    let policy = (any_text(), any_text(), any_digest(), any_text());
    let values = (prop::option::of(any_digest()), any_text(), any_digest(), any_digest());
    // Bits of what a denial may lack, and whether it is one.
    (binding, policy, values, proptest::num::u8::ANY).prop_map(
        |(
            (name, uid, generation, digest, mode),
            (id, version, policy, reason),
            (params, rule, signals, print),
            bits,
        )| {
            let denied = bits & 1 != 0;
            let keep = |bit: u8| !denied || bits & 1 << bit != 0;
            let replay = match bits >> 6 {
                0 if denied => None,
                1 => Some(Replay::Repeatable),
                _ => Some(Replay::Once { fingerprint: keep(1).then_some(print) }),
            };
            DecisionRecord {
                binding: Binding { name, uid, generation, digest, mode: Mode::from_number(mode).unwrap() },
                policy: Policy { id, version, digest: keep(2).then_some(policy) },
                params,
                rule: keep(3).then_some(rule),
                outcome: if denied { Outcome::Deny } else { Outcome::Allow },
                reason,
                replay,
                signals: keep(4).then_some(signals),
            }
        },
    )
}
