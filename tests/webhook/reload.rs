use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use futures::future::join_all;
use writ::webhook::{Reload, certificate::authority, certificate_from_files};

use crate::support::{Client, DAY, Options, Protocol, World, review, serving_leaf, tls};

/// Twenty exchanges while new connections are opened all the time: none fails, and the last certificate is served.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_exchanged_under_load_without_a_failed_request() {
    let world = World::start(Options::default()).await;
    let now = writ::clock::Clock::now(&*world.clock).unwrap();
    let (done, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = join_all([Protocol::H1, Protocol::H2, Protocol::H1OverTls12].map(|protocol| {
        let (world, done, served) = (&world, &done, &served);
        async move {
            let mut kept = world.client(protocol, None).await;
            while !done.load(Ordering::SeqCst) {
                let mut fresh = world.client(protocol, None).await;
                assert!(fresh.post("/mutate", review("fine")).await.verdict().0);
                assert!(kept.post("/validate", review("fine")).await.verdict().0);
                served.fetch_add(2, Ordering::SeqCst);
            }
        }
    }));
    let exchange = async {
        for _ in 0..20 {
            let before = served.load(Ordering::SeqCst);
            world.serving.replace(serving_leaf(&world.server_ca, now).pair(), now).unwrap();
            while served.load(Ordering::SeqCst) < before + 6 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        done.store(true, Ordering::SeqCst);
    };
    tokio::join!(load, exchange);
    assert!(served.load(Ordering::SeqCst) >= 120);
    let leaf = serving_leaf(&world.server_ca, now);
    world.serving.replace(leaf.pair(), now).unwrap();
    let stream = world.stream(Protocol::H1, None).await;
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let pem: String = leaf.certificate.lines().filter(|line| !line.starts_with("---")).collect();
    assert_eq!(base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &shown), pem);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_in_files_is_followed_while_serving() {
    let world = World::start(Options::default()).await;
    let now = writ::clock::Clock::now(&*world.clock).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let write = |pair: &writ::webhook::certificate::Issued| {
        std::fs::write(&certificate, &pair.certificate).unwrap();
        std::fs::write(&key, pair.key.as_bytes()).unwrap();
    };
    write(&serving_leaf(&world.server_ca, now));
    let (serving, follower) = certificate_from_files(certificate.clone(), key.clone(), now).unwrap();
    let reload = Reload { clock: world.clock.clone(), metrics: world.metrics.webhook.clone() };
    let following = tokio::spawn(follower.run(reload, Duration::from_millis(5)));
    let before = serving.not_after();
    let reloads = |count| world.metric_becomes(r#"writ_webhook_reloads_total{cause="certificate"}"#, count);
    let next = writ::webhook::certificate::issue(
        world.server_ca.certificate.as_bytes(),
        world.server_ca.key.as_bytes(),
        &["writ.test".to_owned()],
        DAY * 60,
        now,
    );
    write(&next.unwrap());
    reloads(1).await;
    assert!(serving.not_after() > before.plus(DAY * 29));
    std::fs::write(&key, "nonsense").unwrap();
    world.metric_becomes(r#"writ_webhook_reload_faults_total{cause="certificate"}"#, 1).await;
    assert!(serving.not_after() > before.plus(DAY * 29));
    following.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_another_authority_does_not_connect() {
    let world = World::start(Options::default()).await;
    let other = authority("other", DAY, writ::clock::Clock::now(&*world.clock).unwrap()).unwrap();
    let tcp = tokio::net::TcpStream::connect(world.address).await.unwrap();
    let connected = tls(&other, Protocol::H2, None).connect("writ.test".try_into().unwrap(), tcp).await;
    assert!(connected.is_err());
    let tcp = tokio::net::TcpStream::connect(world.address).await.unwrap();
    let connected = world.tls(Protocol::H2, None).connect("other.test".try_into().unwrap(), tcp).await;
    assert!(connected.is_err());
    // The server is unharmed.
    let mut client: Client = world.client(Protocol::H2, None).await;
    assert!(client.post("/mutate", review("fine")).await.verdict().0);
}
