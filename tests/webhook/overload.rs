use futures::future::join_all;
use writ::webhook::Limits;

use crate::support::{Options, PATIENCE, Protocol, World, post, review, sized_review};

fn small(in_flight_bytes: usize) -> Options {
    Options { limits: Limits { in_flight_bytes, budget: PATIENCE, ..Limits::default() }, ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn above_the_bytes_in_flight_is_a_review_with_429() {
    let world = World::start(small(400_000)).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut first = world.client(protocol, None).await;
        let held = async { first.post("/validate", sized_review("held", 300_000)).await.verdict() };
        let overloaded = async {
            world.admission.gate.holds(1).await;
            let mut client = world.client(protocol, None).await;
            for body in [sized_review("fine", 300_000), sized_review("fine", 7_000_000)] {
                let uid = body[body.find("uid-").unwrap()..].split('"').next().unwrap().to_owned();
                let page = client.post("/validate", body).await;
                assert_eq!(page.verdict(), (false, 429, "Overloaded".to_owned()));
                assert_eq!(page.json()["response"]["uid"], uid);
                assert_eq!(page.json()["response"]["status"]["details"]["retryAfterSeconds"], 1);
            }
            // Who does not write as the API server does gets a plain 429 that nobody repeats.
            let page = client.post("/validate", format!(" {}", sized_review("fine", 300_000))).await;
            assert_eq!(page.status.as_u16(), 429);
            assert!(!page.headers.contains_key("retry-after"), "{page:?}");
            assert!(client.post("/validate", review("fine")).await.verdict().0, "small ones still fit");
            world.admission.gate.release(1);
        };
        let (verdict, ()) = tokio::join!(held, overloaded);
        assert!(verdict.0);
        world.admission.gate.waiting.store(0, std::sync::atomic::Ordering::SeqCst);
        let mut client = world.client(protocol, None).await;
        assert!(client.post("/validate", sized_review("fine", 300_000)).await.verdict().0, "all of it is free again");
    }
    assert_eq!(world.metric("writ_webhook_overloads_total"), 6);
    assert_eq!(world.metric("writ_webhook_in_flight_bytes"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_calls_count_too() {
    let world = World::start(small(Limits::CALL_BYTES * 10)).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(world.client(Protocol::H1, None).await);
    }
    let answers =
        join_all(clients.iter_mut().map(|client| async { client.post("/mutate", review("held")).await.verdict() }));
    let release = async {
        world.admission.gate.holds(10).await;
        world.metric_becomes("writ_webhook_overloads_total", 10).await;
        world.admission.gate.release(10);
    };
    let (answers, ()) = tokio::join!(answers, release);
    assert_eq!(answers.iter().filter(|(allowed, ..)| *allowed).count(), 10);
    assert_eq!(answers.iter().filter(|(_, code, _)| *code == 429).count(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_four_hundred_calls_is_answered() {
    let world = World::start(Options::default()).await;
    let mut clients = Vec::new();
    for number in 0..40 {
        clients.push(world.client(if number % 2 == 0 { Protocol::H1 } else { Protocol::H2 }, None).await);
    }
    let answers = join_all(clients.into_iter().map(|mut client| async move {
        for _ in 0..10 {
            assert!(client.post("/validate", sized_review("fine", 6_000)).await.verdict().0);
        }
    }));
    answers.await;
    assert_eq!(world.metric("writ_webhook_overloads_total"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_have_a_limit_per_peer_and_in_all() {
    for (connections, connections_per_peer, cause) in [(100, 3, "peer_limit"), (3, 100, "limit")] {
        let limits = Limits { connections, connections_per_peer, budget: PATIENCE, ..Limits::default() };
        let world = World::start(Options { limits, ..Options::default() }).await;
        let mut open = Vec::new();
        for _ in 0..3 {
            open.push(world.client(Protocol::H1, None).await);
        }
        let tcp = tokio::net::TcpStream::connect(world.address).await.unwrap();
        let refused = world.tls(Protocol::H1, None).connect("writ.test".try_into().unwrap(), tcp).await;
        assert!(refused.is_err(), "{cause}");
        assert_eq!(world.metric(&format!("writ_webhook_connection_faults_total{{cause=\"{cause}\"}}")), 1);
        for client in &mut open {
            assert!(client.send(post("/mutate", review("fine"))).await.verdict().0);
        }
        open.pop();
        world.metric_becomes("writ_webhook_connections", 2).await;
        // The place is given back when the connection's task is reaped, a moment later.
        let mut next = loop {
            let tcp = tokio::net::TcpStream::connect(world.address).await.unwrap();
            let connector = world.tls(Protocol::H1, None);
            if let Ok(stream) = connector.connect("writ.test".try_into().unwrap(), tcp).await {
                break crate::support::Client::over(stream, Protocol::H1).await;
            }
        };
        assert!(next.post("/mutate", review("fine")).await.verdict().0);
    }
}
