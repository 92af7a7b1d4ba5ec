//! The chart with real pods: hooks that run as Jobs, replicas that are probed, rolled and killed, and the way out when
//! all of them are dead.
//!
//! Needs root and the image: `make test-pods` makes it. Without root every test says that it was not run.
#![cfg(feature = "cluster")]
#![expect(clippy::indexing_slicing, reason = "a JSON value is indexed, which answers null and never panics")]

#[path = "chart_pods/broken.rs"]
mod broken;
#[path = "harness/harness.rs"]
mod harness;
#[path = "chart_pods/lifecycle.rs"]
mod lifecycle;
#[path = "chart_pods/release.rs"]
mod release;
