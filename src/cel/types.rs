//! The types of expressions, as the checker and the declarations of libraries speak of them.

use std::{fmt, sync::Arc};

/// The type of an expression, a variable or a function's parameter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// Known only at evaluation; fits everywhere.
    Dyn,
    /// `null_type`
    Null,
    /// `bool`
    Bool,
    /// `int`: 64 bits, signed.
    Int,
    /// `uint`: 64 bits, unsigned.
    Uint,
    /// `double`: IEEE 754 binary64.
    Double,
    /// `string`: Unicode scalar values.
    String,
    /// `bytes`
    Bytes,
    /// `google.protobuf.Timestamp`
    Timestamp,
    /// `google.protobuf.Duration`
    Duration,
    /// A type that a library brings, by its name, for example `kubernetes.Quantity`.
    Opaque(&'static str),
    /// `list(T)`
    List(Arc<Type>),
    /// `map(K, V)`
    Map(Arc<Type>, Arc<Type>),
    /// `optional_type(T)`
    Optional(Arc<Type>),
    /// `type(T)`: the type of a type.
    Type(Arc<Type>),
    /// An object with declared fields; any other field is a compile error.
    Object(Arc<ObjectType>),
    /// A type variable of a declaration or of the checker; no finished expression has it.
    Parameter(u32),
}

/// A named set of fields with their types.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectType {
    name: Arc<str>,
    fields: Vec<(Arc<str>, Type)>,
}

impl Type {
    /// `list(element)`
    #[must_use]
    pub fn list(element: Self) -> Self {
        Self::List(Arc::new(element))
    }

    /// `map(key, value)`
    #[must_use]
    pub fn map(key: Self, value: Self) -> Self {
        Self::Map(Arc::new(key), Arc::new(value))
    }

    /// `optional_type(value)`
    #[must_use]
    pub fn optional(value: Self) -> Self {
        Self::Optional(Arc::new(value))
    }

    /// `type(of)`
    #[must_use]
    pub fn type_of(of: Self) -> Self {
        Self::Type(Arc::new(of))
    }

    /// An object type called `name` with the given fields; a later field replaces an earlier one of its name.
    #[must_use]
    pub fn object<N: Into<Arc<str>>>(name: &str, fields: impl IntoIterator<Item = (N, Self)>) -> Self {
        Self::Object(Arc::new(ObjectType::new(name, fields)))
    }

    /// Whether this is [`Type::Dyn`].
    #[must_use]
    pub fn is_dyn(&self) -> bool {
        matches!(self, Self::Dyn)
    }

    /// The types that this one is made of.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Self> {
        let (first, second) = match self {
            Self::List(inner) | Self::Optional(inner) | Self::Type(inner) => (Some(inner.as_ref()), None),
            Self::Map(key, value) => (Some(key.as_ref()), Some(value.as_ref())),
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }
}

impl ObjectType {
    /// A type called `name` with `fields`.
    #[must_use]
    pub fn new<N: Into<Arc<str>>>(name: &str, fields: impl IntoIterator<Item = (N, Type)>) -> Self {
        let mut sorted: Vec<(Arc<str>, Type)> = Vec::new();
        for (field, kind) in fields {
            let field = field.into();
            match sorted.binary_search_by(|(known, _)| known.cmp(&field)) {
                Ok(index) => {
                    if let Some(entry) = sorted.get_mut(index) {
                        entry.1 = kind;
                    }
                }
                Err(index) => sorted.insert(index, (field, kind)),
            }
        }
        Self { name: name.into(), fields: sorted }
    }

    /// The name, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of `field`, where it is declared.
    #[must_use]
    pub fn field(&self, field: &str) -> Option<&Type> {
        let index = self.fields.binary_search_by(|(known, _)| known.as_ref().cmp(field)).ok()?;
        self.fields.get(index).map(|(_, kind)| kind)
    }

    /// All fields in the order of their names.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&str, &Type)> {
        self.fields.iter().map(|(name, kind)| (name.as_ref(), kind))
    }
}

/// As CEL writes types, for example `map(string, list(int))`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn => f.write_str("dyn"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Duration => f.write_str("duration"),
            Self::Opaque(name) => f.write_str(name),
            Self::List(element) => write!(f, "list({element})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Optional(value) => write!(f, "optional_type({value})"),
            // What the name `type` stands for.
            Self::Type(of) if matches!(&**of, Self::Type(named) if named.is_dyn()) => f.write_str("type(type)"),
            Self::Type(of) => write!(f, "type({of})"),
            Self::Object(object) => f.write_str(object.name()),
            Self::Parameter(_) => f.write_str("dyn"),
        }
    }
}
