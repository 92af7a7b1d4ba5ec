//! What the API server writes into a new Pod because other fields of it say so: profiles that stand in deprecated
//! annotations, and selectors that name keys of labels. It follows from what the digest covers, so it can be taken away
//! again before the digest: exactly the derived value, never another one.

use std::borrow::Cow;

use crate::canonical::{Object, Value};

/// `k8s.io/kubernetes/pkg/apis/core`: `DeprecatedAppArmorAnnotationKeyPrefix`.
const PROFILE_PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
pub(super) const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
pub(super) const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// The Pod without what follows from the rest of it. Costs a copy only where there is something to derive from.
pub(super) fn without<'v, 'a>(pod: &'v Value<'a>) -> Cow<'v, Value<'a>> {
    let annotations = pod.at(&["metadata", "annotations"]).and_then(Value::as_object);
    let has_profiles =
        annotations.is_some_and(|annotations| annotations.iter().any(|(key, _)| key.starts_with(PROFILE_PREFIX)));
    if !has_profiles && !has_label_keys(pod) {
        return Cow::Borrowed(pod);
    }
    let annotations = annotations.cloned().unwrap_or_default();
    let labels = pod.at(&["metadata", "labels"]).and_then(Value::as_object).cloned().unwrap_or_default();
    let mut bare = pod.clone();
    for list in ["containers", "initContainers"] {
        bare = each(bare, &["spec", list], |container| without_profile(container, &annotations));
    }
    bare = each(bare, &["spec", "topologySpreadConstraints"], |term| without_keys(term, &labels));
    for side in ["podAffinity", "podAntiAffinity"] {
        bare = each(bare, &["spec", "affinity", side, REQUIRED], |term| without_keys(term, &labels));
        bare = each(bare, &["spec", "affinity", side, PREFERRED], |weighted| {
            at(weighted, &["podAffinityTerm"], |term| without_keys(term, &labels))
        });
    }
    Cow::Owned(bare)
}

fn has_label_keys(pod: &Value<'_>) -> bool {
    let any = |value: Option<&Value<'_>>, path: &[&str]| {
        let has = |term: &Value<'_>| {
            ["matchLabelKeys", "mismatchLabelKeys"]
                .iter()
                .any(|name| term.at(path).and_then(|term| term.member(name)).is_some())
        };
        value.and_then(Value::as_array).is_some_and(|terms| terms.iter().any(has))
    };
    any(pod.at(&["spec", "topologySpreadConstraints"]), &[])
        || ["podAffinity", "podAntiAffinity"].iter().any(|side| {
            any(pod.at(&["spec", "affinity", side, REQUIRED]), &[])
                || any(pod.at(&["spec", "affinity", side, PREFERRED]), &["podAffinityTerm"])
        })
}

/// A container without the profile that its annotation says.
fn without_profile<'a>(container: Value<'a>, annotations: &Object<'a>) -> Value<'a> {
    let name = container.member("name").and_then(Value::as_str).unwrap_or_default();
    let annotation = annotations.member(&format!("{PROFILE_PREFIX}{name}")).and_then(Value::as_str);
    let Some(derived) = annotation.and_then(profile) else { return container };
    let Value::Object(mut members) = container else { return container };
    let Some(Value::Object(mut context)) = members.remove("securityContext") else { return Value::Object(members) };
    if context.member("appArmorProfile") == Some(&derived) {
        context.remove("appArmorProfile");
    }
    if !context.is_empty() {
        members.insert("securityContext", Value::Object(context));
    }
    Value::Object(members)
}

/// `ApparmorFieldForAnnotation` of `k8s.io/kubernetes/pkg/api/pod`.
fn profile(annotation: &str) -> Option<Value<'static>> {
    let of = |kind: &'static str| Object::from_iter([("type", kind)]);
    let object = match (annotation, annotation.strip_prefix("localhost/")) {
        ("unconfined", _) => of("Unconfined"),
        ("runtime/default", _) => of("RuntimeDefault"),
        (_, Some(name)) if !name.is_empty() => {
            let mut object = of("Localhost");
            object.insert("localhostProfile", Value::from(name.to_owned()));
            object
        }
        _ => return None,
    };
    Some(Value::Object(object))
}

/// A term without the requirements that `matchLabelKeys` and `mismatchLabelKeys` stand for.
fn without_keys<'a>(term: Value<'a>, labels: &Object<'a>) -> Value<'a> {
    let derived: Vec<Value<'a>> = [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")]
        .into_iter()
        .flat_map(|(list, operator)| {
            let keys = term.member(list).and_then(Value::as_array).unwrap_or_default();
            keys.iter().filter_map(move |key| {
                let values = Value::Array(vec![labels.member(key.as_str()?)?.clone()]);
                let parts = [("key", key.clone()), ("operator", Value::from(operator)), ("values", values)];
                Some(Value::Object(Object::from_iter(parts)))
            })
        })
        .collect();
    if derived.is_empty() {
        return term;
    }
    at(term, &["labelSelector"], |selector| {
        let Value::Object(mut members) = selector else { return selector };
        if let Some(Value::Array(expressions)) = members.remove("matchExpressions") {
            let kept: Vec<_> = expressions.into_iter().filter(|expression| !derived.contains(expression)).collect();
            if !kept.is_empty() {
                members.insert("matchExpressions", Value::Array(kept));
            }
        }
        Value::Object(members)
    })
}

/// The value with what stands at `path` replaced; unchanged where nothing does. Recursion is bounded by the path.
fn at<'a>(value: Value<'a>, path: &[&str], change: impl FnOnce(Value<'a>) -> Value<'a>) -> Value<'a> {
    let Some((key, rest)) = path.split_first() else { return change(value) };
    let Value::Object(mut members) = value else { return value };
    if let Some(member) = members.remove(key) {
        members.insert((*key).to_owned(), at(member, rest, change));
    }
    Value::Object(members)
}

/// The value with each element of the list at `path` replaced.
fn each<'a>(value: Value<'a>, path: &[&str], change: impl Fn(Value<'a>) -> Value<'a>) -> Value<'a> {
    at(value, path, |list| match list {
        Value::Array(items) => items.into_iter().map(change).collect(),
        other => other,
    })
}
