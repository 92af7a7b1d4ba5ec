//! Types and values as the CEL project's tests write them: the JSON form of its protocol buffers.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value as Json;

use crate::cel::{Blob, Duration, Key, Map, Timestamp, Type, Value};

/// The names that a type has as a value.
const NAMED: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "int",
    "uint",
    "string",
    "null_type",
    "list",
    "map",
    "type",
    "google.protobuf.Timestamp",
    "google.protobuf.Duration",
];

/// The type, or nothing where the language of policies has none of that kind.
pub(super) fn type_of(json: &Json) -> Option<Type> {
    let (kind, of) = json.as_object()?.iter().next()?;
    Some(match (kind.as_str(), of.as_str()) {
        ("primitive", Some("BOOL")) => Type::Bool,
        ("primitive", Some("INT64")) => Type::Int,
        ("primitive", Some("UINT64")) => Type::Uint,
        ("primitive", Some("DOUBLE")) => Type::Double,
        ("primitive", Some("STRING")) => Type::String,
        ("primitive", Some("BYTES")) => Type::Bytes,
        ("messageType", Some("google.protobuf.Timestamp")) | ("wellKnown", Some("TIMESTAMP")) => Type::Timestamp,
        ("messageType", Some("google.protobuf.Duration")) | ("wellKnown", Some("DURATION")) => Type::Duration,
        ("null", _) => Type::Null,
        ("dyn", _) => Type::Dyn,
        ("listType", _) => Type::list(type_of(of.get("elemType")?)?),
        ("mapType", _) => Type::map(type_of(of.get("keyType")?)?, type_of(of.get("valueType")?)?),
        ("type", _) => Type::type_of(type_of(of).unwrap_or(Type::Dyn)),
        ("abstractType", _) if of.get("name")? == "optional_type" => {
            Type::optional(type_of(of.get("parameterTypes")?.get(0)?)?)
        }
        _ => return None,
    })
}

/// The value, or nothing where the language of policies has none of that kind.
pub(super) fn value_of(json: &Json) -> Option<Value<'static>> {
    let (kind, of) = json.as_object()?.iter().next()?;
    Some(match kind.as_str() {
        "nullValue" => Value::Null,
        "boolValue" => Value::Bool(of.as_bool()?),
        "int64Value" => Value::Int(of.as_str()?.parse().ok()?),
        "uint64Value" => Value::Uint(of.as_str()?.parse().ok()?),
        "doubleValue" => Value::Double(match of {
            Json::String(text) => text.parse().ok()?,
            number => number.as_f64()?,
        }),
        "stringValue" => Value::from(of.as_str()?.to_owned()),
        "bytesValue" => Value::Bytes(Blob::Owned(BASE64_STANDARD.decode(of.as_str()?).ok()?.into())),
        "typeValue" => Value::Type(NAMED.iter().find(|name| **name == of)?),
        "listValue" => Value::list(array(of, "values").map(value_of).collect::<Option<_>>()?).ok()?,
        "mapValue" => {
            let entry =
                |entry: &Json| Some((Key::of(&value_of(entry.get("key")?)?).ok()?, value_of(entry.get("value")?)?));
            Value::Map(Map::new(array(of, "entries").map(entry).collect::<Option<_>>()?).ok()?)
        }
        "objectValue" => match of.get("@type")?.as_str()? {
            "type.googleapis.com/google.protobuf.Timestamp" => {
                Value::Timestamp(Timestamp::parse(of.get("value")?.as_str()?)?)
            }
            "type.googleapis.com/google.protobuf.Duration" => {
                Value::Duration(Duration::parse(of.get("value")?.as_str()?)?)
            }
            _ => return None,
        },
        _ => return None,
    })
}

fn array<'a>(json: &'a Json, name: &str) -> impl Iterator<Item = &'a Json> {
    json.get(name).and_then(Json::as_array).into_iter().flatten()
}
