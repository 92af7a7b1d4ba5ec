//! The projection against a real API server: what the server changes by itself is left out and nothing else (threat
//! 10), nobody can use what is left out (threat 11), and what is kept ties an attestation to one object (1 and 2).
#![cfg(feature = "cluster")]
#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::panic, reason = "a test may fail so")]

#[path = "harness/harness.rs"]
mod harness;

#[path = "e2e/hostile.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod hostile;
#[path = "e2e/support.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod support;

#[path = "drift/api.rs"]
mod api;
#[path = "drift/attacks.rs"]
mod attacks;
#[path = "drift/copies.rs"]
mod copies;
#[path = "drift/excluded.rs"]
mod excluded;
#[path = "drift/front.rs"]
mod front;
#[path = "drift/paths.rs"]
mod paths;
#[path = "drift/recorder.rs"]
mod recorder;
#[path = "drift/survey.rs"]
mod survey;
#[path = "drift/variants.rs"]
mod variants;
