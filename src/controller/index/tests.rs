use futures::future::BoxFuture;
use kube::{Client, Config};

use super::*;
use crate::{
    controller::{Settings, ledger},
    metrics::Metrics,
};

/// A ledger that is never asked.
struct Untouched;

impl ledger::Ledger for Untouched {
    fn pinned(&self) -> BoxFuture<'_, Result<Vec<(String, Digest)>, ledger::LedgerError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn pin<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: Digest,
    ) -> BoxFuture<'a, Result<ledger::Pinned, ledger::LedgerError>> {
        Box::pin(std::future::ready(Ok(ledger::Pinned::Same)))
    }
}

fn controller() -> Arc<Controller> {
    let client = Client::try_from(Config::new("http://127.0.0.1:1".parse().unwrap())).unwrap();
    let clock = Arc::new(crate::clock::SystemClock);
    Controller::new(client, Settings::default(), Arc::new(Untouched), clock, Metrics::default().controller)
}

fn first(which: &str) -> Change {
    match which {
        "policies" => Change::Policies(Update::Replace(Vec::new())),
        "bindings" => Change::Bindings(Update::Replace(Vec::new())),
        "namespaces" => Change::Namespaces(Update::Replace(Vec::new())),
        "custom" => Change::Custom(Update::Replace(Vec::new())),
        "discovered" => Change::Discovered(Vec::new()),
        _ => Change::Ledger(Vec::new()),
    }
}

/// Whatever is read last, the replica knows at once that it has read everything.
#[tokio::test]
async fn everything_was_read_in_whatever_order() {
    let all = ["policies", "bindings", "namespaces", "custom", "discovered", "ledger"];
    for last in all {
        let controller = controller();
        let (sender, receiver) = mpsc::channel(16);
        let index = tokio::spawn(Index::new(Arc::clone(&controller), receiver, Restarts::default()).run());
        for which in all.into_iter().filter(|which| *which != last) {
            sender.send(first(which)).await.unwrap();
        }
        // The others are taken in, and published where that can be.
        while sender.capacity() < sender.max_capacity() {
            tokio::task::yield_now().await;
        }
        let is_published = !["policies", "bindings", "ledger"].contains(&last);
        while is_published && controller.view().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        sender.send(first(last)).await.unwrap();
        let is_read = || !controller.faults().iter().any(|fault| fault.contains("not read yet"));
        let waited = tokio::time::timeout(Duration::from_secs(5), async {
            while !is_read() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        assert!(waited.await.is_ok(), "{last} came last: {:?}", controller.faults());
        drop(sender);
        index.await.unwrap();
    }
}
