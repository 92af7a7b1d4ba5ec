//! What every ledger must do.

use std::sync::Arc;

use futures::future::join_all;
use writ::digest::Digest;
use writ::ledger::{Ledger, Pinned};

fn content(text: &str) -> Digest {
    Digest::plain(text.as_bytes())
}

/// Runs the suite against an empty ledger. `reopen` gives the same ledger as after a restart.
pub(crate) async fn check(ledger: Arc<dyn Ledger>, reopen: impl AsyncFnOnce(Arc<dyn Ledger>) -> Arc<dyn Ledger>) {
    let pin = async |ledger: &Arc<dyn Ledger>, id: &str, version: &str, text: &str| {
        ledger.pin(id, version, content(text)).await.unwrap()
    };
    assert_eq!(ledger.pinned().await.unwrap(), vec![]);
    assert_eq!(pin(&ledger, "images", "v1", "a").await, Pinned::Same);
    assert_eq!(pin(&ledger, "images", "v1", "a").await, Pinned::Same);
    assert_eq!(pin(&ledger, "images", "v1", "b").await, Pinned::Conflict(content("a")));
    // Other versions and other ids are of their own, also with the same content.
    assert_eq!(pin(&ledger, "images", "v2", "b").await, Pinned::Same);
    assert_eq!(pin(&ledger, "image", "v1", "b").await, Pinned::Same);

    // Of many that pin at once, one wins, and all are told which.
    let writers = (0..8).map(|number| {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            let mine = content(&number.to_string());
            (mine, ledger.pin("race", "v1", mine).await.unwrap())
        })
    });
    let results: Vec<_> = join_all(writers).await.into_iter().map(Result::unwrap).collect();
    let winners: Vec<_> = results.iter().filter(|(_, pinned)| *pinned == Pinned::Same).collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    for (mine, pinned) in &results {
        assert!(mine == &winners[0].0 || *pinned == Pinned::Conflict(winners[0].0), "{results:?}");
    }

    let mut expected = vec![
        ("image.v1".to_owned(), content("b")),
        ("images.v1".to_owned(), content("a")),
        ("images.v2".to_owned(), content("b")),
        ("race.v1".to_owned(), winners[0].0),
    ];
    expected.sort();
    let ledger = reopen(ledger).await;
    let mut pinned = ledger.pinned().await.unwrap();
    pinned.sort();
    assert_eq!(pinned, expected, "for ever");
    assert_eq!(pin(&ledger, "images", "v1", "b").await, Pinned::Conflict(content("a")));
}
