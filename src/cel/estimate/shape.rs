use super::super::{environment::Sizes, types::Type, value::Value};

/// How large a value may be. An optional is as large as what it holds.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// No value: the element of an empty list.
    Nothing,
    /// Size 1.
    Scalar,
    /// At most so many characters or bytes.
    Text(u64),
    List(u64, Box<Shape>),
    Map(u64, Box<Shape>, Box<Shape>),
    /// Anything whose texts and collections are at most so large, at every level.
    Unknown(Sizes),
}

/// The largest value of a library: the bytes of an IPv6 address.
pub(super) const OPAQUE: u64 = 16;

/// The most nodes of a shape; a larger one becomes unknown, with the sizes that it has.
const MAX_NODES: usize = 64;

impl Shape {
    /// A list of at most `size` elements.
    pub(super) fn list(size: u64, element: Self) -> Self {
        Self::List(size, Box::new(element)).bounded()
    }

    /// A map of at most `size` entries.
    pub(super) fn map(size: u64, key: Self, value: Self) -> Self {
        Self::Map(size, Box::new(key), Box::new(value)).bounded()
    }

    fn bounded(self) -> Self {
        if self.nodes() > MAX_NODES { Self::Unknown(self.sizes()) } else { self }
    }

    fn nodes(&self) -> usize {
        match self {
            Self::List(_, element) => 1 + element.nodes(),
            Self::Map(_, key, value) => 1 + key.nodes() + value.nodes(),
            _ => 1,
        }
    }

    pub(super) fn of_type(of: &Type, sizes: Sizes) -> Self {
        match of {
            Type::Dyn | Type::Object(_) | Type::Parameter(_) => Self::Unknown(sizes),
            Type::String | Type::Bytes => Self::Text(sizes.text),
            Type::List(element) => Self::list(sizes.elements, Self::of_type(element, sizes)),
            Type::Map(key, value) => {
                let (key, value) = (Self::of_type(key, sizes), Self::of_type(value, sizes));
                Self::map(sizes.elements, key, value)
            }
            Type::Optional(value) => Self::of_type(value, sizes),
            Type::Null | Type::Bool | Type::Int | Type::Uint | Type::Double => Self::Scalar,
            Type::Timestamp | Type::Duration | Type::Type(_) => Self::Scalar,
            Type::Opaque(_) => Self::Text(OPAQUE),
        }
    }

    /// The size of a constant.
    pub(super) fn of_value(value: &Value<'static>) -> Self {
        match value {
            Value::String(text) => Self::Text(text.characters() as u64),
            Value::Bytes(bytes) => Self::Text(bytes.len() as u64),
            Value::List(list) => {
                let element = list.iter().fold(Self::Nothing, |joined, item| joined.join(Self::of_value(&item)));
                Self::list(list.len() as u64, element)
            }
            Value::Map(map) => {
                let (key, value) = map.iter().fold((Self::Nothing, Self::Nothing), |(keys, values), (key, value)| {
                    (keys.join(Self::of_value(&key)), values.join(Self::of_value(&value)))
                });
                Self::map(map.len() as u64, key, value)
            }
            Value::Opaque(value) => Self::Text(value.size()),
            _ => Self::Scalar,
        }
    }

    /// The largest `size()`.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Scalar => 1,
            Self::Text(size) | Self::List(size, _) | Self::Map(size, ..) => *size,
            Self::Unknown(sizes) => sizes.text.max(sizes.elements).max(1),
        }
    }

    /// An element of a list, a value of a map, or a field.
    pub(super) fn element(&self) -> Self {
        match self {
            Self::List(_, element) | Self::Map(_, _, element) => element.as_ref().clone(),
            Self::Unknown(sizes) => Self::Unknown(*sizes),
            Self::Nothing | Self::Scalar | Self::Text(_) => Self::Nothing,
        }
    }

    /// A shape that covers both.
    pub(super) fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, other) | (other, Self::Nothing) => other,
            (Self::Scalar, Self::Scalar) => Self::Scalar,
            (Self::Text(a), Self::Text(b)) => Self::Text(a.max(b)),
            (Self::List(a, a_item), Self::List(b, b_item)) => Self::list(a.max(b), a_item.join(*b_item)),
            (Self::Map(a, a_key, a_item), Self::Map(b, b_key, b_item)) => {
                Self::map(a.max(b), a_key.join(*b_key), a_item.join(*b_item))
            }
            (a, b) => {
                let (a, b) = (a.sizes(), b.sizes());
                Self::Unknown(Sizes { text: a.text.max(b.text), elements: a.elements.max(b.elements) })
            }
        }
    }

    /// The largest text and the largest collection at any level.
    fn sizes(&self) -> Sizes {
        match self {
            Self::Nothing | Self::Scalar => Sizes { text: 0, elements: 0 },
            Self::Text(text) => Sizes { text: *text, elements: 0 },
            Self::List(elements, item) => {
                let inner = item.sizes();
                Sizes { text: inner.text, elements: inner.elements.max(*elements) }
            }
            Self::Map(elements, key, item) => {
                let (key, inner) = (key.sizes(), item.sizes());
                Sizes { text: key.text.max(inner.text), elements: inner.elements.max(key.elements).max(*elements) }
            }
            Self::Unknown(sizes) => *sizes,
        }
    }

    /// The concatenation of both, or their sum.
    pub(super) fn sum(self, other: Self) -> Self {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Self::Text(a.saturating_add(b)),
            (Self::List(a, a_item), Self::List(b, b_item)) => Self::list(a.saturating_add(b), a_item.join(*b_item)),
            (Self::Scalar, Self::Scalar) => Self::Scalar,
            (a, b) => {
                let (a, b) = (a.sizes(), b.sizes());
                let (text, elements) = (a.text.saturating_add(b.text), a.elements.saturating_add(b.elements));
                Self::Unknown(Sizes { text, elements })
            }
        }
    }

    /// The cost of going through the whole value: 1 for a scalar, a tenth for each byte of text.
    pub(super) fn traversal(&self) -> u64 {
        // A character has at most four bytes.
        let text = |characters: u64| characters.saturating_mul(4) / 10;
        match self {
            Self::Nothing => 0,
            Self::Scalar => 1,
            Self::Text(characters) => text(*characters),
            Self::List(size, item) => size.saturating_mul(item.traversal()),
            Self::Map(size, key, item) => size.saturating_mul(key.traversal().saturating_add(item.traversal())),
            Self::Unknown(sizes) => sizes.elements.max(1).saturating_mul(text(sizes.text).max(1)),
        }
    }

    /// The most characters that `format` writes for the value. A double has up to 309 digits with a comma after every
    /// third, and 1074 more; a character may be escaped in ten, and a byte of it written in two.
    pub(super) fn written(&self) -> u64 {
        let text = |characters: u64| characters.saturating_mul(10).saturating_add(3);
        let all = |size: u64, each: u64| size.max(1).saturating_mul(each.saturating_add(4)).saturating_add(2);
        match self {
            Self::Nothing => 0,
            Self::Scalar => 1_500,
            Self::Text(characters) => text(*characters),
            Self::List(size, item) => all(*size, item.written()),
            Self::Map(size, key, item) => all(*size, key.written().saturating_add(item.written())),
            Self::Unknown(sizes) => all(sizes.elements, text(sizes.text).saturating_add(1_500).saturating_mul(2)),
        }
    }
}
