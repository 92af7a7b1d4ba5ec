//! The command line: one file a command.

#[cfg(feature = "cluster")]
pub mod crds;
