//! The JSON form of a Statement: one member list to write, the same one to read.

mod read;
mod write;

pub(super) use read::{Members, read};
pub(super) use write::{StatementMembers, write};
