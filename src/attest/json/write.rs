use std::{borrow::Cow, fmt::Display};

use crate::{
    attest::{
        Binding, DecisionRecord, Kind, ObjectName, OldObject, PREDICATE_TYPE, Policy, Predicate, Replay, Resource,
        SCHEMA_VERSION, STATEMENT_TYPE, SUBJECT_ALGORITHM, Statement, User, id::push_hex,
    },
    canonical::{Object, Value},
    digest::Digest,
};

/// Which members of a Statement are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::attest) enum StatementMembers {
    /// All: what is signed.
    All,
    /// Those by which two statements are the same decision.
    Decision,
}

pub(in crate::attest) fn write(statement: &Statement, members: StatementMembers) -> Value<'_> {
    let mut digest = String::with_capacity(64);
    push_hex(statement.subject.as_bytes(), &mut digest);
    let subject = object([
        ("digest", object([(SUBJECT_ALGORITHM, Value::from(digest))])),
        ("name", Value::from(statement.subject_name())),
    ]);
    object([
        ("_type", STATEMENT_TYPE.into()),
        ("predicate", predicate(&statement.predicate, members)),
        ("predicateType", PREDICATE_TYPE.into()),
        ("subject", Value::Array(vec![subject])),
    ])
}

fn predicate(predicate: &Predicate, members: StatementMembers) -> Value<'_> {
    let (name, generate_name) = match &predicate.name {
        ObjectName::Given(name) => (Value::from(name.as_str()), Value::Null),
        ObjectName::Generated(prefix) => (Value::Null, Value::from(prefix.as_str())),
    };
    let subtrees = predicate.subtrees.iter().map(|(name, tag)| (name.as_str(), text(tag)));
    let mut entries: Vec<(Cow<'_, str>, Value<'_>)> = Vec::with_capacity(24);
    let mut member = |name: &'static str, value| entries.push((Cow::Borrowed(name), value));
    let all = members == StatementMembers::All;
    if all {
        member("admitBefore", text(predicate.admit_before));
    }
    member("clusterId", predicate.cluster_id.as_str().into());
    member("decisions", predicate.decisions.iter().map(decision).collect());
    member("dryRun", predicate.dry_run.into());
    if all {
        member("executionId", text(predicate.execution_id));
    }
    member("generateName", generate_name);
    if all {
        member("issuedAt", text(predicate.issued_at));
    }
    member("kind", kind(&predicate.kind));
    member("name", name);
    member("namespace", predicate.namespace.as_str().into());
    member("oldObject", predicate.old_object.as_ref().map_or(Value::Null, old_object));
    member("operation", predicate.operation.as_str().into());
    member("projection", predicate.projection.as_str().into());
    member("requestResource", resource(&predicate.request_resource));
    member("resource", resource(&predicate.resource));
    if all {
        member("runtime", sha256(&predicate.runtime));
    }
    member("schemaVersion", SCHEMA_VERSION.into());
    if all {
        member("signer", text(predicate.signer));
    }
    member("storeId", predicate.store_id.as_str().into());
    member("subResource", predicate.sub_resource.as_str().into());
    member("subtrees", subtrees.collect::<Object<'_>>().into());
    member("userInfo", user(&predicate.user));
    sorted(entries)
}

fn decision(record: &DecisionRecord) -> Value<'_> {
    object([
        ("binding", binding(&record.binding)),
        ("outcome", record.outcome.as_str().into()),
        ("params", optional(record.params.as_ref())),
        ("policy", policy(&record.policy)),
        ("reason", record.reason.as_str().into()),
        ("replay", record.replay.as_ref().map_or(Value::Null, replay)),
        ("rule", record.rule.as_deref().map_or(Value::Null, Value::from)),
        ("signals", optional(record.signals.as_ref())),
    ])
}

fn binding(binding: &Binding) -> Value<'_> {
    object([
        ("digest", sha256(&binding.digest)),
        // INVARIANT: a checked statement has no generation above 2^53 - 1.
        ("generation", i64::try_from(binding.generation).unwrap_or(i64::MAX).into()),
        ("mode", binding.mode.as_str().into()),
        ("name", binding.name.as_str().into()),
        ("uid", binding.uid.as_str().into()),
    ])
}

fn policy(policy: &Policy) -> Value<'_> {
    object([
        ("digest", optional(policy.digest.as_ref())),
        ("id", policy.id.as_str().into()),
        ("version", policy.version.as_str().into()),
    ])
}

fn replay(replay: &Replay) -> Value<'static> {
    let (fingerprint, mode) = match replay {
        Replay::Once { fingerprint } => (optional(fingerprint.as_ref()), "Once"),
        Replay::Repeatable => (Value::Null, "Repeatable"),
    };
    object([("fingerprint", fingerprint), ("mode", mode.into())])
}

fn resource(resource: &Resource) -> Value<'_> {
    object([
        ("group", resource.group.as_str().into()),
        ("resource", resource.resource.as_str().into()),
        ("version", resource.version.as_str().into()),
    ])
}

fn kind(kind: &Kind) -> Value<'_> {
    object([
        ("group", kind.group.as_str().into()),
        ("kind", kind.kind.as_str().into()),
        ("version", kind.version.as_str().into()),
    ])
}

fn old_object(old: &OldObject) -> Value<'_> {
    object([
        ("digest", sha256(&old.digest)),
        ("resourceVersion", old.resource_version.as_str().into()),
        ("uid", old.uid.as_str().into()),
    ])
}

fn user(user: &User) -> Value<'_> {
    object([
        ("digest", sha256(&user.digest)),
        ("uid", user.uid.as_str().into()),
        ("username", user.username.as_str().into()),
    ])
}

fn sha256(digest: &Digest) -> Value<'static> {
    let mut text = String::with_capacity(71);
    text.push_str("sha256:");
    push_hex(digest.as_bytes(), &mut text);
    text.into()
}

fn optional(digest: Option<&Digest>) -> Value<'static> {
    digest.map_or(Value::Null, sha256)
}

fn text(value: impl Display) -> Value<'static> {
    value.to_string().into()
}

fn object<'a, const N: usize>(members: [(&'static str, Value<'a>); N]) -> Value<'a> {
    sorted(members.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect())
}

fn sorted<'a>(entries: Vec<(Cow<'a, str>, Value<'a>)>) -> Value<'a> {
    // INVARIANT: the names are literals of this file and differ; they already stand in key order.
    Value::Object(Object::from_entries(entries).unwrap_or_default())
}
