//! What a request comes to under the bindings in force: the steps that need no cluster.
//!
//! The webhooks and the offline commands go this one way, so that what `writ evaluate` says is what happens. Which
//! namespace there is, the claims and the attestation are added by those who know them.

use std::collections::BTreeMap;

use crate::{
    admission::{Operation, Request},
    api::{Outcome, Reason},
    binding::{Applicability, Binding, NamespaceLabels},
    canonical::{self, Value},
    evaluate::{Cause, Decision, Input, Verdict, deletes, evaluate, removes_last_finalizer},
    policy::{CompiledReplay, Policy},
    policy_set::{Bound, Force, PolicySet},
    projection::Plan,
    time::Timestamp,
};

/// The annotation prefix by which a request says under which version of a policy it was reviewed.
pub const WORD_PREFIX: &str = "request.writ.dev/policy.";

/// The longest version that is repeated to the user, in characters.
const MAX_WORD: usize = 63;

/// What to do where a policy that acts once meets a request without one named object.
pub const ONCE_NEEDS_A_NAME: &str = "a policy that acts once covers named objects and main resources only: give the object a name instead of generateName";

/// A request with its parsed objects, and what they make of it.
#[derive(Clone, Copy, Debug)]
pub struct Change<'c> {
    /// The request.
    pub request: &'c Request<'c>,
    /// The new object.
    pub object: Option<&'c Value<'c>>,
    /// The stored object.
    pub old: Option<&'c Value<'c>>,
    operation: Operation,
}

/// The bindings that may be about a request, as it stands and as a deletion.
#[derive(Debug, Default)]
pub struct Concerned<'s> {
    direct: Vec<&'s Bound>,
    deleting: Vec<&'s Bound>,
}

impl<'s> Concerned<'s> {
    /// By the envelope alone.
    #[must_use]
    pub fn of(set: &'s PolicySet, request: &Request<'_>) -> Self {
        let may_delete = is_plain_update(request);
        Self {
            direct: set.candidates(request, request.operation),
            deleting: if may_delete { set.candidates(request, Operation::Delete) } else { Vec::new() },
        }
    }

    /// Whether no binding is about the request, whatever its objects say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.direct.is_empty() && self.deleting.is_empty()
    }

    /// Those about what the request turned out to do.
    #[must_use]
    pub fn about(self, change: &Change<'_>) -> Vec<&'s Bound> {
        if change.operation == change.request.operation { self.direct } else { self.deleting }
    }
}

impl<'c> Change<'c> {
    /// A request and its objects.
    #[must_use]
    pub fn new(request: &'c Request<'c>, object: Option<&'c Value<'c>>, old: Option<&'c Value<'c>>) -> Self {
        let lets_go = || object.zip(old).is_some_and(|(object, old)| removes_last_finalizer(object, old));
        let operation = if is_plain_update(request) && lets_go() { Operation::Delete } else { request.operation };
        Self { request, object, old, operation }
    }

    /// What the request does: its own operation, or DELETE where an update lets a deleting object go.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// Whether the object carries an attestation: a CREATE or UPDATE of a main resource that deletes nothing. A Binding
    /// is never stored: its annotations would go to the pod.
    #[must_use]
    pub fn carries_attestation(&self) -> bool {
        let resource = &self.request.resource;
        let is_binding = resource.group.is_empty() && resource.resource == "bindings";
        self.request.sub_resource.is_empty() && self.writes() && !is_binding
    }

    fn writes(&self) -> bool {
        matches!(self.operation, Operation::Create | Operation::Update)
    }

    /// Whether it is an update that changes nothing that an attestation covers.
    #[must_use]
    pub fn changes_nothing(&self, plan: &Plan) -> bool {
        // One that lets a deleting object go changes its finalizers, which are covered.
        is_plain_update(self.request)
            && self.object.zip(self.old).is_some_and(|(object, old)| plan.is_same(object, old))
    }

    /// The object's name: a deletecollection sends it only with the old object.
    #[must_use]
    pub fn name(&self) -> &'c str {
        if self.request.name.is_empty() {
            text_at(self.old.or(self.object), &["metadata", "name"])
        } else {
            &self.request.name
        }
    }

    /// Whether it is about one object whose name is known, so that a claim can be bound to it.
    #[must_use]
    pub fn names_one_object(&self) -> bool {
        // At validation a generated name is there, but the request may come again with another one.
        let prefix = text_at(self.object, &["metadata", "generateName"]);
        let generated = self.operation == Operation::Create && (self.request.name.is_empty() || !prefix.is_empty());
        let part = self.writes() && !self.request.sub_resource.is_empty();
        !(self.name().is_empty() || generated || part)
    }

    /// The labels by which selectors of namespaces count: those of a Namespace object are its own, old and new, because
    /// neither side of a change may be a way out. `None` where they are the labels of the object's namespace.
    #[must_use]
    pub fn own_labels(&self) -> Option<Vec<BTreeMap<String, String>>> {
        is_namespace(self.request).then(|| [self.object, self.old].into_iter().flatten().map(labels_of).collect())
    }

    /// Whether a binding governs the request in places with these labels.
    #[must_use]
    pub fn applicability(&self, binding: &Binding, labels: &[BTreeMap<String, String>]) -> Applicability {
        let namespace = &*self.request.namespace;
        let places: Vec<_> = labels.iter().map(|labels| NamespaceLabels { name: namespace, labels }).collect();
        binding.applicability(&self.request.user_info, namespace, &places)
    }

    /// The inputs of a decision at `time`.
    #[must_use]
    pub fn input(
        &self,
        namespace: Option<&'c Value<'c>>,
        options: Option<&'c Value<'c>>,
        time: Timestamp,
    ) -> Input<'c> {
        let mut input = Input::new(self.request, options, time);
        input.object = self.object;
        input.old_object = self.old;
        input.namespace = namespace;
        input.deletes = deletes(self.request, self.object, self.old);
        input
    }

    /// What a binding that governs the request has to say, and the policy version that says it.
    #[must_use]
    pub fn by_binding<'s>(&self, bound: &'s Bound, input: &Input<'_>) -> (Option<&'s Policy>, Verdict) {
        match &bound.force {
            Force::Unavailable { message } => (None, denied(Reason::PolicyUnavailable, message.clone())),
            Force::InForce { policy, params, .. } => (Some(policy), self.by_policy(policy, params, input)),
        }
    }

    /// What a policy version has to say.
    #[must_use]
    pub fn by_policy(&self, policy: &Policy, params: &Value<'_>, input: &Input<'_>) -> Verdict {
        if let Some(word) = self.reviewed_version(policy.id())
            && word != policy.version()
        {
            let (id, version) = (policy.id(), policy.version());
            let word: String = word.chars().take(MAX_WORD).collect();
            let message = format!(
                "the request was reviewed under version `{word}` of policy `{id}`, but `{version}` is in force: have it reviewed again, or correct the annotation `{WORD_PREFIX}{id}`"
            );
            return denied(Reason::VersionNotInForce, message);
        }
        evaluate(policy, params, input)
    }

    /// The version of a policy under which the request says that it was reviewed. The word of an object that a
    /// controller owns is ignored: controllers copy annotations.
    fn reviewed_version(&self, policy: &str) -> Option<&'c str> {
        if !self.carries_attestation() {
            return None;
        }
        let object = self.object?;
        let owners = object.at(&["metadata", "ownerReferences"]).and_then(Value::as_array).unwrap_or_default();
        if owners.iter().any(|owner| owner.member("controller").and_then(Value::as_bool) == Some(true)) {
            return None;
        }
        object.at(&["metadata", "annotations"])?.member(&format!("{WORD_PREFIX}{policy}"))?.as_str()
    }
}

/// A denial for a reason of Writ's own.
#[must_use]
pub fn denied(reason: Reason, message: String) -> Verdict {
    Verdict::Decided(Box::new(Decision {
        outcome: Outcome::Deny,
        cause: Cause::Own(reason),
        message,
        signals: BTreeMap::new(),
        fingerprint: None,
        also: Vec::new(),
        cost: 0,
    }))
}

/// Whether a policy's authority acts once.
#[must_use]
pub fn acts_once(policy: &Policy) -> bool {
    matches!(policy.replay(), CompiledReplay::Once { .. })
}

/// Whether a request is about a Namespace object, which counts by its own labels.
#[must_use]
pub fn is_namespace(request: &Request<'_>) -> bool {
    request.resource.group.is_empty() && request.resource.resource == "namespaces"
}

fn is_plain_update(request: &Request<'_>) -> bool {
    request.operation == Operation::Update && request.sub_resource.is_empty()
}

/// The labels of an object.
#[must_use]
pub fn labels_of(object: &Value<'_>) -> BTreeMap<String, String> {
    let labels = object.at(&["metadata", "labels"]).and_then(Value::as_object);
    let pairs = labels.into_iter().flat_map(canonical::Object::iter);
    pairs.filter_map(|(key, value)| Some((key.to_owned(), value.as_str()?.to_owned()))).collect()
}

/// The string at a path; empty where there is none.
#[must_use]
pub fn text_at<'v>(value: Option<&'v Value<'_>>, path: &[&str]) -> &'v str {
    value.and_then(|value| value.at(path)).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests;
