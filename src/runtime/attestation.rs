//! What an attestation of a case says, and what one on it must say.

use std::collections::BTreeMap;

use super::{Runtime, VALIDITY, gather::Case, judge::Judged};
use crate::{
    attest::{self, Predicate, Statement, SubtreeTag},
    decide::text_at,
    projection::{Projection, ProjectionId},
    verify::Expected,
};

/// The statement that a case was decided so.
pub(super) fn statement(
    runtime: &Runtime,
    case: &Case<'_>,
    judged: &[Judged<'_>],
    projection: &Projection,
) -> Statement {
    let request = case.call.request;
    let name = case.name();
    let generated =
        || attest::ObjectName::Generated(text_at(case.object.as_ref(), &["metadata", "generateName"]).to_owned());
    Statement {
        subject: projection.digest,
        predicate: Predicate {
            cluster_id: runtime.cluster_id.clone(),
            store_id: runtime.store_id.clone(),
            execution_id: case.call.execution_id,
            issued_at: case.call.now,
            admit_before: case.call.now.plus(VALIDITY),
            dry_run: request.dry_run,
            operation: case.operation,
            resource: request.resource.clone(),
            request_resource: request.request_resource.as_ref().unwrap_or(&request.resource).clone(),
            kind: request.kind.clone(),
            sub_resource: request.sub_resource.to_string(),
            namespace: request.namespace.to_string(),
            name: if name.is_empty() { generated() } else { attest::ObjectName::Given(name.to_owned()) },
            old_object: old_object(case),
            user: user(case),
            projection: projection.id.to_string(),
            subtrees: tags(projection),
            decisions: judged.iter().map(Judged::record).collect(),
            runtime: runtime.identity.digest(case.snapshot.set.digest()),
            signer: runtime.signer.key_id(),
        },
    }
}

/// What an attestation on this request must say. Which fields were left to the server is the attestation's word, and
/// the digest holds it to that; whether `status` is left out is ours.
pub(super) fn expected(runtime: &Runtime, case: &Case<'_>, attested: ProjectionId) -> Expected {
    let request = case.call.request;
    Expected {
        cluster_id: runtime.cluster_id.clone(),
        store_id: runtime.store_id.clone(),
        user: user(case),
        operation: case.operation,
        resource: request.resource.clone(),
        request_resource: request.request_resource.as_ref().unwrap_or(&request.resource).clone(),
        kind: request.kind.clone(),
        sub_resource: request.sub_resource.to_string(),
        namespace: request.namespace.to_string(),
        name: if request.name.is_empty() {
            text_at(case.object.as_ref(), &["metadata", "name"]).to_owned()
        } else {
            request.name.to_string()
        },
        generate_name: text_at(case.object.as_ref(), &["metadata", "generateName"]).to_owned(),
        old_object: old_object(case),
        dry_run: request.dry_run,
        projection: ProjectionId { absent: attested.absent, ..case.plan.id() }.to_string(),
    }
}

/// Tags of the projection's subtrees, so that a difference can be named.
pub(super) fn tags(projection: &Projection) -> BTreeMap<String, SubtreeTag> {
    projection
        .subtrees
        .iter()
        .take(attest::MAX_SUBTREES)
        .map(|(name, digest)| (name.clone(), SubtreeTag::of(digest)))
        .collect()
}

fn user(case: &Case<'_>) -> attest::User {
    let user = &case.call.request.user_info;
    attest::User {
        username: user.username.clone(),
        uid: user.uid.clone(),
        digest: attest::User::digest_of(&user.groups, &user.extra),
    }
}

fn old_object(case: &Case<'_>) -> Option<attest::OldObject> {
    let old = case.old.as_ref()?;
    // The stored object is complete: nothing is left to the server.
    Some(attest::OldObject {
        uid: text_at(Some(old), &["metadata", "uid"]).to_owned(),
        resource_version: text_at(Some(old), &["metadata", "resourceVersion"]).to_owned(),
        digest: case.plan.project_as(old, case.plan.id()).digest,
    })
}
