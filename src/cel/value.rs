//! The values of expressions.
//!
//! Strings, lists and maps that come from the governed object stay borrowed from it: reading a field copies nothing.

mod collection;
mod compare;
mod json;
mod key;
mod literal;
mod opaque;
mod text;
mod time;

use std::sync::Arc;

use super::{error::EvaluationErrorKind, fuel::Fuel};
use crate::canonical;

pub use collection::{List, Map};
pub(in crate::cel) use compare::{TWO_63, compare, equal, same};
pub use key::Key;
pub use opaque::{Foreign, Opaque};
pub use text::{Blob, Text};
pub use time::{Duration, Timestamp};

/// A value of an expression.
#[derive(Clone, Debug, Default)]
pub enum Value<'a> {
    /// `null`
    #[default]
    Null,
    /// A `bool`.
    Bool(bool),
    /// An `int`.
    Int(i64),
    /// A `uint`.
    Uint(u64),
    /// A `double`; may be infinite or NaN, where an expression made it so.
    Double(f64),
    /// A `string`.
    String(Text<'a>),
    /// A `bytes`.
    Bytes(Blob<'a>),
    /// A `list`.
    List(List<'a>),
    /// A `map`.
    Map(Map<'a>),
    /// A `google.protobuf.Timestamp`.
    Timestamp(Timestamp),
    /// A `google.protobuf.Duration`.
    Duration(Duration),
    /// A value of a type that a library brings.
    Opaque(Opaque),
    /// A type, by its name.
    Type(&'static str),
    /// An `optional_type`; `None` is `optional.none()`.
    Optional(Option<Arc<Present<'a>>>),
}

/// The value inside an optional.
#[derive(Clone, Debug)]
pub struct Present<'a> {
    value: Value<'a>,
    depth: u16,
}

impl<'a> Present<'a> {
    /// The value.
    #[must_use]
    pub fn value(&self) -> &Value<'a> {
        &self.value
    }
}

impl<'a> Value<'a> {
    /// `optional.of(value)`
    ///
    /// # Errors
    /// [`EvaluationErrorKind::ValueTooDeep`] where it would nest too deep.
    pub fn present(value: Self) -> Result<Self, EvaluationErrorKind> {
        let depth = collection::deeper(value.depth())?;
        Ok(Self::Optional(Some(Arc::new(Present { value, depth }))))
    }

    /// A list of `items`.
    ///
    /// # Errors
    /// [`EvaluationErrorKind::ValueTooDeep`] where it would nest too deep.
    pub fn list(items: Vec<Self>) -> Result<Self, EvaluationErrorKind> {
        Ok(Self::List(List::new(items)?))
    }

    /// The string, where this is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean, where this is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The value inside an optional that has one.
    #[must_use]
    pub fn as_present(&self) -> Option<&Value<'a>> {
        match self {
            Self::Optional(Some(present)) => Some(&present.value),
            _ => None,
        }
    }

    /// The name of the value's type, as `type(…)` gives it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Opaque(value) => value.type_name(),
            Self::Type(_) => "type",
            Self::Optional(_) => "optional_type",
        }
    }

    /// The value without shares in the texts, bytes and lists that it holds.
    #[inline]
    pub(in crate::cel) fn borrowed(&'a self) -> Self {
        match self {
            Self::String(Text::Owned(text)) => Self::String(Text::Borrowed(text)),
            Self::Bytes(Blob::Owned(bytes)) => Self::Bytes(Blob::Borrowed(bytes)),
            Self::List(List::Items(items)) => Self::List(List::Constant(items)),
            other => other.clone(),
        }
    }

    /// How deep the value nests; a scalar has depth 0.
    pub(in crate::cel) fn depth(&self) -> u16 {
        match self {
            Self::List(list) => list.depth(),
            Self::Map(map) => map.depth(),
            Self::Optional(Some(present)) => present.depth,
            _ => 0,
        }
    }

    /// The size that costs are counted by: characters, bytes, elements or entries, that of what an optional holds,
    /// and 1 for anything else.
    ///
    /// # Errors
    /// [`EvaluationErrorKind::WorkExceeded`]: characters must be counted.
    pub(in crate::cel) fn size(&self, fuel: &mut Fuel) -> Result<u64, EvaluationErrorKind> {
        Ok(match self {
            Self::String(text) => {
                fuel.scan(text.len())?;
                text.characters() as u64
            }
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::List(list) => list.len() as u64,
            Self::Map(map) => map.len() as u64,
            Self::Opaque(value) => value.size(),
            Self::Optional(Some(present)) => return present.value.size(fuel),
            _ => 1,
        })
    }
}

/// The value of a piece of JSON, borrowed from it.
impl<'a> From<&'a canonical::Value<'a>> for Value<'a> {
    #[inline]
    fn from(json: &'a canonical::Value<'a>) -> Self {
        match json {
            canonical::Value::Null => Self::Null,
            canonical::Value::Bool(value) => Self::Bool(*value),
            canonical::Value::Number(canonical::Number::Int(value)) => Self::Int(*value),
            canonical::Value::Number(canonical::Number::Uint(value)) => Self::Uint(*value),
            canonical::Value::Number(canonical::Number::Double(value)) => Self::Double(*value),
            canonical::Value::String(text) => Self::String(Text::Borrowed(text)),
            canonical::Value::Array(items) => Self::List(List::Json(items)),
            canonical::Value::Object(object) => Self::Map(Map::Json(object)),
        }
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(Text::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::String(Text::Owned(text.into()))
    }
}
