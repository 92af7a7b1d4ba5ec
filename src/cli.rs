//! The command line: one file a command.

#[cfg(feature = "cluster")]
pub mod crds;
#[cfg(feature = "cluster")]
pub mod hook;
