//! The attestation: an in-toto Statement in a DSSE envelope, and the compact form in which it stands on an object.
//!
//! This module only reads and writes forms. Nothing here says that a signature is good: what comes out of a parser is
//! reached through `unverified_` accessors until the verifier has returned it as `Verified`.
//! `docs/attestation.md` specifies every byte.

mod compact;
mod envelope;
mod error;
mod id;
mod json;
mod predicate;
mod statement;

pub use compact::{Compact, MAX_COMPACT_BYTES};
pub use envelope::{Envelope, MAX_ENVELOPE_BYTES, MAX_SIGNATURES, PAYLOAD_TYPE, Signature, pae};
pub use error::AttestationError;
pub use id::{ExecutionId, IdError, KeyId, ShortKeyId, SubtreeTag};
pub use predicate::{
    Binding, DecisionRecord, Kind, Mode, ObjectName, OldObject, Operation, Outcome, Policy, Predicate, Replay,
    Resource, User,
};
pub use statement::{
    MAX_DECISIONS, MAX_GENERATION, MAX_STATEMENT_BYTES, MAX_SUBTREES, MAX_VALIDITY, PREDICATE_TYPE, SCHEMA_VERSION,
    STATEMENT_TYPE, SUBJECT_ALGORITHM, Statement,
};

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
