//! Certificates that Writ makes itself: a long-lived authority at install, short-lived serving certificates from it.
//!
//! Keys are ECDSA P-256. What is issued names hosts or addresses, serves TLS servers only and cannot sign.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData as _, date_time_ymd,
};
use zeroize::Zeroizing;

use super::tls::{Pair, Validity, certificates, validity};
use crate::time::Timestamp;

/// How much earlier than now a certificate begins, for clocks that run behind.
pub const BACKDATED: Duration = Duration::from_secs(300);

/// A certificate cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The authority's certificate is not X.509 in PEM form.
    #[error("the authority's certificate cannot be read; a PEM block `CERTIFICATE` is needed")]
    Authority,
    /// The authority's key is not the key of its certificate.
    #[error("the authority's key is not the key of its certificate")]
    AuthorityKey,
    /// The authority's time is over, or has not come.
    #[error("the authority is not valid now; make a new one")]
    AuthorityExpired,
    /// No name was asked for.
    #[error("a serving certificate needs at least one DNS name or address")]
    NoName,
    /// A key or a name cannot be used.
    #[error("the certificate cannot be made: {0}")]
    Refused(#[from] rcgen::Error),
}

/// A certificate and its key, PEM; the key's memory is wiped when it is dropped.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// The private key, PKCS#8.
    pub key: Zeroizing<String>,
}

impl Issued {
    /// Borrowed, as a server loads it.
    #[must_use]
    pub fn pair(&self) -> Pair<'_> {
        Pair { certificates: self.certificate.as_bytes(), key: self.key.as_bytes() }
    }
}

/// Makes an authority that lives for `life` from `now`. It signs certificates only, and no other authorities.
///
/// # Errors
/// [`IssueError::Refused`]
pub fn authority(name: &str, life: Duration, now: Timestamp) -> Result<Issued, IssueError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, now.minus(BACKDATED), now.plus(life));
    let certificate = params.self_signed(&key)?.pem();
    Ok(Issued { certificate, key: Zeroizing::new(key.serialize_pem()) })
}

/// Issues a serving certificate for DNS names and IP addresses, valid for `life` from `now`, never beyond its authority.
///
/// # Errors
/// [`IssueError`]
pub fn issue(
    authority_certificate: &[u8],
    authority_key: &[u8],
    names: &[String],
    life: Duration,
    now: Timestamp,
) -> Result<Issued, IssueError> {
    let first = names.first().ok_or(IssueError::NoName)?;
    let authority = Authority::read(authority_certificate, authority_key)?;
    let Validity { not_before, not_after } = authority.validity;
    if now < not_before || now >= not_after {
        return Err(IssueError::AuthorityExpired);
    }
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    // A common name has at most 64 characters; clients look at the other names only.
    let common = if first.len() <= 64 { first } else { "writ" };
    params.distinguished_name.push(DnType::CommonName, common);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now.minus(BACKDATED).max(not_before), now.plus(life).min(not_after));
    let certificate = params.signed_by(&key, &authority.issuer)?.pem();
    Ok(Issued { certificate, key: Zeroizing::new(key.serialize_pem()) })
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    validity: Validity,
}

impl Authority {
    fn read(certificate: &[u8], key: &[u8]) -> Result<Self, IssueError> {
        let der = certificates(certificate).and_then(|chain| chain.into_iter().next()).ok_or(IssueError::Authority)?;
        let key = std::str::from_utf8(key).map_err(|_| IssueError::AuthorityKey)?;
        let key = KeyPair::from_pem(key).map_err(|_| IssueError::AuthorityKey)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).map_err(|_| IssueError::Authority)?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(IssueError::AuthorityKey);
        }
        let validity = validity(&der).ok_or(IssueError::Authority)?;
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|_| IssueError::Authority)?;
        Ok(Self { issuer, validity })
    }
}

fn set_validity(params: &mut CertificateParams, from: Timestamp, to: Timestamp) {
    let epoch = date_time_ymd(1970, 1, 1);
    let at = |time: Timestamp| epoch + time.since(Timestamp::from_millis(0));
    params.not_before = at(from);
    // X.509 includes the last second.
    params.not_after = at(to.minus(Duration::from_secs(1)));
}

#[cfg(test)]
mod tests;
