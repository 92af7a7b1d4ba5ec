//! What happens to the API server and to etcd while claims are made.

use std::time::{Duration, Instant};

use writ::replay::record::{Operation, Settled, State};
use writ::replay::{NotReady, Outcome};

use crate::harness::{Cluster, Options, wait_until};
use crate::rig::{Rig, within};

const API_SERVER: &str = "kube-apiserver";

fn cluster() -> Cluster {
    Cluster::control_plane(Options::default()).unwrap()
}

/// 88: an API server that started anew does not know what was before. What may have happened is taken for used.
#[test]
fn threat_88_row_history_that_is_gone_burns_the_claim() {
    let cluster = cluster();
    within(&cluster, async |rig: Rig| {
        let (moved, kept) = (rig.create("moved", None).await, rig.create("kept", None).await);
        let first = rig.update(&moved, "moved", "moved", "1");
        rig.allowed(&first).await;
        rig.allowed(&rig.update(&kept, "kept", "kept", "1")).await;
        rig.allowed(&rig.request(Operation::Create, "gone", "gone", "1")).await;
        let new = rig.change("moved", Some(&first)).await;
        // Its watch cache begins with what is stored now.
        cluster.stop(API_SERVER).unwrap();
        cluster.start(API_SERVER).unwrap();
        let outcome = rig.refused(&rig.update(&new, "moved", "moved", "2"), "Replayed").await;
        assert!(outcome.message().contains("may have been used"), "{}", outcome.message());
        let burnt = Some(State::Completed(Settled::HistoryGone));
        assert_eq!(rig.state("moved").await, burnt);
        rig.refused(&rig.request(Operation::Create, "gone", "gone", "2"), "Replayed").await;
        assert_eq!(rig.state("gone").await, burnt);
        // The object that stands as it stood proves that nothing was stored: no history is needed, nothing is burnt.
        rig.resolve_until("it is released", async || rig.state("kept").await == Some(State::Released)).await;
    });
}

/// 14: within the budget, and back by itself.
#[test]
fn threat_14_row_an_unreachable_store_denies_within_the_budget() {
    let cluster = cluster();
    within(&cluster, async |rig: Rig| {
        for (number, (component, end, restore)) in [
            (
                "etcd",
                Cluster::pause as fn(&Cluster, &str) -> anyhow::Result<()>,
                Cluster::resume as fn(&Cluster, &str) -> anyhow::Result<()>,
            ),
            (API_SERVER, Cluster::pause, Cluster::resume),
            (API_SERVER, Cluster::kill, Cluster::start),
        ]
        .into_iter()
        .enumerate()
        {
            end(&cluster, component).unwrap();
            for operation in [Operation::Create, Operation::Connect] {
                let request = rig.request(operation, "web", &format!("{component}-{number}-{operation}"), "1");
                let begun = Instant::now();
                rig.refused(&request, "StoreUnavailable").await;
                assert!(begun.elapsed() < Duration::from_millis(1900), "{:?}", begun.elapsed());
            }
            let not_ready = rig.service.ready().await.unwrap_err();
            assert!(matches!(not_ready, NotReady::Store(_) | NotReady::TimedOut), "{not_ready:?}");
            restore(&cluster, component).unwrap();
            cluster.wait_ready(API_SERVER).unwrap();
            let handle = tokio::runtime::Handle::current();
            tokio::task::block_in_place(|| {
                wait_until("the store is back", Duration::from_secs(30), || {
                    Ok(handle.block_on(rig.service.ready()).is_ok().then_some(()))
                })
            })
            .unwrap();
            // The truth is read again: what a request that was denied had written is nobody's surprise.
            for operation in [Operation::Create, Operation::Connect] {
                let ticket = format!("{component}-{number}-{operation}");
                let outcome = rig.claim(&rig.request(operation, "web", &ticket, "2")).await;
                let written = matches!(outcome, Outcome::Replayed(_) | Outcome::InProgress { .. });
                assert!(written || matches!(outcome, Outcome::Allowed(_)), "{outcome:?}");
            }
        }
    });
}

/// 12: claims survive the death of everything.
#[test]
fn claims_survive_kill_9_of_etcd_and_the_api_server() {
    let cluster = cluster();
    within(&cluster, async |rig: Rig| {
        for number in 0..20 {
            rig.allowed(&rig.request(Operation::Connect, "web", &format!("t-{number}"), "1")).await;
        }
        cluster.kill("etcd").unwrap();
        cluster.kill(API_SERVER).unwrap();
        cluster.start("etcd").unwrap();
        cluster.start(API_SERVER).unwrap();
        for number in 0..20 {
            rig.refused(&rig.request(Operation::Connect, "web", &format!("t-{number}"), "2"), "Replayed").await;
        }
    });
}
