//! The signing key as the hook handles it: never printed, wiped after use.

use zeroize::Zeroizing;

use crate::sign::Signer;

/// A signing key with what is published of it.
pub(super) struct KeyMaterial(Signer);

impl KeyMaterial {
    pub(super) fn generate() -> anyhow::Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|error| anyhow::anyhow!("no random bits: {error}"))?;
        Ok(Self(Signer::from_seed(&seed)?))
    }

    pub(super) fn from_pem(pem: &[u8]) -> anyhow::Result<Self> {
        Ok(Self(Signer::from_pkcs8_pem(std::str::from_utf8(pem)?)?))
    }

    /// PKCS#8.
    pub(super) fn private_pem(&self) -> Zeroizing<String> {
        self.0.to_pkcs8_pem()
    }

    /// SubjectPublicKeyInfo.
    pub(super) fn public_pem(&self) -> String {
        self.0.public_key().to_pem()
    }

    /// SHA-256 of the SubjectPublicKeyInfo, 64 hexadecimal digits.
    pub(super) fn id(&self) -> String {
        self.0.key_id().to_string()
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
        for rubbish in ["", "x", &key.public_pem()] {
            assert!(KeyMaterial::from_pem(rubbish.as_bytes()).is_err(), "{rubbish}");
        }
        Ok(())
    }
}
