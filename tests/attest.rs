//! The vectors of `tests/vectors/attest`, which pin every byte of format version 1 for this and for other programs.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at what is wrong")]

#[path = "attest/binding.rs"]
mod binding;
#[path = "attest/forms.rs"]
mod forms;
#[path = "attest/refusals.rs"]
mod refusals;
#[path = "attest/vectors.rs"]
mod vectors;
