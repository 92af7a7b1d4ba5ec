use super::{Map, Value};
use crate::canonical::encode_string;

impl Value<'_> {
    /// The value as CEL writes it: an expression that yields it again.
    #[must_use]
    pub fn literal(&self) -> String {
        literal(self)
    }
}

/// Recursion is bounded by the depth of values, which the engine bounds.
fn literal(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => format!("{value}u"),
        Value::Double(value) => double(*value),
        Value::String(text) => quoted(text),
        Value::Bytes(bytes) => format!("b\"{}\"", bytes.escape_ascii()),
        Value::List(list) => format!("[{}]", list.iter().map(|item| literal(&item)).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => mapping(map),
        Value::Timestamp(time) => format!("timestamp({})", quoted(&time.to_string())),
        Value::Duration(duration) => format!("duration({})", quoted(&duration.to_string())),
        Value::Opaque(value) => value.literal(),
        Value::Type(name) => (*name).to_owned(),
        Value::Optional(_) => match value.as_present() {
            Some(value) => format!("optional.of({})", literal(value)),
            None => "optional.none()".to_owned(),
        },
    }
}

fn mapping(map: &Map<'_>) -> String {
    let entries: Vec<_> = map.iter().map(|(key, value)| format!("{}: {}", literal(&key), literal(&value))).collect();
    format!("{{{}}}", entries.join(", "))
}

/// With a point or an exponent, so that it is no integer; those that no literal has by the conversion that makes them.
fn double(value: f64) -> String {
    match value {
        value if value.is_nan() => "double(\"NaN\")".to_owned(),
        value if value.is_infinite() => format!("double(\"{}Infinity\")", if value < 0.0 { "-" } else { "" }),
        value => format!("{value:?}"),
    }
}

/// JSON's escapes are among CEL's.
fn quoted(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len() + 2);
    // INVARIANT: writing to a vector cannot fail, and JSON strings are UTF-8.
    let _ = encode_string(text, &mut bytes);
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cel::{Bindings, Environment, Fuel, compile};

    #[test]
    fn a_literal_reads_back() {
        for source in [
            "null",
            "true",
            "-9223372036854775808",
            "18446744073709551615u",
            "1.0",
            "1e300",
            "double(\"NaN\")",
            "double(\"-Infinity\")",
            "\"a\\\"\\n\\u0007é\"",
            "b\"a\\x00\\xff\\\"\"",
            "[[1], [2], []]",
            "{\"a\": {true: null}, \"b\": {}}",
            "timestamp(\"2026-11-24T09:00:00Z\")",
            "duration(\"90s\")",
            "optional.of([1])",
            "optional.none()",
        ] {
            let value = |source: &str| {
                let program = compile(source, &Environment::new(), None).map_err(|error| error.to_string())?;
                let value =
                    program.evaluate(&Bindings::new(), &mut Fuel::new(1000)).map_err(|error| error.to_string())?;
                Ok::<_, String>(literal(&value))
            };
            let written = value(source);
            assert_eq!(written.clone().and_then(|again| value(&again)), written, "{source}");
            assert!(written.is_ok(), "{source}: {written:?}");
        }
    }
}
