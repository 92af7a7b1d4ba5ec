use super::gather::Case;
use crate::{
    api::{Outcome, Reason},
    attest,
    canonical::Value,
    evaluate::{Cause, Decision, Input, Verdict, deletes, evaluate},
    policy::{CompiledReplay, Policy},
    policy_set::{Bound, Force},
    time::Timestamp,
};

/// The annotation prefix by which a request says under which version of a policy it was reviewed.
const WORD_PREFIX: &str = "request.writ.dev/policy.";

/// What one binding came to.
pub(super) struct Judged<'c> {
    pub(super) bound: &'c Bound,
    /// The policy version that decided; `None` where none is in force.
    pub(super) policy: Option<&'c Policy>,
    pub(super) decision: Decision,
}

impl Judged<'_> {
    pub(super) fn allows(&self) -> bool {
        self.decision.outcome == Outcome::Allow
    }

    /// Whether the policy's authority acts once.
    pub(super) fn is_once(&self) -> bool {
        self.policy.is_some_and(|policy| matches!(policy.replay(), CompiledReplay::Once { .. }))
    }

    /// The record of this decision in an attestation or a line of evidence.
    pub(super) fn record(&self) -> attest::DecisionRecord {
        let binding = &self.bound.binding;
        let (params, replay) = match (&self.bound.force, self.policy) {
            (Force::InForce { params_digest, .. }, Some(policy)) => {
                let replay = match policy.replay() {
                    CompiledReplay::Once { .. } => attest::Replay::Once { fingerprint: self.decision.fingerprint },
                    CompiledReplay::Repeatable => attest::Replay::Repeatable,
                };
                (*params_digest, Some(replay))
            }
            _ => (None, None),
        };
        attest::DecisionRecord {
            binding: attest::Binding {
                name: binding.name.clone(),
                uid: binding.uid.clone(),
                generation: u64::try_from(binding.generation).unwrap_or_default(),
                digest: binding.digest,
                mode: match binding.mode {
                    crate::api::Mode::Enforce => attest::Mode::Enforce,
                    crate::api::Mode::Warn => attest::Mode::Warn,
                    crate::api::Mode::Audit => attest::Mode::Audit,
                },
            },
            policy: attest::Policy {
                id: binding.policy_id.clone(),
                version: self
                    .policy
                    .map_or_else(|| binding.wanted_version.clone(), |policy| policy.version().to_owned()),
                digest: self.policy.map(Policy::digest),
            },
            params,
            rule: self.decision.rule().map(str::to_owned),
            outcome: if self.allows() { attest::Outcome::Allow } else { attest::Outcome::Deny },
            reason: self.decision.reason().to_owned(),
            replay,
            signals: self.policy.map(|_| self.decision.signals_digest()),
        }
    }
}

/// Decides a case by some of its bindings, at a time. Bindings whose match conditions are false are left out.
pub(super) fn judge<'c>(case: &'c Case<'c>, bounds: &[&'c Bound], time: Timestamp) -> Vec<Judged<'c>> {
    if bounds.is_empty() {
        return Vec::new();
    }
    let mut input = Input::new(case.call.request, case.options.as_ref(), time);
    input.object = case.object.as_ref();
    input.old_object = case.old.as_ref();
    input.namespace = case.namespace.as_ref().map(|facts| &facts.object);
    input.deletes = deletes(case.call.request, case.object.as_ref(), case.old.as_ref());
    bounds.iter().filter_map(|bound| judge_one(case, bound, &input)).collect()
}

fn judge_one<'c>(case: &'c Case<'c>, bound: &'c Bound, input: &Input<'c>) -> Option<Judged<'c>> {
    let (policy, params) = match &bound.force {
        Force::Unavailable { message } => {
            return Some(Judged { bound, policy: None, decision: own(Reason::PolicyUnavailable, message.clone()) });
        }
        Force::InForce { policy, params, .. } => (&**policy, params),
    };
    if let Some(word) = reviewed_version(case, policy.id())
        && word != policy.version()
    {
        let message = format!(
            "the request was reviewed under version `{}` of policy `{}`, but `{}` is in force: have it reviewed again, or correct the annotation `{WORD_PREFIX}{}`",
            super::clean(word, 63),
            policy.id(),
            policy.version(),
            policy.id()
        );
        return Some(Judged { bound, policy: Some(policy), decision: own(Reason::VersionNotInForce, message) });
    }
    match evaluate(policy, params, input) {
        Verdict::Skipped => None,
        Verdict::Decided(decision) => Some(Judged { bound, policy: Some(policy), decision: *decision }),
    }
}

fn own(reason: Reason, message: String) -> Decision {
    Decision {
        outcome: Outcome::Deny,
        cause: Cause::Own(reason),
        message,
        signals: std::collections::BTreeMap::new(),
        fingerprint: None,
        also: Vec::new(),
        cost: 0,
    }
}

/// The version of a policy under which the request says that it was reviewed. The word of an object that a controller
/// owns is ignored: controllers copy annotations.
fn reviewed_version<'c>(case: &'c Case<'c>, policy: &str) -> Option<&'c str> {
    if !case.carries_attestation() {
        return None;
    }
    let object = case.object.as_ref()?;
    let owners = object.at(&["metadata", "ownerReferences"]).and_then(Value::as_array).unwrap_or_default();
    if owners.iter().any(|owner| owner.member("controller").and_then(Value::as_bool) == Some(true)) {
        return None;
    }
    object.at(&["metadata", "annotations"])?.member(&format!("{WORD_PREFIX}{policy}"))?.as_str()
}
