//! Signing. The verifier never uses this module.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer as _, SigningKey, pkcs8::DecodePrivateKey as _};
use zeroize::Zeroizing;

use crate::{
    attest::{AttestationError, Envelope, KeyId, Statement},
    keyring::{KeyringError, PublicKey},
};

/// PKCS#8 (RFC 8410 section 7) of an Ed25519 key up to the seed, without the optional public key: what every release
/// of OpenSSL reads.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// A private key. Parsed once, overwritten when dropped, shown by nothing but its id.
pub struct Signer {
    key: SigningKey,
    public: PublicKey,
}

/// A signed statement, in each of its forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    envelope: Envelope,
    compact: String,
}

/// Why there is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Not a private key of Ed25519.
    #[error("not an Ed25519 private key in PKCS#8 PEM (`-----BEGIN PRIVATE KEY-----`): make one with `writ keygen`")]
    PrivateKey,
    /// Its public key cannot be trusted.
    #[error(transparent)]
    PublicKey(#[from] KeyringError),
    /// The statement names another signer.
    #[error("the statement names key `{0}` as its signer, which is not the signing key")]
    OtherSigner(KeyId),
    /// The statement breaks a rule or a limit.
    #[error(transparent)]
    Attestation(#[from] AttestationError),
}

impl Signer {
    /// The key of a seed: 32 bytes that the caller drew at random.
    ///
    /// # Errors
    /// [`SignError::PublicKey`]; no seed is known for which that happens.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, SignError> {
        Self::new(SigningKey::from_bytes(seed))
    }

    /// Reads PKCS#8 PEM. A public key inside must be the private key's.
    ///
    /// # Errors
    /// [`SignError::PrivateKey`]
    pub fn from_pkcs8_pem(text: &str) -> Result<Self, SignError> {
        Self::new(SigningKey::from_pkcs8_pem(text).map_err(|_| SignError::PrivateKey)?)
    }

    /// The private key as PKCS#8 PEM.
    #[must_use]
    pub fn to_pkcs8_pem(&self) -> Zeroizing<String> {
        let mut der = Zeroizing::new([0; 48]);
        let key = PKCS8_PREFIX.iter().chain(self.key.as_bytes());
        der.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        let base64 = Zeroizing::new(STANDARD.encode(der.as_slice()));
        // 48 bytes are 64 characters: one line.
        Zeroizing::new(["-----BEGIN PRIVATE KEY-----\n", &base64, "\n-----END PRIVATE KEY-----\n"].concat())
    }

    /// The public key.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The id that a statement must name as its `signer`.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.public.id()
    }

    /// Signs `statement`. The same statement always gets the same signature (RFC 8032).
    ///
    /// # Errors
    /// [`SignError::OtherSigner`], and [`SignError::Attestation`] where the statement breaks a rule or a limit.
    pub fn sign(&self, statement: Statement) -> Result<Signed, SignError> {
        if statement.predicate.signer != self.key_id() {
            return Err(SignError::OtherSigner(statement.predicate.signer));
        }
        let envelope = Envelope::sign_with(statement, |message| self.key.sign(message).to_bytes())?;
        let compact = envelope.to_compact()?;
        Ok(Signed { envelope, compact })
    }

    fn new(key: SigningKey) -> Result<Self, SignError> {
        let public = PublicKey::from_bytes(key.verifying_key().as_bytes())?;
        Ok(Self { key, public })
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Signer").field(&self.key_id()).finish()
    }
}

impl Signed {
    /// The text for the annotation.
    #[must_use]
    pub fn compact(&self) -> &str {
        &self.compact
    }

    /// The DSSE envelope.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// What was signed.
    #[must_use]
    pub const fn statement(&self) -> &Statement {
        self.envelope.unverified_statement()
    }
}

#[cfg(test)]
mod tests;
