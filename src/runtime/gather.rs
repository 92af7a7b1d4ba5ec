use std::sync::Arc;

use super::{Call, NamespaceFacts, Refusal, Runtime, Snapshot, own_key};
use crate::{
    admission::{Operation, Request},
    api::{Mode, Reason},
    binding::Applicability,
    canonical::{self, Value},
    decide::{Change, Concerned},
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
    /// The request and its objects, as the pure core sees them.
    pub(super) fn change(&self) -> Change<'_> {
        Change::new(self.call.request, self.object.as_ref(), self.old.as_ref())
    }

    /// Whether the object carries an attestation: a CREATE or UPDATE of a main resource that deletes nothing.
    pub(super) fn carries_attestation(&self) -> bool {
        self.change().carries_attestation()
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
        self.change().name()
    }
}

impl Runtime {
    /// Reads a call: envelope first, objects only where a binding or our annotation is concerned.
    pub(super) async fn gather<'c>(&self, call: &'c Call<'c>, snapshot: &'c Snapshot) -> Result<Gathered<'c>, Refusal> {
        let request = call.request;
        let concerned = Concerned::of(&snapshot.set, request);
        if concerned.is_empty() && !names_our_annotation(request) {
            return Ok(Gathered::NotOurs);
        }
        let object = request.object_text().map(parse).transpose()?;
        let old = request.old_object_text().map(parse).transpose()?;
        let options = request.options.map(|options| parse(options.get().as_bytes())).transpose()?;
        let key = annotation_key(&request.resource.resource, &request.resource.group);
        let plan = Plan::new(&request.kind, &key, self.world.kind(&request.resource).status_subresource)
            .creating(request.operation == Operation::Create);
        let change = Change::new(request, object.as_ref(), old.as_ref());
        let operation = change.operation();
        let no_op = change.changes_nothing(&plan);
        let candidates = concerned.about(&change);
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
        if candidates.is_empty() {
            return Ok(());
        }
        let namespace = &*case.call.request.namespace;
        let labels = match case.change().own_labels() {
            Some(labels) => labels,
            None if namespace.is_empty() => Vec::new(),
            None => {
                let facts = self.world.namespace(namespace).await.map_err(|error| {
                    let message = format!("the namespace `{namespace}` could not be read ({error}): try again");
                    Refusal::new(Reason::NamespaceUnavailable, message)
                })?;
                let labels = vec![facts.labels.clone()];
                case.namespace = Some(facts);
                labels
            }
        };
        for bound in candidates {
            match case.change().applicability(&bound.binding, &labels) {
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
