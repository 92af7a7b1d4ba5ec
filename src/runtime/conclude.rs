//! The end of a validating call: the decision is recorded, and only then answered.

use std::{collections::BTreeMap, time::Instant};

use super::{
    Call, DecisionLine, Refusal, Runtime, Snapshot,
    evidence::{BindingLine, RequestLine},
    gather::Case,
    judge::Judged,
    told::{audit, warning},
    validate::Passed,
};
use crate::{
    admission::Answer,
    api::{Mode, Reason},
    decide::text_at,
    digest::Digest,
};

impl Runtime {
    /// Records the decision, and only then answers.
    pub(super) async fn conclude(
        &self,
        case: &Case<'_>,
        judged: &[Judged<'_>],
        shadow: &[Judged<'_>],
        verdict: Result<Passed, Refusal>,
    ) -> Answer {
        let call = case.call;
        let governed = !judged.is_empty() || !shadow.is_empty() || !case.exempt.is_empty();
        let all: Vec<BindingLine<'_>> = judged
            .iter()
            .chain(shadow)
            .map(BindingLine::of)
            .chain(case.exempt.iter().map(|bound| BindingLine::exempt(bound)))
            .collect();
        let (outcome, execution_id) = match &verdict {
            Ok(passed) if judged.is_empty() && !case.exempt.is_empty() => ("Exempt", passed.execution_id),
            Ok(passed) => ("Allow", passed.execution_id),
            Err(_) => ("Deny", call.execution_id),
        };
        let (reason, message) = match &verdict {
            Ok(_) => (judged.first().map_or("", |judged| judged.decision.reason()), ""),
            Err(refusal) => (refusal.word(), refusal.message.as_str()),
        };
        let line = DecisionLine {
            execution_id: execution_id.to_string(),
            outcome,
            reason,
            message,
            request: RequestLine::of(
                call,
                case.name(),
                text_at(case.object.as_ref().or(case.old.as_ref()), &["metadata", "uid"]),
                case.namespace.as_deref(),
            ),
            decisions: all,
            claims: verdict.iter().flat_map(|passed| &passed.claims).map(Digest::to_hex).collect(),
            subject: verdict.as_ref().ok().and_then(|passed| passed.subject),
            ..self.denial_line(call, case.snapshot)
        };
        let recorded =
            if governed || verdict.is_err() { self.evidence.write(&line, call.deadline).await } else { Ok(()) };
        if let Err(refusal) = &verdict
            && !call.request.dry_run
            && let Some(object) = case.object.as_ref().or(case.old.as_ref())
        {
            self.world.refused(object, refusal.word(), &refusal.message);
        }
        let id = execution_id.to_string();
        let audit = audit(judged, &id, outcome, reason);
        let warnings: Vec<String> = shadow
            .iter()
            .filter(|judged| judged.bound.binding.mode == Mode::Warn && !judged.allows())
            .map(warning)
            .collect();
        match (verdict, recorded) {
            (Ok(_), Ok(())) if Instant::now() >= call.deadline => {
                late().into_answer(call.request, &id, audit, warnings)
            }
            (Ok(_), Ok(())) => allowed(warnings, audit),
            (Ok(_), Err(error)) => {
                let message = format!("the decision could not be recorded ({error}): try again");
                Refusal::new(Reason::EvidenceUnavailable, message).into_answer(call.request, &id, audit, warnings)
            }
            (Err(refusal), _) => refusal.into_answer(call.request, &id, audit, warnings),
        }
    }

    /// Records a refusal of a request that could not be read far enough to be decided.
    pub(super) async fn refuse_unread(&self, call: &Call<'_>, snapshot: &Snapshot, refusal: Refusal) -> Answer {
        let line =
            DecisionLine { reason: refusal.word(), message: &refusal.message, ..self.denial_line(call, snapshot) };
        // A denial stands whether or not it can be recorded.
        let _ = self.evidence.write(&line, call.deadline).await;
        refused(call, refusal)
    }

    /// The line of a denial of which nothing but the call is known.
    fn denial_line<'a>(&'a self, call: &'a Call<'_>, snapshot: &Snapshot) -> DecisionLine<'a> {
        DecisionLine {
            api_version: DecisionLine::API_VERSION,
            kind: DecisionLine::KIND,
            time: call.now,
            execution_id: call.execution_id.to_string(),
            outcome: "Deny",
            reason: "",
            message: "",
            request: RequestLine::of(call, &call.request.name, "", None),
            decisions: Vec::new(),
            claims: Vec::new(),
            subject: None,
            caller_authenticated: call.authenticated,
            runtime: self.identity.digest(snapshot.set.digest()),
            replica: &self.identity.replica,
            cluster_id: &self.cluster_id,
        }
    }
}

pub(super) fn allowed(warnings: Vec<String>, audit_annotations: BTreeMap<&'static str, String>) -> Answer {
    Answer::Allow { patch: None, warnings, audit_annotations }
}

pub(super) fn refused(call: &Call<'_>, refusal: Refusal) -> Answer {
    refusal.into_answer(call.request, &call.execution_id.to_string(), BTreeMap::new(), Vec::new())
}

pub(super) fn late() -> Refusal {
    Refusal::new(Reason::DeadlineExceeded, "the decision took too long: try again")
}
