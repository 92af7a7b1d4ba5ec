//! A small HTTP client for the API server: any method, any bytes, one connection a request. For what kubectl would not
//! send, and for checks that must not cost a process.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::connect::connect;
use super::pki::Identity;

/// A client with one identity towards one server.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    network: Option<PathBuf>,
    tls: Option<Arc<ClientConfig>>,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

/// A connection.
pub(super) trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

impl Client {
    /// HTTPS, with a client certificate if one is given.
    pub(crate) fn tls(address: SocketAddr, authority: &str, identity: Option<&Identity>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let config = match identity {
            Some(identity) => builder.with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes())?],
                PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?,
            )?,
            None => builder.with_no_client_auth(),
        };
        Ok(Self { address, network: None, tls: Some(Arc::new(config)) })
    }

    /// Plain HTTP.
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self { address, network: None, tls: None }
    }

    /// The same from within a network namespace.
    pub(crate) fn within(mut self, network: Option<PathBuf>) -> Self {
        self.network = network;
        self
    }

    /// Reads a path.
    pub(crate) fn get(&self, path: &str) -> Result<Response> {
        self.request("GET", path, &[], b"")
    }

    /// Sends a request with any headers and any body. Waits at most 40 s between two pieces of the answer.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Response> {
        // HTTP/1.0: the answer ends with the connection, and no encoding is put around it.
        let sent = self.written("HTTP/1.0", method, path, headers, body)?;
        Response::parse(&exchange(self.open()?, &sent)?)
    }

    /// A new connection.
    pub(super) fn open(&self) -> Result<Box<dyn Stream>> {
        let stream = connect(self.network.as_deref(), self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(40)))?;
        Ok(match &self.tls {
            Some(config) => {
                let connection = ClientConnection::new(Arc::clone(config), ServerName::from(self.address.ip()))?;
                Box::new(StreamOwned::new(connection, stream))
            }
            None => Box::new(stream),
        })
    }

    /// A request as it is sent.
    pub(super) fn written(
        &self,
        version: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Vec<u8>> {
        let mut head =
            format!("{method} {path} {version}\r\nHost: {}\r\nContent-Length: {}\r\n", self.address, body.len());
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n")?;
        }
        head.push_str("\r\n");
        Ok([head.as_bytes(), body].concat())
    }
}

impl Response {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("status {}, body not JSON: {}", self.status, self.text()))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn parse(answer: &[u8]) -> Result<Self> {
        let end =
            answer.windows(4).position(|window| window == b"\r\n\r\n").context("the answer has no end of headers")?;
        let (head, body) = answer.split_at(end + 4);
        Self::of(String::from_utf8_lossy(head).into_owned(), body.to_vec())
    }

    /// An answer whose headers end with an empty line.
    pub(super) fn of(headers: String, body: Vec<u8>) -> Result<Self> {
        let status = headers.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("the answer has no status: {headers}"))?;
        Ok(Self { status, headers, body })
    }
}

fn exchange(mut stream: impl Read + Write, sent: &[u8]) -> Result<Vec<u8>> {
    stream.write_all(sent)?;
    stream.flush()?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error.into()),
        _ => {}
    }
    ensure!(!answer.is_empty(), "the server closed the connection without an answer");
    Ok(answer)
}
