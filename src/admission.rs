//! The `admission.k8s.io/v1` `AdmissionReview`: what the API server asks and what it is answered.
//!
//! Only the envelope is read here; the objects stay raw until a policy needs them.

mod answer;
mod request;

pub use answer::{Answer, Denial, write_answer};
pub use request::{EnvelopeError, GroupVersionKind, GroupVersionResource, Operation, Request, UserInfo, parse_review};

#[cfg(test)]
mod tests;
