use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use writ::webhook::Limits;

use crate::support::{Options, PATIENCE, Page, Protocol, World, post, request, review, sized_review, within};

const MIB: usize = 1024 * 1024;
/// What stands in every bad body and must never come back.
const CANARY: &str = "canary-7f3a";

fn assert_no_echo(page: &Page) {
    let headers = format!("{:?}", page.headers);
    assert!(!page.text.contains("canary") && !headers.contains("canary"), "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_body_is_a_4xx_and_the_connection_serves_on() {
    let world = World::start(Options::default()).await;
    let good = review("canary-7f3a");
    let twice = good.replace("\"name\":\"canary-7f3a\"", "\"name\":\"canary-7f3a\",\"name\":\"canary-7f3a\"");
    let no_uid = good.replacen("\"uid\":\"", "\"uix\":\"", 1);
    let (start, rest) = good.split_once("uid-").unwrap();
    let uid = |uid: &str| format!("{start}{uid}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    let mut not_utf8 = good.clone().into_bytes();
    let at = good.find("canary").unwrap();
    not_utf8[at] = 0xff;
    let deep = good.replace("{\"kind\":\"Deployment\"", &format!("{}{{\"kind\":\"Deployment\"", "[".repeat(1_000_000)));
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("empty", vec![], 400),
        ("blank", b"   \n".to_vec(), 400),
        ("truncated", good.as_bytes()[..good.len() - 3].to_vec(), 400),
        ("more than one value", format!("{good}{good}").into_bytes(), 400),
        ("not UTF-8", not_utf8, 400),
        ("byte order mark", format!("\u{feff}{good}").into_bytes(), 400),
        ("binary", (0..=255).cycle().take(5000).collect(), 400),
        ("a string", format!("\"{CANARY}\"").into_bytes(), 400),
        ("another kind", good.replace("AdmissionReview", CANARY).into_bytes(), 400),
        ("another version", good.replace("k8s.io/v1", "k8s.io/v1beta1").into_bytes(), 400),
        ("no request", format!("{{\"kind\":\"AdmissionReview\",\"apiVersion\":\"{CANARY}\"}}").into_bytes(), 400),
        ("no uid", no_uid.into_bytes(), 400),
        ("an empty uid", uid("").into_bytes(), 400),
        ("an endless uid", uid(&CANARY.repeat(100)).into_bytes(), 400),
        ("a field twice", twice.into_bytes(), 400),
        ("another operation", good.replace("CREATE", CANARY).into_bytes(), 400),
        ("unbalanced depth", deep.into_bytes(), 400),
        ("10 MB", sized_review(CANARY, 10 * MIB).into_bytes(), 413),
        ("one byte above the limit", vec![b' '; 7 * MIB + 1], 413),
    ];
    for protocol in Protocol::ALL {
        let mut client = world.client(protocol, None).await;
        for (name, body, status) in &cases {
            for path in ["/mutate?timeout=10s", "/validate"] {
                let page = client.post(path, body.clone()).await;
                assert_eq!(page.status.as_u16(), *status, "{name} over {protocol:?}: {page:?}");
                assert_no_echo(&page);
                // The client itself ends a connection whose answer came before it had sent all.
                if *status == 413 && protocol != Protocol::H2 {
                    client = world.client(protocol, None).await;
                }
            }
        }
        assert_eq!(client.post("/mutate", review("fine")).await.verdict(), (true, 0, String::new()));
    }
    assert_eq!(world.metric("writ_webhook_in_flight_bytes"), 0);
    assert_eq!(world.metric("writ_webhook_panics_total"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_body_is_read() {
    let world = World::start(Options::default()).await;
    let envelope = sized_review("fine", 0).len();
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = world.client(protocol, None).await;
        let body = sized_review("fine", 7 * MIB - envelope - 2);
        assert!((7 * MIB - 8..=7 * MIB).contains(&body.len()), "{}", body.len());
        assert!(client.post("/validate", body).await.verdict().0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_have_their_own_status() {
    let world = World::start(Options::default()).await;
    let json = Some("application/json");
    let cases = [
        ("GET", "/mutate", None, 405, "POST"),
        ("PUT", "/validate", json, 405, "POST"),
        ("DELETE", "/mutate", json, 405, "POST"),
        ("POST", "/livez", json, 405, "GET, HEAD"),
        ("PATCH", "/metrics", json, 405, "GET, HEAD"),
        ("POST", "/", json, 404, ""),
        ("POST", "/canary-7f3a", json, 404, ""),
        ("POST", "/mutate/", json, 404, ""),
        ("POST", "/Mutate", json, 404, ""),
        ("POST", "/mutate%2f", json, 404, ""),
        ("GET", "/../validate", None, 404, ""),
        ("POST", "/mutate", None, 415, ""),
        ("POST", "/mutate", Some("text/plain"), 415, ""),
        ("POST", "/validate", Some("application/canary-7f3a"), 415, ""),
        ("POST", "/validate", Some("application/yaml"), 415, ""),
        ("POST", "/validate?timeout=canary-7f3a", json, 400, ""),
    ];
    for protocol in [Protocol::H1, Protocol::H2] {
        for (method, path, kind, status, allow) in cases {
            let mut client = world.client(protocol, None).await;
            let page = client.send(request(method, path, kind, review(CANARY))).await;
            assert_eq!(page.status.as_u16(), status, "{method} {path} {kind:?} over {protocol:?}");
            assert_eq!(page.headers.get("allow").map_or("", |allow| allow.to_str().unwrap()), allow, "{method} {path}");
            assert_no_echo(&page);
        }
        let mut client = world.client(protocol, None).await;
        let mut compressed = post("/mutate", review(CANARY));
        compressed.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        assert_eq!(client.send(compressed).await.status.as_u16(), 415);
    }
    assert_eq!(world.admission.calls.load(std::sync::atomic::Ordering::SeqCst), 0);
    assert_eq!(world.metric(r#"writ_webhook_refusals_total{path="other",status="404"}"#), 12);
}

/// Writes bytes as they are, and reads what comes back until the connection ends.
async fn raw(world: &World, parts: &[&[u8]]) -> String {
    let mut stream = world.stream(Protocol::H1, None).await;
    for part in parts {
        // The server may have refused and closed already.
        let _ = stream.write_all(part).await;
        let _ = stream.flush().await;
    }
    let mut answer = Vec::new();
    within(async { while matches!(stream.read_buf(&mut answer).await, Ok(read) if read > 0) {} }).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_http_is_refused() {
    let world = World::start(Options::default()).await;
    let head = "POST /mutate HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    let long = format!("{head}canary-7f3a: {}\r\ncontent-length: 2\r\n\r\n{{}}", "x".repeat(17 * 1024));
    let many = format!("{head}{}content-length: 2\r\n\r\n{{}}", "canary-7f3a: 1\r\n".repeat(200));
    let both =
        format!("{head}content-length: 4\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\nGET");
    let differ = format!("{head}content-length: 2\r\ncontent-length: 30\r\n\r\n{{}}");
    let chunk = format!("{head}transfer-encoding: chunked\r\n\r\ncanary-7f3a\r\n");
    let cases = [
        ("GET canary-7f3a", " /\r\n\r\n", 400),
        ("\0\x01\u{2}canary-7f3a", "\r\n\r\n", 400),
        (&long, "", 431),
        (&many, "", 431),
        (&differ, "", 400),
        // Both lengths: the body is what the chunks say (RFC 9112, 6.3), here none.
        (&both, "", 400),
        (&chunk, "", 400),
    ];
    for (first, second, status) in cases {
        let answer = raw(&world, &[first.as_bytes(), second.as_bytes()]).await;
        let shown = answer.lines().next().unwrap_or_default();
        assert!(shown.starts_with(&format!("HTTP/1.1 {status} ")), "{first:.60?}: {shown}");
        assert!(!answer.contains("canary"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
    let mut plain = tokio::net::TcpStream::connect(world.address).await.unwrap();
    plain.write_all(b"POST /mutate HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    within(plain.read_to_end(&mut answer)).await.unwrap();
    assert!(!answer.starts_with(b"HTTP"), "no answer without TLS");
    world.metric_becomes(r#"writ_webhook_connection_faults_total{cause="handshake"}"#, 1).await;
    assert_eq!(world.admission.calls.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_chunks_is_a_body() {
    let world = World::start(Options::default()).await;
    let body = review("fine");
    let (first, second) = body.split_at(100);
    let answer = raw(
        &world,
        &[
            b"POST /validate HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nconnection: close\r\n",
            b"transfer-encoding: chunked\r\n\r\n",
            format!("{:x}\r\n{first}\r\n", first.len()).as_bytes(),
            format!("{:x}\r\n{second}\r\n0\r\n\r\n", second.len()).as_bytes(),
        ],
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"allowed\":true"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_our_word_is_told_before_it_sends() {
    // Waiting for a body that was not asked for would last longer than this test may.
    let limits = Limits { headers: PATIENCE * 2, ..Limits::default() };
    let world = World::start(Options { limits, ..Options::default() }).await;
    let body = review("fine");
    let head = "POST /validate HTTP/1.1\r\nhost: a\r\nconnection: close\r\nexpect: 100-continue\r\n";
    let refused = format!("{head}content-type: text/plain\r\ncontent-length: {}\r\n\r\n", body.len());
    let answer = raw(&world, &[refused.as_bytes()]).await;
    assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
    let welcome = format!("{head}content-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    let answer = raw(&world, &[welcome.as_bytes(), body.as_bytes()]).await;
    assert!(answer.starts_with("HTTP/1.1 100 ") && answer.contains("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_headers_are_refused_on_http_2_too() {
    let world = World::start(Options::default()).await;
    let mut client = world.client(Protocol::H2, None).await;
    for (bytes, accepted) in [(15 * 1024, true), (17 * 1024, false)] {
        let mut request = post("/mutate", review("fine"));
        request.headers_mut().insert("canary-7f3a", "x".repeat(bytes).parse().unwrap());
        let answer = within(client.try_send(request)).await;
        let served = answer.as_ref().is_ok_and(|page| page.status.is_success());
        assert_eq!(served, accepted, "{bytes}: {answer:?}");
    }
    assert!(world.client(Protocol::H2, None).await.post("/mutate", review("fine")).await.verdict().0);
}
