//! What Writ would decide about a case: the steps of the webhooks that need no cluster.
//!
//! Left out, because only a running Writ knows: whether an authority was used before, whether the signed attestation
//! arrives, and which namespaces the installation exempts.

use std::collections::BTreeMap;

use super::case::{Case, labels_of};
use crate::{
    admission::{Operation, Request},
    api::{Mode, Outcome, Reason},
    binding::{Applicability, NamespaceLabels},
    canonical::Value,
    evaluate::{Cause, Decision, Input, Verdict, deletes, evaluate, removes_last_finalizer},
    policy::{CompiledReplay, Policy},
    policy_set::{Bound, Force, PolicySet},
    projection::{Plan, annotation_key, kinds},
};

/// The annotation prefix by which a request says under which version of a policy it was reviewed.
const WORD_PREFIX: &str = "request.writ.dev/policy.";

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
    /// The request's own operation, or DELETE where an update lets a deleting object go.
    operation: Operation,
    namespace: Option<Value<'static>>,
    places: Vec<BTreeMap<String, String>>,
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
        let removes = is_plain_update(&case.request)
            && case
                .object
                .as_ref()
                .zip(case.old_object.as_ref())
                .is_some_and(|(new, old)| removes_last_finalizer(new, old));
        let namespace = case.namespace_object().map(std::borrow::Cow::into_owned);
        let places = if case.is_namespace() {
            // Old and new labels: neither side of a change may be a way out.
            [&case.object, &case.old_object].into_iter().flatten().map(labels_of).collect()
        } else {
            namespace.iter().map(labels_of).collect()
        };
        let operation = if removes { Operation::Delete } else { case.request.operation };
        Self { case, operation, namespace, places }
    }

    /// Whether nothing that an attestation covers changes.
    pub(super) fn is_no_op(&self) -> bool {
        let request = &self.case.request;
        let Some((object, old)) = self.case.object.as_ref().zip(self.case.old_object.as_ref()) else { return false };
        let key = annotation_key(&request.resource.resource, &request.resource.group);
        let status = kinds::has_status(&request.resource.group, &request.resource.resource);
        is_plain_update(request)
            && self.operation == Operation::Update
            && Plan::new(&request.kind, &key, status).is_same(object, old)
    }

    /// Whether any binding of a set may be about the request.
    pub(super) fn concerns(&self, set: &PolicySet) -> bool {
        let request = &self.case.request;
        let as_it_is = !set.candidates(request, request.operation).is_empty();
        as_it_is || is_plain_update(request) && !set.candidates(request, Operation::Delete).is_empty()
    }

    /// What each binding of a set has to say, in the order of the set.
    pub(super) fn bindings<'s>(&self, set: &'s PolicySet) -> Vec<(&'s Bound, Standing)> {
        let candidates = set.candidates(&self.case.request, self.operation);
        let is_candidate = |bound: &Bound| candidates.iter().any(|candidate| std::ptr::eq(*candidate, bound));
        let standing = |bound| if is_candidate(bound) { self.binding(bound) } else { Standing::OtherRequest };
        set.bounds().iter().map(|bound| (bound, standing(bound))).collect()
    }

    /// A binding that selects namespaces by a label which is not at hand.
    pub(super) fn wants_namespace<'s>(&self, set: &'s PolicySet) -> Option<&'s str> {
        let unknown =
            self.case.namespace.is_none() && !self.case.request.namespace.is_empty() && !self.case.is_namespace();
        let candidates = set.candidates(&self.case.request, self.operation);
        let wants = candidates.into_iter().find(|bound| unknown && bound.binding.reads_labels())?;
        Some(&wants.binding.name)
    }

    fn binding(&self, bound: &Bound) -> Standing {
        let request = &self.case.request;
        let places: Vec<_> =
            self.places.iter().map(|labels| NamespaceLabels { name: &request.namespace, labels }).collect();
        match bound.binding.applicability(&request.user_info, &request.namespace, &places) {
            Applicability::NotGoverned => Standing::OtherSubject,
            Applicability::Exempt => Standing::Exempt,
            Applicability::Governed => match &bound.force {
                Force::Unavailable { message } => decided(Reason::PolicyUnavailable, message.clone()),
                Force::InForce { policy, params, .. } => self.decide(policy, params),
            },
        }
    }

    /// Whether a policy is about the request.
    pub(super) fn is_about(&self, policy: &Policy) -> bool {
        policy.matches(&self.case.request, self.operation)
    }

    /// What a policy by itself has to say.
    pub(super) fn policy(&self, policy: &Policy, params: &Value<'_>) -> Standing {
        if self.is_about(policy) { self.decide(policy, params) } else { Standing::OtherRequest }
    }

    fn decide(&self, policy: &Policy, params: &Value<'_>) -> Standing {
        if let Some(error) = &self.case.malformed {
            return decided(Reason::MalformedObject, format!("the object is not acceptable JSON: {error}"));
        }
        if let Some(word) = self.reviewed_version(policy.id())
            && word != policy.version()
        {
            let (id, version) = (policy.id(), policy.version());
            let message =
                format!("the request was reviewed under version `{word}` of policy `{id}`, but `{version}` decides");
            return decided(Reason::VersionNotInForce, message);
        }
        let case = self.case;
        let mut input = Input::new(&case.request, case.options.as_ref(), case.time);
        input.object = case.object.as_ref();
        input.old_object = case.old_object.as_ref();
        input.namespace = self.namespace.as_ref();
        input.deletes = deletes(&case.request, case.object.as_ref(), case.old_object.as_ref());
        match evaluate(policy, params, &input) {
            Verdict::Skipped => Standing::Skipped,
            Verdict::Decided(decision) if decision.outcome == Outcome::Allow && self.cannot_act_once(policy) => {
                let message = "a policy that acts once covers named objects and main resources only: name the object";
                Standing::Decided(Box::new(Decision {
                    fingerprint: None,
                    ..own(Reason::ReplayUnsupported, message.to_owned(), *decision)
                }))
            }
            Verdict::Decided(decision) => Standing::Decided(decision),
        }
    }

    /// Whether a claim on this request could not be bound to one object.
    fn cannot_act_once(&self, policy: &Policy) -> bool {
        let request = &self.case.request;
        let writes = matches!(self.operation, Operation::Create | Operation::Update);
        let generated = self.operation == Operation::Create && request.name.is_empty();
        let unbound = self.case.name().is_empty() || generated || writes && !request.sub_resource.is_empty();
        matches!(policy.replay(), CompiledReplay::Once { .. }) && unbound
    }

    /// The version of a policy under which the request says that it was reviewed. The word of an object that a
    /// controller owns is ignored: controllers copy annotations.
    fn reviewed_version(&self, policy: &str) -> Option<&'c str> {
        let request = &self.case.request;
        if !request.sub_resource.is_empty() || !matches!(self.operation, Operation::Create | Operation::Update) {
            return None;
        }
        let object = self.case.object.as_ref()?;
        let owners = object.at(&["metadata", "ownerReferences"]).and_then(Value::as_array).unwrap_or_default();
        if owners.iter().any(|owner| owner.member("controller").and_then(Value::as_bool) == Some(true)) {
            return None;
        }
        object.at(&["metadata", "annotations"])?.member(&format!("{WORD_PREFIX}{policy}"))?.as_str()
    }
}

fn is_plain_update(request: &Request<'_>) -> bool {
    request.operation == Operation::Update && request.sub_resource.is_empty()
}

fn decided(reason: Reason, message: String) -> Standing {
    let nothing = Decision {
        outcome: Outcome::Deny,
        cause: Cause::Own(reason),
        message: String::new(),
        signals: BTreeMap::new(),
        fingerprint: None,
        also: Vec::new(),
        cost: 0,
    };
    Standing::Decided(Box::new(own(reason, message, nothing)))
}

/// A denial for a reason of Writ's own, with what is known from `decision`.
fn own(reason: Reason, message: String, decision: Decision) -> Decision {
    Decision { outcome: Outcome::Deny, cause: Cause::Own(reason), message, ..decision }
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
