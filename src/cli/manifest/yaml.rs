use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::canonical::{Number, Object, Value};

/// The deepest nesting of one document: a governed object (64) inside the case of a test.
const MAX_DEPTH: usize = 80;
/// The most documents of one file.
const MAX_DOCUMENTS: usize = 4096;
/// The most nodes of one file, aliases expanded.
const MAX_NODES: usize = 1_000_000;

/// The most nodes that aliases may repeat in one file.
const MAX_REPLAYED: usize = 100_000;
/// 2^53: from here on a double does not say which integer was written.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The place of a fault, line and column from 1, where it is known; and what it is.
pub(super) type Fault = (Option<(u64, u64)>, String);

/// Options under which every reader of YAML here works.
pub(super) fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_documents: MAX_DOCUMENTS,
            max_nodes: MAX_NODES,
            max_events: 4 * MAX_NODES,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_REPLAYED },
        // As kubectl reads `defaultMode: 0644`.
        legacy_octal_numbers: true,
        with_snippet: false,
    }
}

/// All documents of a text, empty ones as null.
pub(super) fn parse(text: &str) -> Result<Vec<Value<'static>>, Fault> {
    let documents: Vec<Yaml> =
        serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| fault(&error))?;
    Ok(documents.into_iter().map(|Yaml(value)| value).collect())
}

fn fault(error: &serde_saphyr::Error) -> Fault {
    let error = error.without_snippet();
    let place = error.location().map(|place| (place.line(), place.column()));
    let text = error.to_string();
    // The library ends its messages with the place, which stands in front here.
    let words = text.split(" at line ").next().unwrap_or(&text);
    // It also speaks to programmers.
    let words = words.split(", set DuplicateKeyPolicy").next().unwrap_or(words);
    (place, words.lines().next().unwrap_or_default().to_owned())
}

struct Yaml(Value<'static>);

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor).map(Yaml)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'static>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value that JSON has")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Value::Number(Number::Int(value)))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Value::Number(Number::from_u64(value)))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        match Number::from_f64(value) {
            // The library reads an integer that is too long as the nearest double, which would be another number.
            Some(_) if value.fract() == 0.0 && value.abs() >= EXACT => {
                Err(E::custom("number out of range: an integer has 64 bits; quote it where text is meant"))
            }
            Some(number) => Ok(Value::Number(number)),
            None => Err(E::custom("number out of range: it is not finite")),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::from(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Yaml(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(Key(key)) = members.next_key()? {
            let Yaml(value) = members.next_value()?;
            entries.push((key.into(), value));
        }
        // Two spellings of one key, `1` and `"1"`, only meet here.
        Object::from_entries(entries)
            .map(Value::Object)
            .map_err(|key| de::Error::custom(format!("duplicate key `{key}`")))
    }
}

/// The key of a mapping. As in kubectl, a whole number is its text; anything else must be quoted.
pub(super) struct Key(pub(super) String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(ValueVisitor)? {
            Value::String(text) => Ok(Self(text.into_owned())),
            Value::Number(Number::Int(value)) => Ok(Self(value.to_string())),
            Value::Number(Number::Uint(value)) => Ok(Self(value.to_string())),
            _ => Err(de::Error::custom("a key that is no text: quote it")),
        }
    }
}
