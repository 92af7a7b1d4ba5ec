//! One request, built from manifests and words or read from a recorded AdmissionReview, without a cluster to ask.

mod build;
mod review;

use std::borrow::Cow;

use crate::{
    admission::{GroupVersionKind, GroupVersionResource, Operation, Request, UserInfo},
    api::Reason,
    binding::NAME_LABEL,
    canonical::{MAX_DEPTH, Object, Value},
    decide::{Change, is_namespace},
    time::Timestamp,
};

pub(super) use crate::decide::text_at;
pub(super) use build::Parts;
pub(super) use review::from_review;

/// A request with its objects, all of it at hand.
#[derive(Debug)]
pub(super) struct Case {
    /// The request; its objects stand beside it.
    pub(super) request: Request<'static>,
    /// The new object.
    pub(super) object: Option<Value<'static>>,
    /// The stored object.
    pub(super) old_object: Option<Value<'static>>,
    /// The namespace of the object, where it was given.
    pub(super) namespace: Option<Value<'static>>,
    /// `CreateOptions` and the like.
    pub(super) options: Option<Value<'static>>,
    /// Why an object of a recorded review is not acceptable; everything that governs it is denied then.
    pub(super) malformed: Option<String>,
    /// `request.time`
    pub(super) time: Timestamp,
}

impl Case {
    /// The object's name: a deletecollection sends it only with the old object.
    pub(super) fn name(&self) -> &str {
        Change::new(&self.request, self.object.as_ref(), self.old_object.as_ref()).name()
    }

    /// The namespace object: as given, or made up from the name alone; none for a cluster-scoped object.
    pub(super) fn namespace_object(&self) -> Option<Cow<'_, Value<'static>>> {
        if self.request.namespace.is_empty() || is_namespace(&self.request) {
            return None;
        }
        let made_up = || Cow::Owned(named_namespace(&self.request.namespace));
        Some(self.namespace.as_ref().map_or_else(made_up, Cow::Borrowed))
    }
}

/// A namespace of which only the name is known.
fn named_namespace(name: &str) -> Value<'static> {
    let object =
        |members: Vec<(&'static str, Value<'static>)>| Value::Object(members.into_iter().collect::<Object<'_>>());
    let labels = object(vec![(NAME_LABEL, Value::from(name.to_owned()))]);
    object(vec![
        ("apiVersion", Value::from("v1")),
        ("kind", Value::from("Namespace")),
        ("metadata", object(vec![("labels", labels), ("name", Value::from(name.to_owned()))])),
    ])
}

/// Who asks, with the groups that the API server gives everybody who is authenticated, and every service account.
pub(super) fn user(mut user: UserInfo) -> UserInfo {
    let mut implied = Vec::new();
    if let Some((namespace, _)) =
        user.username.strip_prefix("system:serviceaccount:").and_then(|name| name.split_once(':'))
    {
        implied.push("system:serviceaccounts".to_owned());
        implied.push(format!("system:serviceaccounts:{namespace}"));
    }
    let anonymous = user.username == "system:anonymous";
    implied.push(if anonymous { "system:unauthenticated" } else { "system:authenticated" }.to_owned());
    user.groups.extend(implied.into_iter().filter(|group| !user.groups.contains(group)).collect::<Vec<_>>());
    user
}

/// How deep arrays and objects nest.
fn depth(value: &Value<'_>) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(object) => 1 + object.iter().map(|(_, value)| depth(value)).max().unwrap_or_default(),
        _ => 0,
    }
}

/// An object that the API server could have sent.
fn check_object(value: &Value<'_>) -> Result<(), String> {
    if value.as_object().is_none() {
        return Err("is no object".to_owned());
    }
    if depth(value) > MAX_DEPTH {
        return Err(format!(
            "is nested deeper than {MAX_DEPTH} levels, so Writ would deny it ({})",
            Reason::MalformedObject
        ));
    }
    Ok(())
}

/// The kind that an object says it has.
pub(super) fn kind_of(object: &Value<'_>) -> GroupVersionKind {
    let (group, version) = super::kinds::group_version(text_at(Some(object), &["apiVersion"]));
    let kind = text_at(Some(object), &["kind"]).to_owned();
    GroupVersionKind { group: group.to_owned(), version: version.to_owned(), kind }
}

/// Options as kubectl sends them.
fn options(operation: Operation) -> Option<Value<'static>> {
    let kind = match operation {
        Operation::Create => "CreateOptions",
        Operation::Update => "UpdateOptions",
        Operation::Delete => "DeleteOptions",
        Operation::Connect => return None,
    };
    let members = [("apiVersion", Value::from("meta.k8s.io/v1")), ("kind", Value::from(kind))];
    Some(Value::Object(members.into_iter().collect::<Object<'_>>()))
}

/// A request without its objects.
struct Envelope {
    kind: GroupVersionKind,
    resource: GroupVersionResource,
    subresource: String,
    namespace: String,
    name: String,
    operation: Operation,
    user: UserInfo,
    dry_run: bool,
}

impl Envelope {
    fn request(self) -> Request<'static> {
        let subresource = self.subresource;
        Request {
            uid: Cow::Borrowed(""),
            request_kind: Some(self.kind.clone()),
            request_resource: Some(self.resource.clone()),
            request_sub_resource: Cow::Owned(subresource.clone()),
            kind: self.kind,
            resource: self.resource,
            sub_resource: Cow::Owned(subresource),
            name: Cow::Owned(self.name),
            namespace: Cow::Owned(self.namespace),
            operation: self.operation,
            user_info: self.user,
            object: None,
            old_object: None,
            dry_run: self.dry_run,
            options: None,
        }
    }
}

#[cfg(test)]
mod tests;
