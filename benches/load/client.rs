use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, client::conn, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{Protocol, Run};

/// How to connect.
pub(crate) struct Dialer {
    connector: TlsConnector,
    name: String,
    protocol: Protocol,
}

impl Dialer {
    pub(crate) fn new(run: &Run) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&run.ca).context("the authority")? {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match (&run.client_certificate, &run.client_key) {
            (Some(certificate), Some(key)) => {
                let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key)?)?
            }
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![match run.protocol {
            Protocol::H1 => b"http/1.1".to_vec(),
            Protocol::H2 => b"h2".to_vec(),
        }];
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name: run.server_name.clone(),
            protocol: run.protocol,
        })
    }

    pub(crate) async fn connect(&self, address: SocketAddr) -> anyhow::Result<Client> {
        let tcp = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(self.name.clone())?;
        let io = TokioIo::new(self.connector.connect(name, tcp).await.context("the TLS handshake")?);
        let authority = self.name.clone();
        let sender = match self.protocol {
            Protocol::H1 => {
                let (sender, connection) = conn::http1::handshake(io).await?;
                tokio::spawn(connection);
                Sender::H1(sender)
            }
            Protocol::H2 => {
                let (sender, connection) = conn::http2::handshake(TokioExecutor::new(), io).await?;
                tokio::spawn(connection);
                Sender::H2(sender)
            }
        };
        Ok(Client { sender, authority })
    }
}

enum Sender {
    H1(conn::http1::SendRequest<Full<Bytes>>),
    H2(conn::http2::SendRequest<Full<Bytes>>),
}

/// One connection, or one stream's share of it.
pub(crate) struct Client {
    sender: Sender,
    authority: String,
}

impl Client {
    /// Another one on the same connection; only HTTP/2 can.
    pub(crate) fn share(&self) -> Option<Self> {
        match &self.sender {
            Sender::H1(_) => None,
            Sender::H2(sender) => Some(Self { sender: Sender::H2(sender.clone()), authority: self.authority.clone() }),
        }
    }

    pub(crate) async fn post(&mut self, path: &str, body: String) -> anyhow::Result<Bytes> {
        let request = Request::post(format!("https://{}{path}?timeout=2s", self.authority))
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let response = match &mut self.sender {
            Sender::H1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Sender::H2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        anyhow::ensure!(response.status().is_success(), "answered with {}", response.status());
        Ok(response.into_body().collect().await?.to_bytes())
    }
}
