//! Policies and bindings from files, compiled as every replica compiles them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    failure::Failure,
    input::{self, Inputs, reason},
    manifest::{self, Document},
};
use crate::{
    api::{API_VERSION, Manifest, PolicyBindingSpec, PolicySpec},
    binding::{Binding, BindingError},
    canonical::Value,
    policy::{Policy, compile},
    policy_set::{Bound, Force, PolicySet},
    signal::Declaration,
};

/// Compiled policies and bindings.
#[derive(Debug, Default)]
pub(super) struct Policies {
    /// By name, `<id>.<version>`.
    pub(super) policies: BTreeMap<String, Loaded>,
    /// The bindings, each with its policy.
    pub(super) set: PolicySet,
}

/// A compiled policy and where it stands.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) policy: Arc<Policy>,
    pub(super) document: Document,
}

impl Policies {
    /// Reads files and folders. `guarded` are the namespace label keys that bindings may select by; with none, any.
    ///
    /// # Errors
    /// Something cannot be read, or everything that is wrong with a policy or binding.
    pub(super) fn read(inputs: &mut Inputs, paths: &[PathBuf], guarded: &[String]) -> Result<Self, Failure> {
        let mut documents = Vec::new();
        for path in paths {
            for file in files(path)? {
                documents.extend(manifest::read(inputs, &file)?);
            }
        }
        Self::compile(documents, guarded)
    }

    /// Compiles those of the documents that are policies and bindings.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(super) fn compile(documents: Vec<Document>, guarded: &[String]) -> Result<Self, Failure> {
        let mut policies = BTreeMap::new();
        let mut bindings = Vec::new();
        let mut faults = Vec::new();
        for document in documents {
            match document.kind() {
                (API_VERSION, "Policy") => match policy(&document) {
                    Ok(policy) => {
                        let name = document.name().to_owned();
                        if policies.contains_key(&name) {
                            faults.push(format!("{}: policy `{name}` is there twice", document.place("metadata.name")));
                        }
                        policies.insert(name, Loaded { policy: Arc::new(policy), document });
                    }
                    Err(found) => faults.extend(found),
                },
                (API_VERSION, "PolicyBinding") => bindings.push(document),
                _ => {}
            }
        }
        let mut names = BTreeSet::new();
        let mut bounds = Vec::new();
        for document in bindings {
            if !names.insert(document.name().to_owned()) {
                faults.push(format!(
                    "{}: binding `{}` is there twice",
                    document.place("metadata.name"),
                    document.name()
                ));
                continue;
            }
            // A binding of a policy that does not compile has nothing to add.
            match bind(&document, &policies, guarded, faults.is_empty()) {
                Ok(bound) => bounds.extend(bound),
                Err(found) => faults.extend(found),
            }
        }
        match Failure::all(faults) {
            Some(failure) => Err(failure),
            None => Ok(Self { policies, set: PolicySet::build(bounds) }),
        }
    }

    /// The policy called `<id>.<version>`.
    ///
    /// # Errors
    /// There is none; the ones that are there are named.
    pub(super) fn policy(&self, name: &str) -> Result<&Arc<Policy>, String> {
        self.policies.get(name).map(|loaded| &loaded.policy).ok_or_else(|| {
            let known: Vec<&str> = self.policies.keys().map(String::as_str).collect();
            format!("there is no policy `{name}`: {}", list_or_none(&known))
        })
    }
}

/// `there are a, b` or that there are none.
pub(super) fn list_or_none(names: &[&str]) -> String {
    if names.is_empty() { "there are none".to_owned() } else { format!("there are {}", names.join(", ")) }
}

/// The file itself; of a folder, its manifests by name.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if input::is_standard(path) || !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    manifests_in(path)
}

/// The manifests that stand in a folder, by name; not those of folders in it.
pub(super) fn manifests_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::new(format!("the folder `{}` cannot be read: {}", folder.display(), reason(&error)))
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
        if matches!(end, "yaml" | "yml" | "json") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn policy(document: &Document) -> Result<Policy, Vec<String>> {
    let manifest: Manifest<PolicySpec> = document.typed().map_err(|failure| vec![failure.to_string()])?;
    compile(&manifest.metadata.name, &manifest.spec)
        .map_err(|errors| errors.iter().map(|error| format!("{}: {error}", document.place(&error.path))).collect())
}

fn bind(
    document: &Document,
    policies: &BTreeMap<String, Loaded>,
    guarded: &[String],
    complete: bool,
) -> Result<Option<Bound>, Vec<String>> {
    let manifest: Manifest<PolicyBindingSpec> = document.typed().map_err(|failure| vec![failure.to_string()])?;
    let every_key = selected_keys(&manifest.spec);
    let guarded = if guarded.is_empty() { &every_key } else { guarded };
    let placed = |error: &BindingError| format!("{}: {error}", document.place(&error.path));
    let failed = |errors: Vec<BindingError>| errors.iter().map(placed).collect::<Vec<_>>();
    let binding = Binding::compile(&manifest.metadata, &manifest.spec, guarded).map_err(failed)?;
    let name = format!("{}.{}", binding.policy_id, binding.wanted_version);
    let Some(Loaded { policy, .. }) = policies.get(&name) else {
        let place = document.place("spec.policyRef");
        let missing = format!(
            "{place}: binding `{}` wants policy `{name}`, which is in none of the files: give it too",
            binding.name
        );
        return if complete { Err(vec![missing]) } else { Ok(None) };
    };
    if binding.pinned.is_some_and(|pinned| pinned != policy.digest()) {
        let place = document.place("spec.policyRef.digest");
        return Err(vec![format!(
            "{place}: binding `{}` pins other content of policy `{name}`: its digest is {}",
            binding.name,
            policy.digest()
        )]);
    }
    let params = binding.read_params(policy.params()).map_err(failed)?;
    let force = Force::of(Arc::clone(policy), params);
    Ok(Some(Bound { binding, force }))
}

/// All label keys that a binding selects namespaces by.
fn selected_keys(spec: &PolicyBindingSpec) -> Vec<String> {
    let selector = spec.match_resources.as_ref().and_then(|resources| resources.namespace_selector.as_ref());
    let Some(selector) = selector else { return Vec::new() };
    let expressions = selector.match_expressions.iter().map(|expression| expression.key.clone());
    selector.match_labels.keys().cloned().chain(expressions).collect()
}

/// Parameters for a policy by itself: exactly those that it declares.
///
/// # Errors
/// Each parameter that is missing, unknown or does not fit.
pub(super) fn read_params(
    given: &BTreeMap<String, Value<'static>>,
    declared: &BTreeMap<String, Declaration>,
) -> Result<Value<'static>, Vec<String>> {
    let mut errors = Vec::new();
    for name in given.keys().filter(|name| !declared.contains_key(*name)) {
        errors.push(format!("params.{name}: the policy declares no such parameter"));
    }
    let mut values = crate::canonical::Object::default();
    for (name, declaration) in declared {
        match given.get(name).map(|value| declaration.read(value)) {
            None => errors.push(format!(
                "params.{name}: is missing; the policy declares it as {}",
                declaration.value_type().as_str()
            )),
            Some(Err(error)) => errors.push(format!("params.{name}: {error}")),
            Some(Ok(value)) => values.insert(name.clone(), value.to_value().into_owned()),
        }
    }
    if errors.is_empty() { Ok(Value::Object(values)) } else { Err(errors) }
}
