//! What the API server owns, kind by kind. A survey against a real API server regenerates and checks this table.

use super::derived::{PREFERRED, REQUIRED};
use crate::admission::GroupVersionKind;

/// Version of this table. Another version is another projection.
pub const VERSION: &str = "1";

/// A path that a projection leaves out.
#[derive(Clone, Copy, Debug)]
pub struct Exclusion {
    /// API group, or `*`.
    pub group: &'static str,
    /// Kind, or `*`.
    pub kind: &'static str,
    /// Object keys; `[]` stands for each element of an array.
    pub path: &'static [&'static str],
    /// In which way the server owns it.
    pub owned: Owned,
    /// What has to hold; all of it.
    pub only: &'static [Condition],
    /// Kinds, as (API group, kind), to which it does not apply.
    pub except: &'static [(&'static str, &'static str)],
}

/// A condition on a request. What it reads is bound by the attestation, so nobody can bring it about afterwards.
#[derive(Clone, Copy, Debug)]
pub enum Condition {
    /// The request changes an object that exists.
    Changing,
    /// The text at the path is one of these.
    Is(&'static [&'static str], &'static [&'static str]),
    /// There is something at the path.
    Present(&'static [&'static str]),
    /// There is nothing at the path.
    Absent(&'static [&'static str]),
}

/// In which way the server owns a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owned {
    /// Whatever a request says, the server writes its own value.
    Always,
    /// The server fills it where the request leaves it out; what a request says stands. `bit` identifies the field
    /// within its kind; the value `unless` is never the server's own.
    WhenAbsent {
        /// Position in [`super::ProjectionId::absent`].
        bit: u8,
        /// A value that would be a choice, not an allocation.
        unless: Option<&'static str>,
    },
    /// The server adds this element to the list.
    Element(&'static str),
    /// The server adds what follows from other fields of the object (see `derived`); only that is left out.
    Derived,
}

impl Exclusion {
    /// Whether the path is left out of objects of `kind`.
    #[must_use]
    pub fn applies_to(&self, kind: &GroupVersionKind) -> bool {
        (self.group == "*" || self.group == kind.group)
            && (self.kind == "*" || self.kind == kind.kind)
            && !self.except.contains(&(kind.group.as_str(), kind.kind.as_str()))
    }
}

/// Kinds with a status subresource whose status a plain create may write all the same.
#[must_use]
pub fn writes_status(kind: &GroupVersionKind) -> bool {
    kind.group.is_empty() && kind.kind == "Node"
}

const fn always(group: &'static str, kind: &'static str, path: &'static [&'static str]) -> Exclusion {
    Exclusion { group, kind, path, owned: Owned::Always, only: &[], except: &[] }
}

const fn when_absent(group: &'static str, kind: &'static str, path: &'static [&'static str], bit: u8) -> Exclusion {
    Exclusion { owned: Owned::WhenAbsent { bit, unless: None }, ..always(group, kind, path) }
}

const fn on_change(group: &'static str, kind: &'static str, path: &'static [&'static str]) -> Exclusion {
    Exclusion { only: &[Condition::Changing], ..always(group, kind, path) }
}

const fn derived(kind: &'static str, path: &'static [&'static str]) -> Exclusion {
    Exclusion { owned: Owned::Derived, ..always("", kind, path) }
}

const fn of_service(path: &'static [&'static str], only: &'static [Condition]) -> Exclusion {
    Exclusion { only, ..always("", "Service", path) }
}

const fn of_claim(path: &'static [&'static str], bit: u8, only: &'static [Condition]) -> Exclusion {
    Exclusion { only, ..when_absent("", "PersistentVolumeClaim", path, bit) }
}

/// The selectors of a Pod that `derived` is about: of constraints on spreading…
pub const SPREAD: &[&str] = &["spec", "topologySpreadConstraints", "[]", "labelSelector", "matchExpressions"];
/// … of required affinity,
pub const AFFINE: &[&str] = &["spec", "affinity", "podAffinity", REQUIRED, "[]", "labelSelector", "matchExpressions"];
/// preferred affinity,
pub const AFFINE_WEIGHTED: &[&str] =
    &["spec", "affinity", "podAffinity", PREFERRED, "[]", "podAffinityTerm", "labelSelector", "matchExpressions"];
/// required anti-affinity,
pub const AVERSE: &[&str] =
    &["spec", "affinity", "podAntiAffinity", REQUIRED, "[]", "labelSelector", "matchExpressions"];
/// and preferred anti-affinity.
pub const AVERSE_WEIGHTED: &[&str] =
    &["spec", "affinity", "podAntiAffinity", PREFERRED, "[]", "podAffinityTerm", "labelSelector", "matchExpressions"];

const GENERATION: &[&str] = &["metadata", "generation"];
const TEMPLATE_GENERATION: &[&str] = &["metadata", "annotations", "deprecated.daemonset.template.generation"];

/// The kinds whose generation the server does not count: what a creation says is stored.
const NOT_COUNTED: &[(&str, &str)] = &[
    ("", "ConfigMap"),
    ("", "Endpoints"),
    ("", "Event"),
    ("", "LimitRange"),
    ("", "Namespace"),
    ("", "Node"),
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("", "ResourceQuota"),
    ("", "Secret"),
    ("", "Service"),
    ("", "ServiceAccount"),
    ("apiregistration.k8s.io", "APIService"),
    ("apps", "ControllerRevision"),
    ("certificates.k8s.io", "CertificateSigningRequest"),
    ("certificates.k8s.io", "ClusterTrustBundle"),
    ("certificates.k8s.io", "PodCertificateRequest"),
    ("coordination.k8s.io", "Lease"),
    ("coordination.k8s.io", "LeaseCandidate"),
    ("events.k8s.io", "Event"),
    ("internal.apiserver.k8s.io", "StorageVersion"),
    ("networking.k8s.io", "IPAddress"),
    ("networking.k8s.io", "ServiceCIDR"),
    ("node.k8s.io", "RuntimeClass"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("resource.k8s.io", "ResourceClaim"),
    ("resource.k8s.io", "ResourceClaimTemplate"),
    ("resource.k8s.io", "ResourcePoolStatusRequest"),
    ("storage.k8s.io", "CSIDriver"),
    ("storage.k8s.io", "CSINode"),
    ("storage.k8s.io", "CSIStorageCapacity"),
    ("storage.k8s.io", "StorageClass"),
    ("storage.k8s.io", "VolumeAttachment"),
    ("storage.k8s.io", "VolumeAttributesClass"),
    ("storagemigration.k8s.io", "StorageVersionMigration"),
];

const TYPE: &[&str] = &["spec", "type"];
const EXTERNAL: &[Condition] = &[Condition::Is(TYPE, &["ExternalName"])];
const WITHOUT_NODE_PORT: &[Condition] = &[Condition::Is(TYPE, &["ClusterIP", "ExternalName"])];
const NOT_BALANCED: &[Condition] = &[Condition::Is(TYPE, &["ClusterIP", "NodePort", "ExternalName"])];
const INTERNAL: &[Condition] =
    &[Condition::Is(TYPE, &["ClusterIP", "ExternalName"]), Condition::Absent(&["spec", "externalIPs"])];
const CLUSTER_WIDE: &[Condition] = &[Condition::Is(&["spec", "externalTrafficPolicy"], &["Cluster"])];

/// The table. Bits are unique among the exclusions that apply to one kind.
pub const TABLE: &[Exclusion] = &[
    // rest.BeforeCreate and rest.BeforeUpdate overwrite these for every kind.
    always("*", "*", &["metadata", "uid"]),
    always("*", "*", &["metadata", "creationTimestamp"]),
    Exclusion { except: NOT_COUNTED, ..always("*", "*", GENERATION) },
    on_change("*", "*", GENERATION),
    always("*", "*", &["metadata", "resourceVersion"]),
    // Of an object that does not exist yet, the server takes these as a webhook wrote them.
    on_change("*", "*", &["metadata", "deletionTimestamp"]),
    on_change("*", "*", &["metadata", "deletionGracePeriodSeconds"]),
    // A named residual: who applied which field, not what is stored.
    always("*", "*", &["metadata", "managedFields"]),
    // A generated name is bound by its prefix instead.
    when_absent("*", "*", &["metadata", "name"], 0),
    Exclusion {
        owned: Owned::WhenAbsent { bit: 1, unless: Some("None") },
        ..always("", "Service", &["spec", "clusterIP"])
    },
    when_absent("", "Service", &["spec", "clusterIPs"], 2),
    when_absent("", "Service", &["spec", "ipFamilies"], 3),
    when_absent("", "Service", &["spec", "ipFamilyPolicy"], 4),
    when_absent("", "Service", &["spec", "ports", "[]", "nodePort"], 5),
    when_absent("", "Service", &["spec", "healthCheckNodePort"], 6),
    // Where a change of the type makes a field pointless, the server drops it, and refuses to store another value.
    of_service(&["spec", "clusterIP"], EXTERNAL),
    of_service(&["spec", "clusterIPs"], EXTERNAL),
    of_service(&["spec", "ipFamilies"], EXTERNAL),
    of_service(&["spec", "ipFamilyPolicy"], EXTERNAL),
    of_service(&["spec", "ports", "[]", "nodePort"], WITHOUT_NODE_PORT),
    of_service(&["spec", "allocateLoadBalancerNodePorts"], NOT_BALANCED),
    of_service(&["spec", "loadBalancerClass"], NOT_BALANCED),
    of_service(&["spec", "healthCheckNodePort"], NOT_BALANCED),
    of_service(&["spec", "healthCheckNodePort"], CLUSTER_WIDE),
    of_service(&["spec", "externalTrafficPolicy"], INTERNAL),
    // References to secrets are cut down to the name.
    always("", "ServiceAccount", &["secrets", "[]", "apiVersion"]),
    always("", "ServiceAccount", &["secrets", "[]", "fieldPath"]),
    always("", "ServiceAccount", &["secrets", "[]", "kind"]),
    always("", "ServiceAccount", &["secrets", "[]", "namespace"]),
    always("", "ServiceAccount", &["secrets", "[]", "resourceVersion"]),
    always("", "ServiceAccount", &["secrets", "[]", "uid"]),
    // Deprecated annotations and keys of labels are written out into the fields that they stand for.
    derived("Pod", &["spec", "containers", "[]", "securityContext", "appArmorProfile"]),
    derived("Pod", &["spec", "initContainers", "[]", "securityContext", "appArmorProfile"]),
    derived("Pod", SPREAD),
    derived("Pod", AFFINE),
    derived("Pod", AFFINE_WEIGHTED),
    derived("Pod", AVERSE),
    derived("Pod", AVERSE_WEIGHTED),
    Exclusion { owned: Owned::Element("kubernetes"), ..always("", "Namespace", &["spec", "finalizers"]) },
    // The server writes the name there, however it came about.
    always("", "Namespace", &["metadata", "labels", "kubernetes.io/metadata.name"]),
    on_change("apps", "DaemonSet", TEMPLATE_GENERATION),
    Exclusion {
        only: &[Condition::Is(TEMPLATE_GENERATION, &["0", "1"])],
        ..always("apps", "DaemonSet", TEMPLATE_GENERATION)
    },
    always("certificates.k8s.io", "CertificateSigningRequest", &["spec", "username"]),
    always("certificates.k8s.io", "CertificateSigningRequest", &["spec", "uid"]),
    always("certificates.k8s.io", "CertificateSigningRequest", &["spec", "groups"]),
    always("certificates.k8s.io", "CertificateSigningRequest", &["spec", "extra"]),
    // A Job without `manualSelector` gets its selector and labels from its new uid.
    when_absent("batch", "Job", &["spec", "selector"], 1),
    when_absent("batch", "Job", &["spec", "template", "metadata", "labels", "controller-uid"], 2),
    when_absent("batch", "Job", &["spec", "template", "metadata", "labels", "batch.kubernetes.io/controller-uid"], 3),
    when_absent("batch", "Job", &["spec", "template", "metadata", "labels", "job-name"], 4),
    when_absent("batch", "Job", &["spec", "template", "metadata", "labels", "batch.kubernetes.io/job-name"], 5),
    // A claim's two data source fields are filled from each other; where there is neither, nobody may add one.
    of_claim(&["spec", "dataSource"], 1, &[Condition::Present(&["spec", "dataSourceRef"])]),
    of_claim(&["spec", "dataSourceRef"], 2, &[Condition::Present(&["spec", "dataSource"])]),
];
