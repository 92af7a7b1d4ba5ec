//! One JSON value model, one strict parser, one encoder.
//!
//! Everything that is hashed, signed, compared or shown to an expression goes through here. The encoder is RFC 8785
//! (key order, string form) with one difference: integers are exact over the whole `int64`/`uint64` range, because
//! Kubernetes has 64-bit integers and IEEE doubles do not. Two different values never share bytes.

mod encode;
mod number;
mod parse;
mod value;

pub(crate) use encode::shortest;
pub use encode::{encode, encode_string, encode_to};
pub use number::Number;
pub use parse::{MAX_DEPTH, ParseError, ParseErrorKind, parse};
pub use value::{Object, Value, key_order};

#[cfg(test)]
mod tests;
