//! The history of objects by the API server: consistent lists, quorum reads, and a raw watch of one name.
//!
//! Only metadata is asked for, so no content of any object is read. Silence of a watch is proof only after a bookmark
//! or an event at or past a revision that was listed after the look began.

mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use hyper::Method;
use kube::Client;

use super::contract::{History, HistoryError, Stamped};
use super::event::{Carried, Current, Looked, Patience, Successor};
use super::record::{Operation, Record, Resource, ResourceVersion, Target, Version};
use super::rest::{self, CallError, Failure, METADATA, METADATA_LIST, Meta, Reply};

/// Reads what the annotations of an object say about the change that wrote it; none where they say nothing that counts.
pub type ReadAttestation = Arc<dyn Fn(&Target, &BTreeMap<String, String>) -> Option<Carried> + Send + Sync>;

/// How long a look inside a request waits for an event. One that was stored is there within milliseconds.
const BRIEF: Duration = Duration::from_millis(250);

/// How long a look in the background waits for proof. The API server sends a bookmark two seconds before the end of a
/// watch, and looks about every second whether it is time for one.
const WATCH_SECONDS: u32 = 4;

/// The history that an API server keeps.
pub struct ApiHistory {
    client: Client,
    read: ReadAttestation,
}

impl ApiHistory {
    /// By this API server. The client needs get, list and watch on the kinds of the webhook rules, and must not retry
    /// on its own.
    #[must_use]
    pub fn new(client: Client, read: ReadAttestation) -> Self {
        Self { client, read }
    }

    async fn list_one(&self, resource: &Resource, namespace: &str) -> Result<Stamped<ResourceVersion>, HistoryError> {
        let uri = format!("{}?limit=1", rest::collection(resource, namespace));
        let reply = self.call(&uri, METADATA_LIST).await?;
        if !reply.is_success() {
            return Err(refused(reply.failure()));
        }
        let Meta { metadata } = reply.parse().map_err(HistoryError::Unavailable)?;
        let revision = metadata.revision();
        let revision =
            revision.ok_or_else(|| HistoryError::NotWatchable("its lists have no resourceVersion".into()))?;
        Ok(reply.stamp(revision))
    }

    async fn read_one(&self, target: &Target) -> Result<Stamped<Option<Version>>, HistoryError> {
        let collection = rest::collection(&target.resource, &target.namespace);
        let reply = self.call(&format!("{collection}/{}", rest::segment(&target.name)), METADATA).await?;
        if reply.is_success() {
            let Meta { metadata } = reply.parse().map_err(HistoryError::Unavailable)?;
            let version = metadata.version();
            let version = version.ok_or_else(|| HistoryError::NotWatchable("its objects have no version".into()))?;
            return Ok(reply.stamp(Some(version)));
        }
        let failure = reply.failure();
        if failure.is_missing(&target.name) { Ok(reply.stamp(None)) } else { Err(refused(failure)) }
    }

    async fn look_at(&self, record: &Record, patience: Patience) -> Result<Stamped<Looked>, HistoryError> {
        let current = self.read_one(&record.target).await?;
        let stand = current.value.map_or(Current::Missing, Current::At);
        let Some(rc) = &record.rc else {
            return Err(HistoryError::NotWatchable("the claim has no revision to watch from".into()));
        };
        let successor = if is_enough(record, rc, &stand) {
            Successor::NoneSeen
        } else {
            match patience {
                Patience::Brief => self.watch(record, rc, None).await?,
                Patience::Proof => {
                    let until = self.list_one(&record.target.resource, &record.target.namespace).await?.value;
                    self.watch(record, rc, Some(&until)).await?
                }
            }
        };
        Ok(Stamped { value: Looked { successor, current: stand }, time: current.time, grain: current.grain })
    }

    async fn call(&self, uri: &str, accept: &str) -> Result<Reply, HistoryError> {
        let reply = rest::call(&self.client, Method::GET, uri, accept, Vec::new()).await;
        reply.map_err(|error: CallError| HistoryError::Unavailable(error.to_string()))
    }
}

/// Whether the stored state alone says what became of the claim, so that no event need be waited for.
fn is_enough(record: &Record, rc: &ResourceVersion, current: &Current) -> bool {
    let Current::At(now) = current else { return false };
    match record.target.operation {
        Operation::Create => !record.object_uid.is_empty() && now.uid == record.object_uid,
        // As it was when the claim was made, or already another one then.
        Operation::Update => record.target.old.as_ref() == Some(now) || now.resource_version.is_at_or_before(rc),
        Operation::Delete | Operation::Connect => false,
    }
}

fn refused(failure: Failure) -> HistoryError {
    match failure.code {
        403..=406 => HistoryError::NotWatchable(failure.to_string()),
        _ => HistoryError::Unavailable(failure.to_string()),
    }
}

impl History for ApiHistory {
    fn revision<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
    ) -> BoxFuture<'a, Result<Stamped<ResourceVersion>, HistoryError>> {
        Box::pin(self.list_one(resource, namespace))
    }

    fn current<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Stamped<Option<Version>>, HistoryError>> {
        Box::pin(self.read_one(target))
    }

    fn look<'a>(
        &'a self,
        record: &'a Record,
        patience: Patience,
    ) -> BoxFuture<'a, Result<Stamped<Looked>, HistoryError>> {
        Box::pin(self.look_at(record, patience))
    }
}
