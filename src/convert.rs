//! A `ValidatingAdmissionPolicy` with its bindings and literal parameters as a Policy and bindings of Writ.
//!
//! Each validation becomes a Boolean signal and a Deny rule where it is false; what is left is allowed. The verdicts
//! are the same, with the differences that are told: nothing is left out in silence.

mod matching;
mod names;
mod params;
pub mod source;
mod spec;

use std::collections::BTreeMap;

use crate::{
    api::{MatchResources, Mode, PolicyBindingSpec, PolicyRef, PolicySpec},
    canonical::Value,
    policy,
};
use names::id;
use params::Params;
use source::{AdmissionBinding, AdmissionPolicy, Matching, Metadata, ParamKind, ParamRef};

/// The version that converted policies get.
pub const VERSION: &str = "v1";

/// What is converted, each with its name.
#[derive(Clone, Debug, Default)]
pub struct Sources<'v> {
    /// `ValidatingAdmissionPolicy`
    pub policies: Vec<(String, AdmissionPolicy)>,
    /// `ValidatingAdmissionPolicyBinding`
    pub bindings: Vec<(String, AdmissionBinding)>,
    /// Objects that may be parameters.
    pub objects: Vec<&'v Value<'v>>,
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Converted {
    /// Policies, each to be called `<id>.<version>`.
    pub policies: Vec<PolicySpec>,
    /// Bindings with their names.
    pub bindings: Vec<(String, PolicyBindingSpec)>,
    /// What a reader must know.
    pub notes: Vec<Note>,
}

/// Something that was not carried over, or not quite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The name of the policy or binding.
    pub about: String,
    /// Whether it could not be converted at all.
    pub refused: bool,
    /// What is different, and what to do.
    pub message: String,
}

/// Converts all policies with their bindings.
#[must_use]
pub fn convert(sources: &Sources<'_>) -> Converted {
    let mut converter = Converter { sources, done: Converted::default() };
    for (name, policy) in &sources.policies {
        converter.policy(name, policy);
    }
    for (name, binding) in &sources.bindings {
        if !sources.policies.iter().any(|(known, _)| *known == binding.policy_name) {
            converter.refuse(name, format!("its policy `{}` is not among the files", binding.policy_name));
        }
    }
    converter.done
}

struct Converter<'s> {
    sources: &'s Sources<'s>,
    done: Converted,
}

impl Converter<'_> {
    fn note(&mut self, about: &str, refused: bool, message: impl Into<String>) {
        let note = Note { about: about.to_owned(), refused, message: message.into() };
        if !self.done.notes.contains(&note) {
            self.done.notes.push(note);
        }
    }

    fn refuse(&mut self, about: &str, message: impl Into<String>) {
        self.note(about, true, message);
    }

    fn policy(&mut self, name: &str, policy: &AdmissionPolicy) {
        if let Some(what) = spec::beyond_reach(policy) {
            self.refuse(name, what);
            return;
        }
        for difference in spec::differences(policy) {
            self.note(name, false, difference);
        }
        let bindings: Vec<_> =
            self.sources.bindings.iter().filter(|(_, binding)| binding.policy_name == name).collect();
        if bindings.is_empty() {
            if policy.param_kind.is_some() {
                self.refuse(name, "it takes parameters, and no binding that gives them is among the files");
                return;
            }
            self.note(name, false, "no binding of it is among the files: it governs nothing until there is one");
            if matching::selects(policy.match_constraints.namespace_selector.as_ref()).is_some() {
                self.note(name, false, "its namespaceSelector belongs to a binding of Writ: repeat it there");
            }
            self.publish(name, policy, None, &Params::None);
            return;
        }
        for (binding_name, binding) in bindings {
            self.binding(name, policy, binding_name, binding);
        }
    }

    fn binding(&mut self, name: &str, policy: &AdmissionPolicy, binding_name: &str, binding: &AdmissionBinding) {
        let Some(mode) = mode(&binding.validation_actions) else {
            self.refuse(binding_name, "validationActions name none of Deny, Warn and Audit");
            return;
        };
        let given = match given(self.sources, policy.param_kind.as_ref(), binding.param_ref.as_ref()) {
            Ok(given) => given,
            Err(message) => {
                self.refuse(binding_name, message);
                return;
            }
        };
        let own = binding.match_resources.as_ref();
        if own.is_some_and(|own| matching::selects(own.object_selector.as_ref()).is_some()) {
            self.note(binding_name, false, spec::BY_OBJECT_LABELS);
        }
        let several = given.len() > 1;
        let expressions = spec::expressions(policy);
        for (object_name, object) in given {
            let params = match object {
                Given::Nothing => Params::None,
                Given::Null => Params::Literal("dyn(null)".to_owned()),
                Given::Object(object) => {
                    self.note(
                        binding_name,
                        false,
                        format!("the values of `{object_name}` are copied: what changes in it later does not count"),
                    );
                    params::of(object, &expressions)
                }
            };
            let Some((policy_id, values)) = self.publish(name, policy, own, &params) else { return };
            let selector = matching::both(
                policy.match_constraints.namespace_selector.as_ref(),
                own.and_then(|own| own.namespace_selector.as_ref()),
            );
            if let Some(keys) = selector.as_ref().and_then(guarded_keys) {
                let message =
                    format!("selects namespaces by {keys}: the installation must list these label keys as guarded");
                self.note(binding_name, false, message);
            }
            let spec = PolicyBindingSpec {
                policy_ref: PolicyRef { id: policy_id, version: VERSION.to_owned(), digest: None },
                params: values,
                match_resources: selector.map(|selector| MatchResources { namespace_selector: Some(selector) }),
                subjects: None,
                exclude: None,
                mode,
            };
            let own_name = if several { format!("{binding_name}-{object_name}") } else { binding_name.to_owned() };
            self.done.bindings.push((own_name, spec));
        }
    }

    /// Publishes a policy once, whoever binds it; answers its id and the values that a binding must give.
    fn publish(
        &mut self,
        name: &str,
        policy: &AdmissionPolicy,
        own: Option<&Matching>,
        params: &Params,
    ) -> Option<(String, BTreeMap<String, serde_json::Value>)> {
        let mut spec = match spec::build(policy, own, params) {
            Ok(spec) => spec,
            Err(message) => {
                self.refuse(name, message);
                return None;
            }
        };
        let published = |spec: &PolicySpec| self.done.policies.iter().find(|known| known.id == spec.id);
        let mut number = 1_usize;
        spec.id = id(name, number);
        while published(&spec).is_some_and(|known| *known != spec) {
            number += 1;
            spec.id = id(name, number);
        }
        let is_new = published(&spec).is_none();
        let values = match params {
            Params::Declared(_, values) => values.clone(),
            Params::None | Params::Literal(_) => BTreeMap::new(),
        };
        if is_new {
            if let Err(errors) = policy::compile(&format!("{}.{VERSION}", spec.id), &spec) {
                for error in errors {
                    self.refuse(name, format!("Writ refuses what it would become: {error}"));
                }
                return None;
            }
            self.done.policies.push(spec.clone());
        }
        Some((spec.id, values))
    }
}

/// The parameters that a binding gives, each with its name.
fn given<'v>(
    sources: &Sources<'v>,
    kind: Option<&ParamKind>,
    reference: Option<&ParamRef>,
) -> Result<Vec<(String, Given<'v>)>, String> {
    let Some(kind) = kind else { return Ok(vec![(String::new(), Given::Nothing)]) };
    let Some(reference) = reference else { return Ok(vec![(String::new(), Given::Null)]) };
    let mut found = Vec::new();
    for object in &sources.objects {
        let text = |key| object.member(key).and_then(Value::as_str).unwrap_or_default();
        let metadata = metadata(object);
        let is_named = reference.name.as_ref().is_none_or(|name| *name == metadata.name);
        let is_selected =
            reference.selector.as_ref().is_none_or(|selector| names::is_selected(selector, &metadata.labels));
        if text("apiVersion") != kind.api_version || text("kind") != kind.kind || !is_named || !is_selected {
            continue;
        }
        match &reference.namespace {
            Some(namespace) if *namespace != metadata.namespace => continue,
            None if !metadata.namespace.is_empty() => {
                return Err(format!(
                    "its parameters (`{}`) are those of the namespace of each request, and a binding of Writ has its own: write one for each namespace",
                    kind.kind
                ));
            }
            _ => found.push((metadata.name, Given::Object(object))),
        }
    }
    if found.is_empty() {
        let wanted = reference.name.as_ref().map_or_else(|| "that is selected".to_owned(), |name| format!("`{name}`"));
        return Err(format!("its parameters, the {} {wanted}, are not among the files: give them too", kind.kind));
    }
    Ok(found)
}

/// What stands for `params`.
enum Given<'v> {
    /// The policy takes none.
    Nothing,
    /// The binding gives none.
    Null,
    Object(&'v Value<'v>),
}

fn metadata(object: &Value<'_>) -> Metadata {
    let text = |key: &str| object.at(&["metadata", key]).and_then(Value::as_str).unwrap_or_default().to_owned();
    let labels = object
        .at(&["metadata", "labels"])
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(crate::canonical::Object::iter);
    let labels = labels.filter_map(|(key, value)| Some((key.to_owned(), value.as_str()?.to_owned()))).collect();
    Metadata { name: text("name"), namespace: text("namespace"), labels }
}

fn mode(actions: &[String]) -> Option<Mode> {
    let named = |action: &str| actions.iter().any(|own| own == action);
    [("Deny", Mode::Enforce), ("Warn", Mode::Warn), ("Audit", Mode::Audit)]
        .into_iter()
        .find_map(|(action, mode)| named(action).then_some(mode))
}

/// The label keys that an installation must guard.
fn guarded_keys(selector: &crate::api::LabelSelector) -> Option<String> {
    let requirements = selector.match_expressions.iter().map(|requirement| &requirement.key);
    let mut keys: Vec<&String> = selector.match_labels.keys().chain(requirements).collect();
    keys.retain(|key| *key != "kubernetes.io/metadata.name");
    keys.sort();
    keys.dedup();
    let quoted: Vec<String> = keys.into_iter().map(|key| format!("`{key}`")).collect();
    if quoted.is_empty() { None } else { Some(quoted.join(", ")) }
}
