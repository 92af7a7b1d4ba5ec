use std::{borrow::Cow, cmp::Ordering};

use super::Number;

/// A JSON value that borrows its strings from the text where it can.
///
/// Cheap to look into, never mutated behind a reference, and free of duplicate keys by construction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Value<'a> {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number in its canonical kind.
    Number(Number),
    /// A string of Unicode scalar values.
    String(Cow<'a, str>),
    /// An array, in its own order.
    Array(Vec<Value<'a>>),
    /// An object, in key order.
    Object(Object<'a>),
}

/// A JSON object: entries sorted by [`key_order`], no key twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object<'a> {
    entries: Vec<(Cow<'a, str>, Value<'a>)>,
}

/// The order of RFC 8785 section 3.2.3: by UTF-16 code units.
///
/// It differs from the order of UTF-8 bytes only between the surrogate range and U+E000 upwards.
#[must_use]
pub fn key_order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() || b.is_ascii() {
        // Whichever is ASCII, the first difference has an ASCII unit on one side, and those sort alike in both forms.
        return a.cmp(b);
    }
    a.encode_utf16().cmp(b.encode_utf16())
}

impl<'a> Value<'a> {
    /// The member `key`, where this is an object that has it.
    #[must_use]
    pub fn member(&self, key: &str) -> Option<&Value<'a>> {
        self.as_object()?.member(key)
    }

    /// The value at a path of object keys.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Value<'a>> {
        path.iter().try_fold(self, |value, key| value.member(key))
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

    /// The integer, where this is one that fits `i64`.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Number(Number::Int(value)) => Some(*value),
            _ => None,
        }
    }

    /// The elements, where this is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value<'a>]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The members, where this is an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The same value without any borrow.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Number(value) => Value::Number(value),
            Self::String(text) => Value::String(Cow::Owned(text.into_owned())),
            Self::Array(items) => Value::Array(items.into_iter().map(Value::into_owned).collect()),
            Self::Object(object) => Value::Object(object.into_owned()),
        }
    }
}

impl<'a> Object<'a> {
    /// Sorts `entries`; the error is a key that occurs twice.
    ///
    /// # Errors
    /// The first key, in key order, that is not unique.
    pub fn from_entries(mut entries: Vec<(Cow<'a, str>, Value<'a>)>) -> Result<Self, Cow<'a, str>> {
        let sorted = entries.is_sorted_by(|(a, _), (b, _)| key_order(a, b) == Ordering::Less);
        if !sorted {
            entries.sort_by(|(a, _), (b, _)| key_order(a, b));
            let twice = entries.array_windows().position(|[(a, _), (b, _)]| a == b);
            if let Some(index) = twice {
                return Err(entries.swap_remove(index).0);
            }
        }
        Ok(Self { entries })
    }

    /// The member `key`.
    #[must_use]
    pub fn member(&self, key: &str) -> Option<&Value<'a>> {
        // Objects are small: below some dozen keys a scan that first compares lengths beats a binary search.
        if self.entries.len() <= 12 {
            return self.entries.iter().find(|(name, _)| name.as_ref() == key).map(|(_, value)| value);
        }
        let index = self.entries.binary_search_by(|(name, _)| key_order(name, key)).ok()?;
        self.entries.get(index).map(|(_, value)| value)
    }

    /// All members in key order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value<'a>)> + DoubleEndedIterator {
        self.entries.iter().map(|(key, value)| (key.as_ref(), value))
    }

    /// The entry at `index` in key order, for iteration without a borrow of an iterator.
    #[must_use]
    pub fn entry(&self, index: usize) -> Option<(&str, &Value<'a>)> {
        self.entries.get(index).map(|(key, value)| (key.as_ref(), value))
    }

    /// The number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sets `key` to `value`, in place or at its place in the order.
    pub fn insert(&mut self, key: impl Into<Cow<'a, str>>, value: Value<'a>) {
        let key = key.into();
        match self.entries.binary_search_by(|(name, _)| key_order(name, &key)) {
            Ok(index) => {
                if let Some(entry) = self.entries.get_mut(index) {
                    entry.1 = value;
                }
            }
            Err(index) => self.entries.insert(index, (key, value)),
        }
    }

    /// Removes `key`, and returns what it held.
    pub fn remove(&mut self, key: &str) -> Option<Value<'a>> {
        let index = self.entries.iter().position(|(name, _)| name == key)?;
        Some(self.entries.remove(index).1)
    }

    /// The same object without any borrow.
    #[must_use]
    pub fn into_owned(self) -> Object<'static> {
        let entries = self.entries.into_iter();
        Object { entries: entries.map(|(key, value)| (Cow::Owned(key.into_owned()), value.into_owned())).collect() }
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Number(Number::Int(value))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::String(Cow::Owned(text))
    }
}

impl<'a> From<Object<'a>> for Value<'a> {
    fn from(object: Object<'a>) -> Self {
        Self::Object(object)
    }
}

impl<'a> FromIterator<Value<'a>> for Value<'a> {
    fn from_iter<I: IntoIterator<Item = Value<'a>>>(items: I) -> Self {
        Self::Array(items.into_iter().collect())
    }
}

/// Builds an object from members; a later member replaces an earlier one of the same key.
impl<'a, K: Into<Cow<'a, str>>, V: Into<Value<'a>>> FromIterator<(K, V)> for Object<'a> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Self {
        let mut object = Self::default();
        for (key, value) in members {
            object.insert(key, value.into());
        }
        object
    }
}

/// An owned value from a `serde_json` one: for values that Writ itself made, never for governed bytes.
impl From<serde_json::Value> for Value<'static> {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => number
                .as_i64()
                .map(Number::Int)
                .or_else(|| number.as_u64().map(Number::Uint))
                .or_else(|| number.as_f64().and_then(Number::from_f64))
                .map_or(Self::Null, Self::Number),
            serde_json::Value::String(text) => Self::String(Cow::Owned(text)),
            serde_json::Value::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(map) => Self::Object(map.into_iter().map(|(k, v)| (k, Self::from(v))).collect()),
        }
    }
}

/// Serializes as JSON in key order, for output to people and programs; digests use [`super::encode`].
impl serde::Serialize for Value<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(Number::Int(value)) => serializer.serialize_i64(*value),
            Self::Number(Number::Uint(value)) => serializer.serialize_u64(*value),
            Self::Number(Number::Double(value)) => serializer.serialize_f64(*value),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Object(object) => serializer.collect_map(object.iter()),
        }
    }
}
