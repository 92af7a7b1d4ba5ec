use crate::canonical::ParseError;

/// Why bytes are not an attestation of format version 1. Never shows the input itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttestationError {
    /// A form is over its limit.
    #[error("the {form} is larger than {limit} bytes: bind fewer policies to the request")]
    TooLarge {
        /// Which form.
        form: &'static str,
        /// Its limit in bytes.
        limit: usize,
    },
    /// Not JSON, or not strictly.
    #[error("the {form} is not JSON: {error}")]
    Json {
        /// Which form.
        form: &'static str,
        /// What is wrong, and where.
        error: ParseError,
    },
    /// A member is missing or of another type.
    #[error("member `{member}` of `{object}` is missing or not what it must be")]
    Member {
        /// The object that should have it.
        object: &'static str,
        /// Its name.
        member: &'static str,
    },
    /// A member that the format does not have.
    #[error("`{object}` has a member that format version 1 does not know")]
    UnknownMember {
        /// The object that has it.
        object: &'static str,
    },
    /// The value is readable but not in its one canonical form.
    #[error("the {form} is not in canonical form")]
    NotCanonical {
        /// Which form.
        form: &'static str,
    },
    /// Characters that are not base64, padding or trailing bits that must not be there.
    #[error("the {form} is not canonical base64")]
    Base64 {
        /// Which form.
        form: &'static str,
    },
    /// The compact form has another version byte.
    #[error("compact form version {0} is not known: verify it with a newer release")]
    Version(u8),
    /// The compact form ends too early, or goes on after its end, or holds a value that cannot stand there.
    #[error("the compact form is broken at `{0}`")]
    Compact(&'static str),
    /// The values contradict each other.
    #[error("the statement breaks a rule: {0}")]
    Rule(&'static str),
    /// The compact form names another key than the one it was expanded with.
    #[error("the compact form was signed by another key")]
    OtherKey,
}

impl AttestationError {
    /// The reason code: `AttestationTooLarge` or `AttestationMalformed`.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "AttestationTooLarge",
            Self::Json { .. }
            | Self::Member { .. }
            | Self::UnknownMember { .. }
            | Self::NotCanonical { .. }
            | Self::Base64 { .. }
            | Self::Version(_)
            | Self::Compact(_)
            | Self::Rule(_)
            | Self::OtherKey => "AttestationMalformed",
        }
    }
}
