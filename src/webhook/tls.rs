use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use rustls::{
    DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject as _},
    server::{
        ClientHello, NoServerSessionStorage, ResolvesServerCert,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
    time_provider::TimeProvider,
};

use crate::{clock::Clock, time::Timestamp};

/// A certificate with its chain, and its key, both PEM.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    /// The serving certificate first, then what leads to its authority.
    pub certificates: &'a [u8],
    /// The private key, PKCS#8, PKCS#1 or SEC1.
    pub key: &'a [u8],
}

/// A certificate cannot be used for serving.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// No certificate in PEM form.
    #[error("no certificate found; a PEM block `CERTIFICATE` is needed")]
    NoCertificate,
    /// No private key in PEM form.
    #[error("no private key found; a PEM block `PRIVATE KEY` is needed")]
    NoKey,
    /// The key cannot be used, or is not the certificate's.
    #[error("the key and the certificate do not go together: {0}")]
    Pair(rustls::Error),
    /// The certificate is not X.509.
    #[error("the certificate cannot be read as X.509")]
    Unreadable,
    /// The certificate is not valid at this time.
    #[error("the certificate is valid from {not_before} to {not_after} only; it is {now}")]
    NotNow {
        /// Start of its validity.
        not_before: Timestamp,
        /// End of its validity.
        not_after: Timestamp,
        /// The time of the check.
        now: Timestamp,
    },
}

/// The certificate in use. It is exchanged while the server runs; connections that stand keep theirs.
pub struct ServingCertificate(ArcSwap<Loaded>);

struct Loaded {
    key: Arc<CertifiedKey>,
    validity: Validity,
}

/// From when to when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

impl ServingCertificate {
    /// The first certificate.
    ///
    /// # Errors
    /// [`CertificateError`]
    pub fn new(pair: Pair<'_>, now: Timestamp) -> Result<Self, CertificateError> {
        load(pair, now).map(|loaded| Self(ArcSwap::from_pointee(loaded)))
    }

    /// Takes another certificate into use for new connections.
    ///
    /// # Errors
    /// [`CertificateError`]; the old one then stays in use.
    pub fn replace(&self, pair: Pair<'_>, now: Timestamp) -> Result<(), CertificateError> {
        self.0.store(Arc::new(load(pair, now)?));
        Ok(())
    }

    /// When the one in use expires.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.0.load().validity.not_after
    }

    /// When two thirds of the life of the one in use are over.
    #[must_use]
    pub fn renewal_due(&self) -> Timestamp {
        let Validity { not_before, not_after } = self.0.load().validity;
        not_before.plus(not_after.since(not_before) * 2 / 3)
    }

    /// Whether so little time is left that no requests should come here: an hour, or a sixth of a short life.
    #[must_use]
    pub fn is_nearly_expired(&self, now: Timestamp) -> bool {
        let Validity { not_before, not_after } = self.0.load().validity;
        let margin = Duration::from_secs(3600).min(not_after.since(not_before) / 6);
        now.plus(margin) >= not_after
    }
}

impl fmt::Debug for ServingCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServingCertificate").field("validity", &self.0.load().validity).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for ServingCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().key))
    }
}

fn load(pair: Pair<'_>, now: Timestamp) -> Result<Loaded, CertificateError> {
    let chain = certificates(pair.certificates).ok_or(CertificateError::NoCertificate)?;
    let key = PrivateKeyDer::from_pem_slice(pair.key).map_err(|_| CertificateError::NoKey)?;
    let leaf = chain.first().ok_or(CertificateError::NoCertificate)?;
    let validity = validity(leaf).ok_or(CertificateError::Unreadable)?;
    let key = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(CertificateError::Pair)?;
    let Validity { not_before, not_after } = validity;
    if now < not_before || now >= not_after {
        return Err(CertificateError::NotNow { not_before, not_after, now });
    }
    Ok(Loaded { key: Arc::new(key), validity })
}

/// All certificates of a PEM text; `None` where one is broken or there is none.
pub(super) fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    chain.ok().filter(|chain| !chain.is_empty())
}

/// From when to when a certificate is valid; `None` where it cannot be read.
pub(super) fn validity(certificate: &CertificateDer<'_>) -> Option<Validity> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let at = |seconds: i64| Some(Timestamp::from_millis(seconds.checked_mul(1000)?));
    let not_before = at(parsed.validity().not_before.timestamp())?;
    // X.509 includes the last second.
    let not_after = at(parsed.validity().not_after.timestamp().checked_add(1)?)?;
    Some(Validity { not_before, not_after })
}

/// The server's side of TLS 1.2 and 1.3: h2 and http/1.1 by ALPN, no resumption.
///
/// A resumed session would skip the look at the client's certificate; the API server keeps its connections open anyway.
pub(super) fn server_config(
    certificate: Arc<ServingCertificate>,
    ask_for_client_certificate: bool,
    clock: Arc<dyn Clock>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_details(Arc::clone(&provider), Arc::new(ClockForTls(clock)))
        .with_safe_default_protocol_versions()?;
    let builder = if ask_for_client_certificate {
        builder.with_client_cert_verifier(Arc::new(TakeAnyCertificate::new(&provider)))
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

#[derive(Debug)]
struct ClockForTls(Arc<dyn Clock>);

impl TimeProvider for ClockForTls {
    fn current_time(&self) -> Option<UnixTime> {
        self.0.now().ok().map(unix_time)
    }
}

/// As rustls writes a time; nothing lies before 1970.
pub(super) fn unix_time(time: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(0)))
}

/// Lets a client in with any certificate or none, but never with one whose key it does not hold.
///
/// Who it is is looked at per request (`callers`): health endpoints share the port with admission and must answer
/// probes without a certificate, and a wrong certificate shall get a clear 401 instead of a broken connection.
/// INVARIANT: nothing here is an authentication; only [`super::Callers`] makes a caller of a chain.
#[derive(Debug)]
struct TakeAnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
}

impl TakeAnyCertificate {
    fn new(provider: &CryptoProvider) -> Self {
        Self { algorithms: provider.signature_verification_algorithms }
    }
}

impl ClientCertVerifier for TakeAnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // No hints: every client sends what it has, and an unknown one learns no names.
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
