//! Identifiers with one spelling each.

use std::{fmt, str::FromStr};

use crate::digest::Digest;

/// A text is not an identifier of its kind in its one canonical spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IdError(&'static str);

/// One governed attempt to change the cluster: 128 random bits.
///
/// Written as 26 characters of lower-case base32 without padding (RFC 4648 section 6); the two bits that the last
/// character has too many are zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExecutionId([u8; 16]);

const BASE32: [u8; 32] = *b"abcdefghijklmnopqrstuvwxyz234567";
const EXECUTION_ID_LENGTH: usize = 26;

impl ExecutionId {
    /// From 16 bytes that the caller drew at random.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 26 × 5 = 130 bits, of which the last two are padding.
        let bits = u128::from_be_bytes(self.0);
        let mut text = String::with_capacity(EXECUTION_ID_LENGTH);
        for index in 0..EXECUTION_ID_LENGTH {
            let group = if index < 25 { bits >> (123 - 5 * index) } else { bits << 2 };
            let symbol = BASE32.get(usize::try_from(group & 31).unwrap_or_default()).copied().unwrap_or_default();
            text.push(char::from(symbol));
        }
        f.write_str(&text)
    }
}

impl FromStr for ExecutionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        const WRONG: IdError = IdError("an execution id is 26 characters of lower-case base32");
        let (head, last) = text.as_bytes().split_at_checked(EXECUTION_ID_LENGTH - 1).ok_or(WRONG)?;
        let [last] = *last else { return Err(WRONG) };
        let bits = head.iter().try_fold(0u128, |bits, symbol| Some(bits << 5 | u128::from(base32_value(*symbol)?)));
        let last = base32_value(last).filter(|value| value & 3 == 0).ok_or(WRONG)?;
        Ok(Self((bits.ok_or(WRONG)? << 3 | u128::from(last >> 2)).to_be_bytes()))
    }
}

impl fmt::Debug for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn base32_value(symbol: u8) -> Option<u8> {
    match symbol {
        b'a'..=b'z' => Some(symbol - b'a'),
        b'2'..=b'7' => Some(symbol - b'2' + 26),
        _ => None,
    }
}

/// A public key's identity: the SHA-256 of its SubjectPublicKeyInfo (RFC 8410) in DER.
///
/// Written as 64 lower-case hexadecimal digits, also as the `keyid` of a DSSE signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId([u8; 32]);

impl KeyId {
    /// The id of the key whose SPKI in DER this is.
    #[must_use]
    pub fn of_spki(der: &[u8]) -> Self {
        Self(*Digest::plain(der).as_bytes())
    }

    /// An id that was computed before.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight bytes, by which a keyring can find the key.
    #[must_use]
    pub const fn short(&self) -> ShortKeyId {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        ShortKeyId([a, b, c, d, e, f, g, h])
    }

    /// The lowest id that begins with `short`.
    #[must_use]
    pub const fn first_of(short: ShortKeyId) -> Self {
        let [a, b, c, d, e, f, g, h] = short.0;
        Self([a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }
}

/// The first eight bytes of a [`KeyId`]: 16 lower-case hexadecimal digits. Only a keyring can say whether it is unique.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShortKeyId([u8; 8]);

impl ShortKeyId {
    /// From eight bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The eight bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// The first four bytes of the digest of one top-level subtree of a projection: eight lower-case hexadecimal digits.
///
/// It names a difference that the full digest of the projection has shown; it proves nothing by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubtreeTag([u8; 4]);

impl SubtreeTag {
    /// The tag of a subtree with this digest (of [`crate::digest::Domain::Subtree`]).
    #[must_use]
    pub const fn of(digest: &Digest) -> Self {
        let [a, b, c, d, ..] = *digest.as_bytes();
        Self([a, b, c, d])
    }

    /// From four bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The four bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

/// Appends lower-case hexadecimal digits. Signing and verifying write some hundreds of them: `write!` would dominate.
pub(super) fn push_hex(bytes: &[u8], out: &mut String) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS.get(usize::from(nibble)).copied().unwrap_or_default());
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 15));
    }
}

/// Exactly `2 * N` lower-case hexadecimal digits.
pub(super) fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    if pairs.len() != N {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = hex_value(*high)? << 4 | hex_value(*low)?;
    }
    Some(bytes)
}

fn hex_value(symbol: u8) -> Option<u8> {
    match symbol {
        b'0'..=b'9' => Some(symbol - b'0'),
        b'a'..=b'f' => Some(symbol - b'a' + 10),
        _ => None,
    }
}

macro_rules! written_in_hex {
    ($type:ty, $message:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = String::with_capacity(2 * self.0.len());
                push_hex(&self.0, &mut text);
                f.write_str(&text)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $type {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_hex(text).map(Self).ok_or(IdError($message))
            }
        }
    };
}

written_in_hex!(KeyId, "a key id is 64 lower-case hexadecimal digits");
written_in_hex!(ShortKeyId, "a short key id is 16 lower-case hexadecimal digits");
written_in_hex!(SubtreeTag, "a subtree tag is eight lower-case hexadecimal digits");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn execution_ids_have_one_spelling() {
        let bytes = *b"\x00\x44\x32\x14\xc7\x42\x54\xb6\x35\xcf\x84\x65\x3a\x56\xd7\xc6";
        for (bytes, text) in [
            ([0; 16], "aaaaaaaaaaaaaaaaaaaaaaaaaa"),
            ([0xff; 16], "77777777777777777777777774"),
            (bytes, "abcdefghijklmnopqrstuvwxyy"),
        ] {
            assert_eq!(ExecutionId::from_bytes(bytes).to_string(), text);
            assert_eq!(text.parse(), Ok(ExecutionId::from_bytes(bytes)));
        }
        for wrong in [
            "",
            "aaaaaaaaaaaaaaaaaaaaaaaaa",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "aaaaaaaaaaaaaaaaaaaaaaaaab",
            "77777777777777777777777777",
            "Aaaaaaaaaaaaaaaaaaaaaaaaaa",
            "a1aaaaaaaaaaaaaaaaaaaaaaaa",
            "a8aaaaaaaaaaaaaaaaaaaaaaaa",
            "aaaaaaaaaaaaaaaaaaaaaaaaaa======",
            "äaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(wrong.parse::<ExecutionId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn hexadecimal_ids_have_one_spelling() {
        let text = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        let id: KeyId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(id.short().to_string(), &text[..16]);
        assert_eq!(text[..16].parse(), Ok(id.short()));
        assert_eq!("0011aaff".parse(), Ok(SubtreeTag::from_bytes([0, 0x11, 0xaa, 0xff])));
        for wrong in ["", &text[..62], &text[..63], &text.to_uppercase(), &text.replace('0', "g"), &format!("{text}00")]
        {
            assert!(wrong.parse::<KeyId>().is_err(), "{wrong}");
        }
    }
}
