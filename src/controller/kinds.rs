//! What decides about a kind: whether it has a status subresource, is converted by a webhook, and can be watched.

use std::collections::BTreeMap;

use super::KindFacts;
use crate::admission::GroupVersionResource;

/// The kinds that the cluster serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    discovered: BTreeMap<GroupVersionResource, KindFacts>,
    custom: BTreeMap<String, CustomKind>,
    by_resource: BTreeMap<GroupVersionResource, KindFacts>,
}

/// What a CustomResourceDefinition says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomKind {
    /// Name of the definition.
    pub name: String,
    /// Every served version.
    pub versions: Vec<(GroupVersionResource, KindFacts)>,
}

/// The groups whose kinds the API server itself implements. Of any other that is no custom one, nobody knows how an
/// aggregated server converts it.
const BUILT_IN: &[&str] = &[
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

impl Kinds {
    /// Takes in what the API server serves, as (resource, has a status subresource, can be watched).
    pub fn discovered(&mut self, resources: impl IntoIterator<Item = (GroupVersionResource, bool, bool)>) {
        let facts = |(resource, status_subresource, watchable): (GroupVersionResource, bool, bool)| {
            let conversion_webhook = !BUILT_IN.contains(&resource.group.as_str());
            (resource, KindFacts { status_subresource, conversion_webhook, watchable })
        };
        self.discovered = resources.into_iter().map(facts).collect();
        self.index();
    }

    /// Takes in all definitions.
    pub fn replace_custom(&mut self, kinds: Vec<CustomKind>) {
        self.custom = kinds.into_iter().map(|kind| (kind.name.clone(), kind)).collect();
        self.index();
    }

    /// Takes in a new or changed definition.
    pub fn set_custom(&mut self, kind: CustomKind) {
        self.custom.insert(kind.name.clone(), kind);
        self.index();
    }

    /// Forgets a definition.
    pub fn remove_custom(&mut self, name: &str) {
        if let Some(kind) = self.custom.remove(name) {
            for (resource, _) in kind.versions {
                self.discovered.remove(&resource);
            }
        }
        self.index();
    }

    /// What is known of a kind; the safest where nothing is.
    #[must_use]
    pub fn facts(&self, resource: &GroupVersionResource) -> KindFacts {
        self.by_resource.get(resource).copied().unwrap_or(KindFacts::UNKNOWN)
    }

    /// The kinds that a policy's rule names and that cannot be watched: unknown ones included, since nobody can say.
    /// Wildcards name no kind.
    #[must_use]
    pub fn unwatchable(&self, group: &str, version: &str, resource: &str) -> bool {
        let names = |(known, facts): (&GroupVersionResource, &KindFacts)| {
            let is_it =
                known.group == group && known.resource == resource && (version == "*" || known.version == version);
            is_it.then_some(facts.watchable)
        };
        let known: Vec<bool> = self.by_resource.iter().filter_map(names).collect();
        known.is_empty() || known.contains(&false)
    }

    /// Whether anything was discovered yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.discovered.is_empty()
    }

    fn index(&mut self) {
        // A definition is newer and says more than discovery.
        self.by_resource = self.discovered.clone();
        self.by_resource.extend(self.custom.values().flat_map(|kind| kind.versions.iter().cloned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gvr(text: &str) -> GroupVersionResource {
        let parts: Vec<&str> = text.split('/').collect();
        GroupVersionResource { group: parts[0].to_owned(), version: parts[1].to_owned(), resource: parts[2].to_owned() }
    }

    fn custom(name: &str, resource: &str, status_subresource: bool, conversion_webhook: bool) -> CustomKind {
        let facts = KindFacts { status_subresource, conversion_webhook, watchable: true };
        CustomKind { name: name.to_owned(), versions: vec![(gvr(resource), facts)] }
    }

    #[test]
    fn definitions_say_more_than_discovery_and_silence_is_unsafe() {
        let mut kinds = Kinds::default();
        assert!(kinds.is_empty());
        kinds.discovered([
            (gvr("apps/v1/deployments"), true, true),
            (gvr("/v1/bindings"), false, false),
            (gvr("example.com/v1/things"), true, true),
            (gvr("metrics.k8s.io/v1beta1/pods"), false, false),
        ]);
        kinds.set_custom(custom("things.example.com", "example.com/v1/things", false, false));
        for (resource, status, conversion, watchable) in [
            ("apps/v1/deployments", true, false, true),
            ("/v1/bindings", false, false, false),
            ("example.com/v1/things", false, false, true),
            ("metrics.k8s.io/v1beta1/pods", false, true, false),
            ("example.com/v2/things", false, true, false),
        ] {
            let expected = KindFacts { status_subresource: status, conversion_webhook: conversion, watchable };
            assert_eq!(kinds.facts(&gvr(resource)), expected, "{resource}");
        }
        kinds.set_custom(custom("things.example.com", "example.com/v1/things", true, true));
        assert!(kinds.facts(&gvr("example.com/v1/things")).conversion_webhook);
        kinds.remove_custom("things.example.com");
        assert_eq!(kinds.facts(&gvr("example.com/v1/things")), KindFacts::UNKNOWN);
    }

    #[test]
    fn what_cannot_be_watched() {
        let mut kinds = Kinds::default();
        kinds.discovered([(gvr("apps/v1/deployments"), true, true), (gvr("/v1/bindings"), false, false)]);
        for (group, version, resource, unwatchable) in [
            ("apps", "v1", "deployments", false),
            ("apps", "*", "deployments", false),
            ("apps", "v2", "deployments", true),
            ("", "v1", "bindings", true),
            ("example.com", "*", "things", true),
        ] {
            assert_eq!(kinds.unwatchable(group, version, resource), unwatchable, "{group}/{version}/{resource}");
        }
    }
}
