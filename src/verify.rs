//! Verification: the only way to a [`Verified`] statement. Pure: the keyring and the time are arguments.
//!
//! The order is fixed: form, key, signature, key's window, time. What a statement says about time is looked at only
//! after its signature held.

mod binding;
mod object;

use std::{ops::Deref, time::Duration};

pub use binding::{Bound, Expected, Mismatch, check_binding};
pub use object::{ObjectChanged, check_object};

use crate::{
    attest::{AttestationError, Compact, Envelope, KeyId, ShortKeyId, Statement},
    keyring::{Keyring, KeyringEntry, LookupError},
    time::Timestamp,
};

/// A value whose signature was checked. Only this module makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T> {
    value: T,
    signing_time: SigningTime,
}

/// How far the time of signing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningTime {
    /// The window from `issuedAt` to `admitBefore` was compared with a clock.
    Checked,
    /// Only the signer's own word: whoever holds the key could have written any time.
    SelfAsserted,
}

/// Checks attestations against a keyring, and against a time where one is given.
#[derive(Clone, Copy, Debug)]
pub struct Verifier<'k> {
    keyring: &'k Keyring,
    clock: Option<(Timestamp, Duration)>,
}

/// Why an attestation is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Not an attestation, or over a limit.
    #[error(transparent)]
    Attestation(#[from] AttestationError),
    /// The keyring does not have the signer's key.
    #[error("no key of the keyring has the id `{0}`: give the keyring of the cluster that signed")]
    KeyUnknown(ShortKeyId),
    /// The keyring has two keys with the signer's short id.
    #[error("two keys of the keyring have the short id `{0}`: verify with a keyring that has one of them")]
    KeyAmbiguous(ShortKeyId),
    /// The signature does not hold.
    #[error("the signature by key `{0}` does not hold: the attestation was altered or never signed by it")]
    SignatureInvalid(KeyId),
    /// The key was not allowed to sign at `issuedAt`.
    #[error("key `{key}` was not active at {at}, when it signed")]
    KeyInactive {
        /// The key.
        key: KeyId,
        /// `issuedAt`
        at: Timestamp,
    },
    /// `admitBefore` is over.
    #[error("the attestation was to be used before {admit_before}, and it is {now}: send the request again")]
    Expired {
        /// `admitBefore`
        admit_before: Timestamp,
        /// The time of the check.
        now: Timestamp,
    },
    /// `issuedAt` is still to come, by more than the tolerance.
    #[error("the attestation is from {issued_at}, and it is only {now}: compare the clocks of the replicas")]
    NotYetValid {
        /// `issuedAt`
        issued_at: Timestamp,
        /// The time of the check.
        now: Timestamp,
    },
}

impl VerifyError {
    /// The reason code.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Attestation(error) => error.reason(),
            Self::KeyUnknown(_) => "KeyUnknown",
            Self::KeyAmbiguous(_) => "KeyAmbiguous",
            Self::SignatureInvalid(_) => "SignatureInvalid",
            Self::KeyInactive { .. } => "KeyInactive",
            Self::Expired { .. } => "AttestationExpired",
            Self::NotYetValid { .. } => "AttestationNotYetValid",
        }
    }
}

impl<'k> Verifier<'k> {
    /// For admission: the attestation must be valid at `now`, and from no later than `skew` after it.
    #[must_use]
    pub const fn at(keyring: &'k Keyring, now: Timestamp, skew: Duration) -> Self {
        Self { keyring, clock: Some((now, skew)) }
    }

    /// For attestations of any age: without a time check, so the signing time is [`SigningTime::SelfAsserted`].
    #[must_use]
    pub const fn offline(keyring: &'k Keyring) -> Self {
        Self { keyring, clock: None }
    }

    /// Checks the compact form.
    ///
    /// # Errors
    /// [`VerifyError`]
    pub fn verify_compact(&self, text: &str) -> Result<Verified<Statement>, VerifyError> {
        self.expand(text).map(|verified| Verified {
            value: verified.value.into_unverified_statement(),
            signing_time: verified.signing_time,
        })
    }

    /// Checks the compact form, and returns the standard envelope that it stands for.
    ///
    /// # Errors
    /// [`VerifyError`]
    pub fn expand(&self, text: &str) -> Result<Verified<Envelope>, VerifyError> {
        let compact = Compact::parse(text)?;
        let short = compact.unverified_signer();
        let entry = self.keyring.find_short(short).map_err(|error| match error {
            LookupError::Unknown => VerifyError::KeyUnknown(short),
            LookupError::Ambiguous => VerifyError::KeyAmbiguous(short),
        })?;
        let envelope = compact.expand(entry.key.id())?;
        let signing_time = self.check(&envelope)?;
        Ok(Verified { value: envelope, signing_time })
    }

    /// Checks an envelope: the signer that the statement names must have signed, and of the other signatures those by
    /// keys of the keyring must hold too.
    ///
    /// # Errors
    /// [`VerifyError`]
    pub fn verify_envelope(&self, envelope: Envelope) -> Result<Verified<Statement>, VerifyError> {
        let signing_time = self.check(&envelope)?;
        Ok(Verified { value: envelope.into_unverified_statement(), signing_time })
    }

    fn check(&self, envelope: &Envelope) -> Result<SigningTime, VerifyError> {
        let predicate = &envelope.unverified_statement().predicate;
        let signer = predicate.signer;
        let entry = self.keyring.find(&signer).map_err(|_| VerifyError::KeyUnknown(signer.short()))?;
        let signatures = envelope.unverified_signatures();
        if !signatures.iter().any(|signature| signature.key_id == signer) {
            return Err(VerifyError::SignatureInvalid(signer));
        }
        let message = envelope.pae();
        for signature in signatures {
            let known = self.keyring.find(&signature.key_id);
            if known.is_ok_and(|entry| !entry.key.verifies(&message, &signature.bytes)) {
                return Err(VerifyError::SignatureInvalid(signature.key_id));
            }
        }
        check_key_window(entry, predicate.issued_at)?;
        self.check_time(predicate.issued_at, predicate.admit_before)
    }

    fn check_time(&self, issued_at: Timestamp, admit_before: Timestamp) -> Result<SigningTime, VerifyError> {
        let Some((now, skew)) = self.clock else { return Ok(SigningTime::SelfAsserted) };
        if issued_at > now.plus(skew) {
            return Err(VerifyError::NotYetValid { issued_at, now });
        }
        // `admitBefore` contains the tolerance already.
        if now >= admit_before {
            return Err(VerifyError::Expired { admit_before, now });
        }
        Ok(SigningTime::Checked)
    }
}

fn check_key_window(entry: &KeyringEntry, at: Timestamp) -> Result<(), VerifyError> {
    if entry.is_active_at(at) { Ok(()) } else { Err(VerifyError::KeyInactive { key: entry.key.id(), at }) }
}

impl<T> Verified<T> {
    /// How far the time of signing is known.
    #[must_use]
    pub const fn signing_time(&self) -> SigningTime {
        self.signing_time
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl std::fmt::Display for SigningTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Checked => "signing time is within its window",
            Self::SelfAsserted => "signing time is self-asserted",
        })
    }
}

#[cfg(test)]
mod tests;
