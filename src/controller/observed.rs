//! What the watches report, before anything is read into it.

/// An object of Writ's own kinds as the API server stores it. Its spec is read strictly and by itself, so that one
/// unreadable object never blocks the rest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Which state of the object it is.
    pub seen: Seen,
    /// `metadata.name`
    pub name: String,
    /// `spec`, unread.
    pub spec: serde_json::Value,
    /// `status`, unread.
    pub status: serde_json::Value,
}

/// One state of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.generation`; grows with each change of the spec.
    pub generation: i64,
    /// `metadata.resourceVersion`; grows with each change at all. Resource versions of one resource are comparable
    /// numbers (KEP-5504); what is no number is 0, the oldest.
    pub resource_version: u64,
}

/// A change of the set of objects of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Update<T> {
    /// These are all objects.
    Replace(Vec<T>),
    /// An object is new or changed.
    Set(T),
    /// An object is gone; its last state.
    Remove(T),
}

impl<T> Update<T> {
    /// The same change of converted objects.
    pub fn map<U>(self, mut convert: impl FnMut(T) -> U) -> Update<U> {
        match self {
            Self::Replace(objects) => Update::Replace(objects.into_iter().map(convert).collect()),
            Self::Set(object) => Update::Set(convert(object)),
            Self::Remove(object) => Update::Remove(convert(object)),
        }
    }
}

/// Reads a resource version; see [`Seen::resource_version`].
#[must_use]
pub fn resource_version(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}
