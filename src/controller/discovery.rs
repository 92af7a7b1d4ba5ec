//! Which kinds the API server serves. Definitions of custom kinds are watched; for the rest it is asked now and then.

use std::{sync::Arc, time::Duration};

use kube::Client;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{Controller, index::Change};
use crate::admission::GroupVersionResource;

const LIMIT: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(1);
/// Built-in kinds change with the API server's version, aggregated ones with an APIService: both are rare.
const INTERVAL: Duration = Duration::from_secs(60);

/// Asks for ever.
pub(super) async fn run(controller: Arc<Controller>, changes: mpsc::Sender<Change>) {
    loop {
        let pause = match timeout(LIMIT, discover(&controller.client)).await {
            Ok(Ok(resources)) => {
                if changes.send(Change::Discovered(resources)).await.is_err() {
                    return;
                }
                INTERVAL
            }
            Ok(Err(error)) => {
                tracing::warn!(error = %error, "the kinds of the API server could not be discovered");
                RETRY
            }
            Err(_) => RETRY,
        };
        sleep(pause).await;
    }
}

/// (resource, has a status subresource, can be watched) of every resource of every version.
async fn discover(client: &Client) -> Result<Vec<(GroupVersionResource, bool, bool)>, kube::Error> {
    let (core, groups) =
        futures::try_join!(client.list_core_api_versions_aggregated(), client.list_api_groups_aggregated())?;
    let mut found = Vec::new();
    for group in core.items.into_iter().chain(groups.items) {
        let name = group.metadata.and_then(|metadata| metadata.name).unwrap_or_default();
        for version in group.versions {
            for resource in version.resources {
                let status = resource.subresources.iter().any(|sub| {
                    let writes = sub.verbs.iter().any(|verb| verb == "update" || verb == "patch");
                    writes && sub.subresource.as_deref() == Some("status")
                });
                let watchable = resource.verbs.iter().any(|verb| verb == "watch");
                let resource = GroupVersionResource {
                    group: name.clone(),
                    version: version.version.clone().unwrap_or_default(),
                    resource: resource.resource.unwrap_or_default(),
                };
                found.push((resource, status, watchable));
            }
        }
    }
    Ok(found)
}
