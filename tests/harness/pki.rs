//! Certificates: an authority made for one cluster, and the identities it issues. Nothing here outlives the cluster.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SignatureAlgorithm, SigningKey,
};

/// A certificate authority that tests may use to issue what they need, also certificates that must be refused.
pub(crate) struct Authority {
    issuer: Issuer<'static, GroupSigner>,
    certificate: String,
    key: String,
}

/// A certificate and its private key, both PEM. Valid from 1975 to 4096, so that moved clocks do not matter.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    /// A new self-signed authority.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key)?.pem();
        let key_pem = key.serialize_pem();
        Ok(Self { issuer: Issuer::new(params, GroupSigner(key)), certificate, key: key_pem })
    }

    /// The authority's certificate, PEM: what goes into `caBundle` or `--client-ca-file`.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A client certificate: Kubernetes reads the user from CN and the groups from O.
    pub(crate) fn client(&self, user: &str, groups: &[&str]) -> Result<Identity> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(user);
        for (position, group) in groups.iter().enumerate() {
            params.distinguished_name.push(stand_in(position)?, *group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    /// A serving certificate for DNS names and IP addresses. It is good as a client certificate too.
    pub(crate) fn server(&self, names: &[&str]) -> Result<Identity> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(names.first().copied().unwrap_or("server"));
        for name in names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName((*name).try_into().with_context(|| format!("`{name}` is no DNS name"))?),
            });
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    /// Writes `ca.crt` and `ca.key` into `directory`.
    pub(crate) fn write(&self, directory: &Path) -> Result<()> {
        fs::write(directory.join("ca.crt"), &self.certificate)?;
        fs::write(directory.join("ca.key"), &self.key)?;
        Ok(())
    }

    fn issue(&self, mut params: CertificateParams) -> Result<Identity> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity { certificate: pem(&organizations(certificate.der())), key: key.serialize_pem() })
    }
}

impl Identity {
    /// Writes `NAME.crt` and `NAME.key` into `directory`.
    pub(crate) fn write(&self, directory: &Path, name: &str) -> Result<()> {
        fs::write(directory.join(format!("{name}.crt")), &self.certificate)?;
        fs::write(directory.join(format!("{name}.key")), &self.key)?;
        Ok(())
    }
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// A distinguished name of `rcgen` holds each attribute once, but a user has several groups, each an `O`. So group
/// number `n` is written under the unused attribute type 2.5.4.(100 + n), and the encoding is rewritten to
/// 2.5.4.10 (`O`, of the same length) before it is signed and in the result.
struct GroupSigner(KeyPair);

const STAND_INS: u8 = 27;

fn stand_in(position: usize) -> Result<DnType> {
    ensure!(position < usize::from(STAND_INS), "a certificate holds at most {STAND_INS} groups");
    Ok(DnType::CustomDnType(vec![2, 5, 4, 100 + u64::try_from(position)?]))
}

fn organizations(encoded: &[u8]) -> Vec<u8> {
    let mut rewritten = encoded.to_vec();
    for position in 0..STAND_INS {
        let from = [6, 3, 0x55, 4, 100 + position];
        while let Some(at) = rewritten.windows(from.len()).position(|window| window == from) {
            if let Some(last) = rewritten.get_mut(at + from.len() - 1) {
                *last = 10;
            }
        }
    }
    rewritten
}

impl PublicKeyData for GroupSigner {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        PublicKeyData::algorithm(&self.0)
    }
}

impl SigningKey for GroupSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(&organizations(message))
    }
}

fn pem(encoded: &[u8]) -> String {
    let text = STANDARD.encode(encoded);
    let mut lines = String::from("-----BEGIN CERTIFICATE-----\n");
    for (position, character) in text.chars().enumerate() {
        if position > 0 && position % 64 == 0 {
            lines.push('\n');
        }
        lines.push(character);
    }
    lines.push_str("\n-----END CERTIFICATE-----\n");
    lines
}
