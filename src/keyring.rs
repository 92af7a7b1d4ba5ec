//! Public keys, and the keyring that says which of them speak for Writ, and when.
//!
//! A key is accepted only where every Ed25519 verifier agrees about it: its encoding is canonical and its point lies in
//! the subgroup of prime order. Signatures are checked strictly (no small-order R, no S above the group's order), so
//! nobody without the private key can make a second signature from a first.

mod file;
mod pem;

use std::collections::{BTreeMap, btree_map::Entry};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::VerifyingKey;

use crate::{
    attest::{KeyId, ShortKeyId},
    time::Timestamp,
};

/// The most keys in one keyring.
pub const MAX_KEYS: usize = 64;
/// The longest keyring file, in bytes.
pub const MAX_KEYRING_BYTES: usize = 64 * 1024;

/// SubjectPublicKeyInfo of an Ed25519 key up to the key itself (RFC 8410 section 4). DER leaves no other form.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// An Ed25519 public key that is fit to be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    key: VerifyingKey,
}

/// A key of a keyring with the time in which it may sign. Both ends belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyringEntry {
    /// The key.
    pub key: PublicKey,
    /// The first moment; `None` is since ever.
    pub not_before: Option<Timestamp>,
    /// The last moment; `None` is for ever.
    pub not_after: Option<Timestamp>,
}

/// The keys whose signatures count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyring {
    entries: BTreeMap<KeyId, KeyringEntry>,
}

/// Why a key or keyring cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Not PEM as RFC 7468 has it.
    #[error("not a PEM file: it needs `-----BEGIN PUBLIC KEY-----`, base64 lines and `-----END PUBLIC KEY-----`")]
    Pem,
    /// A private key where a public one belongs.
    #[error("this is a private key: give its public key (`openssl pkey -pubout`), and keep this file away")]
    PrivateKey,
    /// Not the DER of an Ed25519 SubjectPublicKeyInfo.
    #[error("not an Ed25519 public key (SubjectPublicKeyInfo of 44 bytes in DER): make one with `writ keygen`")]
    NotEd25519,
    /// A point of small order, of mixed order, in a second encoding, or none at all.
    #[error("the public key is weak or not canonical, so a signature by it proves nothing: make another one")]
    WeakKey,
    /// Two entries with one key.
    #[error("key `{0}` is twice in the keyring: remove one entry")]
    DuplicateKey(KeyId),
    /// No key at all.
    #[error("the keyring has no key")]
    Empty,
    /// Over [`MAX_KEYS`] or [`MAX_KEYRING_BYTES`].
    #[error("the keyring has more than {MAX_KEYS} keys or is longer than {MAX_KEYRING_BYTES} bytes")]
    TooLarge,
    /// The end is before the beginning.
    #[error("key `{0}`: `notAfter` is before `notBefore`")]
    Window(KeyId),
    /// The JSON form is wrong.
    #[error("not a keyring file: {0}")]
    File(String),
}

/// Why a keyring gives no key for an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// No key has this id.
    #[error("no key of the keyring has this id")]
    Unknown,
    /// Two keys share this short id.
    #[error("two keys of the keyring share this short id: remove one of them")]
    Ambiguous,
}

impl PublicKey {
    /// From the 32 bytes of RFC 8032.
    ///
    /// # Errors
    /// [`KeyringError::WeakKey`] unless they are the canonical encoding of a point in the subgroup of prime order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyringError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyringError::WeakKey)?;
        let point = key.to_edwards();
        let canonical = VerifyingKey::from(point).as_bytes() == bytes;
        // The neutral element is free of torsion and still of small order.
        if !canonical || key.is_weak() || !point.is_torsion_free() {
            return Err(KeyringError::WeakKey);
        }
        Ok(Self { id: KeyId::of_spki(&spki(bytes)), key })
    }

    /// From SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// [`KeyringError::NotEd25519`] and those of [`Self::from_bytes`].
    pub fn from_der(der: &[u8]) -> Result<Self, KeyringError> {
        let bytes = der.strip_prefix(&SPKI_PREFIX).and_then(|bytes| bytes.try_into().ok());
        Self::from_bytes(bytes.ok_or(KeyringError::NotEd25519)?)
    }

    /// From one PEM block `PUBLIC KEY`.
    ///
    /// # Errors
    /// [`KeyringError::Pem`], [`KeyringError::PrivateKey`] and those of [`Self::from_der`].
    pub fn from_pem(text: &str) -> Result<Self, KeyringError> {
        match pem::public_keys(text)?.as_slice() {
            [der] => Self::from_der(der),
            _ => Err(KeyringError::Pem),
        }
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        spki(self.key.as_bytes())
    }

    /// One PEM block `PUBLIC KEY`.
    #[must_use]
    pub fn to_pem(&self) -> String {
        // 44 bytes are 60 characters: one line.
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(self.to_der()))
    }

    /// Whether `signature` is this key's over `message`, by the strictest reading of RFC 8032.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
    }
}

impl KeyringEntry {
    /// A key that may sign at any time.
    #[must_use]
    pub const fn always(key: PublicKey) -> Self {
        Self { key, not_before: None, not_after: None }
    }

    /// Whether the key may sign at `time`.
    #[must_use]
    pub fn is_active_at(&self, time: Timestamp) -> bool {
        self.not_before.is_none_or(|first| first <= time) && self.not_after.is_none_or(|last| time <= last)
    }
}

impl Keyring {
    /// A keyring of these entries.
    ///
    /// # Errors
    /// [`KeyringError`] for no entry, too many, a key twice, and a window that ends before it begins.
    pub fn new(list: impl IntoIterator<Item = KeyringEntry>) -> Result<Self, KeyringError> {
        let mut entries = BTreeMap::new();
        for entry in list {
            let id = entry.key.id();
            if entry.not_before.zip(entry.not_after).is_some_and(|(first, last)| last < first) {
                return Err(KeyringError::Window(id));
            }
            match entries.entry(id) {
                Entry::Occupied(_) => return Err(KeyringError::DuplicateKey(id)),
                Entry::Vacant(vacant) => vacant.insert(entry),
            };
        }
        match entries.len() {
            0 => Err(KeyringError::Empty),
            1..=MAX_KEYS => Ok(Self { entries }),
            _ => Err(KeyringError::TooLarge),
        }
    }

    /// Reads a keyring file: PEM blocks, which are active at any time, or the JSON form.
    ///
    /// # Errors
    /// [`KeyringError`] names what is wrong; nothing is skipped.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        if text.len() > MAX_KEYRING_BYTES {
            return Err(KeyringError::TooLarge);
        }
        if text.trim_start().starts_with('{') {
            return Self::new(file::read(text)?);
        }
        let keys = pem::public_keys(text)?;
        let entries: Vec<_> =
            keys.iter().map(|der| PublicKey::from_der(der).map(KeyringEntry::always)).collect::<Result<_, _>>()?;
        Self::new(entries)
    }

    /// The JSON form, in canonical bytes.
    #[must_use]
    pub fn to_json(&self) -> String {
        file::write(self)
    }

    /// All entries in the order of their ids.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &KeyringEntry> {
        self.entries.values()
    }

    /// The entry with this id.
    ///
    /// # Errors
    /// [`LookupError::Unknown`]
    pub fn find(&self, id: &KeyId) -> Result<&KeyringEntry, LookupError> {
        self.entries.get(id).ok_or(LookupError::Unknown)
    }

    /// The only entry whose id begins so.
    ///
    /// # Errors
    /// [`LookupError::Ambiguous`] where there are two: choosing one would be a guess.
    pub fn find_short(&self, id: ShortKeyId) -> Result<&KeyringEntry, LookupError> {
        let mut matches = self.entries.range(KeyId::first_of(id)..).take_while(|(other, _)| other.short() == id);
        match (matches.next(), matches.next()) {
            (Some((_, entry)), None) => Ok(entry),
            (None, _) => Err(LookupError::Unknown),
            (Some(_), Some(_)) => Err(LookupError::Ambiguous),
        }
    }
}

fn spki(key: &[u8; 32]) -> Vec<u8> {
    [SPKI_PREFIX.as_slice(), key].concat()
}

#[cfg(test)]
mod tests;
