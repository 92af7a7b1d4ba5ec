//! Whether a verified statement is about this very request. Each check is a function of its own with its own reason.

use super::Verified;
use crate::attest::{Kind, ObjectName, OldObject, Operation, Predicate, Resource, Statement, User};

/// The request, as the API server shows it to the validating webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// This cluster.
    pub cluster_id: String,
    /// The store that this replica uses.
    pub store_id: String,
    /// `userInfo`
    pub user: User,
    /// `operation`
    pub operation: Operation,
    /// `resource`
    pub resource: Resource,
    /// `requestResource`
    pub request_resource: Resource,
    /// `kind`
    pub kind: Kind,
    /// `subResource`; empty for the main resource.
    pub sub_resource: String,
    /// `namespace`; empty for a cluster-scoped object.
    pub namespace: String,
    /// The object's name. On CREATE it is known here even where the API server generated it.
    pub name: String,
    /// `metadata.generateName`; empty where there is none.
    pub generate_name: String,
    /// The old object.
    pub old_object: Option<OldObject>,
    /// `dryRun`
    pub dry_run: bool,
    /// The table by which this replica projects objects.
    pub projection: String,
}

/// What a statement was made for and the request is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Another cluster.
    #[error("it was made for another cluster")]
    Cluster,
    /// A replica with another store of claims.
    #[error("it was made by a replica with another store: all replicas of a cluster must use one store")]
    Store,
    /// Another user, or the same with other groups or extra values.
    #[error("it was made for another user")]
    User,
    /// Another operation.
    #[error("it was made for another operation")]
    Operation,
    /// Another resource or version of it.
    #[error("it was made for another resource")]
    Resource,
    /// The client used another resource or version of it.
    #[error("it was made for a request in another resource or version")]
    RequestResource,
    /// Another kind.
    #[error("it was made for another kind")]
    Kind,
    /// Another subresource.
    #[error("it was made for another subresource")]
    Subresource,
    /// Another namespace.
    #[error("it was made for another namespace")]
    Namespace,
    /// Another name.
    #[error("it was made for an object of another name")]
    Name,
    /// Another old object, or another state of it.
    #[error("it was made for a change of another object or from another state of it")]
    OldObject,
    /// A dry run and a real request are never the same.
    #[error("it was made for a dry run and this is none, or the other way round")]
    DryRun,
    /// Other server-owned fields are left out.
    #[error("it was made by a replica that projects objects by another table: let the rollout finish and try again")]
    Projection,
}

impl Mismatch {
    /// The reason code.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Cluster => "ClusterMismatch",
            Self::Store => "StoreMismatch",
            Self::User => "UserMismatch",
            Self::Operation => "OperationMismatch",
            Self::Resource => "ResourceMismatch",
            Self::RequestResource => "RequestResourceMismatch",
            Self::Kind => "KindMismatch",
            Self::Subresource => "SubresourceMismatch",
            Self::Namespace => "NamespaceMismatch",
            Self::Name => "NameMismatch",
            Self::OldObject => "OldObjectMismatch",
            Self::DryRun => "DryRunMismatch",
            Self::Projection => "ProjectionMismatch",
        }
    }
}

/// A verified statement that is about the request at hand. Only [`check_binding`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'v> {
    statement: &'v Verified<Statement>,
}

impl<'v> Bound<'v> {
    /// The statement.
    #[must_use]
    pub const fn statement(self) -> &'v Verified<Statement> {
        self.statement
    }
}

/// Compares all that a statement binds with the request.
///
/// # Errors
/// The first [`Mismatch`], in the order of its variants.
pub fn check_binding<'v>(statement: &'v Verified<Statement>, expected: &Expected) -> Result<Bound<'v>, Mismatch> {
    let failed = CHECKS.iter().find(|(holds, _)| !holds(&statement.predicate, expected));
    failed.map_or(Ok(Bound { statement }), |(_, mismatch)| Err(*mismatch))
}

type Check = fn(&Predicate, &Expected) -> bool;

const CHECKS: [(Check, Mismatch); 13] = [
    (|attested, expected| attested.cluster_id == expected.cluster_id, Mismatch::Cluster),
    (|attested, expected| attested.store_id == expected.store_id, Mismatch::Store),
    (|attested, expected| attested.user == expected.user, Mismatch::User),
    (|attested, expected| attested.operation == expected.operation, Mismatch::Operation),
    (|attested, expected| attested.resource == expected.resource, Mismatch::Resource),
    (|attested, expected| attested.request_resource == expected.request_resource, Mismatch::RequestResource),
    (|attested, expected| attested.kind == expected.kind, Mismatch::Kind),
    (|attested, expected| attested.sub_resource == expected.sub_resource, Mismatch::Subresource),
    (|attested, expected| attested.namespace == expected.namespace, Mismatch::Namespace),
    (name_holds, Mismatch::Name),
    (|attested, expected| attested.old_object == expected.old_object, Mismatch::OldObject),
    (|attested, expected| attested.dry_run == expected.dry_run, Mismatch::DryRun),
    (|attested, expected| attested.projection == expected.projection, Mismatch::Projection),
];

/// The API server cuts `generateName` to 58 characters and appends five (`k8s.io/apiserver/pkg/storage/names`).
const GENERATED_BASE: usize = 58;
const GENERATED_SUFFIX: usize = 5;

fn name_holds(attested: &Predicate, expected: &Expected) -> bool {
    match &attested.name {
        ObjectName::Given(name) => *name == expected.name,
        ObjectName::Generated(prefix) => {
            let prefix_bytes = prefix.as_bytes();
            let base = prefix_bytes.get(..GENERATED_BASE).unwrap_or(prefix_bytes);
            let suffix = expected.name.as_bytes().strip_prefix(base);
            expected.operation == Operation::Create
                && *prefix == expected.generate_name
                && suffix.is_some_and(|suffix| suffix.len() == GENERATED_SUFFIX)
        }
    }
}
