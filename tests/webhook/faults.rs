use std::time::{Duration, Instant};

use futures::future::join_all;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use writ::webhook::Limits;

use crate::support::{Client, Options, Protocol, World, post, review, within};

fn short(budget: Duration) -> Options {
    Options { limits: Limits { budget, ..Limits::default() }, ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_denial_of_that_request_alone() {
    let world = World::start(Options::default()).await;
    let load = join_all([Protocol::H1, Protocol::H2, Protocol::H1, Protocol::H2].map(|protocol| {
        let world = &world;
        async move {
            let mut client = world.client(protocol, None).await;
            for round in 0..100 {
                let poisoned = round % 4 == 0;
                let page = client.post("/validate", review(if poisoned { "panic" } else { "fine" })).await;
                let (allowed, code, cause) = page.verdict();
                let expected = if poisoned { (false, 403, "InternalError") } else { (true, 0, "") };
                assert_eq!((allowed, code, cause.as_str()), expected, "{page:?}");
                assert!(!page.text.contains("poisoned"), "{page:?}");
            }
        }
    }));
    load.await;
    assert_eq!(world.metric("writ_webhook_panics_total"), 100);
    let series = r#"writ_webhook_calls_total{path="validate",outcome="deny",reason="InternalError"}"#;
    assert_eq!(world.metric(series), 100);
    assert_eq!(world.metric("writ_webhook_in_flight_bytes"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_takes_too_long_is_a_denial() {
    let world = World::start(short(Duration::from_millis(200))).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = world.client(protocol, None).await;
        for name in ["never", "late"] {
            let begun = Instant::now();
            let page = client.post("/mutate", review(name)).await;
            assert_eq!(page.verdict(), (false, 403, "DeadlineExceeded".to_owned()), "{name}");
            assert!(begun.elapsed() >= Duration::from_millis(200), "{name}");
        }
        assert!(client.post("/mutate", review("fine")).await.verdict().0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timeout_of_the_caller_is_kept() {
    let world = World::start(Options::default()).await;
    let mut client = world.client(Protocol::H1, None).await;
    let page = client.post("/validate?timeout=100ms", review("never")).await;
    assert_eq!(page.verdict(), (false, 403, "DeadlineExceeded".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_clock_everything_is_denied() {
    let world = World::start(Options::default()).await;
    let mut client = world.client(Protocol::H1, None).await;
    world.clock.fail();
    assert_eq!(client.post("/validate", review("fine")).await.verdict(), (false, 403, "InternalError".to_owned()));
    let page = client.get("/readyz").await;
    assert_eq!(page.status.as_u16(), 503);
    assert!(page.text.contains("clock"), "{page:?}");
}

/// Sends the parts with a pause between, until the server ends the connection; what it said, and how long it took.
async fn drip(world: &World, head: &str, drop: &str) -> (String, Duration) {
    let begun = Instant::now();
    let (mut reader, mut writer) = tokio::io::split(world.stream(Protocol::H1, None).await);
    writer.write_all(head.as_bytes()).await.unwrap();
    let dripping = async {
        loop {
            if writer.write_all(drop.as_bytes()).await.is_err() || writer.flush().await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut answer = Vec::new();
    let reading = async { while matches!(reader.read_buf(&mut answer).await, Ok(read) if read > 0) {} };
    within(async {
        tokio::select! {
            () = dripping => unreachable!("it never ends"),
            () = reading => {}
        }
    })
    .await;
    (String::from_utf8_lossy(&answer).into_owned(), begun.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_senders_are_cut_off() {
    let limits = Limits {
        budget: Duration::from_millis(300),
        headers: Duration::from_millis(400),
        handshake: Duration::from_millis(400),
        ..Limits::default()
    };
    let world = World::start(Options { limits, ..Options::default() }).await;
    let head = "POST /validate HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    let (answer, took) = drip(&world, &format!("{head}content-length: 100000\r\n\r\n{{"), " ").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(took >= Duration::from_millis(300), "{took:?}");
    let (answer, _) = drip(&world, &format!("{head}x: "), "y").await;
    assert_eq!(answer, "", "headers that never end");
    // A second request on a connection that was good once.
    let good = review("fine");
    let first = format!("{head}content-length: {}\r\n\r\n{good}{head}x: ", good.len());
    let (answer, _) = drip(&world, &first, "y").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.matches("HTTP/1.1").count() == 1, "{answer}");
    world.metric_becomes(r#"writ_webhook_connection_faults_total{cause="header_timeout"}"#, 2).await;
    // A handshake that never comes.
    let mut silent = tokio::net::TcpStream::connect(world.address).await.unwrap();
    assert_eq!(within(silent.read(&mut [0; 16])).await.unwrap_or(0), 0);
    world.metric_becomes(r#"writ_webhook_connection_faults_total{cause="handshake_timeout"}"#, 1).await;
    world.metric_becomes("writ_webhook_connections", 0).await;
    assert_eq!(world.metric("writ_webhook_in_flight_bytes"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_holds_nothing() {
    let world = World::start(Options::default()).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        for name in ["never", "held"] {
            let mut client = world.client(protocol, None).await;
            let call = client.post("/validate", review(name));
            let held = async {
                while world.metric("writ_webhook_in_flight_bytes") == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::select! {
                page = call => panic!("{page:?}"),
                () = within(held) => {}
            }
            drop(client);
            world.metric_becomes("writ_webhook_in_flight_bytes", 0).await;
            world.metric_becomes("writ_webhook_connections", 0).await;
        }
    }
}

/// Streams that are opened and taken back at once (CVE-2023-44487) cost that connection, and nobody else anything.
#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_taken_back_hold_nothing() {
    let world = World::start(Options::default()).await;
    let mut good = world.client(Protocol::H2, None).await;
    for _ in 0..5 {
        let mut hasty = world.client(Protocol::H2, None).await;
        for _ in 0..500 {
            let call = hasty.try_send(post("/validate", review("never")));
            tokio::select! {
                biased;
                ended = call => assert!(ended.is_err(), "{ended:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
        assert!(good.post("/validate", review("fine")).await.verdict().0);
    }
    world.metric_becomes("writ_webhook_connections", 1).await;
    world.metric_becomes("writ_webhook_in_flight_bytes", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_slow_senders_do_not_keep_others_out() {
    let world = World::start(Options::default()).await;
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut stream = world.stream(Protocol::H1, None).await;
        let head =
            "POST /validate HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 7000000\r\n\r\n{";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        slow.push(stream);
    }
    let mut client = world.client(Protocol::H1, None).await;
    for _ in 0..20 {
        assert!(client.post("/validate", review("fine")).await.verdict().0);
    }
    assert!(world.metric("writ_webhook_in_flight_bytes") < 10_000_000, "a promise is not memory");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_ended_in_order() {
    let limits = Limits { idle: Duration::from_millis(300), headers: Duration::from_millis(200), ..Limits::default() };
    let world = World::start(Options { limits, ..Options::default() }).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = world.client(protocol, None).await;
        assert!(client.post("/mutate", review("fine")).await.verdict().0);
        world.metric_becomes("writ_webhook_connections", 0).await;
    }
    assert_eq!(world.metric(r#"writ_webhook_connection_faults_total{cause="header_timeout"}"#), 0);
}

/// The API server pings its idle HTTP/2 connections; that is neither a request nor the start of one.
#[tokio::test(flavor = "multi_thread")]
async fn pings_keep_nothing_from_being_idle_and_end_nothing() {
    let limits = Limits { headers: Duration::from_millis(100), ..Limits::default() };
    let world = World::start(Options { limits, ..Options::default() }).await;
    let io = TokioIo::new(world.stream(Protocol::H2, None).await);
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_millis(20))
        .keep_alive_while_idle(true)
        .handshake(io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut client = Client::H2(sender);
    assert!(client.post("/mutate", review("fine")).await.verdict().0);
    // Not a wait for something to happen: a span in which it must not.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(client.post("/mutate", review("fine")).await.verdict().0);
}
