use super::{VERSION, text};
use crate::{
    attest::{DecisionRecord, Kind, ObjectName, Predicate, Replay, Resource, Statement},
    digest::Digest,
};

pub(super) fn bytes(statement: &Statement, signature: &[u8; 64]) -> Vec<u8> {
    let predicate = &statement.predicate;
    let mut out = Writer(Vec::with_capacity(768));
    out.bytes(&[VERSION]);
    out.bytes(predicate.signer.short().as_bytes());
    out.bytes(signature);
    let kind_differs = !same_version(&predicate.kind, &predicate.resource);
    let request_differs = predicate.request_resource != predicate.resource;
    out.bits(&[
        (predicate.dry_run, 1),
        (predicate.operation.number() & 1 != 0, 1 << 1),
        (predicate.operation.number() & 2 != 0, 1 << 2),
        (request_differs, 1 << 3),
        (kind_differs, 1 << 4),
        (predicate.old_object.is_some(), 1 << 5),
        (matches!(predicate.name, ObjectName::Generated(_)), 1 << 6),
    ]);
    context(predicate, &mut out);
    resource(&predicate.resource, &mut out);
    if request_differs {
        resource(&predicate.request_resource, &mut out);
    }
    text::write(&predicate.kind.kind, &mut out);
    if kind_differs {
        text::write(&predicate.kind.group, &mut out);
        text::write(&predicate.kind.version, &mut out);
    }
    object(predicate, &mut out);
    out.digest(&statement.subject);
    out.varint(predicate.subtrees.len() as u64);
    for (name, tag) in &predicate.subtrees {
        text::write(name, &mut out);
        out.bytes(tag.as_bytes());
    }
    out.varint(predicate.decisions.len() as u64);
    predicate.decisions.iter().for_each(|record| decision(record, &mut out));
    out.finish()
}

/// Cluster, store, execution, times, runtime and projection table.
fn context(predicate: &Predicate, out: &mut Writer) {
    text::write(&predicate.cluster_id, out);
    text::write(&predicate.store_id, out);
    out.bytes(predicate.execution_id.as_bytes());
    // INVARIANT: a checked statement has times from 1970 on, the second after the first.
    out.varint(u64::try_from(predicate.issued_at.as_millis()).unwrap_or_default());
    let validity = predicate.admit_before.since(predicate.issued_at).as_millis();
    out.varint(u64::try_from(validity).unwrap_or_default());
    out.digest(&predicate.runtime);
    text::write(&predicate.projection, out);
}

fn resource(resource: &Resource, out: &mut Writer) {
    text::write(&resource.group, out);
    text::write(&resource.version, out);
    text::write(&resource.resource, out);
}

/// Place and name of the object, its old state, and who asks.
fn object(predicate: &Predicate, out: &mut Writer) {
    text::write(&predicate.sub_resource, out);
    text::write(&predicate.namespace, out);
    let (ObjectName::Given(name) | ObjectName::Generated(name)) = &predicate.name;
    text::write(name, out);
    if let Some(old) = &predicate.old_object {
        text::write(&old.uid, out);
        text::write(&old.resource_version, out);
        out.digest(&old.digest);
    }
    text::write(&predicate.user.username, out);
    text::write(&predicate.user.uid, out);
    out.digest(&predicate.user.digest);
}

fn decision(record: &DecisionRecord, out: &mut Writer) {
    let replay = match record.replay {
        None => 0,
        Some(Replay::Repeatable) => 1,
        Some(Replay::Once { fingerprint: None }) => 2,
        Some(Replay::Once { fingerprint: Some(_) }) => 3,
    };
    out.bytes(&[record.binding.mode.number() | record.outcome.number() << 2 | replay << 4]);
    out.bits(&[
        (record.params.is_some(), 1),
        (record.rule.is_some(), 1 << 1),
        (record.policy.digest.is_some(), 1 << 2),
        (record.signals.is_some(), 1 << 3),
    ]);
    text::write(&record.binding.name, out);
    text::write(&record.binding.uid, out);
    out.varint(record.binding.generation);
    out.digest(&record.binding.digest);
    text::write(&record.policy.id, out);
    text::write(&record.policy.version, out);
    out.optional(record.policy.digest.as_ref());
    out.optional(record.params.as_ref());
    if let Some(rule) = &record.rule {
        text::write(rule, out);
    }
    text::write(&record.reason, out);
    if let Some(Replay::Once { fingerprint }) = &record.replay {
        out.optional(fingerprint.as_ref());
    }
    out.optional(record.signals.as_ref());
}

fn same_version(kind: &Kind, resource: &Resource) -> bool {
    kind.group == resource.group && kind.version == resource.version
}

#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// LEB128: seven bits a byte, the lowest first, no more bytes than needed.
    pub(super) fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn bits(&mut self, bits: &[(bool, u8)]) {
        self.0.push(bits.iter().filter(|(set, _)| *set).fold(0, |byte, (_, bit)| byte | bit));
    }

    fn digest(&mut self, digest: &Digest) {
        self.bytes(digest.as_bytes());
    }

    fn optional(&mut self, digest: Option<&Digest>) {
        if let Some(digest) = digest {
            self.digest(digest);
        }
    }
}
