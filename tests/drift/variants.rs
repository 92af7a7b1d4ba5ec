//! Objects beside the plain one of each kind, because the API server fills other fields of them, and what is changed on
//! them afterwards.

use serde_json::{Value, json};

use super::api::Sample;

/// A further object, with merge patches that follow its creation.
pub(crate) struct Variant {
    pub(crate) sample: Sample,
    pub(crate) then: Vec<Value>,
}

fn variant(api_version: &str, resource: &str, kind: &str, create: Value, then: &[Value]) -> Variant {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let namespaced = !matches!(kind, "ClusterRole" | "Namespace" | "Node");
    let [group, version, resource, kind] = [group, version, resource, kind].map(str::to_owned);
    Variant { sample: Sample { group, version, resource, kind, namespaced, create }, then: then.to_vec() }
}

fn named(name: &str, mut rest: Value) -> Value {
    rest["metadata"]["name"] = json!(name);
    rest
}

fn service(name: &str, spec: Value, then: &[Value]) -> Variant {
    variant("v1", "services", "Service", named(name, json!({"spec": spec})), then)
}

fn pod(name: &str, metadata: Value, spec: Value) -> Variant {
    let mut object = json!({"metadata": metadata, "spec": spec});
    object["spec"]["containers"] = json!([{"name": "c", "image": "registry.example/app:1"}]);
    variant("v1", "pods", "Pod", named(name, object), &[json!({"metadata": {"labels": {"more": "1"}}})])
}

/// The table.
pub(crate) fn variants() -> Vec<Variant> {
    let ports = json!([{"port": 80}]);
    let typed = |name: &str| json!({"spec": {"type": name}});
    let labelled = [json!({"metadata": {"labels": {"more": "1"}}})];
    let label = labelled[0].clone();
    let image = |name: &str| json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": name}]}}}});
    let template = |labels: Value| json!({"metadata": {"labels": labels}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "registry.example/app:1"}]}});
    let claim = |source: Value| {
        let mut spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1M"}}});
        for (key, value) in source.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        json!({"spec": spec})
    };
    let snapshot = json!({"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"});
    let selector = json!({"matchLabels": {"app": "x"}});
    let term = json!({"topologyKey": "zone", "labelSelector": selector, "matchLabelKeys": ["hash"], "mismatchLabelKeys": ["tenant"]});
    let keyed = json!({"labels": {"app": "x", "hash": "1", "tenant": "2"}});
    vec![
        service(
            "plain",
            json!({"ports": ports}),
            &[label.clone(), typed("NodePort"), typed("LoadBalancer"), typed("NodePort"), typed("ClusterIP")],
        ),
        service(
            "classed",
            json!({"type": "LoadBalancer", "loadBalancerClass": "example.com/lb", "ports": ports}),
            &[typed("ClusterIP")],
        ),
        service("headless", json!({"clusterIP": "None", "ports": ports}), &labelled),
        service(
            "local",
            json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": ports}),
            &[
                label.clone(),
                json!({"spec": {"externalTrafficPolicy": "Cluster"}}),
                json!({"spec": {"externalTrafficPolicy": "Local"}}),
                typed("ClusterIP"),
            ],
        ),
        service(
            "chosen",
            json!({"clusterIP": "10.96.200.1", "type": "NodePort", "ports": [{"name": "a", "port": 80, "nodePort": 30123}, {"name": "b", "port": 81}]}),
            &[],
        ),
        service(
            "external",
            json!({"type": "ExternalName", "externalName": "a.example"}),
            &[
                label.clone(),
                json!({"spec": {"type": "ClusterIP", "externalName": null, "ports": ports}}),
                json!({"spec": {"type": "ExternalName", "externalName": "b.example"}}),
            ],
        ),
        service("dual", json!({"ipFamilyPolicy": "PreferDualStack", "ports": ports}), &labelled),
        variant(
            "batch/v1",
            "jobs",
            "Job",
            named("generated", json!({"spec": {"template": template(json!({"app": "x"}))}})),
            &[label.clone(), json!({"spec": {"suspend": true}})],
        ),
        variant(
            "batch/v1",
            "jobs",
            "Job",
            named("bare", json!({"spec": {"template": template(Value::Null)}})),
            &labelled,
        ),
        variant(
            "v1",
            "persistentvolumeclaims",
            "PersistentVolumeClaim",
            named("unsourced", claim(json!({}))),
            &labelled,
        ),
        variant(
            "v1",
            "persistentvolumeclaims",
            "PersistentVolumeClaim",
            named("from", claim(json!({"dataSource": snapshot}))),
            &labelled,
        ),
        variant(
            "v1",
            "persistentvolumeclaims",
            "PersistentVolumeClaim",
            named("from-ref", claim(json!({"dataSourceRef": snapshot}))),
            &labelled,
        ),
        variant(
            "v1",
            "serviceaccounts",
            "ServiceAccount",
            named(
                "with-secrets",
                json!({"secrets": [{"kind": "Secret", "name": "a", "namespace": "survey", "uid": "u", "apiVersion": "v1", "fieldPath": "x", "resourceVersion": "1"}]}),
            ),
            &labelled,
        ),
        variant(
            "v1",
            "endpoints",
            "Endpoints",
            named(
                "unsorted",
                json!({"subsets": [{"addresses": [{"ip": "10.1.0.9"}, {"ip": "10.1.0.1"}], "ports": [{"name": "b", "port": 2}, {"name": "a", "port": 1}]}, {"addresses": [{"ip": "10.1.0.1"}], "ports": [{"name": "c", "port": 3}]}]}),
            ),
            &labelled,
        ),
        variant(
            "rbac.authorization.k8s.io/v1",
            "clusterroles",
            "ClusterRole",
            named(
                "aggregated",
                json!({"aggregationRule": {"clusterRoleSelectors": [selector]}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
            ),
            &labelled,
        ),
        variant(
            "apps/v1",
            "deployments",
            "Deployment",
            named(
                "web",
                json!({"spec": {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "registry.example/app:1"}]}}}}),
            ),
            &[image("registry.example/app:2"), json!({"spec": {"replicas": 3}})],
        ),
        variant(
            "apps/v1",
            "daemonsets",
            "DaemonSet",
            named(
                "agent",
                json!({"spec": {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "registry.example/app:1"}]}}}}),
            ),
            &[image("registry.example/app:2")],
        ),
        variant("v1", "namespaces", "Namespace", json!({"metadata": {"name": "bare-namespace"}}), &labelled),
        pod(
            "spread",
            keyed.clone(),
            json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector, "matchLabelKeys": ["hash"]}]}),
        ),
        pod(
            "affine",
            keyed.clone(),
            json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}, "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]}}}),
        ),
        pod(
            "averse",
            keyed,
            json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}, "podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]}}}),
        ),
        pod(
            "armoured",
            json!({"annotations": {"container.apparmor.security.beta.kubernetes.io/c": "runtime/default"}}),
            json!({}),
        ),
        pod("levels", json!({}), json!({"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}})),
        pod(
            "initial",
            json!({"annotations": {"container.apparmor.security.beta.kubernetes.io/i": "localhost/p"}}),
            json!({"initContainers": [{"name": "i", "image": "registry.example/app:1"}]}),
        ),
        pod("gated", json!({}), json!({"schedulingGates": [{"name": "example.com/wait"}], "hostNetwork": true})),
        variant(
            "example.com/v1",
            "things",
            "Thing",
            named("a", json!({"spec": {"size": 1}, "status": {"phase": "chosen"}})),
            &[json!({"spec": {"size": 2}})],
        ),
        variant(
            "example.com/v1",
            "plains",
            "Plain",
            named("a", json!({"spec": {"size": 1}, "status": {"phase": "chosen"}})),
            &[json!({"status": {"phase": "other"}})],
        ),
    ]
}

/// Definitions of the custom kinds: with a status subresource and without. Both prune and have a default.
pub(crate) fn definitions() -> Vec<Value> {
    let definition = |plural: &str, kind: &str, subresources: Value| {
        let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {
            "spec": {"type": "object", "properties": {"size": {"type": "integer"}, "colour": {"type": "string", "default": "red"}}},
            "status": {"type": "object", "properties": {"phase": {"type": "string"}}}}}});
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("{plural}.example.com")},
            "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List")},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema, "subresources": subresources}]}})
    };
    vec![definition("things", "Thing", json!({"status": {}})), definition("plains", "Plain", json!({}))]
}
