use std::{collections::BTreeMap, sync::Arc};

use super::{Call, NamespaceFacts, Refusal, Runtime, Snapshot, own_key};
use crate::{
    admission::{Operation, Request},
    api::{Mode, Reason},
    binding::{Applicability, NamespaceLabels},
    canonical::{self, Value},
    evaluate::removes_last_finalizer,
    policy_set::Bound,
    projection::{KEY_PREFIX, Plan, annotation_key},
};

/// All that a call is about, read once.
pub(super) struct Case<'c> {
    pub(super) call: &'c Call<'c>,
    pub(super) snapshot: &'c Snapshot,
    /// What the request does: its own operation, or DELETE where an update lets a deleting object go.
    pub(super) operation: Operation,
    /// The annotation that carries attestations of this resource.
    pub(super) key: String,
    pub(super) plan: Plan,
    pub(super) object: Option<Value<'c>>,
    pub(super) old: Option<Value<'c>>,
    pub(super) options: Option<Value<'c>>,
    pub(super) namespace: Option<Arc<NamespaceFacts>>,
    /// Bindings that can deny.
    pub(super) enforce: Vec<&'c Bound>,
    /// Bindings that warn or only record.
    pub(super) shadow: Vec<&'c Bound>,
    /// Bindings that leave this request out.
    pub(super) exempt: Vec<&'c Bound>,
}

/// What a call turns out to be.
pub(super) enum Gathered<'c> {
    /// No binding is about it, and it does not name our annotation: nothing of it was parsed.
    NotOurs,
    /// An update that changes nothing that an attestation covers.
    NoOp(Box<Case<'c>>),
    /// Anything else; it may still be governed by nothing.
    Case(Box<Case<'c>>),
}

impl Case<'_> {
    /// Whether the object carries an attestation: a CREATE or UPDATE of a main resource that deletes nothing.
    pub(super) fn carries_attestation(&self) -> bool {
        self.call.request.sub_resource.is_empty() && matches!(self.operation, Operation::Create | Operation::Update)
    }

    /// The attestation on the new object.
    pub(super) fn attestation(&self) -> Option<&str> {
        own_key::carried(self.object.as_ref(), &self.key)
    }

    /// The attestation on the stored object.
    pub(super) fn old_attestation(&self) -> Option<&str> {
        own_key::carried(self.old.as_ref(), &self.key)
    }

    /// The object's name: a deletecollection sends it only with the old object.
    pub(super) fn name(&self) -> &str {
        let request = &*self.call.request.name;
        if !request.is_empty() {
            return request;
        }
        let source = self.old.as_ref().or(self.object.as_ref());
        source.and_then(|value| value.at(&["metadata", "name"])).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Runtime {
    /// Reads a call: envelope first, objects only where a binding or our annotation is concerned.
    pub(super) async fn gather<'c>(&self, call: &'c Call<'c>, snapshot: &'c Snapshot) -> Result<Gathered<'c>, Refusal> {
        let request = call.request;
        let direct = snapshot.set.candidates(request, request.operation);
        let may_delete = request.operation == Operation::Update && request.sub_resource.is_empty();
        let deleting = if may_delete { snapshot.set.candidates(request, Operation::Delete) } else { Vec::new() };
        if direct.is_empty() && deleting.is_empty() && !names_our_annotation(request) {
            return Ok(Gathered::NotOurs);
        }
        let object = request.object_text().map(parse).transpose()?;
        let old = request.old_object_text().map(parse).transpose()?;
        let options = request.options.map(|options| parse(options.get().as_bytes())).transpose()?;
        let removes = may_delete
            && object.as_ref().zip(old.as_ref()).is_some_and(|(object, old)| removes_last_finalizer(object, old));
        let (operation, candidates) = if removes { (Operation::Delete, deleting) } else { (request.operation, direct) };
        let key = annotation_key(&request.resource.resource, &request.resource.group);
        let plan = Plan::new(&request.kind, &key, self.world.kind(&request.resource).status_subresource)
            .creating(request.operation == Operation::Create);
        let no_op = may_delete
            && !removes
            && object.as_ref().zip(old.as_ref()).is_some_and(|(object, old)| plan.is_same(object, old));
        let mut case = Case {
            call,
            snapshot,
            operation,
            key,
            plan,
            object,
            old,
            options,
            namespace: None,
            enforce: Vec::new(),
            shadow: Vec::new(),
            exempt: Vec::new(),
        };
        if no_op {
            return Ok(Gathered::NoOp(Box::new(case)));
        }
        self.sort(&mut case, candidates).await?;
        Ok(Gathered::Case(Box::new(case)))
    }

    /// Asks each binding whether it governs the request.
    async fn sort<'c>(&self, case: &mut Case<'c>, candidates: Vec<&'c Bound>) -> Result<(), Refusal> {
        let request = case.call.request;
        if candidates.is_empty() {
            return Ok(());
        }
        let is_namespace = request.resource.group.is_empty() && request.resource.resource == "namespaces";
        let mut labels: Vec<BTreeMap<String, String>> = Vec::new();
        if is_namespace {
            // Old and new labels: neither side of a change may be a way out.
            labels.extend([&case.object, &case.old].into_iter().flatten().map(labels_of));
        } else if !request.namespace.is_empty() {
            match self.world.namespace(&request.namespace).await {
                Ok(facts) => {
                    labels.push(facts.labels.clone());
                    case.namespace = Some(facts);
                }
                Err(error) => {
                    let message =
                        format!("the namespace `{}` could not be read ({error}): try again", request.namespace);
                    return Err(Refusal::new(Reason::NamespaceUnavailable, message));
                }
            }
        }
        let places: Vec<NamespaceLabels<'_>> =
            labels.iter().map(|labels| NamespaceLabels { name: &request.namespace, labels }).collect();
        for bound in candidates {
            match bound.binding.applicability(&request.user_info, &request.namespace, &places) {
                Applicability::NotGoverned => {}
                Applicability::Exempt => case.exempt.push(bound),
                Applicability::Governed if bound.binding.mode == Mode::Enforce => case.enforce.push(bound),
                Applicability::Governed => case.shadow.push(bound),
            }
        }
        Ok(())
    }
}

fn parse(text: &[u8]) -> Result<Value<'_>, Refusal> {
    canonical::parse(text).map_err(|error| {
        let message = format!("the object is not acceptable JSON: {error}; correct it and send it again");
        Refusal::new(Reason::MalformedObject, message)
    })
}

/// Whether the objects of a request can carry an attestation. The API server writes keys without escapes.
fn names_our_annotation(request: &Request<'_>) -> bool {
    [request.object, request.old_object].into_iter().flatten().any(|raw| raw.get().contains(KEY_PREFIX))
}

fn labels_of(object: &Value<'_>) -> BTreeMap<String, String> {
    let labels = object.at(&["metadata", "labels"]).and_then(Value::as_object);
    let pairs = labels.into_iter().flat_map(canonical::Object::iter);
    pairs.filter_map(|(key, value)| Some((key.to_owned(), value.as_str()?.to_owned()))).collect()
}
