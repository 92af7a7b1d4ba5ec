//! SHA-256 with domain separation: no digest of one kind of thing can stand for another.

use std::{fmt, io, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::canonical::{self, Value};

/// What a digest is of. Its tag is hashed before the content: `SHA-256(tag || 0x00 || content)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// The normal form of a policy version.
    Policy,
    /// The spec of a binding.
    Binding,
    /// The parameters that a binding gives to its policy.
    Params,
    /// The values of the signals of one decision.
    Signals,
    /// The identity of a `Once` authority.
    Fingerprint,
    /// The projection of an object.
    Projection,
    /// One top-level subtree of a projection.
    Subtree,
    /// A user's sorted groups and extra.
    UserInfo,
    /// Executable, build, evaluator, policy set, replica and cluster.
    Runtime,
    /// The set of policies and bindings in force.
    PolicySet,
    /// The bytes by which two decisions are the same decision.
    Decision,
}

impl Domain {
    const fn tag(self) -> &'static str {
        match self {
            Self::Policy => "writ.dev/policy/v1",
            Self::Binding => "writ.dev/binding/v1",
            Self::Params => "writ.dev/params/v1",
            Self::Signals => "writ.dev/signals/v1",
            Self::Fingerprint => "writ.dev/fingerprint/v1",
            Self::Projection => "writ.dev/projection/v1",
            Self::Subtree => "writ.dev/subtree/v1",
            Self::UserInfo => "writ.dev/userinfo/v1",
            Self::Runtime => "writ.dev/runtime/v1",
            Self::PolicySet => "writ.dev/policyset/v1",
            Self::Decision => "writ.dev/decision/v1",
        }
    }
}

/// A SHA-256 digest, 32 bytes. Written as `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `content` as a thing of `domain`.
    #[must_use]
    pub fn of(domain: Domain, content: &[u8]) -> Self {
        let mut hasher = Hasher::new(domain);
        hasher.0.update(content);
        hasher.finish()
    }

    /// The digest of the canonical bytes of `value`.
    #[must_use]
    pub fn of_value(domain: Domain, value: &Value<'_>) -> Self {
        let mut hasher = Hasher::new(domain);
        // INVARIANT: hashing cannot fail.
        let _: io::Result<()> = canonical::encode_to(value, &mut hasher);
        hasher.finish()
    }

    /// The plain SHA-256 of bytes whose format another specification fixes (a key's SPKI, a file).
    #[must_use]
    pub fn plain(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// The same of everything that a reader yields, some kilobytes at a time.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn plain_of(mut content: impl io::Read) -> io::Result<Self> {
        let mut hasher = Hasher(Sha256::new());
        io::copy(&mut content, &mut hasher)?;
        Ok(hasher.finish())
    }

    /// A digest that was computed before.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
        self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }

    /// 43 characters of unpadded base64url (RFC 4648 section 5).
    #[must_use]
    pub fn to_base64url(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is `sha256:` and 64 lower-case hexadecimal digits")]
pub struct DigestError;

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let hex = text.strip_prefix("sha256:").ok_or(DigestError)?;
        let mut bytes = [0; 32];
        // Only the canonical spelling: upper-case digits would be a second name for one digest.
        if hex.len() != 64 || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(DigestError);
        }
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| DigestError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| DigestError)?;
        }
        Ok(Self(bytes))
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Hashes what is written to it.
#[derive(Clone)]
pub struct Hasher(Sha256);

impl Hasher {
    /// An empty thing of `domain`.
    #[must_use]
    pub fn new(domain: Domain) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(domain.tag());
        hasher.update([0]);
        Self(hasher)
    }

    /// The digest of all that was written.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_has_the_digest_of_its_bytes() {
        for length in [0, 1, 8 * 1024, 8 * 1024 + 1, 100_000] {
            let content: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            assert_eq!(Digest::plain_of(&content[..]).unwrap(), Digest::plain(&content), "{length}");
        }
    }

    #[test]
    fn domains_separate() {
        assert_ne!(Digest::of(Domain::Policy, b"x"), Digest::of(Domain::Params, b"x"));
        let expected = Digest::plain(b"writ.dev/policy/v1\0x");
        assert_eq!(Digest::of(Domain::Policy, b"x"), expected);
        assert_eq!(Digest::of_value(Domain::Policy, &Value::from(7)), Digest::plain(b"writ.dev/policy/v1\x007"));
    }

    #[test]
    fn only_one_spelling() {
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::plain(b"").to_string(), text);
        assert_eq!(text.parse(), Ok(Digest::plain(b"")));
        for wrong in
            ["", "sha256:", &text[7..], &text.to_uppercase(), &text.replace('e', "E"), &text[..70], &format!("{text}0")]
        {
            assert_eq!(wrong.parse::<Digest>(), Err(DigestError), "{wrong}");
        }
    }
}
