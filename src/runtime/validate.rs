//! The gate: the order of the checks that a request has to pass. Any failure denies.

use std::{collections::BTreeMap, time::Instant};

use super::{
    Call, Refusal, Runtime, SETTLING, SKEW,
    attested::missing,
    claims::target,
    conclude::{allowed, late, refused},
    gather::{Case, Gathered},
    judge::{Judged, judge},
    told::denial,
};
use crate::{
    admission::{Answer, Operation},
    api::{GROUP, Reason},
    attest::{ExecutionId, Statement},
    digest::Digest,
    verify::{Verified, Verifier, VerifyError},
};

/// What lets a request through.
pub(super) struct Passed {
    pub(super) execution_id: ExecutionId,
    pub(super) claims: Vec<Digest>,
    pub(super) subject: Option<Digest>,
}

impl Passed {
    fn plainly(call: &Call<'_>) -> Self {
        Self { execution_id: call.execution_id, claims: Vec::new(), subject: None }
    }
}

impl Runtime {
    pub(super) async fn validate_call(&self, call: &Call<'_>) -> Answer {
        if self.is_exempt_place(call.request) {
            return allowed(Vec::new(), BTreeMap::new());
        }
        if call.request.resource.group == GROUP {
            return match self.world.admit_own(call.request).await {
                Ok(warnings) => allowed(warnings, BTreeMap::new()),
                Err(refusal) => refused(call, refusal),
            };
        }
        let Some(snapshot) = self.world.snapshot() else {
            let message = "the policies have not been read yet: try again in a moment";
            return refused(call, Refusal::new(Reason::NotReady, message));
        };
        match self.gather(call, &snapshot).await {
            // By the objects alone: no policy is asked.
            Ok(Gathered::NoOp(case)) => match untouched(&case) {
                Ok(()) => allowed(Vec::new(), BTreeMap::new()),
                Err(refusal) => refused(call, refusal),
            },
            // That nothing governs a request is known only to a replica that knows all bindings.
            Ok(_) if !self.world.is_current(call.now) => self.refuse_unread(call, &snapshot, stale()).await,
            Ok(Gathered::NotOurs) => allowed(Vec::new(), BTreeMap::new()),
            Ok(Gathered::Case(case)) => self.decide(&case).await,
            Err(refusal) => self.refuse_unread(call, &snapshot, refusal).await,
        }
    }

    async fn decide(&self, case: &Case<'_>) -> Answer {
        // First the attestation, only for the time at which the case is decided again; what it is worth comes after.
        let verified = if case.carries_attestation() && !case.enforce.is_empty() {
            case.attestation().map(|text| self.verify(case, text))
        } else {
            None
        };
        let time = match &verified {
            Some(Ok(statement)) => statement.predicate.issued_at,
            _ => case.call.now,
        };
        let judged = judge(case, &case.enforce, time);
        let shadow = judge(case, &case.shadow, time);
        let verdict = self.pass(case, &judged, verified).await;
        self.conclude(case, &judged, &shadow, verdict).await
    }

    fn verify(&self, case: &Case<'_>, text: &str) -> Result<Verified<Statement>, VerifyError> {
        Verifier::at(&self.keyring, case.call.now, SKEW).verify_compact(text)
    }

    /// The gate: every step must hold.
    async fn pass(
        &self,
        case: &Case<'_>,
        judged: &[Judged<'_>],
        verified: Option<Result<Verified<Statement>, VerifyError>>,
    ) -> Result<Passed, Refusal> {
        let mut passed = Passed::plainly(case.call);
        if judged.is_empty() {
            untouched(case).map_err(|refusal| self.or_settling(case, refusal))?;
            return Ok(passed);
        }
        if let Some(refusal) = denial(judged) {
            return Err(refusal);
        }
        if judged.iter().any(Judged::is_once) {
            // First, because a request that no claim can be made for is refused for that, whatever else differs.
            target(case)?;
        }
        if case.carries_attestation() {
            let statement = match verified {
                None => return Err(self.or_settling(case, missing())),
                Some(Err(error)) => return Err(Refusal::new(Reason::of_word(error.reason()), error.to_string())),
                Some(Ok(statement)) => statement,
            };
            self.check(case, judged, &statement)?;
            passed.execution_id = statement.predicate.execution_id;
            passed.subject = Some(statement.subject);
        }
        passed.claims = self.claim(case, judged, passed.execution_id).await?;
        if Instant::now() >= case.call.deadline {
            return Err(late());
        }
        Ok(passed)
    }

    /// Right after a change of the policies, the two calls of one request may have seen different ones.
    pub(super) fn or_settling(&self, case: &Case<'_>, refusal: Refusal) -> Refusal {
        if case.call.now.since(case.snapshot.changed_at) > SETTLING {
            return refusal;
        }
        let message = format!("the policies changed a moment ago: try again (else: {})", refusal.message);
        Refusal::new(Reason::PolicySetChanged, message)
    }
}

fn stale() -> Refusal {
    let message = "this replica cannot show that its policies are current: try again in a moment";
    Refusal::new(Reason::PolicyStale, message)
}

/// Where nothing is decided, our annotation is as it is stored.
fn untouched(case: &Case<'_>) -> Result<(), Refusal> {
    if case.operation == Operation::Delete || case.attestation() == case.old_attestation() {
        return Ok(());
    }
    let message = format!("the annotation `{}` belongs to writ: leave it out of the request", case.key);
    Err(Refusal::new(Reason::ReservedForWrit, message))
}
