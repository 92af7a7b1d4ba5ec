use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use rustls::{
    CertificateError, RootCertStore,
    crypto::ring,
    pki_types::CertificateDer,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName};

use super::tls::{Validity, certificates, unix_time, validity};
use crate::time::Timestamp;

/// Who may ask for decisions: holders of a certificate of this authority with one of these names.
///
/// A name is the subject's common name, a DNS name or a URI of the certificate, compared byte by byte.
pub struct Callers {
    authority: ArcSwap<Authority>,
    names: BTreeSet<Arc<str>>,
}

struct Authority(Arc<dyn ClientCertVerifier>);

/// Callers cannot be told apart with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum CallersError {
    /// No name is configured.
    #[error("no caller is named; name whom the authority's certificates must stand for, for example `kube-apiserver`")]
    NoName,
    /// The authority is not a list of certificates in PEM form.
    #[error("the callers' authority cannot be read; PEM blocks `CERTIFICATE` are needed")]
    Unreadable,
    /// A certificate of the authority cannot be used.
    #[error("the callers' authority cannot be used: {0}")]
    Refused(String),
}

/// Why a caller is not let in. The caller itself is told nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerFault {
    /// No client certificate.
    Missing,
    /// Not of the configured authority, or not made for clients.
    Untrusted,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// None of the configured names.
    WrongName,
    /// Not readable as X.509.
    Unreadable,
    /// The time cannot be told.
    Clock,
}

impl CallerFault {
    /// The word for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Untrusted => "untrusted",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongName => "wrong_name",
            Self::Unreadable => "unreadable",
            Self::Clock => "clock",
        }
    }
}

impl Callers {
    /// From the authority's certificates (PEM) and the names that may call.
    ///
    /// # Errors
    /// [`CallersError`]
    pub fn new(authority: &[u8], names: impl IntoIterator<Item = String>) -> Result<Self, CallersError> {
        let names: BTreeSet<Arc<str>> = names.into_iter().map(Arc::from).collect();
        if names.is_empty() || names.iter().any(|name| name.is_empty()) {
            return Err(CallersError::NoName);
        }
        Ok(Self { authority: ArcSwap::from_pointee(read(authority)?), names })
    }

    /// Takes another authority into use; callers on open connections are looked at anew.
    ///
    /// # Errors
    /// [`CallersError`]; the old one then stays in use.
    pub fn replace(&self, authority: &[u8]) -> Result<(), CallersError> {
        self.authority.store(Arc::new(read(authority)?));
        Ok(())
    }

    fn verify(&self, authority: &Authority, chain: &[CertificateDer<'_>], now: Timestamp) -> Verdict {
        let (leaf, others) = chain.split_first().ok_or(CallerFault::Missing)?;
        authority.0.verify_client_cert(leaf, others, unix_time(now)).map_err(|error| fault(&error))?;
        let (_, parsed) = x509_parser::parse_x509_certificate(leaf).map_err(|_| CallerFault::Unreadable)?;
        let name = names(&parsed).find_map(|name| self.names.get(name)).ok_or(CallerFault::WrongName)?;
        let mut until = Timestamp::from_millis(i64::MAX);
        for certificate in chain {
            let Validity { not_after, .. } = validity(certificate).ok_or(CallerFault::Unreadable)?;
            until = until.min(not_after);
        }
        Ok(Known { name: Arc::clone(name), from: now, until })
    }
}

impl fmt::Debug for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callers").field("names", &self.names).finish_non_exhaustive()
    }
}

/// A caller whose certificate was found good.
#[derive(Clone, Debug)]
struct Known {
    name: Arc<str>,
    from: Timestamp,
    until: Timestamp,
}

type Verdict = Result<Known, CallerFault>;

/// The other end of one connection: what it presented, and what was found of it.
#[derive(Debug, Default)]
pub(super) struct Peer {
    chain: Vec<CertificateDer<'static>>,
    /// The last verdict and the authority by which it was reached.
    verdict: Mutex<Option<(Arc<Authority>, Verdict)>>,
}

impl Peer {
    pub(super) fn new(chain: Option<&[CertificateDer<'static>]>) -> Self {
        Self { chain: chain.unwrap_or_default().to_vec(), verdict: Mutex::default() }
    }

    /// Who this is at `now`. The chain is verified once, and again when the authority changes or the time may tell.
    pub(super) fn authenticate(&self, callers: &Callers, now: Timestamp) -> Result<Arc<str>, CallerFault> {
        if self.chain.is_empty() {
            return Err(CallerFault::Missing);
        }
        let authority = callers.authority.load();
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((by, Ok(known))) = &*verdict
            && Arc::ptr_eq(by, &authority)
            && (known.from..known.until).contains(&now)
        {
            return Ok(Arc::clone(&known.name));
        }
        if let Some((by, Err(fault @ (CallerFault::Untrusted | CallerFault::WrongName)))) = &*verdict
            && Arc::ptr_eq(by, &authority)
        {
            return Err(*fault);
        }
        let found = callers.verify(&authority, &self.chain, now);
        *verdict = Some((Arc::clone(&authority), found.clone()));
        found.map(|known| known.name)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

fn read(pem: &[u8]) -> Result<Authority, CallersError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem).ok_or(CallersError::Unreadable)? {
        roots.add(certificate).map_err(|error| CallersError::Refused(error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()))
        .build()
        .map(Authority)
        .map_err(|error| CallersError::Refused(error.to_string()))
}

fn fault(error: &rustls::Error) -> CallerFault {
    use CertificateError as E;
    match error {
        rustls::Error::InvalidCertificate(E::Expired | E::ExpiredContext { .. }) => CallerFault::Expired,
        rustls::Error::InvalidCertificate(E::NotValidYet | E::NotValidYetContext { .. }) => CallerFault::NotYetValid,
        rustls::Error::InvalidCertificate(E::BadEncoding) => CallerFault::Unreadable,
        _ => CallerFault::Untrusted,
    }
}

/// The names a certificate stands for. Of several common names none counts: which one was checked is not known.
fn names<'a>(certificate: &'a X509Certificate<'_>) -> impl Iterator<Item = &'a str> {
    let mut common = certificate.subject().iter_common_name();
    let common = match (common.next(), common.next()) {
        (Some(name), None) => name.as_str().ok(),
        _ => None,
    };
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let alternative = alternative.into_iter().flat_map(|names| names.value.general_names.iter());
    common.into_iter().chain(alternative.filter_map(|name| match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) => Some(*name),
        _ => None,
    }))
}
