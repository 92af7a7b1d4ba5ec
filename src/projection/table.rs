//! What the API server owns, kind by kind. A survey against a real API server regenerates and checks this table.

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
}

impl Exclusion {
    /// Whether the path is left out of objects of `kind`.
    #[must_use]
    pub fn applies_to(&self, kind: &GroupVersionKind) -> bool {
        (self.group == "*" || self.group == kind.group) && (self.kind == "*" || self.kind == kind.kind)
    }
}

/// Kinds with a status subresource whose status a plain create may write all the same.
#[must_use]
pub fn writes_status(kind: &GroupVersionKind) -> bool {
    kind.group.is_empty() && kind.kind == "Node"
}

const fn always(group: &'static str, kind: &'static str, path: &'static [&'static str]) -> Exclusion {
    Exclusion { group, kind, path, owned: Owned::Always }
}

const fn when_absent(group: &'static str, kind: &'static str, path: &'static [&'static str], bit: u8) -> Exclusion {
    Exclusion { group, kind, path, owned: Owned::WhenAbsent { bit, unless: None } }
}

/// The table. Bits are unique among the exclusions that apply to one kind.
pub const TABLE: &[Exclusion] = &[
    // rest.BeforeCreate and rest.BeforeUpdate overwrite these for every kind.
    always("*", "*", &["metadata", "uid"]),
    always("*", "*", &["metadata", "creationTimestamp"]),
    always("*", "*", &["metadata", "generation"]),
    always("*", "*", &["metadata", "resourceVersion"]),
    always("*", "*", &["metadata", "selfLink"]),
    always("*", "*", &["metadata", "deletionTimestamp"]),
    always("*", "*", &["metadata", "deletionGracePeriodSeconds"]),
    // A named residual: who applied which field, not what is stored.
    always("*", "*", &["metadata", "managedFields"]),
    // A generated name is bound by its prefix instead.
    when_absent("*", "*", &["metadata", "name"], 0),
    Exclusion {
        group: "",
        kind: "Service",
        path: &["spec", "clusterIP"],
        owned: Owned::WhenAbsent { bit: 1, unless: Some("None") },
    },
    when_absent("", "Service", &["spec", "clusterIPs"], 2),
    when_absent("", "Service", &["spec", "ipFamilies"], 3),
    when_absent("", "Service", &["spec", "ipFamilyPolicy"], 4),
    when_absent("", "Service", &["spec", "ports", "[]", "nodePort"], 5),
    when_absent("", "Service", &["spec", "healthCheckNodePort"], 6),
    Exclusion { group: "", kind: "Namespace", path: &["spec", "finalizers"], owned: Owned::Element("kubernetes") },
    always("apps", "DaemonSet", &["metadata", "annotations", "deprecated.daemonset.template.generation"]),
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
    // A claim's two data source fields are filled from each other.
    when_absent("", "PersistentVolumeClaim", &["spec", "dataSource"], 1),
    when_absent("", "PersistentVolumeClaim", &["spec", "dataSourceRef"], 2),
];
