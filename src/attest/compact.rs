//! The compact form: the same statement and signature without field names, as base64url text for an annotation.
//!
//! Layout of version 1: `version (1) || short id of the signer (8) || signature (64) || body`. The body holds the values
//! of the statement in a fixed order, digests as 32 bytes, strings as [`text`] packs them. Each value has exactly one
//! encoding: [`Compact::expand`] writes what it read again and refuses bytes that differ.

mod read;
mod text;
mod write;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{AttestationError, Envelope, KeyId, ShortKeyId, Statement};

/// The longest compact form, in characters.
pub const MAX_COMPACT_BYTES: usize = 64 * 1024;

const VERSION: u8 = 1;
const FORM: &str = "compact form";

/// A compact form whose head was read: enough to look up the key that its body is expanded with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compact {
    bytes: Vec<u8>,
    signer: ShortKeyId,
    signature: [u8; 64],
}

impl Compact {
    /// Reads the head.
    ///
    /// # Errors
    /// [`AttestationError`] for a text that is too long, not canonical base64url, too short or of another version.
    pub fn parse(text: &str) -> Result<Self, AttestationError> {
        if text.len() > MAX_COMPACT_BYTES {
            return Err(AttestationError::TooLarge { form: FORM, limit: MAX_COMPACT_BYTES });
        }
        // The engine refuses padding and trailing bits, so each byte string has one text.
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| AttestationError::Base64 { form: FORM })?;
        let mut reader = read::Reader::new(&bytes);
        let [version] = reader.array("version")?;
        if version != VERSION {
            return Err(AttestationError::Version(version));
        }
        let signer = ShortKeyId::from_bytes(reader.array("signer")?);
        let signature = reader.array("signature")?;
        Ok(Self { bytes, signer, signature })
    }

    /// Which key is said to have signed.
    #[must_use]
    pub const fn unverified_signer(&self) -> ShortKeyId {
        self.signer
    }

    /// The standard envelope, without any check of its signature. `signer` is the key that
    /// [`Self::unverified_signer`] stands for.
    ///
    /// # Errors
    /// [`AttestationError`] where the body is not the one encoding of a statement.
    pub fn expand(&self, signer: KeyId) -> Result<Envelope, AttestationError> {
        if signer.short() != self.signer {
            return Err(AttestationError::OtherKey);
        }
        let statement = read::statement(&self.bytes, signer)?;
        let envelope = Envelope::new(statement, self.signature)?;
        if write::bytes(envelope.unverified_statement(), &self.signature) != self.bytes {
            return Err(AttestationError::NotCanonical { form: FORM });
        }
        Ok(envelope)
    }

    /// The text for `statement`, which was checked: below [`super::MAX_STATEMENT_BYTES`] as JSON, so below
    /// [`MAX_COMPACT_BYTES`] here.
    pub(super) fn encode(statement: &Statement, signature: &[u8; 64]) -> String {
        URL_SAFE_NO_PAD.encode(write::bytes(statement, signature))
    }
}
