use std::cmp::Ordering;

use super::{Text, Value, compare::compare_exactly};
use crate::{canonical::key_order, cel::error::EvaluationErrorKind};

/// A key of a map.
///
/// Keys are ordered: booleans, then numbers by value, then strings by [`key_order`]. Numbers of equal value are the
/// same key, whatever their types.
#[derive(Clone, Debug)]
pub enum Key<'a> {
    /// A `bool`.
    Bool(bool),
    /// An `int`.
    Int(i64),
    /// A `uint`.
    Uint(u64),
    /// A `double`, never NaN.
    Double(f64),
    /// A `string`.
    String(Text<'a>),
}

impl<'a> Key<'a> {
    /// The key that `value` is.
    ///
    /// # Errors
    /// [`EvaluationErrorKind::InvalidKey`] for a value of another type, and for NaN.
    pub fn of(value: &Value<'a>) -> Result<Self, EvaluationErrorKind> {
        Ok(match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Uint(value) => Self::Uint(*value),
            Value::Double(value) if !value.is_nan() => Self::Double(*value),
            Value::String(text) => Self::String(text.clone()),
            other => return Err(EvaluationErrorKind::InvalidKey(other.type_name())),
        })
    }

    /// The key as a value.
    #[must_use]
    pub fn value(&self) -> Value<'a> {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Uint(value) => Value::Uint(*value),
            Self::Double(value) => Value::Double(*value),
            Self::String(text) => Value::String(text.clone()),
        }
    }

    /// The text that comparing the key looks at.
    pub(in crate::cel) fn text(&self) -> &str {
        match self {
            Self::String(text) => text,
            _ => "",
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Int(_) | Self::Uint(_) | Self::Double(_) => 1,
            Self::String(_) => 2,
        }
    }
}

impl Ord for Key<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::String(a), Self::String(b)) => key_order(a, b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            _ if self.rank() != other.rank() => self.rank().cmp(&other.rank()),
            _ => compare_exactly(&self.value(), &other.value()).unwrap_or(Ordering::Equal),
        }
    }
}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key<'_> {}
