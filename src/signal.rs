//! Signals and parameters: typed values, checked against what the policy declares.

use std::collections::BTreeMap;

use regex::Regex;

use crate::{
    api::{Parameter, Signal, SignalType},
    canonical::{Number, Object, Value},
    cel::Quantity,
};

/// Longest string in characters where `maxLength` is absent, and its largest value.
pub const MAX_LENGTH: usize = 4096;
/// Most elements of a list or map where `maxItems` is absent, and its largest value.
pub const MAX_ITEMS: usize = 256;
/// Largest compiled form of a `pattern`, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// A value of a declared type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalValue {
    /// `Boolean`
    Boolean(bool),
    /// `Integer`
    Integer(i64),
    /// `String`
    String(String),
    /// `StringList`, in its own order.
    StringList(Vec<String>),
    /// `StringMap`
    StringMap(BTreeMap<String, String>),
    /// `Timestamp`, to the nanosecond.
    Timestamp(jiff::Timestamp),
    /// `Quantity`, by its canonical text.
    Quantity(String),
}

impl SignalValue {
    /// The JSON value; a timestamp is its shortest RFC 3339 form in UTC.
    #[must_use]
    pub fn to_value(&self) -> Value<'_> {
        match self {
            Self::Boolean(value) => Value::Bool(*value),
            Self::Integer(value) => Value::Number(Number::Int(*value)),
            Self::String(text) => Value::from(text.as_str()),
            Self::StringList(items) => items.iter().map(|item| Value::from(item.as_str())).collect(),
            Self::StringMap(map) => {
                Value::Object(map.iter().map(|(key, item)| (key.as_str(), item.as_str())).collect::<Object<'_>>())
            }
            Self::Timestamp(time) => Value::from(time.to_string()),
            Self::Quantity(text) => Value::from(text.as_str()),
        }
    }
}

/// Why a value is not one of the declared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// Another type.
    #[error("is not of type {0}")]
    Type(&'static str),
    /// Not one of the `enum`.
    #[error("is not one of the allowed values: {0}")]
    Enum(String),
    /// Below `minimum`.
    #[error("is below the minimum of {0}")]
    Minimum(i64),
    /// Above `maximum`.
    #[error("is above the maximum of {0}")]
    Maximum(i64),
    /// Longer than `maxLength`.
    #[error("is longer than {0} characters")]
    MaxLength(usize),
    /// Does not match `pattern`.
    #[error("does not match the pattern `{0}`")]
    Pattern(String),
    /// More elements than `maxItems`.
    #[error("has more than {0} items")]
    MaxItems(usize),
}

/// Why a declaration is not acceptable. `field` is the field of the declaration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct DeclarationError {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub message: String,
}

/// The compiled type and constraints of one signal or parameter.
#[derive(Clone, Debug)]
pub struct Declaration {
    value_type: SignalType,
    allowed: Vec<String>,
    minimum: Option<i64>,
    maximum: Option<i64>,
    max_length: usize,
    pattern: Option<(String, Regex)>,
    max_items: usize,
}

/// The constraints as the API has them, borrowed from either kind of declaration.
struct Constraints<'d> {
    value_type: SignalType,
    allowed: &'d [String],
    minimum: Option<i64>,
    maximum: Option<i64>,
    max_length: Option<u32>,
    pattern: Option<&'d str>,
    max_items: Option<u32>,
}

macro_rules! constraints {
    ($declared:expr) => {
        Constraints {
            value_type: $declared.value_type,
            allowed: &$declared.allowed,
            minimum: $declared.minimum,
            maximum: $declared.maximum,
            max_length: $declared.max_length,
            pattern: $declared.pattern.as_deref(),
            max_items: $declared.max_items,
        }
    };
}

impl SignalType {
    /// As the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "Boolean",
            Self::Integer => "Integer",
            Self::String => "String",
            Self::StringList => "StringList",
            Self::StringMap => "StringMap",
            Self::Timestamp => "Timestamp",
            Self::Quantity => "Quantity",
        }
    }
}

impl Declaration {
    /// The declaration of a signal.
    ///
    /// # Errors
    /// A constraint that the type cannot have, or that nothing can satisfy.
    pub fn of_signal(signal: &Signal) -> Result<Self, DeclarationError> {
        Self::compile(&constraints!(signal))
    }

    /// The declaration of a parameter.
    ///
    /// # Errors
    /// A constraint that the type cannot have, or that nothing can satisfy.
    pub fn of_parameter(parameter: &Parameter) -> Result<Self, DeclarationError> {
        Self::compile(&constraints!(parameter))
    }

    /// The declared type.
    #[must_use]
    pub fn value_type(&self) -> SignalType {
        self.value_type
    }

    fn compile(declared: &Constraints<'_>) -> Result<Self, DeclarationError> {
        let fail = |field, message: String| DeclarationError { field, message };
        let name = declared.value_type.as_str();
        let has_strings =
            matches!(declared.value_type, SignalType::String | SignalType::StringList | SignalType::StringMap);
        let has_items = matches!(declared.value_type, SignalType::StringList | SignalType::StringMap);
        for (field, present, fits) in [
            ("enum", !declared.allowed.is_empty(), has_strings),
            ("maxLength", declared.max_length.is_some(), has_strings),
            ("pattern", declared.pattern.is_some(), has_strings),
            ("maxItems", declared.max_items.is_some(), has_items),
            ("minimum", declared.minimum.is_some(), declared.value_type == SignalType::Integer),
            ("maximum", declared.maximum.is_some(), declared.value_type == SignalType::Integer),
        ] {
            if present && !fits {
                return Err(fail(field, format!("a value of type {name} has no such constraint: remove it")));
            }
        }
        if let (Some(minimum), Some(maximum)) = (declared.minimum, declared.maximum)
            && minimum > maximum
        {
            return Err(fail("minimum", format!("{minimum} is above the maximum of {maximum}: no value fits")));
        }
        let bounded = |field, limit: Option<u32>, most: usize| match limit.map(|limit| limit as usize) {
            Some(limit) if limit > most => Err(fail(field, format!("at most {most}"))),
            limit => Ok(limit.unwrap_or(most)),
        };
        let pattern = match declared.pattern {
            Some(source) => Some((source.to_owned(), compile_pattern(source)?)),
            None => None,
        };
        Ok(Self {
            value_type: declared.value_type,
            allowed: declared.allowed.to_vec(),
            minimum: declared.minimum,
            maximum: declared.maximum,
            max_length: bounded("maxLength", declared.max_length, MAX_LENGTH)?,
            pattern,
            max_items: bounded("maxItems", declared.max_items, MAX_ITEMS)?,
        })
    }

    /// Reads a JSON value as one of this declaration.
    ///
    /// # Errors
    /// [`SignalError`] says which constraint it breaks, without the value.
    pub fn read(&self, value: &Value<'_>) -> Result<SignalValue, SignalError> {
        let wrong_type = SignalError::Type(self.value_type.as_str());
        let text = |value: &Value<'_>| value.as_str().map(str::to_owned).ok_or(wrong_type.clone());
        let value = match (self.value_type, value) {
            (SignalType::Boolean, Value::Bool(value)) => SignalValue::Boolean(*value),
            (SignalType::Integer, Value::Number(Number::Int(value))) => SignalValue::Integer(*value),
            (SignalType::String, Value::String(text)) => SignalValue::String(text.clone().into_owned()),
            (SignalType::StringList, Value::Array(items)) => {
                SignalValue::StringList(items.iter().map(text).collect::<Result<_, _>>()?)
            }
            (SignalType::StringMap, Value::Object(object)) => {
                let entry = |(key, value): (&str, &Value<'_>)| text(value).map(|value| (key.to_owned(), value));
                SignalValue::StringMap(object.iter().map(entry).collect::<Result<_, _>>()?)
            }
            (SignalType::Timestamp, Value::String(text)) => {
                SignalValue::Timestamp(text.parse().map_err(|_| wrong_type.clone())?)
            }
            (SignalType::Quantity, Value::String(text)) => {
                let quantity = Quantity::parse(text).ok().and_then(|quantity| quantity.stable());
                SignalValue::Quantity(quantity.ok_or(wrong_type)?)
            }
            _ => return Err(wrong_type),
        };
        self.check(&value)?;
        Ok(value)
    }

    /// Checks a value of the right type against the constraints.
    ///
    /// # Errors
    /// The first constraint that it breaks.
    pub fn check(&self, value: &SignalValue) -> Result<(), SignalError> {
        match value {
            SignalValue::Boolean(_) | SignalValue::Timestamp(_) => Ok(()),
            SignalValue::Integer(value) => match (self.minimum, self.maximum) {
                (Some(minimum), _) if *value < minimum => Err(SignalError::Minimum(minimum)),
                (_, Some(maximum)) if *value > maximum => Err(SignalError::Maximum(maximum)),
                _ => Ok(()),
            },
            SignalValue::String(text) => self.check_string(text),
            SignalValue::Quantity(text) => self.check_length(text),
            SignalValue::StringList(items) => {
                self.check_items(items.len())?;
                items.iter().try_for_each(|item| self.check_string(item))
            }
            SignalValue::StringMap(map) => {
                self.check_items(map.len())?;
                map.iter().try_for_each(|(key, item)| self.check_length(key).and_then(|()| self.check_string(item)))
            }
        }
    }

    fn check_items(&self, count: usize) -> Result<(), SignalError> {
        if count > self.max_items { Err(SignalError::MaxItems(self.max_items)) } else { Ok(()) }
    }

    fn check_length(&self, text: &str) -> Result<(), SignalError> {
        // Bytes first: most strings are short, and counting characters reads them all.
        if text.len() > self.max_length && text.chars().count() > self.max_length {
            return Err(SignalError::MaxLength(self.max_length));
        }
        Ok(())
    }

    fn check_string(&self, text: &str) -> Result<(), SignalError> {
        self.check_length(text)?;
        if !self.allowed.is_empty() && !self.allowed.iter().any(|allowed| allowed == text) {
            return Err(SignalError::Enum(self.allowed.join(", ")));
        }
        match &self.pattern {
            Some((source, pattern)) if !pattern.is_match(text) => Err(SignalError::Pattern(source.clone())),
            _ => Ok(()),
        }
    }
}

/// Anchored at both ends: a pattern that matches only a part would let a hostile string carry anything around it.
fn compile_pattern(source: &str) -> Result<Regex, DeclarationError> {
    // Alone first, so that an unbalanced group cannot escape the anchors.
    regex::RegexBuilder::new(source)
        .size_limit(MAX_PATTERN_BYTES)
        .build()
        .and_then(|_| regex::RegexBuilder::new(&format!(r"\A(?:{source})\z")).size_limit(MAX_PATTERN_BYTES).build())
        .map_err(|error| DeclarationError { field: "pattern", message: error.to_string() })
}

#[cfg(test)]
mod tests;
