//! Bindings: which requests and people a policy version governs.

mod scope;

use std::collections::BTreeMap;

pub use scope::{NamespaceLabels, Principals, Selector};

use crate::{
    api::{Exclude, Metadata, Mode, PolicyBindingSpec, PolicyRef},
    canonical::{Object, Value},
    digest::{Digest, Domain},
    signal::Declaration,
};

/// The label that the API server itself keeps equal to a namespace's name.
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// A binding whose own fields are valid. Its parameters are checked when it meets its policy.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The binding's name.
    pub name: String,
    /// The binding's uid; empty for one from a file.
    pub uid: String,
    /// The binding's generation; zero for one from a file.
    pub generation: i64,
    /// Digest of its spec.
    pub digest: Digest,
    /// How strictly it acts.
    pub mode: Mode,
    /// Id of its policy.
    pub policy_id: String,
    /// The version that it wants in force.
    pub wanted_version: String,
    /// The content that was approved, where the binding pins one.
    pub pinned: Option<Digest>,
    params: BTreeMap<String, serde_json::Value>,
    selector: Option<Selector>,
    subjects: Option<Principals>,
    excluded_namespaces: Vec<String>,
    excluded: Principals,
}

/// What a binding has to say about one requester and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applicability {
    /// The policy decides.
    Governed,
    /// Excluded by the binding: allowed and recorded.
    Exempt,
    /// Not the binding's business.
    NotGoverned,
}

/// What is wrong with a binding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct BindingError {
    /// Field path, for example `spec.params.registries`.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Binding {
    /// Compiles a binding. `guarded` are the namespace label keys that only trusted people can set.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn compile(
        metadata: &Metadata,
        spec: &PolicyBindingSpec,
        guarded: &[String],
    ) -> Result<Self, Vec<BindingError>> {
        let mut errors = Vec::new();
        let selector = spec.match_resources.as_ref().and_then(|resources| resources.namespace_selector.as_ref());
        let selector = selector.and_then(|selector| match Selector::compile(selector, guarded) {
            Ok(selector) => Some(selector),
            Err(found) => {
                errors.extend(found.into_iter().map(|(path, message)| BindingError {
                    path: format!("spec.matchResources.namespaceSelector.{path}"),
                    message,
                }));
                None
            }
        });
        let pinned = match spec.policy_ref.digest.as_deref().map(str::parse).transpose() {
            Ok(pinned) => pinned,
            Err(error) => {
                errors.push(BindingError { path: "spec.policyRef.digest".to_owned(), message: format!("{error}") });
                None
            }
        };
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self::of(metadata, spec, selector, pinned))
    }

    /// A binding of a policy that governs everything and everybody, without parameters: what stands for one that
    /// cannot be read.
    #[must_use]
    pub fn widest(metadata: &Metadata, policy_ref: PolicyRef, mode: Mode) -> Self {
        let spec = PolicyBindingSpec {
            policy_ref,
            params: BTreeMap::new(),
            match_resources: None,
            subjects: None,
            exclude: None,
            mode,
        };
        Self::of(metadata, &spec, None, None)
    }

    fn of(metadata: &Metadata, spec: &PolicyBindingSpec, selector: Option<Selector>, pinned: Option<Digest>) -> Self {
        let Exclude { namespaces, groups, service_accounts } = spec.exclude.clone().unwrap_or_default();
        let subjects = spec.subjects.as_ref().map(Principals::of_subjects).filter(|subjects| !subjects.is_empty());
        let json = serde_json::to_value(spec).unwrap_or_default();
        Self {
            name: metadata.name.clone(),
            uid: metadata.uid.clone(),
            generation: metadata.generation,
            digest: Digest::of_value(Domain::Binding, &Value::from(json)),
            mode: spec.mode,
            policy_id: spec.policy_ref.id.clone(),
            wanted_version: spec.policy_ref.version.clone(),
            pinned,
            params: spec.params.clone(),
            selector,
            subjects,
            excluded_namespaces: namespaces,
            excluded: Principals::of_parts(&[], &groups, &service_accounts),
        }
    }

    /// Reads the binding's parameters as a policy declares them: exactly those, each of its type.
    ///
    /// # Errors
    /// Each parameter that is missing, unknown or does not fit.
    pub fn read_params(&self, declared: &BTreeMap<String, Declaration>) -> Result<Value<'static>, Vec<BindingError>> {
        let fail = |name: &str, message: String| BindingError { path: format!("spec.params.{name}"), message };
        let mut errors = Vec::new();
        for name in self.params.keys().filter(|name| !declared.contains_key(*name)) {
            errors.push(fail(name, format!("policy `{}` declares no such parameter: remove it", self.policy_id)));
        }
        let mut values = Object::default();
        for (name, declaration) in declared {
            let Some(json) = self.params.get(name) else {
                let message = format!(
                    "is missing: policy `{}` declares it as {}",
                    self.policy_id,
                    declaration.value_type().as_str()
                );
                errors.push(fail(name, message));
                continue;
            };
            match declaration.read(&Value::from(json.clone())) {
                Ok(value) => values.insert(name.clone(), value.to_value().into_owned()),
                Err(error) => errors.push(fail(name, error.to_string())),
            }
        }
        if errors.is_empty() { Ok(Value::Object(values)) } else { Err(errors) }
    }

    /// Whether the binding governs requests of `user` in the namespaces that `places` describes; none for a
    /// cluster-scoped object, which a selector never skips.
    #[must_use]
    pub fn applicability(
        &self,
        user: &crate::admission::UserInfo,
        namespace: &str,
        places: &[NamespaceLabels<'_>],
    ) -> Applicability {
        let selected = match &self.selector {
            Some(selector) => places.is_empty() || places.iter().any(|labels| selector.matches(labels)),
            None => true,
        };
        if !selected || self.subjects.as_ref().is_some_and(|subjects| !subjects.contains(user)) {
            return Applicability::NotGoverned;
        }
        let excluded_place = !namespace.is_empty() && self.excluded_namespaces.iter().any(|name| name == namespace);
        if excluded_place || self.excluded.contains(user) { Applicability::Exempt } else { Applicability::Governed }
    }

    /// Whether `labels` beyond the namespace's name decide, so that the namespace has to be read.
    #[must_use]
    pub fn reads_labels(&self) -> bool {
        self.selector.as_ref().is_some_and(Selector::reads_labels)
    }

    /// The only namespaces that the binding can govern, by name; `None` where any may be.
    #[must_use]
    pub fn namespaces(&self) -> Option<&[String]> {
        self.selector.as_ref().and_then(Selector::names)
    }
}

#[cfg(test)]
mod tests;
