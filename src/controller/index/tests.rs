use kube::{Client, Config};

use super::*;
use crate::{clock::SystemClock, controller::Settings, ledger::FileLedger, metrics::Metrics};

/// Whatever is read last, the replica must learn that everything was read: nothing else may ever change.
#[tokio::test]
async fn the_order_of_the_first_lists_does_not_matter() {
    const LISTS: usize = 8;
    for last in 0..LISTS {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ledger");
        FileLedger::initialize(&file).unwrap();
        let ledger = Arc::new(FileLedger::open(&file).unwrap());
        // Nobody is asked: there is no such server.
        let client = Client::try_from(Config::new("http://127.0.0.1:1".parse().unwrap())).unwrap();
        let metrics = Metrics::default().controller;
        let controller = Controller::new(client, Settings::default(), ledger, Arc::new(SystemClock), metrics);
        let (sender, receiver) = mpsc::channel(16);
        let index = tokio::spawn(Index::new(Arc::clone(&controller), receiver, Restarts::default()).run());
        let list = |number| match number {
            0 => Change::Policies(Update::Replace(Vec::new())),
            1 => Change::Bindings(Update::Replace(Vec::new())),
            2 => Change::Namespaces(Update::Replace(Vec::new())),
            3 => Change::Custom(Update::Replace(Vec::new())),
            4 => Change::Mutating(Update::Replace(Vec::new())),
            5 => Change::Validating(Update::Replace(Vec::new())),
            6 => Change::Discovered(Vec::new()),
            _ => Change::Ledger(Vec::new()),
        };
        for number in (0..LISTS).filter(|number| *number != last) {
            sender.send(list(number)).await.unwrap();
        }
        let read = || {
            let view = controller.view()?;
            let Synced { policies, bindings, namespaces, custom, discovered, ledger, pins, mutating, validating } =
                view.synced;
            assert!(policies && bindings && pins, "half a set was published");
            Some([true, true, namespaces, custom, mutating, validating, discovered, ledger])
        };
        // Without policies, bindings and their pins nothing is published; else all but the last is.
        let is_told = |list: usize| read().is_some_and(|read| read[list]);
        let is_quiet = || match last {
            0 | 1 | 7 => sender.capacity() == sender.max_capacity(),
            _ => (0..LISTS).all(|list| list == last || is_told(list)),
        };
        while !is_quiet() {
            tokio::task::yield_now().await;
        }
        assert!(!is_told(last));
        sender.send(list(last)).await.unwrap();
        let told = tokio::time::timeout(Duration::from_secs(10), async {
            while !(0..LISTS).all(is_told) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        assert!(told.await.is_ok(), "list {last} came last and was never told of");
        drop(sender);
        index.await.unwrap();
    }
}
