//! What the hostile webhook writes: into the metadata of every kind, into the status of each, and into the paths that
//! the table leaves out of single kinds.

use serde_json::{Value, json};
use writ::projection::table::{AFFINE, AFFINE_WEIGHTED, AVERSE, AVERSE_WEIGHTED, SPREAD};

use super::{api::Sample, variants::variants};

type Values = Vec<(&'static [&'static str], Value)>;

/// One attack on one object.
pub(crate) struct Step {
    pub(crate) what: &'static str,
    pub(crate) sample: Sample,
    /// The attack is on this merge patch, else on the creation.
    pub(crate) update: Option<Value>,
    pub(crate) values: Values,
}

/// In the metadata of every kind. A name is only left out where it is generated.
pub(crate) fn metadata() -> Values {
    vec![
        (&["metadata", "uid"], json!("11111111-1111-1111-1111-111111111111")),
        (&["metadata", "creationTimestamp"], json!("2001-01-01T00:00:00Z")),
        (&["metadata", "generation"], json!(4242)),
        (&["metadata", "resourceVersion"], json!("1")),
        (&["metadata", "deletionTimestamp"], json!("2031-01-01T00:00:00Z")),
        (&["metadata", "deletionGracePeriodSeconds"], json!(77)),
    ]
}

/// A status that no server writes. Conditions are what most kinds have.
pub(crate) fn status_of(kind: &str) -> Value {
    let condition = json!([{"type": "Hostile", "status": "True", "reason": "Hostile", "message": "hostile", "lastTransitionTime": "2001-01-01T00:00:00Z"}]);
    let balanced = json!({"loadBalancer": {"ingress": [{"ip": "203.0.113.66"}]}});
    match kind {
        "Namespace" => json!({"phase": "Terminating"}),
        "PersistentVolumeClaim" => json!({"phase": "Lost"}),
        "PersistentVolume" => json!({"phase": "Failed", "reason": "hostile"}),
        "Pod" => json!({"phase": "Succeeded", "podIP": "203.0.113.66"}),
        "ReplicationController" | "ReplicaSet" | "Deployment" | "StatefulSet" => {
            json!({"replicas": 4242, "observedGeneration": 4242})
        }
        "DaemonSet" => {
            json!({"currentNumberScheduled": 4242, "numberMisscheduled": 4242, "desiredNumberScheduled": 4242, "numberReady": 4242})
        }
        "ResourceQuota" => json!({"hard": {"pods": "4242"}, "used": {"pods": "4242"}}),
        "Ingress" | "Service" => balanced,
        "CustomResourceDefinition" => {
            json!({"storedVersions": ["hostile"], "acceptedNames": {"plural": "hostile", "kind": "Hostile"}})
        }
        "HorizontalPodAutoscaler" => json!({"currentReplicas": 4242, "desiredReplicas": 4242}),
        "CronJob" => json!({"lastScheduleTime": "2001-01-01T00:00:00Z"}),
        "Job" => json!({"active": 4242}),
        "CertificateSigningRequest" => {
            json!({"certificate": "aG9zdGlsZQ==", "conditions": [{"type": "Approved", "status": "True", "reason": "Hostile", "message": "hostile"}]})
        }
        "PodDisruptionBudget" => {
            json!({"currentHealthy": 4242, "desiredHealthy": 4242, "disruptionsAllowed": 4242, "expectedPods": 4242})
        }
        "ResourceClaim" => json!({"reservedFor": [{"resource": "pods", "name": "hostile", "uid": "hostile"}]}),
        "CSINode" => json!({"storageHealth": [{"name": "hostile"}]}),
        "StorageVersion" => json!({"commonEncodingVersion": "hostile"}),
        "VolumeAttachment" => json!({"attached": true}),
        "StorageVersionMigration" => json!({"resourceVersion": "4242"}),
        _ => json!({"conditions": condition}),
    }
}

fn named(name: &str) -> Sample {
    let found = variants().into_iter().find(|variant| variant.sample.name() == name);
    found.map(|variant| variant.sample).unwrap_or_else(|| panic!("no variant `{name}`"))
}

fn create(what: &'static str, sample: Sample, values: Values) -> Step {
    Step { what, sample, update: None, values }
}

fn update(what: &'static str, sample: Sample, patch: Value, values: Values) -> Step {
    Step { what, sample, update: Some(patch), values }
}

/// A config map whose name is generated.
fn generated() -> Sample {
    let mut sample = named("with-secrets");
    sample.create = json!({"metadata": {"generateName": "generated-"}});
    sample
}

/// The attacks on single kinds.
pub(crate) fn attacks() -> Vec<Step> {
    let label = json!({"metadata": {"labels": {"hostile": "1"}}});
    let applied = json!([{"manager": "hostile", "operation": "Update", "apiVersion": "v1", "time": "2001-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": {"f:secrets": {}}}]);
    let typed = |name: &str| json!({"spec": {"type": name}});
    let snapshot = json!({"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "hostile"});
    let other = json!([{"key": "hostile", "operator": "Exists"}]);
    let unconfined = json!({"type": "Unconfined"});
    let selector = json!({"matchLabels": {"hostile": "x"}});
    vec![
        create("with a chosen name", generated(), vec![(&["metadata", "name"], json!("hostile"))]),
        create("with a chosen end of a name", generated(), vec![(&["metadata", "name"], json!("generated-abcde"))]),
        create("with foreign managed fields", named("with-secrets"), vec![(&["metadata", "managedFields"], applied)]),
        create("with a cluster address", named("plain"), vec![(&["spec", "clusterIP"], json!("10.96.77.77"))]),
        create(
            "with an address that the policy refuses",
            named("plain"),
            vec![(&["spec", "clusterIP"], json!("10.96.66.66"))],
        ),
        create("with no cluster address", named("plain"), vec![(&["spec", "clusterIP"], json!("None"))]),
        create(
            "with cluster addresses",
            named("plain"),
            vec![(&["spec", "clusterIP"], json!("10.96.77.78")), (&["spec", "clusterIPs"], json!(["10.96.77.78"]))],
        ),
        create("with another family", named("plain"), vec![(&["spec", "ipFamilies"], json!(["IPv6"]))]),
        create("with the same family", named("plain"), vec![(&["spec", "ipFamilies"], json!(["IPv4"]))]),
        create(
            "with another family policy",
            named("plain"),
            vec![(&["spec", "ipFamilyPolicy"], json!("PreferDualStack"))],
        ),
        create("with a node port", named("local"), vec![(&["spec", "ports", "[]", "nodePort"], json!(31999))]),
        create("with a health port", named("local"), vec![(&["spec", "healthCheckNodePort"], json!(31998))]),
        create("with a node port", named("plain"), vec![(&["spec", "ports", "[]", "nodePort"], json!(31999))]),
        create(
            "with a policy for traffic from outside",
            named("plain"),
            vec![(&["spec", "externalTrafficPolicy"], json!("Local"))],
        ),
        create(
            "with node ports for a balancer",
            named("plain"),
            vec![(&["spec", "allocateLoadBalancerNodePorts"], json!(false))],
        ),
        create(
            "with a class of balancers",
            named("plain"),
            vec![(&["spec", "loadBalancerClass"], json!("example.com/hostile"))],
        ),
        create("with a health port", named("plain"), vec![(&["spec", "healthCheckNodePort"], json!(31998))]),
        update(
            "with fields of the old type",
            named("local"),
            typed("ClusterIP"),
            vec![(&["spec", "externalTrafficPolicy"], json!("Cluster"))],
        ),
        update(
            "with fields of the old type",
            named("local"),
            typed("ClusterIP"),
            vec![(&["spec", "ports", "[]", "nodePort"], json!(31999))],
        ),
        update(
            "with fields of the old type",
            named("local"),
            typed("ClusterIP"),
            vec![(&["spec", "healthCheckNodePort"], json!(31998))],
        ),
        update(
            "with fields of the old type",
            named("local"),
            typed("NodePort"),
            vec![(&["spec", "allocateLoadBalancerNodePorts"], json!(false))],
        ),
        update(
            "with fields of the old type",
            named("classed"),
            typed("ClusterIP"),
            vec![(&["spec", "loadBalancerClass"], json!("example.com/hostile"))],
        ),
        update(
            "with a health port",
            named("local"),
            json!({"spec": {"externalTrafficPolicy": "Cluster"}}),
            vec![(&["spec", "healthCheckNodePort"], json!(31998))],
        ),
        create("with a cluster address", named("external"), vec![(&["spec", "clusterIP"], json!("10.96.77.79"))]),
        create(
            "with cluster addresses",
            named("external"),
            vec![(&["spec", "clusterIP"], json!("10.96.77.79")), (&["spec", "clusterIPs"], json!(["10.96.77.79"]))],
        ),
        create("with a family", named("external"), vec![(&["spec", "ipFamilies"], json!(["IPv4"]))]),
        create("with a family policy", named("external"), vec![(&["spec", "ipFamilyPolicy"], json!("SingleStack"))]),
        create(
            "with a reference in full",
            named("with-secrets"),
            vec![
                (&["secrets", "[]", "apiVersion"], json!("hostile")),
                (&["secrets", "[]", "fieldPath"], json!("hostile")),
                (&["secrets", "[]", "kind"], json!("Hostile")),
                (&["secrets", "[]", "namespace"], json!("hostile")),
                (&["secrets", "[]", "resourceVersion"], json!("4242")),
                (&["secrets", "[]", "uid"], json!("hostile")),
            ],
        ),
        update(
            "with a reference in full",
            named("with-secrets"),
            label.clone(),
            vec![
                (&["secrets", "[]", "apiVersion"], json!("hostile")),
                (&["secrets", "[]", "fieldPath"], json!("hostile")),
                (&["secrets", "[]", "kind"], json!("Hostile")),
                (&["secrets", "[]", "namespace"], json!("hostile")),
                (&["secrets", "[]", "resourceVersion"], json!("4242")),
                (&["secrets", "[]", "uid"], json!("hostile")),
            ],
        ),
        create(
            "with another profile",
            named("armoured"),
            vec![(&["spec", "containers", "[]", "securityContext", "appArmorProfile"], unconfined.clone())],
        ),
        create(
            "with a profile",
            named("gated"),
            vec![(&["spec", "containers", "[]", "securityContext", "appArmorProfile"], unconfined.clone())],
        ),
        create(
            "with another profile",
            named("initial"),
            vec![(&["spec", "initContainers", "[]", "securityContext", "appArmorProfile"], unconfined)],
        ),
        create("with another selector", named("spread"), vec![(SPREAD, other.clone())]),
        create("with another selector", named("affine"), vec![(AFFINE, other.clone())]),
        create("with another selector", named("averse"), vec![(AFFINE_WEIGHTED, other.clone())]),
        create("with another selector", named("averse"), vec![(AVERSE, other.clone())]),
        create("with another selector", named("affine"), vec![(AVERSE_WEIGHTED, other)]),
        create(
            "with another finalizer",
            named("bare-namespace"),
            vec![(&["spec", "finalizers"], json!(["example.com/hostile"]))],
        ),
        update(
            "with another finalizer",
            named("bare-namespace"),
            label.clone(),
            vec![(&["spec", "finalizers"], json!(["example.com/hostile"]))],
        ),
        update(
            "without its finalizer",
            named("bare-namespace"),
            label.clone(),
            vec![(&["spec", "finalizers"], json!([]))],
        ),
        create(
            "with another name as label",
            named("bare-namespace"),
            vec![(&["metadata", "labels", "kubernetes.io/metadata.name"], json!("kube-system"))],
        ),
        update(
            "with another name as label",
            named("bare-namespace"),
            label.clone(),
            vec![(&["metadata", "labels", "kubernetes.io/metadata.name"], json!("kube-system"))],
        ),
        create(
            "with another generation of the template",
            named("agent"),
            vec![(&["metadata", "annotations", "deprecated.daemonset.template.generation"], json!("4242"))],
        ),
        update(
            "with another generation of the template",
            named("agent"),
            label.clone(),
            vec![(&["metadata", "annotations", "deprecated.daemonset.template.generation"], json!("4242"))],
        ),
        create(
            "of somebody else",
            request(),
            vec![
                (&["spec", "username"], json!("hostile")),
                (&["spec", "uid"], json!("hostile")),
                (&["spec", "groups"], json!(["system:masters"])),
                (&["spec", "extra"], json!({"hostile": ["x"]})),
            ],
        ),
        update(
            "of somebody else",
            request(),
            label,
            vec![
                (&["spec", "username"], json!("hostile")),
                (&["spec", "uid"], json!("hostile")),
                (&["spec", "groups"], json!(["system:masters"])),
                (&["spec", "extra"], json!({"hostile": ["x"]})),
            ],
        ),
        create("with a selector", named("generated"), vec![(&["spec", "selector"], selector)]),
        create(
            "with a uid of its own",
            named("generated"),
            vec![(&["spec", "template", "metadata", "labels", "controller-uid"], json!("hostile"))],
        ),
        create(
            "with a uid of its own",
            named("generated"),
            vec![(&["spec", "template", "metadata", "labels", "batch.kubernetes.io/controller-uid"], json!("hostile"))],
        ),
        create(
            "with another name",
            named("generated"),
            vec![(&["spec", "template", "metadata", "labels", "job-name"], json!("hostile"))],
        ),
        create(
            "with another name",
            named("generated"),
            vec![(&["spec", "template", "metadata", "labels", "batch.kubernetes.io/job-name"], json!("hostile"))],
        ),
        create("with a source", named("unsourced"), vec![(&["spec", "dataSource"], snapshot.clone())]),
        create("with a source", named("unsourced"), vec![(&["spec", "dataSourceRef"], snapshot.clone())]),
        create("with another source", named("from-ref"), vec![(&["spec", "dataSource"], snapshot.clone())]),
        create("with another source", named("from"), vec![(&["spec", "dataSourceRef"], snapshot)]),
    ]
}

/// The request for a certificate of the vectors.
fn request() -> Sample {
    let samples = super::api::samples().unwrap_or_default();
    let found = samples.into_iter().find(|sample| sample.kind == "CertificateSigningRequest");
    found.unwrap_or_else(|| panic!("no request for a certificate in the vectors"))
}
