//! Policies: compiled once, then only read.

mod matching;
mod normal;

pub use matching::{ResourceMatcher, ResourcePattern};
pub use normal::digest;
