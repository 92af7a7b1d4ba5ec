use std::time::Duration;

use super::text;
use crate::{
    attest::{
        AttestationError, Binding, DecisionRecord, ExecutionId, KeyId, Kind, MAX_DECISIONS, MAX_SUBTREES, Mode,
        ObjectName, OldObject, Operation, Outcome, Policy, Predicate, Replay, Resource, Statement, SubtreeTag, User,
    },
    digest::Digest,
    time::Timestamp,
};

type Result<T> = std::result::Result<T, AttestationError>;

/// The bytes of the head, before the body: version, signer, signature.
const HEAD: usize = 1 + 8 + 64;

pub(super) fn statement(bytes: &[u8], signer: KeyId) -> Result<Statement> {
    let mut reader = Reader::new(bytes);
    reader.slice(HEAD, "head")?;
    let flags = reader.flags(0x7f, "flags")?;
    let operation = Operation::from_number(flags >> 1 & 3).ok_or(AttestationError::Compact("operation"))?;

    let cluster_id = text::read(&mut reader, "clusterId")?;
    let store_id = text::read(&mut reader, "storeId")?;
    let execution_id = ExecutionId::from_bytes(reader.array("executionId")?);
    let issued_at = reader.time("issuedAt")?;
    let admit_before = issued_at.plus(Duration::from_millis(reader.varint("admitBefore")?));
    let runtime = reader.digest("runtime")?;
    let projection = text::read(&mut reader, "projection")?;

    let resource = reader.resource("resource")?;
    let request_resource = if flags & 1 << 3 != 0 { reader.resource("requestResource")? } else { resource.clone() };
    let kind = reader.kind(flags & 1 << 4 != 0, &resource)?;

    let sub_resource = text::read(&mut reader, "subResource")?;
    let namespace = text::read(&mut reader, "namespace")?;
    let name = text::read(&mut reader, "name")?;
    let name = if flags & 1 << 6 != 0 { ObjectName::Generated(name) } else { ObjectName::Given(name) };
    let old_object = if flags & 1 << 5 != 0 { Some(reader.old_object()?) } else { None };
    let user = User {
        username: text::read(&mut reader, "username")?,
        uid: text::read(&mut reader, "uid")?,
        digest: reader.digest("userInfo")?,
    };
    let subject = reader.digest("subject")?;
    let subtrees = (0..reader.count(MAX_SUBTREES, "subtrees")?)
        .map(|_| Ok((text::read(&mut reader, "subtrees")?, SubtreeTag::from_bytes(reader.array("subtrees")?))))
        .collect::<Result<_>>()?;
    let decisions =
        (0..reader.count(MAX_DECISIONS, "decisions")?).map(|_| decision(&mut reader)).collect::<Result<_>>()?;
    reader.finish("end")?;
    let predicate = Predicate {
        cluster_id,
        store_id,
        execution_id,
        issued_at,
        admit_before,
        dry_run: flags & 1 != 0,
        operation,
        resource,
        request_resource,
        kind,
        sub_resource,
        namespace,
        name,
        old_object,
        user,
        projection,
        subtrees,
        decisions,
        runtime,
        signer,
    };
    Ok(Statement { subject, predicate })
}

fn decision(reader: &mut Reader<'_>) -> Result<DecisionRecord> {
    let words = reader.flags(0x3f, "decision")?;
    let present = reader.flags(0x0f, "decision")?;
    let mode = Mode::from_number(words & 3).ok_or(AttestationError::Compact("mode"))?;
    let outcome = Outcome::from_number(words >> 2 & 3).ok_or(AttestationError::Compact("outcome"))?;
    let binding = Binding {
        name: text::read(reader, "binding")?,
        uid: text::read(reader, "binding")?,
        generation: reader.varint("generation")?,
        digest: reader.digest("binding")?,
        mode,
    };
    let policy = Policy {
        id: text::read(reader, "policy")?,
        version: text::read(reader, "policy")?,
        digest: reader.optional(present & 1 << 2 != 0, "policy")?,
    };
    let params = reader.optional(present & 1 != 0, "params")?;
    let rule = if present & 1 << 1 != 0 { Some(text::read(reader, "rule")?) } else { None };
    let reason = text::read(reader, "reason")?;
    let replay = match words >> 4 {
        0 => None,
        1 => Some(Replay::Repeatable),
        present => Some(Replay::Once { fingerprint: reader.optional(present == 3, "fingerprint")? }),
    };
    let signals = reader.optional(present & 1 << 3 != 0, "signals")?;
    Ok(DecisionRecord { binding, policy, params, rule, outcome, reason, replay, signals })
}

/// Takes values from the front of a byte string. Nothing is allocated for what is not there.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn slice(&mut self, length: usize, field: &'static str) -> Result<&'a [u8]> {
        let (slice, rest) = self.rest.split_at_checked(length).ok_or(AttestationError::Compact(field))?;
        self.rest = rest;
        Ok(slice)
    }

    pub(super) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(AttestationError::Compact(field))?;
        self.rest = rest;
        Ok(*array)
    }

    /// LEB128 of a `u64`, in as few bytes as it needs.
    pub(super) fn varint(&mut self, field: &'static str) -> Result<u64> {
        let mut number: u64 = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array(field)?;
            let bits = u64::from(byte & 0x7f);
            let padded = byte == 0 && shift > 0;
            if padded || bits << shift >> shift != bits {
                return Err(AttestationError::Compact(field));
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(AttestationError::Compact(field))
    }

    pub(super) const fn finish(self, field: &'static str) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(AttestationError::Compact(field)) }
    }

    /// A byte in which only the bits of `known` may be set.
    fn flags(&mut self, known: u8, field: &'static str) -> Result<u8> {
        let [flags] = self.array(field)?;
        if flags & !known == 0 { Ok(flags) } else { Err(AttestationError::Compact(field)) }
    }

    fn count(&mut self, limit: usize, field: &'static str) -> Result<usize> {
        let count = usize::try_from(self.varint(field)?).ok().filter(|count| *count <= limit);
        count.ok_or(AttestationError::Compact(field))
    }

    fn digest(&mut self, field: &'static str) -> Result<Digest> {
        self.array(field).map(Digest::from_bytes)
    }

    fn optional(&mut self, present: bool, field: &'static str) -> Result<Option<Digest>> {
        if present { self.digest(field).map(Some) } else { Ok(None) }
    }

    fn time(&mut self, field: &'static str) -> Result<Timestamp> {
        let millis = i64::try_from(self.varint(field)?).map_err(|_| AttestationError::Compact(field))?;
        Ok(Timestamp::from_millis(millis))
    }

    fn resource(&mut self, field: &'static str) -> Result<Resource> {
        let group = text::read(self, field)?;
        let version = text::read(self, field)?;
        Ok(Resource { group, version, resource: text::read(self, field)? })
    }

    fn kind(&mut self, differs: bool, resource: &Resource) -> Result<Kind> {
        let kind = text::read(self, "kind")?;
        let (group, version) = if differs {
            (text::read(self, "kind")?, text::read(self, "kind")?)
        } else {
            (resource.group.clone(), resource.version.clone())
        };
        Ok(Kind { group, version, kind })
    }

    fn old_object(&mut self) -> Result<OldObject> {
        Ok(OldObject {
            uid: text::read(self, "oldObject")?,
            resource_version: text::read(self, "oldObject")?,
            digest: self.digest("oldObject")?,
        })
    }
}
