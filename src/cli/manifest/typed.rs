//! Reads a canonical value as a type, and names the path of what does not fit.

use std::{borrow::Cow, cell::RefCell};

use serde::de::{self, DeserializeOwned, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use crate::canonical::{Number, Value};

/// What does not fit, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub(crate) struct TypedError {
    /// Field path, for example `spec.rules[1].when`; empty for the whole document.
    pub(crate) path: String,
    /// What is wrong with it.
    pub(crate) message: String,
}

/// Reads `value` as a `T`.
///
/// # Errors
/// The first field that does not fit.
pub(crate) fn typed<T: DeserializeOwned>(value: &Value<'_>) -> Result<T, TypedError> {
    let trail = RefCell::new(Vec::new());
    T::deserialize(Reader { value, trail: &trail })
        .map_err(|error| TypedError { path: path(&trail.borrow()), message: error.to_string() })
}

enum Step {
    Key(String),
    Index(usize),
}

fn path(trail: &[Step]) -> String {
    let mut path = String::new();
    for step in trail {
        match step {
            Step::Key(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

/// The steps to the value at hand; after an error it stays where the error was.
type Trail = RefCell<Vec<Step>>;

struct Reader<'v, 't> {
    value: &'v Value<'v>,
    trail: &'t Trail,
}

/// serde's own kind of error serves: it is a text.
type Error = de::value::Error;

impl<'de> de::Deserializer<'de> for Reader<'_, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(Number::Int(value)) => match u64::try_from(*value) {
                // serde's unsigned targets take no negative type, and its signed ones take both.
                Ok(value) => visitor.visit_u64(value),
                Err(_) => visitor.visit_i64(*value),
            },
            Value::Number(Number::Uint(value)) => visitor.visit_u64(*value),
            Value::Number(Number::Double(value)) => visitor.visit_f64(*value),
            Value::String(text) => visitor.visit_str(text),
            Value::Array(items) => visitor.visit_seq(Items { items: items.iter(), next: 0, trail: self.trail }),
            Value::Object(_) => visitor.visit_map(Members { object: self.value, next: 0, trail: self.trail }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value.as_str() {
            Some(word) => visitor.visit_enum(Word(Cow::Borrowed(word))),
            None => self.deserialize_any(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Items<'v, 't> {
    items: std::slice::Iter<'v, Value<'v>>,
    next: usize,
    trail: &'t Trail,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(value) = self.items.next() else { return Ok(None) };
        self.trail.borrow_mut().push(Step::Index(self.next));
        self.next += 1;
        let read = seed.deserialize(Reader { value, trail: self.trail })?;
        self.trail.borrow_mut().pop();
        Ok(Some(read))
    }
}

struct Members<'v, 't> {
    object: &'v Value<'v>,
    next: usize,
    trail: &'t Trail,
}

impl<'v> Members<'v, '_> {
    fn entry(&self, index: usize) -> Option<(&'v str, &'v Value<'v>)> {
        self.object.as_object()?.entry(index)
    }
}

impl<'de> MapAccess<'de> for Members<'_, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, _)) = self.entry(self.next) else { return Ok(None) };
        self.next += 1;
        self.trail.borrow_mut().push(Step::Key(key.to_owned()));
        let read = seed.deserialize(de::value::StrDeserializer::<Error>::new(key))?;
        self.trail.borrow_mut().pop();
        Ok(Some(read))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let entry = self.next.checked_sub(1).and_then(|index| self.entry(index));
        let (key, value) = entry.ok_or_else(|| de::Error::custom("a value was read before its key"))?;
        self.trail.borrow_mut().push(Step::Key(key.to_owned()));
        let read = seed.deserialize(Reader { value, trail: self.trail })?;
        self.trail.borrow_mut().pop();
        Ok(read)
    }
}

/// An enum variant without content.
struct Word<'w>(Cow<'w, str>);

impl<'de> EnumAccess<'de> for Word<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Error> {
        let word = seed.deserialize(de::value::StrDeserializer::<Error>::new(&self.0))?;
        Ok((word, self))
    }
}

impl<'de> VariantAccess<'de> for Word<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Error> {
        Err(de::Error::custom(format!("`{}` takes a value", self.0)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(de::Error::custom(format!("`{}` takes values", self.0)))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Error> {
        Err(de::Error::custom(format!("`{}` takes fields", self.0)))
    }
}
