//! A running server with a decision maker that does as it is told, and clients of both protocols.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, client::conn, header::HeaderMap};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore},
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use writ::{
    admission::{Answer, Denial},
    api::Reason,
    clock::{Clock as _, ManualClock, SystemClock},
    metrics::Metrics,
    shutdown::Shutdown,
    time::Timestamp,
    webhook::{
        Admission, Call, Caller, Callers, Check, Limits, Readiness, Served, ServingCertificate, Setup,
        certificate::{Issued, authority, issue},
        serve,
    },
};

pub(crate) const DAY: Duration = Duration::from_secs(86_400);
/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Does what the reviewed object's name says.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    pub(crate) calls: AtomicUsize,
    pub(crate) last_caller: Mutex<Option<Caller>>,
    pub(crate) faults: Mutex<Vec<Check>>,
    /// Held calls wait here.
    pub(crate) gate: Gate,
}

/// Lets held calls go on by the piece.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) waiting: AtomicUsize,
    arrived: Notify,
    open: Semaphore,
}

impl Default for Gate {
    fn default() -> Self {
        Self { waiting: AtomicUsize::new(0), arrived: Notify::new(), open: Semaphore::new(0) }
    }
}

impl Gate {
    async fn pass(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.arrived.notify_one();
        self.open.acquire().await.unwrap().forget();
    }

    /// Waits until so many calls are held.
    pub(crate) async fn holds(&self, calls: usize) {
        within(async {
            while self.waiting.load(Ordering::SeqCst) < calls {
                self.arrived.notified().await;
            }
        })
        .await;
    }

    /// Lets so many calls go on.
    pub(crate) fn release(&self, calls: usize) {
        self.open.add_permits(calls);
    }
}

impl Scripted {
    async fn act(&self, call: Call<'_>) -> Answer {
        self.calls.fetch_add(1, Ordering::SeqCst);
        *self.last_caller.lock().unwrap() = Some(call.caller.clone());
        match &*call.request.name {
            "panic" => panic!("a poisoned request named {}", call.request.name),
            "never" => std::future::pending().await,
            "late" => {
                while Instant::now() < call.deadline {
                    std::thread::yield_now();
                }
                allow()
            }
            "held" => {
                self.gate.pass().await;
                allow()
            }
            "deny" => deny(Reason::Replayed, "used before"),
            _ => allow(),
        }
    }
}

fn allow() -> Answer {
    Answer::Allow { patch: None, warnings: Vec::new(), audit_annotations: BTreeMap::new() }
}

fn deny(reason: Reason, message: &str) -> Answer {
    Answer::Deny(Box::new(Denial {
        reason,
        rule_reason: None,
        message: message.to_owned(),
        causes: Vec::new(),
        retry_after_seconds: None,
        target: Default::default(),
        audit_annotations: BTreeMap::new(),
        warnings: Vec::new(),
    }))
}

impl Admission for Scripted {
    async fn mutate(&self, call: Call<'_>) -> Answer {
        self.act(call).await
    }

    async fn validate(&self, call: Call<'_>) -> Answer {
        self.act(call).await
    }

    fn readiness(&self) -> Readiness {
        Readiness(self.faults.lock().unwrap().clone())
    }
}

/// A server that runs, and all that belongs to it.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) admission: Arc<Scripted>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shutdown: Shutdown,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) serving: Arc<ServingCertificate>,
    pub(crate) server_ca: Issued,
    pub(crate) server: JoinHandle<Served>,
}

pub(crate) struct Options {
    pub(crate) limits: Limits,
    pub(crate) callers: Option<Arc<Callers>>,
    pub(crate) finish: Duration,
}

impl Default for Options {
    fn default() -> Self {
        // A long budget: these tests run on busy machines.
        let limits = Limits { budget: PATIENCE, ..Limits::default() };
        Self { limits, callers: None, finish: PATIENCE }
    }
}

impl World {
    pub(crate) async fn start(options: Options) -> Self {
        let now = SystemClock.now().unwrap();
        let clock = Arc::new(ManualClock::new(now));
        let server_ca = authority("server-ca", DAY * 365, now).unwrap();
        let leaf = serving_leaf(&server_ca, now);
        let serving = Arc::new(ServingCertificate::new(leaf.pair(), now).unwrap());
        let (admission, metrics, shutdown) =
            (Arc::<Scripted>::default(), Arc::<Metrics>::default(), Shutdown::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let setup = Setup {
            admission: Arc::clone(&admission),
            clock: clock.clone(),
            metrics: Arc::clone(&metrics),
            shutdown: shutdown.clone(),
            certificate: Arc::clone(&serving),
            callers: options.callers,
            limits: options.limits,
            finish: options.finish,
        };
        let server = tokio::spawn(async move { serve(listener, setup).await.unwrap() });
        Self { address, admission, metrics, shutdown, clock, serving, server_ca, server }
    }

    /// The TLS client of somebody who knows the server's authority.
    pub(crate) fn tls(&self, protocol: Protocol, identity: Option<&Issued>) -> TlsConnector {
        tls(&self.server_ca, protocol, identity)
    }

    pub(crate) async fn stream(&self, protocol: Protocol, identity: Option<&Issued>) -> TlsStream<TcpStream> {
        let tcp = TcpStream::connect(self.address).await.unwrap();
        self.tls(protocol, identity).connect(ServerName::try_from("writ.test").unwrap(), tcp).await.unwrap()
    }

    pub(crate) async fn client(&self, protocol: Protocol, identity: Option<&Issued>) -> Client {
        Client::over(self.stream(protocol, identity).await, protocol).await
    }

    /// One value of `/metrics`; zero where it was never counted.
    pub(crate) fn metric(&self, series: &str) -> i64 {
        let text = self.metrics.render();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse::<f64>().unwrap() as i64)
    }

    /// Waits until a value of `/metrics` is as expected.
    pub(crate) async fn metric_becomes(&self, series: &str, expected: i64) {
        let deadline = Instant::now() + PATIENCE;
        while self.metric(series) != expected {
            assert!(Instant::now() < deadline, "{series} is {}, not {expected}", self.metric(series));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

pub(crate) fn tls(server_ca: &Issued, protocol: Protocol, identity: Option<&Issued>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server_ca.certificate.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(protocol.versions())
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).map(Result::unwrap).collect();
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = match protocol {
        Protocol::H2 => vec![b"h2".to_vec()],
        Protocol::H1 | Protocol::H1OverTls12 => vec![b"http/1.1".to_vec()],
    };
    TlsConnector::from(Arc::new(config))
}

pub(crate) fn serving_leaf(ca: &Issued, now: Timestamp) -> Issued {
    issue(ca.certificate.as_bytes(), ca.key.as_bytes(), &["writ.test".to_owned()], DAY * 30, now).unwrap()
}

/// A client certificate of an authority.
pub(crate) fn client_certificate(ca: &Issued, adjust: impl FnOnce(&mut CertificateParams)) -> Issued {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    adjust(&mut params);
    let issuer = Issuer::from_ca_cert_pem(&ca.certificate, KeyPair::from_pem(&ca.key).unwrap()).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap().pem();
    Issued { certificate, key: key.serialize_pem().into() }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    H1,
    H1OverTls12,
    H2,
}

impl Protocol {
    pub(crate) const ALL: [Self; 3] = [Self::H1, Self::H1OverTls12, Self::H2];

    fn versions(self) -> &'static [&'static rustls::SupportedProtocolVersion] {
        static OLD: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
        static NEW: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];
        if self == Self::H1OverTls12 { OLD } else { NEW }
    }
}

/// One connection.
pub(crate) enum Client {
    H1(conn::http1::SendRequest<Full<Bytes>>),
    H2(conn::http2::SendRequest<Full<Bytes>>),
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// (allowed, code, first cause) of a review.
    pub(crate) fn verdict(&self) -> (bool, u64, String) {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        let response = &self.json()["response"];
        let cause = response["status"]["details"]["causes"][0]["reason"].as_str().unwrap_or_default().to_owned();
        (response["allowed"].as_bool().unwrap(), response["status"]["code"].as_u64().unwrap_or_default(), cause)
    }
}

impl Client {
    pub(crate) async fn over(stream: TlsStream<TcpStream>, protocol: Protocol) -> Self {
        let io = TokioIo::new(stream);
        match protocol {
            Protocol::H1 | Protocol::H1OverTls12 => {
                let (sender, connection) = conn::http1::handshake(io).await.unwrap();
                tokio::spawn(connection);
                Self::H1(sender)
            }
            Protocol::H2 => {
                let (sender, connection) = conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
                tokio::spawn(connection);
                Self::H2(sender)
            }
        }
    }

    /// Whether another request may be sent; tells after the connection's task had its turn.
    pub(crate) async fn is_open(&self) -> bool {
        tokio::task::yield_now().await;
        match self {
            Self::H1(sender) => !sender.is_closed(),
            Self::H2(sender) => !sender.is_closed(),
        }
    }

    pub(crate) async fn try_send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Page> {
        let response = match self {
            Self::H1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Self::H2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        read(response).await
    }

    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Page {
        within(self.try_send(request)).await.unwrap()
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        self.send(request("GET", path, None, "")).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Page {
        self.send(post(path, body)).await
    }
}

async fn read(response: Response<Incoming>) -> hyper::Result<Page> {
    let (head, body) = response.into_parts();
    let bytes = body.collect().await?.to_bytes();
    Ok(Page { status: head.status, headers: head.headers, text: String::from_utf8(bytes.to_vec()).unwrap() })
}

pub(crate) fn request(method: &str, path: &str, kind: Option<&str>, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut builder = Request::builder().method(method).uri(format!("https://writ.test{path}"));
    builder = builder.header("host", "writ.test");
    if let Some(kind) = kind {
        builder = builder.header("content-type", kind);
    }
    builder.body(Full::new(body.into())).unwrap()
}

pub(crate) fn post(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    request("POST", path, Some("application/json"), body)
}

static UID: AtomicU64 = AtomicU64::new(1);

/// A review as the API server writes it; what is done with it, the name says.
pub(crate) fn review(name: &str) -> String {
    sized_review(name, 0)
}

/// The same with an object of about so many bytes.
pub(crate) fn sized_review(name: &str, bytes: usize) -> String {
    let uid = UID.fetch_add(1, Ordering::Relaxed);
    let filling = "x".repeat(bytes);
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"uid-{uid}","kind":{{"group":"apps","version":"v1","kind":"Deployment"}},"resource":{{"group":"apps","version":"v1","resource":"deployments"}},"name":"{name}","namespace":"shop","operation":"CREATE","userInfo":{{"username":"ann"}},"object":{{"kind":"Deployment","text":"{filling}"}}}}}}"#
    )
}

/// Waits, but not for ever.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it took too long")
}
