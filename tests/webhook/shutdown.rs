use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use futures::future::join_all;
use tokio::net::TcpStream;
use writ::{shutdown::Phase, webhook::Served};

use crate::support::{Client, Options, Protocol, World, post, review, within};

/// A client as the API server is one: keeps its connection, and opens another when it is told to.
struct Caller<'a> {
    world: &'a World,
    protocol: Protocol,
    client: Option<Client>,
}

impl Caller<'_> {
    /// One call; false where nobody accepts any more. What was sent must be answered.
    async fn call(&mut self) -> bool {
        let mut client = match self.client.take() {
            Some(client) if client.is_open().await => client,
            _ => {
                let Ok(tcp) = TcpStream::connect(self.world.address).await else { return false };
                let tls = self.world.tls(self.protocol, None);
                let Ok(stream) = tls.connect("writ.test".try_into().unwrap(), tcp).await else { return false };
                Client::over(stream, self.protocol).await
            }
        };
        let page = match within(client.try_send(post("/validate", review("fine")))).await {
            Ok(page) => page,
            // HTTP/2 says which calls it did not begin; a client sends those elsewhere.
            Err(error) if self.protocol == Protocol::H2 && was_not_begun(&error) => return true,
            Err(error) => panic!("a call was dropped over {:?}: {error:?}", self.protocol),
        };
        assert!(page.verdict().0);
        let told_to_close = page.headers.get("connection").is_some_and(|value| value == "close");
        self.client = (!told_to_close).then_some(client);
        true
    }
}

fn was_not_begun(error: &hyper::Error) -> bool {
    error.is_canceled() || error.is_closed() || format!("{error:?}").contains("NO_ERROR")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_under_load_drops_no_call() {
    let world = World::start(Options::default()).await;
    let (stop, served, while_draining) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let protocols = [Protocol::H1, Protocol::H1, Protocol::H1OverTls12, Protocol::H2, Protocol::H2];
    let load = join_all(protocols.map(|protocol| {
        let (world, stop, served, while_draining) = (&world, &stop, &served, &while_draining);
        async move {
            let mut caller = Caller { world, protocol, client: None };
            // The endpoint is withdrawn before accepting ends: no caller begins a call after that.
            while !stop.load(Ordering::SeqCst) && caller.call().await {
                served.fetch_add(1, Ordering::SeqCst);
                if world.shutdown.phase() == Phase::Draining {
                    while_draining.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    }));
    let leave = async {
        reach(&served, 200).await;
        world.shutdown.advance(Phase::Draining);
        let mut probe = world.client(Protocol::H1, None).await;
        let page = probe.get("/readyz").await;
        assert_eq!(page.status.as_u16(), 503);
        assert!(page.text.contains("[-] shutdown: this replica is stopping"), "{page:?}");
        reach(&while_draining, 100).await;
        stop.store(true, Ordering::SeqCst);
    };
    tokio::join!(load, leave);
    world.shutdown.advance(Phase::Stopping);
    assert_eq!(within(world.server).await.unwrap(), Served { cut: 0 });
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_to_leave_when_draining_begins() {
    let world = World::start(Options::default()).await;
    let mut idle = world.client(Protocol::H2, None).await;
    // One that was used may stay idle for long: only GOAWAY ends it.
    idle.get("/livez").await;
    let mut kept = world.client(Protocol::H1, None).await;
    assert!(!kept.get("/livez").await.headers.contains_key("connection"));
    world.shutdown.advance(Phase::Draining);
    world.metric_becomes("writ_webhook_connections", 1).await;
    assert!(!idle.is_open().await, "GOAWAY");
    let page = kept.post("/mutate", review("fine")).await;
    assert_eq!((page.headers["connection"].to_str().unwrap(), page.verdict().0), ("close", true));
    // Whoever comes now is served: over HTTP/2 as long as it likes, until accepting ends.
    for (protocol, calls) in [(Protocol::H1, 1), (Protocol::H2, 20)] {
        let mut late = world.client(protocol, None).await;
        for _ in 0..calls {
            assert!(late.post("/mutate", review("fine")).await.verdict().0, "{protocol:?} while draining");
        }
    }
    world.shutdown.advance(Phase::Stopping);
    assert_eq!(within(world.server).await.unwrap(), Served { cut: 0 });
}

async fn reach(count: &AtomicUsize, goal: usize) {
    within(async {
        while count.load(Ordering::SeqCst) < goal {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_flight_is_finished() {
    let world = World::start(Options::default()).await;
    let mut clients = Vec::new();
    for protocol in Protocol::ALL {
        clients.push(world.client(protocol, None).await);
    }
    let idle = world.client(Protocol::H1, None).await;
    let calls =
        join_all(clients.iter_mut().map(|client| async { client.post("/validate", review("held")).await.verdict() }));
    let leave = async {
        world.admission.gate.holds(3).await;
        world.shutdown.advance(Phase::Stopping);
        // No new connection, while the old ones still wait for their answers.
        within(async {
            while TcpStream::connect(world.address).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        world.admission.gate.release(3);
    };
    let (verdicts, ()) = tokio::join!(calls, leave);
    assert!(verdicts.iter().all(|(allowed, ..)| *allowed), "{verdicts:?}");
    drop(idle);
    assert_eq!(within(world.server).await.unwrap(), Served { cut: 0 });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_end_is_cut() {
    let world = World::start(Options { finish: Duration::from_millis(100), ..Options::default() }).await;
    let mut client = world.client(Protocol::H1, None).await;
    let call = client.try_send(post("/validate", review("never")));
    let leave = async {
        while world.metric("writ_webhook_in_flight_bytes") == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        world.shutdown.advance(Phase::Stopping);
    };
    let (cut, ()) = tokio::join!(within(call), leave);
    assert!(cut.is_err());
    assert_eq!(within(world.server).await.unwrap(), Served { cut: 1 });
}
