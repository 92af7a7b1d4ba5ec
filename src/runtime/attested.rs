//! Whether the attestation on an object is about this very request, object and decision.

use super::{Refusal, Runtime, attestation, gather::Case, judge::Judged};
use crate::{
    api::Reason,
    attest::Statement,
    canonical,
    projection::{Projection, ProjectionId},
    verify::{Mismatch, Verified, check_binding, check_object},
};

impl Runtime {
    /// Whether a verified statement is about this very request, object and decision.
    pub(super) fn check(
        &self,
        case: &Case<'_>,
        judged: &[Judged<'_>],
        statement: &Verified<Statement>,
    ) -> Result<(), Refusal> {
        let unknown = |_| {
            Refusal::new(
                Reason::ProjectionMismatch,
                "the attestation was made by another version of writ: let the rollout finish and try again",
            )
        };
        let id: ProjectionId = statement.predicate.projection.parse().map_err(unknown)?;
        let object = case.object.as_ref().ok_or_else(missing)?;
        let projection = case.plan.project_as(object, id);
        check_binding(statement, &attestation::expected(self, case, id)).map_err(not_this_request)?;
        check_object(statement, &projection.digest, &attestation::tags(&projection))
            .map_err(|changed| self.object_changed(case, statement, &projection, &changed.to_string()))?;
        self.same_decision(case, judged, statement)
    }

    /// Names what another webhook changed: exactly where the signed object is still at hand, else by subtree.
    fn object_changed(
        &self,
        case: &Case<'_>,
        statement: &Verified<Statement>,
        projection: &Projection,
        otherwise: &str,
    ) -> Refusal {
        let pointers = self.recent.find(statement.predicate.execution_id).and_then(|text| {
            let attested = canonical::parse(&text).ok()?;
            let pointers = case.plan.differences(&attested, case.object.as_ref()?, projection.id);
            (!pointers.is_empty()).then(|| pointers.join(", "))
        });
        let what = pointers.unwrap_or_else(|| otherwise.to_owned());
        let message = format!(
            "the object was changed after it was attested ({what}): another mutating webhook runs after writ; let it run before, or set reinvocationPolicy: IfNeeded"
        );
        Refusal::new(Reason::ObjectChanged, message)
    }

    fn same_decision(
        &self,
        case: &Case<'_>,
        judged: &[Judged<'_>],
        statement: &Verified<Statement>,
    ) -> Result<(), Refusal> {
        let attested = &statement.predicate.decisions;
        let now: Vec<_> = judged.iter().map(Judged::record).collect();
        let same_set = attested.len() == now.len()
            && attested
                .iter()
                .zip(&now)
                .all(|(a, b)| a.binding == b.binding && a.policy == b.policy && a.params == b.params);
        if !same_set {
            let message = "the policies changed while the request was decided: try again";
            return Err(Refusal::new(Reason::PolicySetChanged, message));
        }
        let same = attested
            .iter()
            .zip(&now)
            .all(|(a, b)| a.rule == b.rule && a.outcome == b.outcome && a.reason == b.reason && a.replay == b.replay);
        if same {
            return Ok(());
        }
        let message = "the final object gets another decision than the one that was attested: what the server or another webhook fills in decides; let the policy read only what the request says";
        Err(self.or_settling(case, Refusal::new(Reason::DecisionChanged, message)))
    }
}

pub(super) fn missing() -> Refusal {
    Refusal::new(
        Reason::AttestationMissing,
        "the object carries no attestation: writ's mutating webhook did not see this request; see whether its configuration is installed",
    )
}

fn not_this_request(mismatch: Mismatch) -> Refusal {
    let message =
        format!("the attestation on the object is not for this request: {mismatch}; send the request again without it");
    Refusal::new(Reason::of_word(mismatch.reason()), message)
}
