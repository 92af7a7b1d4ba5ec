//! The signing key as the hook handles it: never printed, wiped after use.

use anyhow::Context as _;
use ed25519_dalek::{
    SigningKey,
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _, spki::der::pem::LineEnding},
};
use zeroize::Zeroizing;

use crate::digest::Digest;

/// A signing key with what is published of it.
pub(super) struct KeyMaterial {
    private_pem: Zeroizing<String>,
    public_pem: String,
    id: String,
}

impl KeyMaterial {
    pub(super) fn generate() -> anyhow::Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|error| anyhow::anyhow!("no random bits: {error}"))?;
        Self::new(&SigningKey::from_bytes(&seed))
    }

    pub(super) fn from_pem(pem: &[u8]) -> anyhow::Result<Self> {
        let pem = std::str::from_utf8(pem)?;
        Self::new(&SigningKey::from_pkcs8_pem(pem).map_err(|_| anyhow::anyhow!("not PKCS#8 PEM"))?)
    }

    fn new(key: &SigningKey) -> anyhow::Result<Self> {
        let public = key.verifying_key();
        let der = public.to_public_key_der().context("encoding the public key")?;
        Ok(Self {
            private_pem: key.to_pkcs8_pem(LineEnding::LF).context("encoding the key")?,
            public_pem: public.to_public_key_pem(LineEnding::LF).context("encoding the public key")?,
            id: Digest::plain(der.as_bytes()).to_hex(),
        })
    }

    /// PKCS#8.
    pub(super) fn private_pem(&self) -> &str {
        &self.private_pem
    }

    /// SubjectPublicKeyInfo.
    pub(super) fn public_pem(&self) -> &str {
        &self.public_pem
    }

    /// SHA-256 of the SubjectPublicKeyInfo, 64 hexadecimal digits.
    pub(super) fn id(&self) -> String {
        self.id.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::KeyMaterial;

    #[test]
    fn a_key_survives_its_pem_form_and_rubbish_is_no_key() -> anyhow::Result<()> {
        let key = KeyMaterial::generate()?;
        assert_eq!(KeyMaterial::from_pem(key.private_pem().as_bytes())?.id(), key.id());
        assert_ne!(KeyMaterial::generate()?.id(), key.id());
        for rubbish in ["", "x", key.public_pem()] {
            assert!(KeyMaterial::from_pem(rubbish.as_bytes()).is_err(), "{rubbish}");
        }
        Ok(())
    }
}
