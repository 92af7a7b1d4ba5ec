use super::{
    report::{Check, Report},
    source::{Form, Subject},
};
use crate::{
    admission::GroupVersionKind,
    attest::{self, Envelope, ObjectName, Operation, Outcome, Statement, SubtreeTag},
    canonical::Value,
    cli::{
        case::{kind_of, text_at},
        kinds,
    },
    digest::Digest,
    keyring::Keyring,
    projection::{KEY_PREFIX, Plan, Projection, ProjectionId, annotation_key, live},
    verify::{Mismatch, Verified, Verifier, VerifyError, check_object},
};

/// What attestations are compared with.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) keyring: Keyring,
    pub(super) cluster_id: Option<String>,
    pub(super) policies: Vec<PolicyFile>,
    pub(super) resource: Option<String>,
    /// The key was read from the cluster that is to be verified.
    pub(super) key_of_cluster: bool,
}

/// A policy of a file.
#[derive(Debug)]
pub(super) struct PolicyFile {
    pub(super) id: String,
    pub(super) version: String,
    pub(super) digest: Digest,
}

/// Verifies one subject: every check that can be made is, after the signature held.
pub(super) fn verify(subject: &Subject, given: &Given) -> Report {
    let mut report = Report::new(&subject.source);
    let (form, key) = match found(subject, given) {
        Ok(found) => found,
        Err(check) => {
            report.add(check);
            return report;
        }
    };
    let verifier = Verifier::offline(&given.keyring);
    let (statement, envelope) = match authentic(verifier, &form) {
        Ok(verified) => verified,
        Err(error) => {
            report.add(Check::failed("signature", error.reason(), error.to_string()));
            return report;
        }
    };
    report.add(Check::passed("signature", format!("holds, by key {}", statement.predicate.signer)));
    report.add(Check::passed("key", format!("may sign at {}, when it says it did", statement.predicate.issued_at)));
    if given.key_of_cluster {
        report.add(Check::skipped("trust", "the cluster itself says which key is its own: give it with --key to know"));
    }
    report.add(cluster(&statement, given));
    match &subject.object {
        Some(object) => {
            report.add(identity(&statement, object, key.as_deref()));
            report.add(content(&statement, object));
            report.add(decisions(&statement));
        }
        None => report.add(Check::skipped("object", "there is no object to compare with: give it with --object")),
    }
    policies(&statement, given).into_iter().for_each(|check| report.add(check));
    report.add(Check::skipped("time", "without the log the signing time is self-asserted"));
    report.add(Check::skipped("log", "whether the change was committed stands in the evidence only"));
    report.state(&statement, envelope);
    report
}

/// The version of the API in which the attestation on an object was made, where it is authentic.
#[cfg(feature = "cluster")]
pub(super) fn attested_version(object: &Value<'_>, resource: &str, given: &Given) -> Option<String> {
    let (text, _) = carried(object, Some(resource)).ok()?;
    let statement = Verifier::offline(&given.keyring).verify_compact(&text).ok()?;
    Some(statement.predicate.kind.version.clone())
}

/// The attestation, and the annotation under which an object carries it.
fn found(subject: &Subject, given: &Given) -> Result<(Found, Option<String>), Check> {
    match (&subject.form, &subject.object) {
        (Some(Form::Compact(text)), _) => Ok((Found::Compact(text.clone()), None)),
        (Some(Form::Envelope(json)), _) => Ok((Found::Envelope(json.clone()), None)),
        (None, Some(object)) => carried(object, subject.resource.as_deref().or(given.resource.as_deref()))
            .map(|(text, key)| (Found::Compact(text), Some(key))),
        (None, None) => Err(Check::failed("attestation", "AttestationMissing", "there is none".to_owned())),
    }
}

enum Found {
    Compact(String),
    Envelope(Vec<u8>),
}

/// The attestation that an object carries under the key of its own resource. Copies under other keys mean nothing.
fn carried(object: &Value<'_>, resource: Option<&str>) -> Result<(String, String), Check> {
    let missing = |message: String| Check::failed("attestation", "AttestationMissing", message);
    let kind = kind_of(object);
    let annotations = object.at(&["metadata", "annotations"]).and_then(Value::as_object);
    let ours =
        annotations.into_iter().flat_map(crate::canonical::Object::iter).filter(|(key, _)| key.starts_with(KEY_PREFIX));
    let mut ours: Vec<(String, &Value<'_>)> = ours.map(|(key, value)| (key.to_owned(), value)).collect();
    let others = ours.iter().map(|(key, _)| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    match own_key(&kind, resource).map_err(|error| Check::failed("attestation", "ResourceMismatch", error))? {
        Some(key) => {
            ours.retain(|(own, _)| *own == key);
            if ours.is_empty() {
                let copies = if others.is_empty() {
                    String::new()
                } else {
                    format!("; {others} is another resource's, so it says nothing here")
                };
                return Err(missing(format!("the object carries none under `{key}`{copies}")));
            }
        }
        // The statement itself must then name a resource with this very key.
        None if ours.len() > 1 => {
            return Err(missing(format!("the object carries several ({others}): say which with --resource")));
        }
        None if ours.is_empty() => return Err(missing("the object carries none".to_owned())),
        None => {}
    }
    let one = ours.pop().and_then(|(key, value)| Some((value.as_str()?.to_owned(), key)));
    one.ok_or_else(|| missing("the annotation is no text".to_owned()))
}

/// The key of the object's resource; `None` where its kind is not built in and no resource was given.
fn own_key(kind: &GroupVersionKind, resource: Option<&str>) -> Result<Option<String>, String> {
    if let Some(text) = resource {
        let resource = kinds::parse_resource(text, kind)?;
        return Ok(Some(annotation_key(&resource.resource, &resource.group)));
    }
    Ok(kinds::known(kind).map(|known| annotation_key(known.resource, &kind.group)))
}

/// The statement and its envelope in JSON, once their signature holds.
fn authentic(verifier: Verifier<'_>, form: &Found) -> Result<(Verified<Statement>, String), VerifyError> {
    match form {
        Found::Compact(text) => Ok((verifier.verify_compact(text)?, verifier.expand(text)?.to_json())),
        Found::Envelope(json) => {
            let envelope = Envelope::parse(json)?;
            let text = envelope.to_json();
            Ok((verifier.verify_envelope(envelope)?, text))
        }
    }
}

fn cluster(statement: &Statement, given: &Given) -> Check {
    let own = &statement.predicate.cluster_id;
    match &given.cluster_id {
        None => Check::skipped("cluster", format!("it says `{own}`: give --cluster-id to compare")),
        Some(id) if id == own => Check::passed("cluster", format!("is `{id}`")),
        Some(id) => {
            Check::failed("cluster", Mismatch::Cluster.reason(), format!("{}: `{own}`, not `{id}`", Mismatch::Cluster))
        }
    }
}

/// Whether the object is the one that the statement names, and carries it in the place of its resource.
fn identity(statement: &Statement, object: &Value<'_>, key: Option<&str>) -> Check {
    match mismatch(statement, object, key) {
        None => Check::passed("object", format!("is {}", statement.subject_name())),
        Some((mismatch, found)) => {
            let message =
                format!("{mismatch}: the attestation is about {}, the object {found}", statement.subject_name());
            Check::failed("object", mismatch.reason(), message)
        }
    }
}

fn mismatch(statement: &Statement, object: &Value<'_>, key: Option<&str>) -> Option<(Mismatch, String)> {
    let predicate = &statement.predicate;
    let kind = kind_of(object);
    let text = |path: &[&str]| text_at(Some(object), path);
    let (name, own_namespace) = (text(&["metadata", "name"]), text(&["metadata", "namespace"]));
    // The request for a Namespace object carries the object's own name.
    let is_namespace = kind.group.is_empty() && kind.kind == "Namespace";
    let namespace = if is_namespace { name } else { own_namespace };
    let resource = annotation_key(&predicate.resource.resource, &predicate.resource.group);
    let attested = attest::Kind { group: kind.group.clone(), version: kind.version.clone(), kind: kind.kind.clone() };
    let named = kinds::known(&kind).is_none_or(|known| known.resource == predicate.resource.resource);
    let uid = predicate.old_object.as_ref().map(|old| old.uid.as_str());
    let live_uid = Some(text(&["metadata", "uid"])).filter(|uid| !uid.is_empty());
    let slash = |text: &str| if text.is_empty() { String::new() } else { format!("{text}/") };
    [
        (
            attested == predicate.kind,
            Mismatch::Kind,
            format!("is a {}{}/{}", slash(&kind.group), kind.version, kind.kind),
        ),
        (
            named && key.is_none_or(|key| key == resource),
            Mismatch::Resource,
            format!("carries it under `{}`", key.unwrap_or_default()),
        ),
        (predicate.sub_resource.is_empty(), Mismatch::Subresource, "is a main resource".to_owned()),
        (
            matches!(predicate.operation, Operation::Create | Operation::Update),
            Mismatch::Operation,
            "was stored by a CREATE or UPDATE".to_owned(),
        ),
        (namespace == predicate.namespace, Mismatch::Namespace, format!("stands in namespace `{own_namespace}`")),
        (
            name_holds(&predicate.name, name, text(&["metadata", "generateName"])),
            Mismatch::Name,
            format!("is called `{name}`"),
        ),
        (uid.zip(live_uid).is_none_or(|(old, live)| old == live), Mismatch::OldObject, "has another uid".to_owned()),
        (!predicate.dry_run, Mismatch::DryRun, "is stored".to_owned()),
    ]
    .into_iter()
    .find(|(holds, _, _)| !holds)
    .map(|(_, mismatch, found)| (mismatch, found))
}

/// The API server cuts `generateName` to 58 characters and appends five (`k8s.io/apiserver/pkg/storage/names`).
fn name_holds(attested: &ObjectName, name: &str, generate_name: &str) -> bool {
    match attested {
        ObjectName::Given(given) => given == name,
        ObjectName::Generated(prefix) => {
            let suffix = name.strip_prefix(prefix.get(..58).unwrap_or(prefix));
            prefix == generate_name && suffix.is_some_and(|suffix| suffix.len() == 5)
        }
    }
}

/// Whether the object has the attested content, or only controllers changed it afterwards.
fn content(statement: &Verified<Statement>, object: &Value<'_>) -> Check {
    let Ok(id) = statement.predicate.projection.parse::<ProjectionId>() else {
        let message =
            "the attestation covers the object by a table that this version of writ does not know: use a newer one";
        return Check::failed("content", Mismatch::Projection.reason(), message.to_owned());
    };
    let kind = kind_of(object);
    let key = annotation_key(&statement.predicate.resource.resource, &statement.predicate.resource.group);
    let plan = Plan::new(&kind, &key, id.status_owned).creating(statement.predicate.operation == Operation::Create);
    let projection = plan.project_as(object, id);
    let Err(changed) = check_object(statement, &projection.digest, &tags(&projection)) else {
        return Check::passed("content", format!("is the attested one, {}", statement.subject));
    };
    let is_attested =
        |name: &str, digest: &Digest| statement.predicate.subtrees.get(name) == Some(&SubtreeTag::of(digest));
    match live::explain(&plan, &kind, object, id, &statement.subject, is_attested) {
        Some(changes) => {
            let message =
                "is the attested one, but for what was changed afterwards and needs no attestation".to_owned();
            Check::passed("content", message).with_changes(changes)
        }
        None => Check::failed("content", changed.reason(), changed.to_string()),
    }
}

/// Tags of the projection's subtrees, as the signer made them.
fn tags(projection: &Projection) -> std::collections::BTreeMap<String, SubtreeTag> {
    let subtrees = projection.subtrees.iter().take(attest::MAX_SUBTREES);
    subtrees.map(|(name, digest)| (name.clone(), SubtreeTag::of(digest))).collect()
}

/// A stored object was allowed by every binding that was enforced.
fn decisions(statement: &Statement) -> Check {
    let enforced =
        || statement.predicate.decisions.iter().filter(|record| record.binding.mode == attest::Mode::Enforce);
    match enforced().find(|record| record.outcome == Outcome::Deny) {
        Some(record) => {
            let message = format!(
                "binding `{}` denied it ({}), so it is no authority for this object",
                record.binding.name, record.reason
            );
            Check::failed("decisions", "PolicyDenied", message)
        }
        None => Check::passed("decisions", format!("{} enforced, all of them Allow", enforced().count())),
    }
}

/// Each given policy must have decided, with the content that was given.
fn policies(statement: &Statement, given: &Given) -> Vec<Check> {
    let records = &statement.predicate.decisions;
    let mut checks: Vec<Check> = given.policies.iter().map(|file| policy(statement, file)).collect();
    for record in records {
        let (id, version) = (&record.policy.id, &record.policy.version);
        if !given.policies.iter().any(|file| file.id == *id) {
            checks.push(Check::skipped(
                "policy",
                format!("the content of `{id}.{version}` is not known: give it with --policy"),
            ));
        }
    }
    checks
}

fn policy(statement: &Statement, file: &PolicyFile) -> Check {
    let PolicyFile { id, version, digest } = file;
    let records = statement.predicate.decisions.iter().filter(|record| record.policy.id == *id);
    let mut any = false;
    for record in records {
        any = true;
        if record.policy.version != *version {
            let message = format!("version `{}` of policy `{id}` decided, not `{version}`", record.policy.version);
            return Check::failed("policy", "VersionNotInForce", message);
        }
        if record.policy.digest != Some(*digest) {
            let message =
                format!("policy `{id}.{version}` decided with other content: the digest of the file is {digest}");
            return Check::failed("policy", "PolicyChanged", message);
        }
    }
    if any {
        Check::passed("policy", format!("`{id}.{version}` decided with this content, {digest}"))
    } else {
        Check::failed("policy", "PolicyNotNamed", format!("policy `{id}` had no part in the decision"))
    }
}
