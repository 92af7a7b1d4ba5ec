//! Kinds by their resources, for requests that are built without a cluster to ask.

use crate::admission::{GroupVersionKind, GroupVersionResource, Operation};

/// What is known of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KnownKind {
    group: &'static str,
    kind: &'static str,
    /// Plural name.
    pub(crate) resource: &'static str,
    /// Whether its objects stand in namespaces.
    pub(crate) namespaced: bool,
}

/// A kind that is only ever the body of a request for a subresource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubresourceKind {
    group: &'static str,
    kind: &'static str,
    /// The resource in core/v1, for example `pods`.
    pub(crate) resource: &'static str,
    /// The subresource.
    pub(crate) subresource: &'static str,
    /// What a request with such a body does.
    pub(crate) operation: Operation,
    /// Whether the resource stands in namespaces.
    pub(crate) namespaced: bool,
}

impl KnownKind {
    /// The resource of objects of `kind`, in its version.
    pub(crate) fn of(&self, kind: &GroupVersionKind) -> GroupVersionResource {
        let (group, version) = (kind.group.clone(), kind.version.clone());
        GroupVersionResource { group, version, resource: self.resource.to_owned() }
    }
}

const NAMESPACED: bool = true;
const CLUSTER: bool = false;

const fn kind(group: &'static str, kind: &'static str, resource: &'static str, namespaced: bool) -> KnownKind {
    KnownKind { group, kind, resource, namespaced }
}

const fn body(
    group: &'static str,
    kind: &'static str,
    resource: &'static str,
    subresource: &'static str,
    operation: Operation,
    namespaced: bool,
) -> SubresourceKind {
    SubresourceKind { group, kind, resource, subresource, operation, namespaced }
}

/// The kinds of Kubernetes 1.37, of Gateway API and of Writ.
const KINDS: &[KnownKind] = &[
    kind("", "ConfigMap", "configmaps", NAMESPACED),
    kind("", "Endpoints", "endpoints", NAMESPACED),
    kind("", "Event", "events", NAMESPACED),
    kind("", "LimitRange", "limitranges", NAMESPACED),
    kind("", "Namespace", "namespaces", CLUSTER),
    kind("", "Node", "nodes", CLUSTER),
    kind("", "PersistentVolume", "persistentvolumes", CLUSTER),
    kind("", "PersistentVolumeClaim", "persistentvolumeclaims", NAMESPACED),
    kind("", "Pod", "pods", NAMESPACED),
    kind("", "PodTemplate", "podtemplates", NAMESPACED),
    kind("", "ReplicationController", "replicationcontrollers", NAMESPACED),
    kind("", "ResourceQuota", "resourcequotas", NAMESPACED),
    kind("", "Secret", "secrets", NAMESPACED),
    kind("", "Service", "services", NAMESPACED),
    kind("", "ServiceAccount", "serviceaccounts", NAMESPACED),
    kind("admissionregistration.k8s.io", "MutatingAdmissionPolicy", "mutatingadmissionpolicies", CLUSTER),
    kind("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", CLUSTER),
    kind("admissionregistration.k8s.io", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", CLUSTER),
    kind("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", CLUSTER),
    kind(
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        CLUSTER,
    ),
    kind("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", CLUSTER),
    kind("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", CLUSTER),
    kind("apiregistration.k8s.io", "APIService", "apiservices", CLUSTER),
    kind("apps", "ControllerRevision", "controllerrevisions", NAMESPACED),
    kind("apps", "DaemonSet", "daemonsets", NAMESPACED),
    kind("apps", "Deployment", "deployments", NAMESPACED),
    kind("apps", "ReplicaSet", "replicasets", NAMESPACED),
    kind("apps", "StatefulSet", "statefulsets", NAMESPACED),
    kind("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers", NAMESPACED),
    kind("batch", "CronJob", "cronjobs", NAMESPACED),
    kind("batch", "Job", "jobs", NAMESPACED),
    kind("certificates.k8s.io", "CertificateSigningRequest", "certificatesigningrequests", CLUSTER),
    kind("certificates.k8s.io", "ClusterTrustBundle", "clustertrustbundles", CLUSTER),
    kind("certificates.k8s.io", "PodCertificateRequest", "podcertificaterequests", NAMESPACED),
    kind("coordination.k8s.io", "Lease", "leases", NAMESPACED),
    kind("coordination.k8s.io", "LeaseCandidate", "leasecandidates", NAMESPACED),
    kind("discovery.k8s.io", "EndpointSlice", "endpointslices", NAMESPACED),
    kind("events.k8s.io", "Event", "events", NAMESPACED),
    kind("flowcontrol.apiserver.k8s.io", "FlowSchema", "flowschemas", CLUSTER),
    kind("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration", "prioritylevelconfigurations", CLUSTER),
    kind("gateway.networking.k8s.io", "BackendTLSPolicy", "backendtlspolicies", NAMESPACED),
    kind("gateway.networking.k8s.io", "GRPCRoute", "grpcroutes", NAMESPACED),
    kind("gateway.networking.k8s.io", "Gateway", "gateways", NAMESPACED),
    kind("gateway.networking.k8s.io", "GatewayClass", "gatewayclasses", CLUSTER),
    kind("gateway.networking.k8s.io", "HTTPRoute", "httproutes", NAMESPACED),
    kind("gateway.networking.k8s.io", "ReferenceGrant", "referencegrants", NAMESPACED),
    kind("gateway.networking.k8s.io", "TCPRoute", "tcproutes", NAMESPACED),
    kind("gateway.networking.k8s.io", "TLSRoute", "tlsroutes", NAMESPACED),
    kind("gateway.networking.k8s.io", "UDPRoute", "udproutes", NAMESPACED),
    kind("networking.k8s.io", "IPAddress", "ipaddresses", CLUSTER),
    kind("networking.k8s.io", "Ingress", "ingresses", NAMESPACED),
    kind("networking.k8s.io", "IngressClass", "ingressclasses", CLUSTER),
    kind("networking.k8s.io", "NetworkPolicy", "networkpolicies", NAMESPACED),
    kind("networking.k8s.io", "ServiceCIDR", "servicecidrs", CLUSTER),
    kind("node.k8s.io", "RuntimeClass", "runtimeclasses", CLUSTER),
    kind("policy", "PodDisruptionBudget", "poddisruptionbudgets", NAMESPACED),
    kind("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", CLUSTER),
    kind("rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings", CLUSTER),
    kind("rbac.authorization.k8s.io", "Role", "roles", NAMESPACED),
    kind("rbac.authorization.k8s.io", "RoleBinding", "rolebindings", NAMESPACED),
    kind("resource.k8s.io", "DeviceClass", "deviceclasses", CLUSTER),
    kind("resource.k8s.io", "DeviceTaintRule", "devicetaintrules", CLUSTER),
    kind("resource.k8s.io", "ResourceClaim", "resourceclaims", NAMESPACED),
    kind("resource.k8s.io", "ResourceClaimTemplate", "resourceclaimtemplates", NAMESPACED),
    kind("resource.k8s.io", "ResourceSlice", "resourceslices", CLUSTER),
    kind("scheduling.k8s.io", "PriorityClass", "priorityclasses", CLUSTER),
    kind("storage.k8s.io", "CSIDriver", "csidrivers", CLUSTER),
    kind("storage.k8s.io", "CSINode", "csinodes", CLUSTER),
    kind("storage.k8s.io", "CSIStorageCapacity", "csistoragecapacities", NAMESPACED),
    kind("storage.k8s.io", "StorageClass", "storageclasses", CLUSTER),
    kind("storage.k8s.io", "VolumeAttachment", "volumeattachments", CLUSTER),
    kind("storage.k8s.io", "VolumeAttributesClass", "volumeattributesclasses", CLUSTER),
    kind("storagemigration.k8s.io", "StorageVersionMigration", "storageversionmigrations", CLUSTER),
    kind("writ.dev", "Policy", "policies", CLUSTER),
    kind("writ.dev", "PolicyBinding", "policybindings", CLUSTER),
];

const BODIES: &[SubresourceKind] = &[
    body("", "Binding", "pods", "binding", Operation::Create, NAMESPACED),
    body("", "NodeProxyOptions", "nodes", "proxy", Operation::Connect, CLUSTER),
    body("", "PodAttachOptions", "pods", "attach", Operation::Connect, NAMESPACED),
    body("", "PodExecOptions", "pods", "exec", Operation::Connect, NAMESPACED),
    body("", "PodPortForwardOptions", "pods", "portforward", Operation::Connect, NAMESPACED),
    body("", "PodProxyOptions", "pods", "proxy", Operation::Connect, NAMESPACED),
    body("", "ServiceProxyOptions", "services", "proxy", Operation::Connect, NAMESPACED),
    body("authentication.k8s.io", "TokenRequest", "serviceaccounts", "token", Operation::Create, NAMESPACED),
    body("policy", "Eviction", "pods", "eviction", Operation::Create, NAMESPACED),
];

/// What is known of a kind.
pub(crate) fn known(kind: &GroupVersionKind) -> Option<&'static KnownKind> {
    KINDS.iter().find(|known| known.group == kind.group && known.kind == kind.kind)
}

/// What is known of the kind of a resource.
pub(crate) fn known_resource(group: &str, resource: &str) -> Option<&'static KnownKind> {
    KINDS.iter().find(|known| known.group == group && known.resource == resource)
}

/// The subresource that takes bodies of a kind.
pub(crate) fn subresource(kind: &GroupVersionKind) -> Option<&'static SubresourceKind> {
    BODIES.iter().find(|known| known.group == kind.group && known.kind == kind.kind)
}

/// Group and version of an `apiVersion`.
pub(crate) fn group_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// Reads a resource as Writ writes it, `apps/v1/deployments` or `v1/pods`; the plural name alone is in group and
/// version of `kind`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse_resource(text: &str, kind: &GroupVersionKind) -> Result<GroupVersionResource, String> {
    let parts: Vec<&str> = text.split('/').collect();
    let (group, version, resource) = match *parts.as_slice() {
        [resource] => (kind.group.as_str(), kind.version.as_str(), resource),
        [version, resource] => ("", version, resource),
        [group, version, resource] => (group, version, resource),
        _ => ("", "", ""),
    };
    let plain = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
    };
    if version.is_empty() || resource.is_empty() || ![group, version, resource].into_iter().all(plain) {
        return Err(format!("`{text}` is no resource: write `deployments`, `v1/pods` or `apps/v1/deployments`"));
    }
    Ok(GroupVersionResource { group: group.to_owned(), version: version.to_owned(), resource: resource.to_owned() })
}

#[cfg(test)]
mod tests;
