use std::sync::{Arc, atomic::Ordering};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, SanType, date_time_ymd};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use writ::{
    clock::{Clock as _, SystemClock},
    webhook::{
        Caller, Callers,
        certificate::{Issued, authority},
    },
};

use crate::support::{Client, DAY, Options, Protocol, World, client_certificate, request, review, within};

struct Authorities {
    ours: Issued,
    other: Issued,
    callers: Arc<Callers>,
}

fn authorities() -> Authorities {
    let now = SystemClock.now().unwrap();
    let (ours, other) = (authority("callers", DAY * 30, now).unwrap(), authority("callers", DAY * 30, now).unwrap());
    let names = ["kube-apiserver".to_owned(), "spiffe://cluster/apiserver".to_owned()];
    let callers = Arc::new(Callers::new(ours.certificate.as_bytes(), names).unwrap());
    Authorities { ours, other, callers }
}

fn named(name: &'static str) -> impl Fn(&mut CertificateParams) {
    move |params| params.distinguished_name.push(DnType::CommonName, name)
}

fn dns(name: &'static str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_pinned_certificate_gets_a_decision() {
    let Authorities { ours, other, callers } = authorities();
    let world = World::start(Options { callers: Some(callers), ..Options::default() }).await;
    let server_usage = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    let alternative = |params: &mut CertificateParams| {
        named("x")(params);
        params.subject_alt_names = vec![dns("kube-apiserver")];
    };
    let uri = |params: &mut CertificateParams| {
        named("x")(params);
        params.subject_alt_names = vec![SanType::URI("spiffe://cluster/apiserver".try_into().unwrap())];
    };
    let email = |params: &mut CertificateParams| {
        named("x")(params);
        params.subject_alt_names = vec![SanType::Rfc822Name("kube-apiserver".try_into().unwrap())];
    };
    let two_names = |params: &mut CertificateParams| {
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 3]), "somebody-else");
    };
    let expired = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    };
    let future = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2095, 1, 1);
        params.not_after = date_time_ymd(2096, 1, 1);
    };
    let cases: Vec<(&str, Option<Issued>, Result<&str, &str>)> = vec![
        ("none", None, Err("missing")),
        ("the right one", Some(client_certificate(&ours, |_| {})), Ok("kube-apiserver")),
        ("the name as DNS name", Some(client_certificate(&ours, alternative)), Ok("kube-apiserver")),
        ("the name as URI", Some(client_certificate(&ours, uri)), Ok("spiffe://cluster/apiserver")),
        ("the name as mail address", Some(client_certificate(&ours, email)), Err("wrong_name")),
        ("of another authority", Some(client_certificate(&other, |_| {})), Err("untrusted")),
        ("a kubelet's", Some(client_certificate(&ours, named("system:node:a"))), Err("wrong_name")),
        ("a longer name", Some(client_certificate(&ours, named("kube-apiserver.evil"))), Err("wrong_name")),
        ("another case", Some(client_certificate(&ours, named("Kube-Apiserver"))), Err("wrong_name")),
        ("the server's", Some(client_certificate(&ours, server_usage)), Err("untrusted")),
        ("two common names", Some(client_certificate(&ours, two_names)), Err("wrong_name")),
        ("expired", Some(client_certificate(&ours, expired)), Err("expired")),
        ("not yet valid", Some(client_certificate(&ours, future)), Err("not_yet_valid")),
    ];
    let mut refusals = std::collections::BTreeSet::new();
    for protocol in Protocol::ALL {
        for (name, identity, expected) in &cases {
            let mut client = world.client(protocol, identity.as_ref()).await;
            let before = world.admission.calls.load(Ordering::SeqCst);
            for path in ["/mutate", "/validate"] {
                let page = client.post(path, review("fine")).await;
                match expected {
                    Ok(subject) => {
                        assert!(page.verdict().0, "{name}");
                        let caller = world.admission.last_caller.lock().unwrap().clone();
                        assert_eq!(caller, Some(Caller::Authenticated((*subject).into())), "{name}");
                    }
                    Err(_) => {
                        assert_eq!(page.status.as_u16(), 401, "{name} over {protocol:?}");
                        refusals.insert(page.text);
                    }
                }
            }
            let calls = world.admission.calls.load(Ordering::SeqCst) - before;
            assert_eq!(calls, if expected.is_ok() { 2 } else { 0 }, "{name}");
            // A kubelet has no certificate of ours, and must see whether we live.
            for path in ["/livez", "/readyz", "/metrics"] {
                assert_eq!(client.get(path).await.status.as_u16(), 200, "{path} with {name}");
            }
        }
    }
    assert_eq!(refusals.len(), 1, "all are told the same: {refusals:?}");
    for (cause, count) in [("missing", 1), ("untrusted", 2), ("wrong_name", 5), ("expired", 1), ("not_yet_valid", 1)] {
        let series = format!("writ_webhook_callers_refused_total{{cause=\"{cause}\"}}");
        assert_eq!(world.metric(&series), count * 2 * 3, "{cause}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_refused_whatever_it_sends_and_before_its_body() {
    let Authorities { callers, .. } = authorities();
    let world = World::start(Options { callers: Some(callers), ..Options::default() }).await;
    for (method, kind, body) in [
        ("POST", Some("application/json"), "{"),
        ("GET", None, ""),
        ("POST", Some("text/plain"), "x"),
        ("PUT", None, ""),
    ] {
        let mut client = world.client(Protocol::H2, None).await;
        let page = client.send(request(method, "/mutate?timeout=x", kind, body)).await;
        assert_eq!(page.status.as_u16(), 401, "{method} {kind:?}");
    }
    // The body is promised and never sent: the answer comes all the same.
    let mut stream = world.stream(Protocol::H1, None).await;
    let head =
        b"POST /validate HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 5000000\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut answer = Vec::new();
    within(stream.read_buf(&mut answer)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 401 "), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_without_its_key_does_not_connect() {
    let Authorities { ours, callers, .. } = authorities();
    let world = World::start(Options { callers: Some(callers), ..Options::default() }).await;
    let (right, mine) = (client_certificate(&ours, |_| {}), client_certificate(&ours, |_| {}));
    let stolen = Issued { certificate: right.certificate, key: mine.key };
    for protocol in Protocol::ALL {
        let tcp = tokio::net::TcpStream::connect(world.address).await.unwrap();
        let connector = forging(&world, protocol, &stolen);
        let connected = connector.connect("writ.test".try_into().unwrap(), tcp).await;
        // TLS 1.3 tells a client only when it reads.
        if let Ok(mut stream) = connected {
            let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n").await;
            let mut answer = Vec::new();
            let read = within(stream.read_to_end(&mut answer)).await;
            assert!(read.is_err() && answer.is_empty(), "{protocol:?}: {read:?}");
        }
    }
    world.metric_becomes(r#"writ_webhook_connection_faults_total{cause="handshake"}"#, 3).await;
}

/// A client that signs with a key that is not its certificate's.
fn forging(world: &World, protocol: Protocol, identity: &Issued) -> tokio_rustls::TlsConnector {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
    #[derive(Debug)]
    struct Forger(Arc<rustls::sign::CertifiedKey>);
    impl rustls::client::ResolvesClientCert for Forger {
        fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
        fn has_certs(&self) -> bool {
            true
        }
    }
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    let mut config = (**world.tls(protocol, None).config()).clone();
    config.client_auth_cert_resolver = Arc::new(Forger(Arc::new(rustls::sign::CertifiedKey::new(chain, key))));
    tokio_rustls::TlsConnector::from(Arc::new(config))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_connection_is_looked_at_again() {
    let Authorities { ours, other, callers } = authorities();
    let world = World::start(Options { callers: Some(Arc::clone(&callers)), ..Options::default() }).await;
    let now = SystemClock.now().unwrap();
    let identity = client_certificate(&ours, |params| {
        params.not_after = date_time_ymd(2095, 1, 1);
    });
    let mut client = world.client(Protocol::H2, Some(&identity)).await;
    let status = async |client: &mut Client| client.post("/mutate", review("fine")).await.status.as_u16();
    assert_eq!(status(&mut client).await, 200);
    callers.replace(other.certificate.as_bytes()).unwrap();
    assert_eq!(status(&mut client).await, 401, "the authority was exchanged");
    assert!(callers.replace(b"nonsense").is_err());
    callers.replace(format!("{}{}", other.certificate, ours.certificate).as_bytes()).unwrap();
    assert_eq!(status(&mut client).await, 200, "both authorities count while they overlap");
    world.clock.set(now.plus(DAY * 365 * 80));
    assert_eq!(status(&mut client).await, 401, "the certificate expired meanwhile");
    world.clock.set(now);
    assert_eq!(status(&mut client).await, 200);
    world.clock.fail();
    assert_eq!(status(&mut client).await, 401, "who cannot tell the time cannot tell who is valid");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_is_resumed() {
    let Authorities { ours, callers, .. } = authorities();
    let world = World::start(Options { callers: Some(callers), ..Options::default() }).await;
    let identity = client_certificate(&ours, |_| {});
    for protocol in Protocol::ALL {
        // One configuration, so that the client remembers what sessions it is offered.
        let connector = world.tls(protocol, Some(&identity));
        for connection in 1..=3 {
            let tcp = tokio::net::TcpStream::connect(world.address).await.unwrap();
            let stream = within(connector.connect("writ.test".try_into().unwrap(), tcp)).await.unwrap();
            assert!(stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Full), "{connection}");
            let mut client = Client::over(stream, protocol).await;
            assert!(client.post("/mutate", review("fine")).await.verdict().0);
        }
    }
}
