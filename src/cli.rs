//! The command line: one file a command.

#[cfg(feature = "cluster")]
pub mod crds;
mod failure;
#[cfg(feature = "cluster")]
pub mod hook;
mod input;
mod manifest;
#[cfg(feature = "cluster")]
pub mod serve;

pub use failure::{Exit, Failure};
