//! The language of policies: CEL as the Kubernetes API server configures it, by an engine of our own.
//!
//! An expression is compiled once, against the variables of an [`Environment`]: parsed, type-checked and lowered to
//! flat instructions. It is evaluated many times, in place over the parsed object, and every evaluation is metered by
//! [`Fuel`] in the API server's cost units. The engine is total: whatever the source and the input, it ends with a
//! value or a typed error, in bounded time, memory and stack. It knows no clock and no randomness, and maps iterate in
//! the order of their keys, so the same expression over the same input gives the same result for ever.

mod check;
mod code;
mod environment;
mod error;
mod estimate;
mod fuel;
mod library;
pub mod limits;
mod lower;
mod machine;
mod outline;
mod program;
mod reference;
mod syntax;
mod types;
mod value;

pub use check::Suggestion;
pub use environment::{Activation, Bindings, Environment, Sizes, Slot};
pub use error::{CompileError, CompileErrorKind, CompileErrors, EvaluationError, EvaluationErrorKind, Position};
pub use fuel::Fuel;
pub use library::Quantity;
pub use outline::{Each, Part, conjuncts, outline, reads};
pub use program::{Path, Program, compile};
pub use reference::reference;
pub use types::{ObjectType, Type};
pub use value::{Blob, Duration, Foreign, Key, List, Map, Opaque, Present, Text, Timestamp, Value};

#[cfg(test)]
mod tests;
