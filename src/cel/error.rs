//! Why an expression does not compile, or does not evaluate.
//!
//! Both kinds carry a position. Messages name what the expression says (functions, keys written in it, types) and
//! never a value that it read.

use std::fmt;

use super::{check::Suggestion, types::Type};

/// A place in the source of an expression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Bytes from the start.
    pub offset: u32,
    /// The line, from 1.
    pub line: u32,
    /// The character within the line, from 1.
    pub column: u32,
}

impl Position {
    /// The position of byte `offset` of `source`; a place inside a character counts as its start.
    #[must_use]
    pub fn of(source: &str, offset: u32) -> Self {
        let (mut line, mut column) = (1, 1);
        for (at, character) in source.char_indices() {
            if at + character.len_utf8() > offset as usize {
                break;
            }
            if character == '\n' {
                line += 1;
                column = 1;
            } else {
                column += 1;
            }
        }
        Self { offset, line, column }
    }
}

/// As `line:column`.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Everything that is wrong with an expression, in the order of the source; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileErrors {
    issues: Vec<CompileError>,
}

impl CompileErrors {
    pub(crate) fn new(mut issues: Vec<CompileError>) -> Self {
        issues.sort_by_key(|issue| issue.position.offset);
        Self { issues }
    }

    /// What is wrong, at most [`super::limits::MAX_ERRORS`] of it.
    #[must_use]
    pub fn issues(&self) -> &[CompileError] {
        &self.issues
    }
}

impl std::error::Error for CompileErrors {}

impl fmt::Display for CompileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, issue) in self.issues.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{issue}")?;
        }
        Ok(())
    }
}

/// One thing that is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {kind}")]
pub struct CompileError {
    /// Where.
    pub position: Position,
    /// What.
    pub kind: CompileErrorKind,
}

/// The ways in which an expression does not compile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileErrorKind {
    /// The source is longer than [`super::limits::MAX_SOURCE_BYTES`].
    #[error("the expression has {bytes} bytes, the limit is {limit}: split it into variables")]
    TooLong {
        /// The length of the source.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// More nodes than [`super::limits::MAX_NODES`], or an expression that takes too long to check.
    #[error("the expression is too large to check: split it into variables")]
    TooLarge,
    /// Nested deeper than [`super::limits::MAX_NESTING`].
    #[error("nested deeper than {limit} levels: split it into variables")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Not of the grammar.
    #[error("{0}")]
    Syntax(String),
    /// A literal that has no value: a number out of range, a bad escape.
    #[error("{0}")]
    Literal(String),
    /// A word that CEL keeps for itself.
    #[error("`{0}` is a reserved word: choose another name")]
    ReservedWord(String),
    /// A macro whose arguments do not have its form.
    #[error("{0}")]
    Macro(String),
    /// A name that is neither a variable nor a type.
    #[error("undeclared reference to `{name}`{suggestion}")]
    UndeclaredVariable {
        /// The name.
        name: String,
        /// A name that is declared.
        suggestion: Suggestion,
    },
    /// The authorizer of the API server, or one of its functions.
    #[error(
        "`{0}` is of the authorizer, which policies do not have: they do no I/O; decide by what `request.userInfo` says"
    )]
    NoAuthorizer(String),
    /// A function that no library has.
    #[error("undeclared function `{name}`{suggestion}")]
    UndeclaredFunction {
        /// The name.
        name: String,
        /// A function that there is.
        suggestion: Suggestion,
    },
    /// A field that an object type does not have.
    #[error("undefined field `{field}` of `{object}`{suggestion}")]
    UndefinedField {
        /// The object type.
        object: String,
        /// The field.
        field: String,
        /// A field that it has.
        suggestion: Suggestion,
    },
    /// A function or operator that does not take such arguments.
    #[error("found no matching overload for `{function}` applied to `{arguments}`")]
    NoMatchingOverload {
        /// The function's name.
        function: String,
        /// The types of the arguments.
        arguments: String,
    },
    /// A type that does not stand there.
    #[error("expected type `{expected}` but found `{found}`")]
    TypeMismatch {
        /// What would fit.
        expected: Type,
        /// What is there.
        found: Type,
    },
    /// A field is selected from something that has none.
    #[error("type `{0}` does not support field selection")]
    NoFields(Type),
    /// A macro iterates over something that is neither a list nor a map.
    #[error("type `{0}` cannot be iterated over: use a list or a map")]
    NotIterable(Type),
    /// A group of lazily read variables is used as a value.
    #[error("`{0}` is not a value: read one of its fields")]
    NotAValue(String),
    /// A constant that a function refuses, for example a duration, a timestamp or a regular expression.
    #[error("{0}")]
    InvalidConstant(String),
}

/// Why an evaluation yields no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {kind}")]
pub struct EvaluationError {
    /// What failed.
    pub kind: EvaluationErrorKind,
    /// Where in the expression.
    pub position: Position,
}

impl EvaluationError {
    /// An error without a place yet; the machine gives it one.
    #[must_use]
    pub fn new(kind: EvaluationErrorKind) -> Self {
        Self { kind, position: Position::default() }
    }
}

impl From<EvaluationErrorKind> for EvaluationError {
    fn from(kind: EvaluationErrorKind) -> Self {
        Self::new(kind)
    }
}

/// The ways in which an evaluation fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationErrorKind {
    /// A map or an object without that key. The key is named where the expression names it.
    #[error("no such key{}", shown(.0.as_deref()))]
    NoSuchKey(Option<String>),
    /// An index outside a list or a string.
    #[error("index out of range")]
    IndexOutOfRange,
    /// A function or operator does not take values of these types.
    #[error("no such overload: `{function}`({arguments})")]
    NoSuchOverload {
        /// The function or operator.
        function: &'static str,
        /// The types of its arguments.
        arguments: String,
    },
    /// A result outside the range of its type.
    #[error("{0} overflow")]
    Overflow(&'static str),
    /// A division or modulus by zero.
    #[error("divide by zero")]
    DivideByZero,
    /// An argument that a function refuses.
    #[error("{function}: {reason}")]
    InvalidArgument {
        /// The function.
        function: &'static str,
        /// What is wrong with the argument, without its value.
        reason: &'static str,
    },
    /// A text that does not convert to the wanted type.
    #[error("type conversion error from `{from}` to `{to}`")]
    Conversion {
        /// The type of the value.
        from: &'static str,
        /// The wanted type.
        to: &'static str,
    },
    /// A regular expression, computed by the expression, that does not compile.
    #[error("invalid regular expression: {0}")]
    InvalidRegex(&'static str),
    /// A key was inserted twice into one map.
    #[error("duplicate key in map")]
    DuplicateKey,
    /// A value that cannot be a key of a map.
    #[error("a value of type `{0}` cannot be a map key")]
    InvalidKey(&'static str),
    /// The value of `optional.none()` was asked for.
    #[error("optional.none() dereference")]
    EmptyOptional,
    /// A value nested deeper than [`super::limits::MAX_VALUE_DEPTH`].
    #[error("the value is nested too deep")]
    ValueTooDeep,
    /// A variable that the caller does not have.
    #[error("no value for `{0}`")]
    MissingVariable(String),
    /// The value is not of the kind that the caller can take, for example bytes in JSON.
    #[error("a value of type `{0}` has no JSON form")]
    NotJson(&'static str),
    /// The result is not of the type that the caller asked for.
    #[error("expected a result of type `{expected}` but found `{found}`")]
    WrongType {
        /// The type that was asked for.
        expected: Type,
        /// The type of the result.
        found: &'static str,
    },
    /// The evaluation used up its fuel, in the API server's cost units. Never absorbed by `||` or `&&`.
    #[error("the cost limit of {limit} is exceeded")]
    CostExceeded {
        /// The limit.
        limit: u64,
    },
    /// The evaluation copied or scanned more than it may. Never absorbed by `||` or `&&`.
    #[error("the work limit of {limit} is exceeded: the expression copies or compares too much data")]
    WorkExceeded {
        /// The limit.
        limit: u64,
    },
    /// A fault of the engine itself; never absorbed by `||` or `&&`.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl EvaluationErrorKind {
    /// Whether the error ends the evaluation at once, past `||`, `&&` and the macros.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::CostExceeded { .. } | Self::WorkExceeded { .. } | Self::Internal(_))
    }

    /// The kind as one word, for tables and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchKey(_) => "NoSuchKey",
            Self::IndexOutOfRange => "IndexOutOfRange",
            Self::NoSuchOverload { .. } => "NoSuchOverload",
            Self::Overflow(_) => "Overflow",
            Self::DivideByZero => "DivideByZero",
            Self::InvalidArgument { .. } => "InvalidArgument",
            Self::Conversion { .. } => "Conversion",
            Self::InvalidRegex(_) => "InvalidRegex",
            Self::DuplicateKey => "DuplicateKey",
            Self::InvalidKey(_) => "InvalidKey",
            Self::EmptyOptional => "EmptyOptional",
            Self::ValueTooDeep => "ValueTooDeep",
            Self::MissingVariable(_) => "MissingVariable",
            Self::NotJson(_) => "NotJson",
            Self::WrongType { .. } => "WrongType",
            Self::CostExceeded { .. } => "CostExceeded",
            Self::WorkExceeded { .. } => "WorkExceeded",
            Self::Internal(_) => "Internal",
        }
    }
}

fn shown(key: Option<&str>) -> String {
    key.map_or_else(String::new, |key| format!(": `{key}`"))
}
