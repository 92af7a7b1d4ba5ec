use super::gather::Case;
use crate::{
    api::Outcome,
    attest,
    decide::acts_once,
    evaluate::{Decision, Verdict},
    policy::{CompiledReplay, Policy},
    policy_set::{Bound, Force},
    time::Timestamp,
};

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
        self.policy.is_some_and(acts_once)
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
    let change = case.change();
    let namespace = case.namespace.as_ref().map(|facts| &facts.object);
    let input = change.input(namespace, case.options.as_ref(), time);
    let judged = bounds.iter().map(|bound| (*bound, change.by_binding(bound, &input)));
    judged
        .filter_map(|(bound, (policy, verdict))| match verdict {
            Verdict::Skipped => None,
            Verdict::Decided(decision) => Some(Judged { bound, policy, decision: *decision }),
        })
        .collect()
}
