//! The claims of a request: which authorities it uses, and the one transition that they stand for.

use std::time::Instant;

use super::{Refusal, Runtime, gather::Case, judge::Judged};
use crate::{
    admission::Operation,
    api::Reason,
    attest::ExecutionId,
    decide::{ONCE_NEEDS_A_NAME, text_at},
    digest::Digest,
    policy::CompiledReplay,
    replay,
};

impl Runtime {
    /// Claims the authorities of all `Once` policies, or says why not.
    pub(super) async fn claim(
        &self,
        case: &Case<'_>,
        judged: &[Judged<'_>],
        execution_id: ExecutionId,
    ) -> Result<Vec<Digest>, Refusal> {
        let mut authorities = Vec::new();
        for judged in judged {
            let Some((policy, CompiledReplay::Once { window, .. })) =
                judged.policy.map(|policy| (policy, policy.replay()))
            else {
                continue;
            };
            let Some(fingerprint) = judged.decision.fingerprint else {
                return Err(Refusal::new(Reason::InternalError, "an allowed authority has no identity"));
            };
            authorities.push(replay::Authority {
                fingerprint,
                policy: replay::record::PolicyVersion {
                    id: policy.id().to_owned(),
                    version: policy.version().to_owned(),
                    digest: policy.digest(),
                },
                window: *window,
            });
        }
        if authorities.is_empty() {
            return Ok(Vec::new());
        }
        if !case.call.authenticated && !self.accept_unauthenticated_once {
            let message = "a policy that acts once needs the API server to authenticate to writ, else anybody who reaches the port could use up authorities: configure caller authentication, or accept the risk (see the installation guide)";
            return Err(Refusal::new(Reason::CallerUnauthenticated, message));
        }
        let kind = self.world.kind(&case.call.request.resource);
        if !kind.watchable && matches!(case.operation, Operation::Create | Operation::Update) {
            let message = "objects of this kind cannot be watched, so a policy that acts once cannot know what became of a change: use a Repeatable policy";
            return Err(Refusal::new(Reason::NotWatchable, message));
        }
        let target = target(case)?;
        let held: Vec<Digest> = authorities.iter().map(|authority| authority.fingerprint).collect();
        let left = case.call.deadline.saturating_duration_since(Instant::now());
        let outcome = self.claims.claim(replay::ClaimRequest {
            authorities,
            target,
            request_uid: case.call.request.uid.to_string(),
            object_uid: text_at(case.object.as_ref().or(case.old.as_ref()), &["metadata", "uid"]).to_owned(),
            object_resource_version: if case.operation == Operation::Create {
                text_at(case.object.as_ref(), &["metadata", "resourceVersion"]).to_owned()
            } else {
                String::new()
            },
            conversion_webhook: kind.conversion_webhook,
            execution_id: execution_id.to_string(),
            user: case.call.request.user_info.username.clone(),
            dry_run: case.call.request.dry_run,
            deadline: self.clock.elapsed().saturating_add(left),
        });
        match outcome.await {
            replay::Outcome::Allowed(_) => Ok(held),
            other => Err(Refusal::new(Reason::of_word(other.reason()), other.message())),
        }
    }
}

/// T: the one transition that a claim stands for.
pub(super) fn target(case: &Case<'_>) -> Result<replay::record::Target, Refusal> {
    let request = case.call.request;
    if !case.change().names_one_object() {
        return Err(Refusal::new(Reason::ReplayUnsupported, ONCE_NEEDS_A_NAME));
    }
    let uid = text_at(case.old.as_ref(), &["metadata", "uid"]);
    let old = (case.operation == Operation::Update).then(|| replay::record::Version {
        uid: uid.to_owned(),
        resource_version: replay::record::ResourceVersion(
            text_at(case.old.as_ref(), &["metadata", "resourceVersion"]).to_owned(),
        ),
    });
    Ok(replay::record::Target {
        operation: case.operation,
        resource: replay::record::Resource {
            group: request.resource.group.clone(),
            version: request.resource.version.clone(),
            resource: request.resource.resource.clone(),
        },
        subresource: if case.operation == Operation::Connect {
            request.sub_resource.to_string()
        } else {
            String::new()
        },
        namespace: request.namespace.to_string(),
        name: case.name().to_owned(),
        old,
        uid: (case.operation == Operation::Delete).then(|| uid.to_owned()),
    })
}
