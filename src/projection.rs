//! Which part of an object an attestation covers.
//!
//! The API server itself changes an object between the mutating and the validating call. The projection leaves out
//! exactly what it owns, so that a digest taken in the first call still stands in the second. A path may be left out
//! only if no user and no other webhook can use it to change what is stored; [`table`] says which, and a survey of a
//! real API server regenerates it.

mod derived;
mod key;
pub mod kinds;
pub mod live;
pub mod table;
mod walk;

use std::{borrow::Cow, collections::BTreeMap, fmt, io::Write, str::FromStr};

pub use key::{KEY_PREFIX, annotation_key};

use crate::{
    admission::GroupVersionKind,
    canonical::{self, Value},
    digest::{Digest, Domain, Hasher},
};
use table::{Exclusion, Owned};

/// The projection of one kind: the exclusions that apply to it.
#[derive(Clone, Debug)]
pub struct Plan {
    exclusions: Vec<&'static Exclusion>,
    own_key: String,
    status_owned: bool,
    has_derived: bool,
    creating: bool,
}

/// The name of a projection: the table's version, whether `status` is left out, and which fields the server was left
/// to fill. Whoever has it and the object can compute the digest again.
///
/// Written `1`, `1s` or `1s-0f`: version, `s` for status, and the mask in hexadecimal where it is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProjectionId {
    /// Whether the whole of `status` is left out.
    pub status_owned: bool,
    /// The bits of the [`Owned::WhenAbsent`] exclusions whose field was absent when the object was attested.
    pub absent: u32,
}

/// An object as an attestation sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    /// By which rules it was taken.
    pub id: ProjectionId,
    /// Digest over the names and digests of all subtrees.
    pub digest: Digest,
    /// The digest of each top-level field.
    pub subtrees: BTreeMap<String, Digest>,
}

impl Plan {
    /// The projection of `kind`, whose own attestation stands under the annotation `own_key`.
    ///
    /// `status_subresource` says whether the kind has one: only then the server, not the request, owns `status`.
    #[must_use]
    pub fn new(kind: &GroupVersionKind, own_key: &str, status_subresource: bool) -> Self {
        let of_kind = table::TABLE.iter().filter(|exclusion| exclusion.applies_to(kind));
        let (derived, exclusions): (Vec<_>, Vec<_>) = of_kind.partition(|exclusion| exclusion.owned == Owned::Derived);
        let status_owned = status_subresource && !table::writes_status(kind);
        Self {
            exclusions,
            own_key: own_key.to_owned(),
            status_owned,
            has_derived: !derived.is_empty(),
            creating: false,
        }
    }

    /// The same for a request that creates an object, or not: the server owns less of what does not exist yet.
    #[must_use]
    pub fn creating(self, creating: bool) -> Self {
        Self { creating, ..self }
    }

    /// The id of this plan, with nothing left to the server.
    #[must_use]
    pub fn id(&self) -> ProjectionId {
        ProjectionId { status_owned: self.status_owned, absent: 0 }
    }

    /// The projection of an object that is attested now.
    #[must_use]
    pub fn project(&self, object: &Value<'_>) -> Projection {
        let mut absent = 0;
        for exclusion in &self.exclusions {
            if let Owned::WhenAbsent { bit, .. } = exclusion.owned
                && walk::is_absent(object, exclusion.path)
                && walk::holds(exclusion, object, self.creating)
            {
                absent |= 1 << bit;
            }
        }
        self.project_as(object, ProjectionId { absent, ..self.id() })
    }

    /// The projection of an object by the rules under which it was attested before.
    #[must_use]
    pub fn project_as(&self, object: &Value<'_>, id: ProjectionId) -> Projection {
        let object = &*self.without_derived(object);
        let walk = walk::Walk { exclusions: &self.exclusions, own_key: &self.own_key, id, creating: self.creating };
        let mut subtrees = BTreeMap::new();
        for (name, value) in object.as_object().into_iter().flat_map(canonical::Object::iter) {
            if name == "status" && id.status_owned {
                continue;
            }
            let mut hasher = Hasher::new(Domain::Subtree);
            if walk.write(&[name], value, object, &mut hasher) {
                subtrees.insert(name.to_owned(), hasher.finish());
            }
        }
        let mut hasher = Hasher::new(Domain::Projection);
        for (name, digest) in &subtrees {
            // INVARIANT: hashing cannot fail. A name is quoted and a digest has a fixed length, so nothing can be mistaken.
            let _ = canonical::encode_string(name, &mut hasher);
            let _ = hasher.write_all(digest.as_bytes());
        }
        Projection { id, digest: hasher.finish(), subtrees }
    }

    /// Whether nothing that the projection covers differs between two states of one object.
    #[must_use]
    pub fn is_same(&self, object: &Value<'_>, old: &Value<'_>) -> bool {
        // Fields left to the server are not skipped here: an update that leaves one out is compared as it stands.
        let id = self.id();
        self.project_as(object, id).digest == self.project_as(old, id).digest
    }

    /// JSON pointers (RFC 6901) to what differs between two states of one object, at most 16, in document order.
    #[must_use]
    pub fn differences(&self, attested: &Value<'_>, found: &Value<'_>, id: ProjectionId) -> Vec<String> {
        let walk = walk::Walk { exclusions: &self.exclusions, own_key: &self.own_key, id, creating: self.creating };
        walk.differences(&self.without_derived(attested), &self.without_derived(found))
    }

    fn without_derived<'v, 'a>(&self, object: &'v Value<'a>) -> Cow<'v, Value<'a>> {
        if self.has_derived { derived::without(object) } else { Cow::Borrowed(object) }
    }
}

impl fmt::Display for ProjectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(table::VERSION)?;
        if self.status_owned {
            f.write_str("s")?;
        }
        if self.absent != 0 {
            write!(f, "-{:x}", self.absent)?;
        }
        Ok(())
    }
}

/// A text does not name a projection that this version knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the projection is not one that this version of writ knows")]
pub struct ProjectionIdError;

impl FromStr for ProjectionId {
    type Err = ProjectionIdError;

    fn from_str(text: &str) -> Result<Self, ProjectionIdError> {
        let rest = text.strip_prefix(table::VERSION).ok_or(ProjectionIdError)?;
        let (status_owned, rest) = rest.strip_prefix('s').map_or((false, rest), |rest| (true, rest));
        let absent = match rest.strip_prefix('-') {
            Some(mask) => u32::from_str_radix(mask, 16).map_err(|_| ProjectionIdError)?,
            None => 0,
        };
        let id = Self { status_owned, absent };
        // Only the one spelling.
        if id.to_string() == text { Ok(id) } else { Err(ProjectionIdError) }
    }
}

#[cfg(test)]
mod tests;
