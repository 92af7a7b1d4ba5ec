//! What the language bounds, in one place: source, syntax, types, values and patterns.
//!
//! Each limit holds for one expression, whatever its input. What one evaluation may cost is [`super::Fuel`].

/// The longest source text, in bytes of UTF-8.
pub const MAX_SOURCE_BYTES: usize = 8_192;

/// The most syntax nodes of one expression.
pub const MAX_NODES: usize = 4_096;

/// The deepest nesting of brackets, calls, literals, macros and conditionals. It bounds every recursion of the
/// compiler. Chains such as `1 + 1 + 1` or `a.b.c` do not nest.
pub const MAX_NESTING: usize = 48;

/// The most errors that one compilation reports.
pub const MAX_ERRORS: usize = 16;

/// The most nodes of one type; `map(string, list(int))` has four.
pub const MAX_TYPE_NODES: usize = 128;

/// The most steps of unification that one type check takes.
pub const MAX_CHECK_STEPS: usize = 1_000_000;

/// The deepest value that an expression may build; JSON input counts as its own limit of 64.
pub const MAX_VALUE_DEPTH: u16 = 192;

/// The longest regular expression, in bytes.
pub const MAX_REGEX_BYTES: usize = 1_024;

/// The largest compiled form of a regular expression that is a literal, in bytes.
pub const MAX_REGEX_PROGRAM_BYTES: usize = 256 * 1_024;

/// The most different regular expressions that are literals of one expression.
pub const MAX_PATTERNS: usize = 32;

/// The largest compiled form of a regular expression that an evaluation computes, in bytes.
pub const MAX_COMPUTED_REGEX_PROGRAM_BYTES: usize = 64 * 1_024;
