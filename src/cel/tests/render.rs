//! Values and types in the notation of the vectors, which the oracle writes too.

use crate::{
    canonical,
    cel::{Type, Value},
};

pub(super) fn render(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => format!("{value}u"),
        Value::Double(value) => format!("double({})", double(*value)),
        Value::String(text) => quote(text),
        Value::Bytes(bytes) => format!("bytes({})", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
        Value::Timestamp(time) => format!("timestamp({}, {})", time.seconds(), time.nanos()),
        Value::Duration(duration) => format!("duration({})", duration.nanos()),
        Value::Opaque(value) => value.literal(),
        Value::Type(name) => format!("type({name})"),
        Value::Optional(None) => "optional.none()".to_owned(),
        Value::Optional(Some(present)) => format!("optional.of({})", render(present.value())),
        Value::List(list) => {
            let items: Vec<String> = list.iter().map(|item| render(&item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let mut entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{}: {}", render(&key), render(&value))).collect();
            entries.sort();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// Shortest digits with an exponent of at least two, as Go's `%e`.
fn double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = canonical::shortest(value);
    let (digits, exponent) = text.split_once('e').unwrap();
    let exponent: i32 = exponent.parse().unwrap();
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn quote(text: &str) -> String {
    let plain = |c: char| (' '..='~').contains(&c) && c != '"' && c != '\\';
    let inner: String =
        text.chars().map(|c| if plain(c) { c.to_string() } else { format!("\\u{{{:x}}}", u32::from(c)) }).collect();
    format!("\"{inner}\"")
}

/// A type as the vectors declare it.
pub(super) fn parse_type(text: &str) -> Type {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix("list(") {
        return Type::list(parse_type(inner.strip_suffix(')').unwrap()));
    }
    if let Some(inner) = text.strip_prefix("map(") {
        let (key, value) = inner.strip_suffix(')').unwrap().split_once(',').unwrap();
        return Type::map(parse_type(key), parse_type(value));
    }
    match text {
        "dyn" => Type::Dyn,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "timestamp" => Type::Timestamp,
        "duration" => Type::Duration,
        other => panic!("unknown type {other}"),
    }
}
