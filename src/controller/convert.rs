//! From what the API server sends to the controller's own values.

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhook,
    ValidatingWebhookConfiguration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{ApiResource, DynamicObject, ObjectMeta};
use serde::{Deserialize, Serialize};

use super::{
    KindFacts,
    coverage::{Hook, HookRule},
    kinds::CustomKind,
    observed::{Observed, Seen, resource_version},
};
use crate::admission::GroupVersionResource;

pub(super) fn seen(meta: &ObjectMeta) -> Seen {
    Seen {
        uid: meta.uid.clone().unwrap_or_default(),
        generation: meta.generation.unwrap_or_default(),
        resource_version: resource_version(meta.resource_version.as_deref()),
    }
}

/// One of Writ's own objects, its spec and status unread.
pub(super) fn observed(mut object: DynamicObject) -> Observed {
    let mut take = |field: &str| object.data.get_mut(field).map(serde_json::Value::take).unwrap_or_default();
    let (spec, status) = (take("spec"), take("status"));
    Observed { seen: seen(&object.metadata), name: object.metadata.name.unwrap_or_default(), spec, status }
}

/// A CustomResourceDefinition without its schemas, which can be large.
pub(super) type Definition = kube::core::Object<Option<DefinitionSpec>, kube::core::NotUsed>;

#[derive(Clone, Debug, Deserialize)]
pub(super) struct DefinitionSpec {
    group: String,
    names: DefinitionNames,
    #[serde(default)]
    conversion: Option<Conversion>,
    versions: Vec<DefinitionVersion>,
}

#[derive(Clone, Debug, Deserialize)]
struct DefinitionNames {
    plural: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Conversion {
    strategy: String,
}

#[derive(Clone, Debug, Deserialize)]
struct DefinitionVersion {
    name: String,
    served: bool,
    #[serde(default)]
    subresources: Option<Subresources>,
}

#[derive(Clone, Debug, Deserialize)]
struct Subresources {
    #[serde(default)]
    status: Option<serde::de::IgnoredAny>,
}

pub(super) fn definition_resource() -> ApiResource {
    ApiResource {
        group: "apiextensions.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "apiextensions.k8s.io/v1".to_owned(),
        kind: "CustomResourceDefinition".to_owned(),
        plural: "customresourcedefinitions".to_owned(),
    }
}

pub(super) fn custom_kind(definition: Definition) -> CustomKind {
    let name = definition.metadata.name.unwrap_or_default();
    let Some(spec) = definition.spec else { return CustomKind { name, versions: Vec::new() } };
    let conversion_webhook = spec.conversion.is_some_and(|conversion| conversion.strategy != "None");
    let served = spec.versions.into_iter().filter(|version| version.served);
    let versions = served.map(|version| {
        let status_subresource = version.subresources.is_some_and(|subresources| subresources.status.is_some());
        let resource = GroupVersionResource {
            group: spec.group.clone(),
            version: version.name,
            resource: spec.names.plural.clone(),
        };
        (resource, KindFacts { status_subresource, conversion_webhook, watchable: true })
    });
    CustomKind { name, versions: versions.collect() }
}

pub(super) fn mutating(configuration: MutatingWebhookConfiguration) -> Vec<Hook> {
    let hooks = configuration.webhooks.unwrap_or_default().into_iter();
    let convert = |hook: MutatingWebhook| {
        let text = text(&hook);
        self::hook(hook.name, hook.rules, hook.failure_policy, hook.object_selector, text)
    };
    hooks.map(convert).collect()
}

pub(super) fn validating(configuration: ValidatingWebhookConfiguration) -> Vec<Hook> {
    let hooks = configuration.webhooks.unwrap_or_default().into_iter();
    let convert = |hook: ValidatingWebhook| {
        let text = text(&hook);
        self::hook(hook.name, hook.rules, hook.failure_policy, hook.object_selector, text)
    };
    hooks.map(convert).collect()
}

/// What the API server sent always has a written form.
fn text(hook: &impl Serialize) -> String {
    serde_json::to_string(hook).unwrap_or_default()
}

fn hook(
    name: String,
    rules: Option<Vec<RuleWithOperations>>,
    failure_policy: Option<String>,
    object_selector: Option<LabelSelector>,
    text: String,
) -> Hook {
    let rules = rules.unwrap_or_default().into_iter().map(|rule| HookRule {
        groups: rule.api_groups.unwrap_or_default(),
        versions: rule.api_versions.unwrap_or_default(),
        resources: rule.resources.unwrap_or_default(),
        operations: rule.operations.unwrap_or_default(),
    });
    Hook {
        name,
        rules: rules.collect(),
        // Whatever is not `Fail` is taken for open.
        ignores_failure: failure_policy.is_some_and(|policy| policy != "Fail"),
        selects_objects: object_selector.is_some_and(|selector| selector != LabelSelector::default()),
        text,
    }
}
