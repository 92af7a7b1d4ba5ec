use std::{any::Any, fmt, sync::Arc};

use super::Value;

/// A value of a type that a library brings, and that only the functions of that library look into: a quantity, an
/// address, a version.
#[derive(Clone)]
pub struct Opaque(Arc<dyn Foreign>);

/// What the language asks of a library's own type.
pub trait Foreign: Any + fmt::Debug + Send + Sync {
    /// The name of the type, for example `kubernetes.Quantity`; the same for every value.
    fn type_name(&self) -> &'static str;

    /// An expression that makes the value, for example `quantity("1Ki")`.
    fn literal(&self) -> String;

    /// Whether `other` is the same; always false where it is of another type.
    fn equals(&self, other: &Opaque) -> bool;

    /// Whether the API server compares the value with `other` of the same type at all.
    fn takes(&self, _other: &Opaque) -> bool {
        true
    }

    /// The size that costs are counted by.
    fn size(&self) -> u64 {
        1
    }

    /// The most bytes that [`Foreign::equals`] compares, where there may be many: they count as work.
    fn bytes(&self) -> usize {
        0
    }

    /// Whether `optional.ofNonZeroValue` takes it for nothing.
    fn is_zero(&self) -> bool {
        false
    }
}

impl Opaque {
    /// The value as one of type `F`, where it is one.
    #[must_use]
    pub fn get<F: Foreign>(&self) -> Option<&F> {
        let any: &dyn Any = self.0.as_ref();
        any.downcast_ref()
    }
}

impl std::ops::Deref for Opaque {
    type Target = dyn Foreign;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref()
    }
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for Opaque {
    fn eq(&self, other: &Self) -> bool {
        self.0.equals(other)
    }
}

impl<'a> Value<'a> {
    /// A value of a library's own type.
    #[must_use]
    pub fn opaque<F: Foreign>(value: F) -> Self {
        Self::Opaque(Opaque(Arc::new(value)))
    }

    /// The value as one of a library's own type `F`, where it is one.
    #[must_use]
    pub fn as_opaque<F: Foreign>(&self) -> Option<&F> {
        match self {
            Self::Opaque(value) => value.get(),
            _ => None,
        }
    }
}
