use std::{ops::Deref, sync::Arc};

use super::{Key, Text, Value, same};
use crate::{
    canonical,
    cel::{error::EvaluationErrorKind, fuel::Fuel, limits::MAX_VALUE_DEPTH},
};

/// The depth that any JSON counts as: the parser refuses deeper input.
#[expect(clippy::cast_possible_truncation, reason = "the limit is 64")]
const JSON_DEPTH: u16 = canonical::MAX_DEPTH as u16;

/// The depth of a collection whose deepest element has depth `inner`.
pub(super) fn deeper(inner: u16) -> Result<u16, EvaluationErrorKind> {
    let depth = inner.saturating_add(1);
    if depth > MAX_VALUE_DEPTH { Err(EvaluationErrorKind::ValueTooDeep) } else { Ok(depth) }
}

/// A list.
#[derive(Clone, Debug)]
pub enum List<'a> {
    /// A list of the input, in place.
    Json(&'a [canonical::Value<'a>]),
    /// A list that an expression made.
    Items(Arc<Items<'a>>),
    /// A constant of an expression, in place.
    Constant(&'a Items<'a>),
}

/// The elements of a list that an expression made.
#[derive(Debug)]
pub struct Items<'a> {
    items: Vec<Value<'a>>,
    depth: u16,
}

impl<'a> List<'a> {
    /// A list of `items`.
    ///
    /// # Errors
    /// [`EvaluationErrorKind::ValueTooDeep`]
    pub fn new(items: Vec<Value<'a>>) -> Result<Self, EvaluationErrorKind> {
        let depth = deeper(items.iter().map(Value::depth).max().unwrap_or_default())?;
        Ok(Self::Items(Arc::new(Items { items, depth })))
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Json(items) => items.len(),
            Self::Items(list) => list.items.len(),
            Self::Constant(list) => list.items.len(),
        }
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `index`.
    #[must_use]
    #[inline]
    pub fn element(&self, index: usize) -> Option<Value<'a>> {
        match self {
            Self::Json(items) => items.get(index).map(Value::from),
            Self::Items(list) => list.items.get(index).cloned(),
            Self::Constant(list) => list.items.get(index).map(Value::borrowed),
        }
    }

    /// All elements in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Value<'a>> + ExactSizeIterator {
        (0..self.len()).map(|index| self.element(index).unwrap_or_default())
    }

    /// The element at `index`, without taking a share in it.
    pub(in crate::cel) fn peek(&self, index: usize) -> Option<Peek<'_, 'a>> {
        match self {
            Self::Json(items) => items.get(index).map(|item| Peek::Made(Value::from(item))),
            Self::Items(list) => list.items.get(index).map(Peek::Kept),
            Self::Constant(list) => list.items.get(index).map(Peek::Kept),
        }
    }

    /// Whether an element is the same as `wanted`, which is the left one: a value of a library decides what it is
    /// compared with.
    ///
    /// # Errors
    /// [`EvaluationErrorKind::WorkExceeded`]
    pub(in crate::cel) fn has(&self, fuel: &mut Fuel, wanted: &Value<'_>) -> Result<bool, EvaluationErrorKind> {
        for index in 0..self.len() {
            fuel.toil(1)?;
            if let Some(item) = self.peek(index)
                && same(fuel, wanted, &item)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn depth(&self) -> u16 {
        match self {
            Self::Json(_) => JSON_DEPTH,
            Self::Items(list) => list.depth,
            Self::Constant(list) => list.depth,
        }
    }
}

/// A value that a collection holds, or that was made of the input's.
pub(in crate::cel) enum Peek<'s, 'a> {
    Kept(&'s Value<'a>),
    Made(Value<'a>),
}

impl<'a> Deref for Peek<'_, 'a> {
    type Target = Value<'a>;

    fn deref(&self) -> &Value<'a> {
        match self {
            Self::Kept(value) => value,
            Self::Made(value) => value,
        }
    }
}

/// The key of an entry, as [`Peek`].
pub(super) enum PeekKey<'s, 'a> {
    Name(&'a str),
    Kept(&'s Key<'a>),
}

/// A map; iterates in the order of its keys.
#[derive(Clone, Debug)]
pub enum Map<'a> {
    /// An object of the input, in place.
    Json(&'a canonical::Object<'a>),
    /// A map that an expression made.
    Entries(Arc<Entries<'a>>),
}

/// The entries of a map that an expression made, sorted by key.
#[derive(Debug)]
pub struct Entries<'a> {
    entries: Vec<(Key<'a>, Value<'a>)>,
    depth: u16,
}

impl<'a> Map<'a> {
    /// A map of `entries`; of two with the same key the later one stays, as in cel-go.
    ///
    /// # Errors
    /// [`EvaluationErrorKind::ValueTooDeep`]
    pub fn new(mut entries: Vec<(Key<'a>, Value<'a>)>) -> Result<Self, EvaluationErrorKind> {
        entries.reverse();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        entries.dedup_by(|(later, _), (earlier, _)| later == earlier);
        let depth = deeper(entries.iter().map(|(_, value)| value.depth()).max().unwrap_or_default())?;
        Ok(Self::Entries(Arc::new(Entries { entries, depth })))
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Json(object) => object.len(),
            Self::Entries(map) => map.entries.len(),
        }
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a string key.
    #[must_use]
    #[inline]
    pub fn member(&self, key: &str) -> Option<Value<'a>> {
        match self {
            Self::Json(object) => object.member(key).map(Value::from),
            Self::Entries(map) => map.find(&Key::String(Text::Borrowed(key))),
        }
    }

    /// A map of `entries` that an expression made, as [`Map::new`].
    ///
    /// # Errors
    /// [`EvaluationErrorKind::WorkExceeded`]: long keys are compared while they are sorted; and those of `new`.
    pub(in crate::cel) fn sorted(
        fuel: &mut Fuel,
        entries: Vec<(Key<'a>, Value<'a>)>,
    ) -> Result<Self, EvaluationErrorKind> {
        for (key, _) in &entries {
            fuel.search(key.text(), entries.len())?;
        }
        Self::new(entries)
    }

    /// The value of `key`, as [`Map::find`].
    ///
    /// # Errors
    /// [`EvaluationErrorKind::WorkExceeded`]: a long key is compared with some of the map's.
    pub(in crate::cel) fn look_up(
        &self,
        fuel: &mut Fuel,
        key: &Value<'_>,
    ) -> Result<Option<Value<'a>>, EvaluationErrorKind> {
        if let Value::String(text) = key {
            fuel.search(text, self.len())?;
        }
        Ok(self.find(key))
    }

    /// Whether there is an entry for `key`.
    ///
    /// # Errors
    /// As [`Map::look_up`].
    pub(in crate::cel) fn has(&self, fuel: &mut Fuel, key: &Value<'_>) -> Result<bool, EvaluationErrorKind> {
        if let (Self::Json(object), Value::String(text)) = (self, key) {
            fuel.search(text, object.len())?;
            return Ok(object.member(text).is_some());
        }
        Ok(self.look_up(fuel, key)?.is_some())
    }

    /// The value of `key`; a key of a type that no map has is in none.
    #[must_use]
    pub fn find(&self, key: &Value<'_>) -> Option<Value<'a>> {
        match (self, key) {
            (_, Value::String(text)) => self.member(text),
            (Self::Json(_), _) => None,
            (Self::Entries(map), _) => map.find(&Key::of(key).ok()?),
        }
    }

    /// The entry at `index` in key order.
    #[must_use]
    #[inline]
    pub fn entry(&self, index: usize) -> Option<(Value<'a>, Value<'a>)> {
        match self {
            Self::Json(object) => {
                let (key, value) = object.entry(index)?;
                Some((Value::String(Text::Borrowed(key)), Value::from(value)))
            }
            Self::Entries(map) => map.entries.get(index).map(|(key, value)| (key.value(), value.clone())),
        }
    }

    /// All entries in key order.
    pub fn iter(&self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> {
        (0..self.len()).map(|index| self.entry(index).unwrap_or_default())
    }

    /// The entry at `index`, without taking a share in it.
    pub(super) fn peek(&self, index: usize) -> Option<(PeekKey<'_, 'a>, Peek<'_, 'a>)> {
        match self {
            Self::Json(object) => {
                let (name, value) = object.entry(index)?;
                Some((PeekKey::Name(name), Peek::Made(Value::from(value))))
            }
            Self::Entries(map) => map.entries.get(index).map(|(key, value)| (PeekKey::Kept(key), Peek::Kept(value))),
        }
    }

    pub(super) fn depth(&self) -> u16 {
        match self {
            Self::Json(_) => JSON_DEPTH,
            Self::Entries(map) => map.depth,
        }
    }
}

impl<'a> Entries<'a> {
    fn find(&self, key: &Key<'_>) -> Option<Value<'a>> {
        let index = self.entries.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
        self.entries.get(index).map(|(_, value)| value.clone())
    }
}
