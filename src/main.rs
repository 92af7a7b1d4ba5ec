//! The `writ` program.
#![forbid(unsafe_code)]
fn main() {}
