//! What Writ would decide about a case, by the same steps as the webhooks ([`crate::decide`]).
//!
//! Left out, because only a running Writ knows: whether an authority was used before, whether the signed attestation
//! arrives, and which namespaces the installation exempts.

use std::collections::BTreeMap;

use super::case::Case;
use crate::{
    api::{Mode, Outcome, Reason},
    binding::Applicability,
    canonical::Value,
    decide::{Change, Concerned, ONCE_NEEDS_A_NAME, acts_once, denied, is_namespace, labels_of},
    evaluate::{Cause, Decision, Explanation, Input, Verdict, explain},
    policy::Policy,
    policy_set::{Bound, PolicySet},
    projection::{Plan, annotation_key, kinds},
};

/// What becomes of a request as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overall {
    /// Every enforced binding that governs the request allows it.
    Allow,
    /// An enforced binding denies it.
    Deny,
    /// Bindings leave it out: allowed and recorded.
    Exempt,
    /// No enforced binding is about it: allowed.
    NotGoverned,
    /// An update that changes nothing that an attestation covers: allowed, nothing is decided.
    NoOp,
}

/// What one binding, or a policy by itself, has to say.
#[derive(Debug)]
pub(super) enum Standing {
    /// It decides.
    Decided(Box<Decision>),
    /// A match condition of the policy is false.
    Skipped,
    /// The binding leaves this request out.
    Exempt,
    /// The policy is about other resources or operations.
    OtherRequest,
    /// The binding is about other people or namespaces.
    OtherSubject,
}

/// A case together with all that follows from it.
pub(super) struct Judge<'c> {
    case: &'c Case,
    change: Change<'c>,
    namespace: Option<Value<'static>>,
    labels: Vec<BTreeMap<String, String>>,
}

impl Overall {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
            Self::Exempt => "Exempt",
            Self::NotGoverned => "NotGoverned",
            Self::NoOp => "NoOp",
        }
    }
}

impl<'c> Judge<'c> {
    pub(super) fn new(case: &'c Case) -> Self {
        let change = Change::new(&case.request, case.object.as_ref(), case.old_object.as_ref());
        let namespace = case.namespace_object().map(std::borrow::Cow::into_owned);
        let labels = change.own_labels().unwrap_or_else(|| namespace.iter().map(labels_of).collect());
        Self { case, change, namespace, labels }
    }

    /// Whether nothing that an attestation covers changes.
    pub(super) fn is_no_op(&self) -> bool {
        let request = &self.case.request;
        let key = annotation_key(&request.resource.resource, &request.resource.group);
        let status = kinds::has_status(&request.resource.group, &request.resource.resource);
        self.change.changes_nothing(&Plan::new(&request.kind, &key, status))
    }

    /// Whether any binding of a set may be about the request.
    pub(super) fn concerns(&self, set: &PolicySet) -> bool {
        !Concerned::of(set, &self.case.request).is_empty()
    }

    /// What each binding of a set has to say, in the order of the set.
    pub(super) fn bindings<'s>(&self, set: &'s PolicySet) -> Vec<(&'s Bound, Standing)> {
        let candidates = self.candidates(set);
        let is_candidate = |bound: &Bound| candidates.iter().any(|candidate| std::ptr::eq(*candidate, bound));
        let standing = |bound| if is_candidate(bound) { self.binding(bound) } else { Standing::OtherRequest };
        set.bounds().iter().map(|bound| (bound, standing(bound))).collect()
    }

    fn candidates<'s>(&self, set: &'s PolicySet) -> Vec<&'s Bound> {
        Concerned::of(set, &self.case.request).about(&self.change)
    }

    /// A binding that selects namespaces by a label which is not at hand.
    pub(super) fn wants_namespace<'s>(&self, set: &'s PolicySet) -> Option<&'s str> {
        let request = &self.case.request;
        let unknown = self.case.namespace.is_none() && !request.namespace.is_empty() && !is_namespace(request);
        let wants = self.candidates(set).into_iter().find(|bound| unknown && bound.binding.reads_labels())?;
        Some(&wants.binding.name)
    }

    fn binding(&self, bound: &Bound) -> Standing {
        match self.change.applicability(&bound.binding, &self.labels) {
            Applicability::NotGoverned => Standing::OtherSubject,
            Applicability::Exempt => Standing::Exempt,
            Applicability::Governed => self.decide(|input| self.change.by_binding(bound, input)),
        }
    }

    /// Whether a policy is about the request.
    pub(super) fn is_about(&self, policy: &Policy) -> bool {
        policy.matches(&self.case.request, self.change.operation())
    }

    /// What a policy by itself has to say.
    pub(super) fn policy(&self, policy: &Policy, params: &Value<'_>) -> Standing {
        if !self.is_about(policy) {
            return Standing::OtherRequest;
        }
        self.decide(|input| (Some(policy), self.change.by_policy(policy, params, input)))
    }

    /// What the parts of a policy's expressions come to; nothing where the policy is not asked.
    pub(super) fn explain(&self, policy: &Policy, params: &Value<'_>, standing: &Standing) -> Vec<Explanation> {
        let asked = matches!(standing, Standing::Decided(_) | Standing::Skipped) && self.case.malformed.is_none();
        if asked { explain(policy, params, &self.input()) } else { Vec::new() }
    }

    fn input(&self) -> Input<'_> {
        self.change.input(self.namespace.as_ref(), self.case.options.as_ref(), self.case.time)
    }

    fn decide<'p>(&self, by: impl Fn(&Input<'_>) -> (Option<&'p Policy>, Verdict)) -> Standing {
        let verdict = if let Some(error) = &self.case.malformed {
            denied(Reason::MalformedObject, format!("the object is not acceptable JSON: {error}"))
        } else {
            let (policy, verdict) = by(&self.input());
            if policy.is_some_and(acts_once) { self.once(verdict) } else { verdict }
        };
        match verdict {
            Verdict::Skipped => Standing::Skipped,
            Verdict::Decided(decision) => Standing::Decided(decision),
        }
    }

    /// What becomes of a decision of a policy that acts once: a claim is bound to one named object.
    fn once(&self, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Decided(decision) if decision.outcome == Outcome::Allow && !self.change.names_one_object() => {
                Verdict::Decided(Box::new(Decision {
                    outcome: Outcome::Deny,
                    cause: Cause::Own(Reason::ReplayUnsupported),
                    message: ONCE_NEEDS_A_NAME.to_owned(),
                    fingerprint: None,
                    ..*decision
                }))
            }
            other => other,
        }
    }
}

/// What the standings of all bindings come to: every enforced one must allow.
pub(super) fn overall<'s>(standings: impl IntoIterator<Item = (Mode, &'s Standing)>) -> Overall {
    let mut overall = Overall::NotGoverned;
    for (mode, standing) in standings {
        let one = match standing {
            Standing::Decided(decision) if mode == Mode::Enforce => match decision.outcome {
                Outcome::Deny => return Overall::Deny,
                Outcome::Allow => Overall::Allow,
            },
            Standing::Exempt if overall != Overall::Allow => Overall::Exempt,
            _ => continue,
        };
        overall = one;
    }
    overall
}
