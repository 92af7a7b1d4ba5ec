use crate::{
    api::PolicySpec,
    canonical::{Object, Value},
    digest::{Digest, Domain},
};

/// The digest of a policy version: over its spec without what is empty, so that a field that a later API adds and this
/// policy does not use changes nothing.
#[must_use]
pub fn digest(spec: &PolicySpec) -> Digest {
    Digest::of_value(Domain::Policy, &normal_form(spec))
}

/// The normal form of a policy version, which its digest is over.
#[must_use]
pub fn normal_form(spec: &PolicySpec) -> Value<'static> {
    // INVARIANT: a spec serializes; a policy that did not would share the digest of null and be refused by its pin.
    without_empty(Value::from(serde_json::to_value(spec).unwrap_or_default()))
}

/// Removes null, `false`, `""`, `[]` and `{}` at fields. Elements of lists stay, whatever they are: they are literals.
fn without_empty(value: Value<'static>) -> Value<'static> {
    match value {
        Value::Object(object) => {
            let kept = object.iter().map(|(key, value)| (key.to_owned(), without_empty(value.clone())));
            Value::Object(kept.filter(|(_, value)| !is_empty(value)).collect::<Object<'_>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_empty).collect()),
        other => other,
    }
}

fn is_empty(value: &Value<'_>) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}
