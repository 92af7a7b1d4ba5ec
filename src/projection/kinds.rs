//! Which built-in resources have a status subresource. Without a cluster there is no discovery to ask; a test against a
//! real API server compares.

/// (API group, resources), in order.
const WITH_STATUS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "namespaces",
            "nodes",
            "persistentvolumeclaims",
            "persistentvolumes",
            "pods",
            "replicationcontrollers",
            "resourcequotas",
            "services",
        ],
    ),
    ("admissionregistration.k8s.io", &["validatingadmissionpolicies"]),
    ("apiextensions.k8s.io", &["customresourcedefinitions"]),
    ("apiregistration.k8s.io", &["apiservices"]),
    ("apps", &["daemonsets", "deployments", "replicasets", "statefulsets"]),
    ("autoscaling", &["horizontalpodautoscalers"]),
    ("batch", &["cronjobs", "jobs"]),
    ("certificates.k8s.io", &["certificatesigningrequests", "podcertificaterequests"]),
    ("flowcontrol.apiserver.k8s.io", &["flowschemas", "prioritylevelconfigurations"]),
    ("internal.apiserver.k8s.io", &["storageversions"]),
    ("networking.k8s.io", &["ingresses", "servicecidrs"]),
    ("policy", &["poddisruptionbudgets"]),
    ("resource.k8s.io", &["devicetaintrules", "resourceclaims", "resourcepoolstatusrequests"]),
    ("storage.k8s.io", &["csinodes", "volumeattachments"]),
    ("storagemigration.k8s.io", &["storageversionmigrations"]),
    ("writ.dev", &["policies", "policybindings"]),
];

/// Whether a built-in resource has a status subresource.
#[must_use]
pub fn has_status(group: &str, resource: &str) -> bool {
    WITH_STATUS.iter().any(|(own, resources)| *own == group && resources.contains(&resource))
}

/// All of them, as (API group, resource), in order.
pub fn with_status() -> impl Iterator<Item = (&'static str, &'static str)> {
    WITH_STATUS.iter().flat_map(|(group, resources)| resources.iter().map(|resource| (*group, *resource)))
}
