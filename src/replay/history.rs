//! The history of objects as the API server keeps it: a consistent list, quorum reads, and raw watches of one name.

use std::time::Duration;

use futures::future::{BoxFuture, join};
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use kube::{Client, client::Body};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::{
    contract::{History, HistoryError, Stamped},
    event::{Carried, Current, Event, EventKind, Looked, Patience, Successor, judge},
    record::{Operation, Record, Resource, ResourceVersion, Target, Version},
    server::{NoReply, Reply, ask, escape, open},
};
use crate::{
    attest::{self, Statement},
    keyring::Keyring,
    projection::annotation_key,
    verify::Verifier,
};

/// How long a look inside an admission request waits for events after it is connected.
const BRIEF: Duration = Duration::from_millis(250);
/// How long a watch for proof lasts. The API server sends a bookmark two seconds before the end.
const PROOF_SECONDS: u64 = 6;
/// The longest line of a watch: an object of the largest size that storage takes, twice over.
const MAX_LINE: usize = 8 << 20;

/// History by an API server.
pub struct ApiHistory {
    client: Client,
    keyring: Keyring,
}

impl ApiHistory {
    /// The history behind `client`; attestations count if a key of `keyring` signed them.
    #[must_use]
    pub fn new(client: Client, keyring: Keyring) -> Self {
        Self { client, keyring }
    }

    async fn list_revision(
        &self,
        resource: &Resource,
        namespace: &str,
    ) -> Result<Stamped<ResourceVersion>, HistoryError> {
        let path = format!("{}?limit=1", collection(resource, namespace));
        let reply = ask(&self.client, "GET", &path, None).await.map_err(unavailable)?;
        let list = read(&reply)?;
        let version = text_at(&list, &["metadata", "resourceVersion"]);
        let version =
            version.ok_or_else(|| HistoryError::NotWatchable("its list has no resourceVersion".to_owned()))?;
        Ok(reply.stamp(ResourceVersion(version.to_owned())))
    }

    async fn get(&self, target: &Target) -> Result<Stamped<Option<Version>>, HistoryError> {
        let path = format!("{}/{}", collection(&target.resource, &target.namespace), escape(&target.name));
        let reply = ask(&self.client, "GET", &path, None).await.map_err(unavailable)?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(reply.stamp(None));
        }
        let version = version(&read(&reply)?);
        Ok(reply.stamp(version))
    }

    async fn look_for(&self, record: &Record, patience: Patience) -> Result<Stamped<Looked>, HistoryError> {
        let target = &record.target;
        let revision = self.list_revision(&target.resource, &target.namespace);
        let (revision, current) = join(revision, self.get(target)).await;
        let (revision, current) = (revision?.value, current?);
        let successor = match &record.rc {
            None => Successor::Gone,
            Some(from) => self.watch(record, from, &revision, patience).await?,
        };
        let now = current.value.clone().map_or(Current::Missing, Current::At);
        Ok(Stamped { value: Looked { successor, current: now }, time: current.time, grain: current.grain })
    }

    /// The events of the record's object after `from`, until one decides. Silence is proven by a bookmark that is not
    /// before `until`.
    async fn watch(
        &self,
        record: &Record,
        from: &ResourceVersion,
        until: &ResourceVersion,
        patience: Patience,
    ) -> Result<Successor, HistoryError> {
        let target = &record.target;
        let name = escape(&format!("metadata.name={}", target.name));
        let path = format!(
            "{}?watch=1&allowWatchBookmarks=true&resourceVersion={}&fieldSelector={name}&timeoutSeconds={PROOF_SECONDS}",
            collection(&target.resource, &target.namespace),
            escape(&from.0),
        );
        let response = open(&self.client, "GET", &path, None).await.map_err(unavailable)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::GONE => return Ok(Successor::Gone),
            status => return Err(refused(status, "the watch was refused")),
        }
        let limit = match patience {
            Patience::Brief => BRIEF,
            Patience::Proof => Duration::from_secs(PROOF_SECONDS + 2),
        };
        let mut lines = Lines { body: response.into_body(), buffer: Vec::new(), deadline: Instant::now() + limit };
        while let Some(line) = lines.next().await? {
            let event: Value =
                serde_json::from_slice(&line).map_err(|error| HistoryError::Unavailable(error.to_string()))?;
            match self.read_event(&event, target) {
                Seen::Event(event) => {
                    if let Some(successor) = judge(record, &event) {
                        return Ok(successor);
                    }
                }
                Seen::Bookmark(reached) if until.is_at_or_before(&reached) => return Ok(Successor::None),
                Seen::Bookmark(_) => {}
                Seen::Gone => return Ok(Successor::Gone),
                Seen::Failed(cause) => return Err(HistoryError::Unavailable(cause)),
            }
        }
        Ok(Successor::NoneSeen)
    }

    fn read_event(&self, event: &Value, target: &Target) -> Seen {
        let object = event.get("object").unwrap_or(&Value::Null);
        let kind = match text_at(event, &["type"]).unwrap_or_default() {
            "ADDED" => EventKind::Added,
            "MODIFIED" => EventKind::Modified,
            "DELETED" => EventKind::Deleted,
            "BOOKMARK" => {
                let reached = text_at(object, &["metadata", "resourceVersion"]).unwrap_or_default();
                return Seen::Bookmark(ResourceVersion(reached.to_owned()));
            }
            _ if object.get("code").and_then(Value::as_u64) == Some(410) => return Seen::Gone,
            _ => return Seen::Failed(text_at(object, &["message"]).unwrap_or("an unknown event").to_owned()),
        };
        match version(object) {
            Some(version) => Seen::Event(Event { kind, version, carried: self.carried(object, target) }),
            None => Seen::Failed("an event without a uid".to_owned()),
        }
    }

    /// What the attestation on an object says, where one of our keys signed it.
    fn carried(&self, object: &Value, target: &Target) -> Option<Carried> {
        let key = annotation_key(&target.resource.resource, &target.resource.group);
        let text = text_at(object, &["metadata", "annotations", &key])?;
        let statement = Verifier::offline(&self.keyring).verify_compact(text).ok()?;
        carried(&statement, target)
    }
}

/// The part of a statement that a claim is compared with; none where it is about another object.
fn carried(statement: &Statement, target: &Target) -> Option<Carried> {
    let predicate = &statement.predicate;
    let named = match &predicate.name {
        attest::ObjectName::Given(name) => *name == target.name,
        attest::ObjectName::Generated(_) => false,
    };
    if !named || predicate.namespace != target.namespace || predicate.dry_run {
        return None;
    }
    let fingerprints = predicate.decisions.iter().filter_map(|decision| match decision.replay {
        Some(attest::Replay::Once { fingerprint }) => fingerprint,
        _ => None,
    });
    Some(Carried {
        fingerprints: fingerprints.collect(),
        operation: match predicate.operation {
            attest::Operation::Create => Operation::Create,
            attest::Operation::Update => Operation::Update,
            attest::Operation::Delete => Operation::Delete,
            attest::Operation::Connect => Operation::Connect,
        },
        old: predicate.old_object.as_ref().map(|old| Version {
            uid: old.uid.clone(),
            resource_version: ResourceVersion(old.resource_version.clone()),
        }),
        execution_id: predicate.execution_id.to_string(),
        user: predicate.user.username.clone(),
    })
}

impl History for ApiHistory {
    fn revision<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
    ) -> BoxFuture<'a, Result<Stamped<ResourceVersion>, HistoryError>> {
        Box::pin(self.list_revision(resource, namespace))
    }

    fn current<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Stamped<Option<Version>>, HistoryError>> {
        Box::pin(self.get(target))
    }

    fn look<'a>(
        &'a self,
        record: &'a Record,
        patience: Patience,
    ) -> BoxFuture<'a, Result<Stamped<Looked>, HistoryError>> {
        Box::pin(self.look_for(record, patience))
    }
}

/// What one line of a watch says.
enum Seen {
    Event(Event),
    Bookmark(ResourceVersion),
    Gone,
    Failed(String),
}

/// The lines of a watch, until its end or the deadline.
struct Lines {
    body: Body,
    buffer: Vec<u8>,
    deadline: Instant,
}

impl Lines {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, HistoryError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(end + 1);
                return Ok(Some(std::mem::replace(&mut self.buffer, rest)));
            }
            if self.buffer.len() > MAX_LINE {
                return Err(HistoryError::Unavailable("an event is too large".to_owned()));
            }
            let Ok(frame) = timeout_at(self.deadline, self.body.frame()).await else { return Ok(None) };
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
                Some(Err(error)) => return Err(HistoryError::Unavailable(error.to_string())),
            }
        }
    }
}

/// The path of a kind's objects.
fn collection(resource: &Resource, namespace: &str) -> String {
    let (group, version) = (escape(&resource.group), escape(&resource.version));
    let api = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
    // Namespaces are cluster-scoped, although their requests carry a namespace: their own name.
    let is_namespace = resource.group.is_empty() && resource.resource == "namespaces";
    let place =
        if namespace.is_empty() || is_namespace { String::new() } else { format!("/namespaces/{}", escape(namespace)) };
    format!("{api}{place}/{}", escape(&resource.resource))
}

fn read(reply: &Reply) -> Result<Value, HistoryError> {
    if reply.status == StatusCode::OK {
        return reply.json().map_err(unavailable);
    }
    Err(refused(reply.status, &reply.message()))
}

fn refused(status: StatusCode, cause: &str) -> HistoryError {
    match status {
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            HistoryError::NotWatchable(cause.to_owned())
        }
        _ => HistoryError::Unavailable(format!("{}: {cause}", status.as_u16())),
    }
}

fn version(object: &Value) -> Option<Version> {
    let uid = text_at(object, &["metadata", "uid"])?.to_owned();
    let version = text_at(object, &["metadata", "resourceVersion"])?.to_owned();
    Some(Version { uid, resource_version: ResourceVersion(version) })
}

fn text_at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    path.iter().try_fold(value, |value, key| value.get(key))?.as_str()
}

fn unavailable(NoReply(cause): NoReply) -> HistoryError {
    HistoryError::Unavailable(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_kinds() {
        for (group, resource, namespace, path) in [
            ("", "pods", "shop", "/api/v1/namespaces/shop/pods"),
            ("apps", "deployments", "shop", "/apis/apps/v1/namespaces/shop/deployments"),
            ("", "namespaces", "shop", "/api/v1/namespaces"),
            ("rbac.authorization.k8s.io", "clusterroles", "", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
        ] {
            let resource = Resource { group: group.into(), version: "v1".into(), resource: resource.into() };
            assert_eq!(collection(&resource, namespace), path);
        }
    }
}
