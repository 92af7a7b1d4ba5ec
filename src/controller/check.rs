//! Asks the API server, again and again, for a consistent list of everything that decides: names and versions alone.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use kube::{Client, api::ListParams, core::Request};
use serde::Deserialize;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{
    Controller,
    index::{Change, Listings},
    listing::Listing,
    observed::{Seen, resource_version},
};

/// How long one list may take: longer than that, and the proof would be old when it is made.
const LIST_LIMIT: Duration = Duration::from_secs(3);
/// The pause after a list that failed, so that a replica decides soon after the API server is back.
const RETRY: Duration = Duration::from_millis(500);
/// Where lists are long, the pause is this many times as long as the list took…
const PAUSE_FACTOR: u32 = 9;
/// … and at most this: with a list after it, it ends within the ten seconds that a proof is good for.
const LONGEST_PAUSE: Duration = Duration::from_secs(6);
/// Objects in one page: what bounds the memory for it.
const PAGE: u32 = 500;

const POLICIES: &str = "/apis/writ.dev/v1alpha1/policies";
const BINDINGS: &str = "/apis/writ.dev/v1alpha1/policybindings";
const NAMESPACES: &str = "/api/v1/namespaces";

/// A page of a `PartialObjectMetadataList`, without all the rest of the metadata.
#[derive(Deserialize)]
struct Page {
    metadata: PageMetadata,
    /// An empty list of custom resources is `null`.
    #[serde(default)]
    items: Option<Vec<Item>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMetadata {
    resource_version: Option<String>,
    #[serde(rename = "continue", default)]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    metadata: ItemMetadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemMetadata {
    name: String,
    uid: String,
    #[serde(default)]
    generation: i64,
    resource_version: Option<String>,
}

/// Lists for ever, and hands each list over for comparison.
pub(super) async fn run(controller: Arc<Controller>, changes: mpsc::Sender<Change>) {
    loop {
        let (as_of, asked) = (controller.moment(), Instant::now());
        let pause = match (as_of, timeout(LIST_LIMIT, list_all(&controller.client)).await) {
            (Ok(as_of), Ok(Ok([policies, bindings, namespaces]))) => {
                let listings = Listings { as_of, policies, bindings, namespaces };
                if changes.send(Change::Listed(Box::new(listings))).await.is_err() {
                    return;
                }
                let took = asked.elapsed();
                let shortest = controller.settings.currency_interval;
                (took * PAUSE_FACTOR).clamp(shortest, LONGEST_PAUSE.max(shortest))
            }
            (Err(error), _) => {
                tracing::error!(error = %error, "the clock cannot be read, so nothing is current");
                RETRY
            }
            (_, Ok(Err(error))) => {
                tracing::warn!(error = %error, "policies could not be listed to see whether the watches are current");
                RETRY
            }
            (_, Err(_)) => {
                tracing::warn!(seconds = LIST_LIMIT.as_secs(), "policies were not listed in time");
                RETRY
            }
        };
        sleep(pause).await;
    }
}

async fn list_all(client: &Client) -> Result<[Listing; 3], kube::Error> {
    let (policies, bindings, namespaces) =
        futures::try_join!(list(client, POLICIES), list(client, BINDINGS), list(client, NAMESPACES))?;
    Ok([policies, bindings, namespaces])
}

async fn list(client: &Client, path: &str) -> Result<Listing, kube::Error> {
    let mut objects = BTreeMap::new();
    // No resource version: the API server answers no older state than the store's own.
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let request = Request::new(path).list_metadata(&params).map_err(kube::Error::BuildRequest)?;
        let page: Page = client.request(request).await?;
        objects.extend(page.items.into_iter().flatten().map(|Item { metadata }| {
            let resource_version = resource_version(metadata.resource_version.as_deref());
            (metadata.name, Seen { uid: metadata.uid, generation: metadata.generation, resource_version })
        }));
        match page.metadata.next.filter(|next| !next.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            // Every page is of the same moment.
            None => {
                let resource_version = resource_version(page.metadata.resource_version.as_deref());
                return Ok(Listing { resource_version, objects });
            }
        }
    }
}
