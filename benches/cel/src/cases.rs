//! What policies ask of objects, in CEL and in plain Rust.

use std::sync::LazyLock;

use regex::Regex;
use writ::canonical::Value;

/// An expression over `object`, and the same in Rust.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) expression: &'static str,
    pub(crate) native: fn(&Value<'_>) -> bool,
}

static PINNED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new("^registry[.]example[.]com/[a-z0-9/-]+@sha256:[0-9a-f]{64}$").ok());

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "five containers",
        expression: "object.spec.template.spec.containers.all(c, has(c.resources) && has(c.resources.limits) && 'memory' in c.resources.limits && !c.image.endsWith(':latest') && (!has(c.securityContext) || c.securityContext.privileged != true))",
        native: |object| {
            containers(object).iter().all(|container| {
                container.at(&["resources", "limits", "memory"]).is_some()
                    && !text(container, &["image"]).ends_with(":latest")
                    && container.at(&["securityContext", "privileged"]).and_then(Value::as_bool) != Some(true)
            })
        },
    },
    Case {
        name: "pinned images",
        expression: "object.spec.template.spec.containers.all(c, c.image.matches('^registry[.]example[.]com/[a-z0-9/-]+@sha256:[0-9a-f]{64}$'))",
        native: |object| {
            let pinned = |image: &str| PINNED.as_ref().is_some_and(|pattern| pattern.is_match(image));
            containers(object).iter().all(|container| pinned(text(container, &["image"])))
        },
    },
    Case {
        name: "labels and annotations",
        expression: "['app', 'team', 'env'].all(k, k in object.metadata.labels) && object.metadata.annotations.all(k, !k.startsWith('internal.example.com/'))",
        native: |object| {
            let labels = object.at(&["metadata", "labels"]);
            let annotations = object.at(&["metadata", "annotations"]).and_then(Value::as_object);
            ["app", "team", "env"].iter().all(|key| labels.is_some_and(|labels| labels.member(key).is_some()))
                && annotations.is_some_and(|map| map.iter().all(|(key, _)| !key.starts_with("internal.example.com/")))
        },
    },
    Case {
        name: "memory limits",
        expression: "object.spec.template.spec.containers.all(c, quantity(c.resources.limits.memory).compareTo(quantity('2Gi')) <= 0)",
        native: |object| {
            containers(object)
                .iter()
                .all(|container| mebibytes(text(container, &["resources", "limits", "memory"])) <= 2048)
        },
    },
    Case {
        name: "capabilities as sets",
        expression: "object.spec.template.spec.containers.all(c, sets.contains(['NET_BIND_SERVICE', 'CHOWN'], c.securityContext.capabilities.add))",
        native: |object| {
            containers(object).iter().all(|container| {
                let added = container.at(&["securityContext", "capabilities", "add"]).and_then(Value::as_array);
                let may = |value: &Value<'_>| matches!(value.as_str(), Some("NET_BIND_SERVICE" | "CHOWN"));
                added.is_some_and(|added| added.iter().all(may))
            })
        },
    },
    Case {
        name: "strings",
        expression: "object.spec.template.spec.containers.all(c, c.name.lowerAscii() == c.name && c.image.split('@')[0].substring(21).size() > 0)",
        native: |object| {
            containers(object).iter().all(|container| {
                let (name, image) = (text(container, &["name"]), text(container, &["image"]));
                let path = image.split('@').next().unwrap_or_default();
                name.to_ascii_lowercase() == name && path.chars().skip(21).count() > 0
            })
        },
    },
];

fn containers<'v>(object: &'v Value<'v>) -> &'v [Value<'v>] {
    object.at(&["spec", "template", "spec", "containers"]).and_then(Value::as_array).unwrap_or_default()
}

fn text<'v>(value: &'v Value<'_>, path: &[&str]) -> &'v str {
    value.at(path).and_then(Value::as_str).unwrap_or_default()
}

/// `512Mi` and `1Gi`, which is all that the object has.
fn mebibytes(text: &str) -> u64 {
    let (number, factor) = match (text.strip_suffix("Gi"), text.strip_suffix("Mi")) {
        (Some(number), _) => (number, 1024),
        (_, Some(number)) => (number, 1),
        _ => return u64::MAX,
    };
    number.parse::<u64>().map_or(u64::MAX, |number| number * factor)
}

/// A Deployment of some 6 kB with five containers.
pub(crate) fn object() -> serde_json::Value {
    use serde_json::json;
    let container = |name: &str| {
        let image = format!("registry.example.com/shop/{name}@sha256:{}", "0123456789abcdef".repeat(4));
        let env: Vec<_> = (0..8)
            .map(|number| json!({"name": format!("SETTING_{number}"), "value": format!("a value of some length, number {number}")}))
            .collect();
        json!({
            "name": name, "image": image, "imagePullPolicy": "IfNotPresent", "env": env,
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
            "securityContext": {"privileged": false, "runAsNonRoot": true, "capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5}
        })
    };
    let containers: Vec<_> = ["web", "cache", "proxy", "metrics", "logs"].iter().map(|name| container(name)).collect();
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "shop",
            "labels": {"app": "web", "team": "shop", "env": "production", "version": "v1.2.3"},
            "annotations": {"example.com/owner": "shop", "example.com/ticket": "CHG-1234", "example.com/wiki": "https://wiki.example.com/shop/web"}
        },
        "spec": {
            "replicas": 3, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web", "team": "shop"}}, "spec": {"containers": containers, "serviceAccountName": "web"}}
        }
    })
}
