//! Admission of Writ's own kinds: a pure function of the request and of what the controller knows. It runs the very
//! compiler that the replicas run, so that nothing is stored that they could not put into force.

mod binding;
mod policy;

use crate::{
    admission::{Operation, Request},
    api::{GROUP, Reason},
    canonical::{self, Value},
    runtime::Refusal,
};

use super::state::State;

/// The word of a cause that names a field.
const FIELD: &str = "FieldValueInvalid";

/// Admits a change of a Policy or PolicyBinding.
///
/// # Errors
/// A refusal with its reason, and a cause for each field that is wrong.
pub fn admit(request: &Request<'_>, state: &State) -> Result<Vec<String>, Refusal> {
    if request.resource.group != GROUP {
        return Ok(Vec::new());
    }
    let object = request.object_text().map(parse).transpose()?;
    let old = request.old_object_text().map(parse).transpose()?;
    let change = Change { request, object, old };
    match (request.resource.resource.as_str(), &*request.sub_resource) {
        ("policies", "") => policy::admit(&change, state),
        ("policybindings", "") => binding::admit(&change, state),
        ("policies" | "policybindings", "status") => admit_status(&change, state),
        _ => Ok(Vec::new()),
    }
}

/// A request, its objects parsed strictly.
struct Change<'r> {
    request: &'r Request<'r>,
    object: Option<Value<'r>>,
    old: Option<Value<'r>>,
}

impl<'r> Change<'r> {
    /// The object's name; a deletecollection sends it only with the old object.
    fn name<'s>(&'s self) -> &'s str {
        if !self.request.name.is_empty() {
            return &self.request.name;
        }
        let name = |value: &'s Value<'r>| value.at(&["metadata", "name"])?.as_str().filter(|name| !name.is_empty());
        self.object.as_ref().and_then(name).or_else(|| self.old.as_ref().and_then(name)).unwrap_or_default()
    }

    /// Whether a field is the same in both states of the object.
    fn keeps(&self, field: &str) -> bool {
        let of = self.object.as_ref().and_then(|object| object.member(field));
        of == self.old.as_ref().and_then(|old| old.member(field))
    }

    /// The spec, read strictly.
    fn spec<T: serde::de::DeserializeOwned>(&self) -> Result<T, Refusal> {
        let spec = self.object.as_ref().and_then(|object| object.member("spec")).unwrap_or(&Value::Null);
        // The canonical bytes: what is read is what was checked for duplicate keys.
        serde_json::from_slice(&canonical::encode(spec))
            .map_err(|error| invalid("the spec cannot be read", vec![format!("spec: {error}")]))
    }

    fn is(&self, operation: Operation) -> bool {
        self.request.operation == operation
    }
}

fn parse(text: &[u8]) -> Result<Value<'_>, Refusal> {
    canonical::parse(text).map_err(|error| Refusal::new(Reason::MalformedObject, error.to_string()))
}

fn admit_status(change: &Change<'_>, state: &State) -> Result<Vec<String>, Refusal> {
    let user = &change.request.user_info.username;
    if change.keeps("status") || state.settings.own_users.contains(user) {
        return Ok(Vec::new());
    }
    let message = "the status says what is in force, and only Writ itself writes it: change the spec instead";
    Err(Refusal::new(Reason::ReservedForWrit, message))
}

/// A refusal that names each field.
fn invalid(summary: &str, errors: Vec<String>) -> Refusal {
    let message = format!("{summary}: {}", errors.join("; "));
    let causes = errors.into_iter().map(|error| (FIELD.to_owned(), error)).collect();
    Refusal { causes, ..Refusal::new(Reason::InvalidPolicy, message) }
}

#[cfg(test)]
mod tests;
