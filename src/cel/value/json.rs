use std::borrow::Cow;

use super::{List, Map, Value};
use crate::{canonical, cel::error::EvaluationErrorKind};

impl Value<'_> {
    /// The value as JSON of its own: a timestamp and a duration become their text.
    ///
    /// # Errors
    /// [`EvaluationErrorKind::NotJson`] for bytes, types, values of a
    /// library's own type, optionals, doubles that are not finite, and maps with keys
    /// that are not strings.
    pub fn to_canonical(&self) -> Result<canonical::Value<'static>, EvaluationErrorKind> {
        let refused = EvaluationErrorKind::NotJson(self.type_name());
        Ok(match self {
            Self::Null => canonical::Value::Null,
            Self::Bool(value) => canonical::Value::Bool(*value),
            Self::Int(value) => canonical::Value::Number(canonical::Number::Int(*value)),
            Self::Uint(value) => canonical::Value::Number(canonical::Number::from_u64(*value)),
            Self::Double(value) => canonical::Value::Number(canonical::Number::from_f64(*value).ok_or(refused)?),
            Self::String(text) => string(text),
            Self::Timestamp(time) => string(&time.to_string()),
            Self::Duration(duration) => string(&duration.to_string()),
            // Input nests at most 64 levels and what expressions build at most MAX_VALUE_DEPTH.
            Self::List(List::Json(items)) => {
                canonical::Value::Array(items.iter().map(|item| item.clone().into_owned()).collect())
            }
            Self::List(list) => {
                let items: Result<Vec<_>, _> = list.iter().map(|item| item.to_canonical()).collect();
                canonical::Value::Array(items?)
            }
            Self::Map(Map::Json(object)) => canonical::Value::Object((*object).clone().into_owned()),
            Self::Map(map) => canonical::Value::Object(object(map)?),
            Self::Bytes(_) | Self::Opaque(_) | Self::Type(_) | Self::Optional(_) => return Err(refused),
        })
    }
}

fn string(text: &str) -> canonical::Value<'static> {
    canonical::Value::String(Cow::Owned(text.to_owned()))
}

fn object(map: &Map<'_>) -> Result<canonical::Object<'static>, EvaluationErrorKind> {
    let mut entries = Vec::with_capacity(map.len());
    for (key, value) in map.iter() {
        let Value::String(key) = key else { return Err(EvaluationErrorKind::NotJson("map")) };
        entries.push((Cow::Owned(key.to_string()), value.to_canonical()?));
    }
    canonical::Object::from_entries(entries).map_err(|_| EvaluationErrorKind::DuplicateKey)
}
