use std::{collections::BTreeMap, str::FromStr};

use crate::{
    attest::{
        AttestationError, Binding, DecisionRecord, Kind, Mode, ObjectName, OldObject, Operation, Outcome,
        PREDICATE_TYPE, Policy, Predicate, Replay, Resource, SCHEMA_VERSION, STATEMENT_TYPE, SUBJECT_ALGORITHM,
        Statement, User,
    },
    canonical::{Object, Value},
    digest::Digest,
};

type Result<T> = std::result::Result<T, AttestationError>;

/// The members of one object, each taken once; none may be left.
pub(in crate::attest) struct Members<'v> {
    object: &'v Object<'v>,
    name: &'static str,
    taken: usize,
}

impl<'v> Members<'v> {
    /// The members of the object `value`, which errors call `name`.
    pub(in crate::attest) fn of(value: &'v Value<'v>, name: &'static str, parent: &'static str) -> Result<Self> {
        let object = value.as_object().ok_or(AttestationError::Member { object: parent, member: name })?;
        Ok(Self { object, name, taken: 0 })
    }

    pub(in crate::attest) fn wrong(&self, member: &'static str) -> AttestationError {
        AttestationError::Member { object: self.name, member }
    }

    pub(in crate::attest) fn value(&mut self, member: &'static str) -> Result<&'v Value<'v>> {
        let value = self.object.member(member).ok_or_else(|| self.wrong(member))?;
        self.taken += 1;
        Ok(value)
    }

    pub(in crate::attest) fn str(&mut self, member: &'static str) -> Result<&'v str> {
        self.value(member)?.as_str().ok_or_else(|| self.wrong(member))
    }

    pub(in crate::attest) fn array(&mut self, member: &'static str) -> Result<&'v [Value<'v>]> {
        self.value(member)?.as_array().ok_or_else(|| self.wrong(member))
    }

    /// A string in the one spelling of `T`, or `null`.
    fn optional<T: FromStr>(&mut self, member: &'static str) -> Result<Option<T>> {
        match self.value(member)? {
            Value::Null => Ok(None),
            Value::String(text) => text.parse().map(Some).map_err(|_| self.wrong(member)),
            _ => Err(self.wrong(member)),
        }
    }

    pub(in crate::attest) fn parsed<T: FromStr>(&mut self, member: &'static str) -> Result<T> {
        self.optional(member)?.ok_or_else(|| self.wrong(member))
    }

    fn string(&mut self, member: &'static str) -> Result<String> {
        self.str(member).map(str::to_owned)
    }

    fn exactly(&mut self, member: &'static str, literal: &str) -> Result<()> {
        if self.str(member)? == literal { Ok(()) } else { Err(self.wrong(member)) }
    }

    fn word<T>(&mut self, member: &'static str, from_word: fn(&str) -> Option<T>) -> Result<T> {
        from_word(self.str(member)?).ok_or_else(|| self.wrong(member))
    }

    fn inner(&mut self, member: &'static str) -> Result<Members<'v>> {
        Members::of(self.value(member)?, member, self.name)
    }

    fn optional_inner(&mut self, member: &'static str) -> Result<Option<Members<'v>>> {
        match self.value(member)? {
            Value::Null => Ok(None),
            value => Members::of(value, member, self.name).map(Some),
        }
    }

    /// `value`, when every member was taken.
    pub(in crate::attest) fn finish<T>(self, value: T) -> Result<T> {
        if self.taken == self.object.len() {
            return Ok(value);
        }
        Err(AttestationError::UnknownMember { object: self.name })
    }
}

pub(in crate::attest) fn read(value: &Value<'_>) -> Result<Statement> {
    let mut members = Members::of(value, "statement", "document")?;
    members.exactly("_type", STATEMENT_TYPE)?;
    members.exactly("predicateType", PREDICATE_TYPE)?;
    let [subject] = members.array("subject")? else { return Err(members.wrong("subject")) };
    let (name, subject) = read_subject(subject)?;
    let statement = Statement { subject, predicate: read_predicate(members.inner("predicate")?)? };
    if name != statement.subject_name() {
        return Err(AttestationError::Rule("the subject's `name` is not that of the object in the predicate"));
    }
    members.finish(statement)
}

fn read_subject<'v>(value: &'v Value<'v>) -> Result<(&'v str, Digest)> {
    let mut members = Members::of(value, "subject", "statement")?;
    let name = members.str("name")?;
    let mut digests = members.inner("digest")?;
    let hex = digests.str(SUBJECT_ALGORITHM)?;
    let digest = format!("sha256:{hex}").parse().map_err(|_| digests.wrong(SUBJECT_ALGORITHM))?;
    digests.finish(())?;
    members.finish((name, digest))
}

fn read_predicate(mut members: Members<'_>) -> Result<Predicate> {
    if members.value("schemaVersion")?.as_i64() != Some(SCHEMA_VERSION) {
        return Err(members.wrong("schemaVersion"));
    }
    let predicate = Predicate {
        cluster_id: members.string("clusterId")?,
        store_id: members.string("storeId")?,
        execution_id: members.parsed("executionId")?,
        issued_at: members.parsed("issuedAt")?,
        admit_before: members.parsed("admitBefore")?,
        dry_run: members.value("dryRun")?.as_bool().ok_or_else(|| members.wrong("dryRun"))?,
        operation: members.word("operation", Operation::from_word)?,
        resource: read_resource(members.inner("resource")?)?,
        request_resource: read_resource(members.inner("requestResource")?)?,
        kind: read_kind(members.inner("kind")?)?,
        sub_resource: members.string("subResource")?,
        namespace: members.string("namespace")?,
        name: read_name(&mut members)?,
        old_object: members.optional_inner("oldObject")?.map(read_old_object).transpose()?,
        user: read_user(members.inner("userInfo")?)?,
        projection: members.string("projection")?,
        subtrees: read_subtrees(&mut members)?,
        decisions: read_decisions(&mut members)?,
        runtime: members.parsed("runtime")?,
        signer: members.parsed("signer")?,
    };
    members.finish(predicate)
}

fn read_name(members: &mut Members<'_>) -> Result<ObjectName> {
    match (members.optional("name")?, members.optional("generateName")?) {
        (Some(name), None) => Ok(ObjectName::Given(name)),
        (None, Some(prefix)) => Ok(ObjectName::Generated(prefix)),
        _ => Err(AttestationError::Rule("exactly one of `name` and `generateName` is not null")),
    }
}

fn read_subtrees<T: FromStr>(members: &mut Members<'_>) -> Result<BTreeMap<String, T>> {
    let subtrees = members.value("subtrees")?.as_object().ok_or_else(|| members.wrong("subtrees"))?;
    let read = |(name, tag): (&str, &Value<'_>)| {
        let tag = tag.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| members.wrong("subtrees"))?;
        Ok((name.to_owned(), tag))
    };
    subtrees.iter().map(read).collect()
}

fn read_decisions(members: &mut Members<'_>) -> Result<Vec<DecisionRecord>> {
    let read = |value| Members::of(value, "decision", "decisions").and_then(read_decision);
    members.array("decisions")?.iter().map(read).collect()
}

fn read_decision(mut members: Members<'_>) -> Result<DecisionRecord> {
    let record = DecisionRecord {
        binding: read_binding(members.inner("binding")?)?,
        policy: read_policy(members.inner("policy")?)?,
        params: members.optional("params")?,
        rule: members.optional("rule")?,
        outcome: members.word("outcome", Outcome::from_word)?,
        reason: members.string("reason")?,
        replay: members.optional_inner("replay")?.map(read_replay).transpose()?,
        signals: members.optional("signals")?,
    };
    members.finish(record)
}

fn read_binding(mut members: Members<'_>) -> Result<Binding> {
    let generation = members.value("generation")?.as_i64().and_then(|generation| u64::try_from(generation).ok());
    let binding = Binding {
        name: members.string("name")?,
        uid: members.string("uid")?,
        generation: generation.ok_or_else(|| members.wrong("generation"))?,
        digest: members.parsed("digest")?,
        mode: members.word("mode", Mode::from_word)?,
    };
    members.finish(binding)
}

fn read_policy(mut members: Members<'_>) -> Result<Policy> {
    let policy =
        Policy { id: members.string("id")?, version: members.string("version")?, digest: members.optional("digest")? };
    members.finish(policy)
}

fn read_replay(mut members: Members<'_>) -> Result<Replay> {
    let fingerprint = members.optional("fingerprint")?;
    let replay = match (members.str("mode")?, fingerprint) {
        ("Once", fingerprint) => Replay::Once { fingerprint },
        ("Repeatable", None) => Replay::Repeatable,
        _ => return Err(members.wrong("mode")),
    };
    members.finish(replay)
}

fn read_resource(mut members: Members<'_>) -> Result<Resource> {
    let resource = Resource {
        group: members.string("group")?,
        version: members.string("version")?,
        resource: members.string("resource")?,
    };
    members.finish(resource)
}

fn read_kind(mut members: Members<'_>) -> Result<Kind> {
    let kind =
        Kind { group: members.string("group")?, version: members.string("version")?, kind: members.string("kind")? };
    members.finish(kind)
}

fn read_old_object(mut members: Members<'_>) -> Result<OldObject> {
    let old = OldObject {
        uid: members.string("uid")?,
        resource_version: members.string("resourceVersion")?,
        digest: members.parsed("digest")?,
    };
    members.finish(old)
}

fn read_user(mut members: Members<'_>) -> Result<User> {
    let user =
        User { username: members.string("username")?, uid: members.string("uid")?, digest: members.parsed("digest")? };
    members.finish(user)
}
