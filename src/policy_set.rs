//! All bindings with what is in force for them, immutable and indexed: a policy that cannot match costs nothing.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    admission::{Operation, Request},
    binding::Binding,
    canonical::{Object, Value},
    digest::{Digest, Domain},
    policy::Policy,
};

/// A binding and what decides for it.
#[derive(Debug)]
pub struct Bound {
    /// The binding.
    pub binding: Binding,
    /// What decides for it.
    pub force: Force,
}

/// What decides for a binding.
#[derive(Debug)]
pub enum Force {
    /// A compiled policy version with the binding's parameters.
    InForce {
        /// The policy version.
        policy: Arc<Policy>,
        /// The parameters, read as the policy declares them.
        params: Value<'static>,
        /// Digest of the parameters; `None` where the policy has none.
        params_digest: Option<Digest>,
    },
    /// Nothing can decide: everything that the binding could govern is denied (`PolicyUnavailable`).
    Unavailable {
        /// Why, and what to do.
        message: String,
    },
}

impl Force {
    /// Puts a policy version into force.
    #[must_use]
    pub fn of(policy: Arc<Policy>, params: Value<'static>) -> Self {
        let params_digest = (!policy.params().is_empty()).then(|| Digest::of_value(Domain::Params, &params));
        Self::InForce { policy, params, params_digest }
    }
}

/// An immutable set of bindings.
#[derive(Debug, Default)]
pub struct PolicySet {
    bounds: Vec<Bound>,
    /// From `group/resource`, each of them a name or `*`, to the bindings about it.
    index: BTreeMap<String, Place>,
    /// Bindings without a policy in force: they may be about anything.
    unavailable: Place,
    digest: Option<Digest>,
}

/// Bindings by the namespaces that they name.
#[derive(Debug, Default)]
struct Place {
    anywhere: Vec<usize>,
    named: BTreeMap<String, Vec<usize>>,
}

impl Place {
    fn add(&mut self, namespaces: Option<&[String]>, index: usize) {
        match namespaces {
            None => self.anywhere.push(index),
            Some(names) => {
                for name in names {
                    self.named.entry(name.clone()).or_default().push(index);
                }
            }
        }
    }

    /// Those that can be about `namespace`; about every namespace where it is empty: no selector skips a
    /// cluster-scoped object.
    fn find(&self, namespace: &str, found: &mut Vec<usize>) {
        found.extend_from_slice(&self.anywhere);
        if namespace.is_empty() {
            found.extend(self.named.values().flatten());
        } else {
            found.extend(self.named.get(namespace).into_iter().flatten());
        }
    }
}

impl PolicySet {
    /// Indexes bindings. They are kept in the order of their names.
    #[must_use]
    pub fn build(mut bounds: Vec<Bound>) -> Self {
        bounds.shrink_to_fit();
        bounds.sort_by(|a, b| a.binding.name.cmp(&b.binding.name));
        let mut set = Self { digest: Some(digest(&bounds)), ..Self::default() };
        for (index, bound) in bounds.iter().enumerate() {
            let namespaces = bound.binding.namespaces();
            match &bound.force {
                Force::Unavailable { .. } => set.unavailable.add(namespaces, index),
                Force::InForce { policy, .. } => {
                    for matcher in policy.matchers() {
                        for group in matcher.groups() {
                            for pattern in matcher.resources() {
                                let key = format!("{group}/{}", pattern.resource().unwrap_or("*"));
                                set.index.entry(key).or_default().add(namespaces, index);
                            }
                        }
                    }
                }
            }
        }
        set.bounds = bounds;
        set
    }

    /// The bindings whose policy is about a request that does `operation`, in the order of their names. Scope and
    /// subjects are not looked at yet.
    #[must_use]
    pub fn candidates(&self, request: &Request<'_>, operation: Operation) -> Vec<&Bound> {
        let mut found = Vec::new();
        // A Namespace object is cluster-scoped, but the request carries its own name as its namespace.
        let namespace = &*request.namespace;
        let (group, resource) = (request.resource.group.as_str(), request.resource.resource.as_str());
        let mut key = String::with_capacity(group.len() + resource.len() + 1);
        for (group, resource) in [(group, resource), (group, "*"), ("*", resource), ("*", "*")] {
            key.clear();
            key.push_str(group);
            key.push('/');
            key.push_str(resource);
            if let Some(place) = self.index.get(&key) {
                place.find(namespace, &mut found);
            }
        }
        self.unavailable.find(namespace, &mut found);
        found.sort_unstable();
        found.dedup();
        let is_about = |bound: &&Bound| match &bound.force {
            Force::Unavailable { .. } => true,
            Force::InForce { policy, .. } => policy.matches(request, operation),
        };
        found.into_iter().filter_map(|index| self.bounds.get(index)).filter(is_about).collect()
    }

    /// All bindings, in the order of their names.
    #[must_use]
    pub fn bounds(&self) -> &[Bound] {
        &self.bounds
    }

    /// The digest of what is in force: the same on every replica that decides alike.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest.unwrap_or_else(|| digest(&[]))
    }
}

fn digest(bounds: &[Bound]) -> Digest {
    let entries = bounds.iter().map(|bound| {
        let hex = |digest: Digest| Value::from(digest.to_hex());
        // The parameters in force may be older than those of the binding.
        let (policy, params) = match &bound.force {
            Force::InForce { policy, params_digest, .. } => {
                (hex(policy.digest()), params_digest.map_or(Value::Null, hex))
            }
            Force::Unavailable { .. } => (Value::Null, Value::Null),
        };
        let fields = [
            ("binding", Value::from(bound.binding.digest.to_hex())),
            ("uid", Value::from(bound.binding.uid.clone())),
            ("policy", policy),
            ("params", params),
        ];
        (bound.binding.name.clone(), Value::Object(fields.into_iter().collect::<Object<'_>>()))
    });
    Digest::of_value(Domain::PolicySet, &Value::Object(entries.collect::<Object<'_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{Metadata, PolicyBindingSpec, PolicySpec},
        policy::compile,
    };

    fn bound(wanted: &str, in_force: Option<&str>) -> Bound {
        let spec: PolicySpec = serde_saphyr::from_str(
            "{id: p, version: v1, matchConstraints: {resourceRules: [{apiGroups: [apps], apiVersions: [v1], resources: \
             [deployments], operations: [CREATE]}]}, params: [{name: registry, type: String}], rules: [{name: all, \
             outcome: Allow, reason: Fine}], replay: {mode: Repeatable}}",
        )
        .unwrap();
        let policy = Arc::new(compile("p.v1", &spec).unwrap());
        let spec = format!("{{policyRef: {{id: p, version: v1}}, params: {{registry: {wanted}}}, mode: Enforce}}");
        let spec: PolicyBindingSpec = serde_saphyr::from_str(&spec).unwrap();
        let metadata = Metadata { name: "b".to_owned(), ..Metadata::default() };
        let binding = Binding::compile(&metadata, &spec, &[]).unwrap();
        let force = match in_force {
            None => Force::Unavailable { message: String::new() },
            Some(registry) => {
                let params = [("registry", Value::from(registry.to_owned()))];
                Force::of(policy, Value::Object(params.into_iter().collect::<Object<'static>>()))
            }
        };
        Bound { binding, force }
    }

    #[test]
    fn the_digest_is_that_of_what_decides() {
        let digest = |bound| PolicySet::build(vec![bound]).digest();
        let all = [
            digest(bound("a", Some("a"))),
            // The binding asks for `a`, and what decides is still the version with `b`.
            digest(bound("a", Some("b"))),
            digest(bound("b", Some("b"))),
            digest(bound("a", None)),
            PolicySet::build(Vec::new()).digest(),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(all.iter().skip(index + 1).all(|other| other != one), "{index}");
        }
        assert_eq!(digest(bound("a", Some("a"))), all[0]);
    }
}
