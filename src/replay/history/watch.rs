//! A raw watch of one name from Rc.

use http_body_util::BodyExt as _;
use hyper::Method;
use kube::client::Body;
use serde::Deserialize;
use tokio::time::Instant;

use super::{ApiHistory, BRIEF, WATCH_SECONDS, refused};
use crate::replay::contract::HistoryError;
use crate::replay::event::{Event, EventKind, Successor, judge};
use crate::replay::record::{Record, ResourceVersion};
use crate::replay::rest::{self, METADATA, Metadata};

/// Bytes of one event: the metadata of an object is bounded by the API server's own limit for a request.
const MAX_EVENT: usize = 4 << 20;

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    object: Object,
}

/// The metadata of an object, or a `Status`.
#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    code: u16,
    #[serde(default)]
    message: String,
}

/// What one line of the watch means.
enum Read {
    Decided(Successor),
    /// Nothing that decides, and the watch has come this far.
    Passed(Option<ResourceVersion>),
}

impl ApiHistory {
    /// Watches until something decides. With `until`, silence up to that revision is proven; without, a brief silence
    /// ends the watch and proves nothing.
    pub(super) async fn watch(
        &self,
        record: &Record,
        rc: &ResourceVersion,
        until: Option<&ResourceVersion>,
    ) -> Result<Successor, HistoryError> {
        let target = &record.target;
        let uri = format!(
            "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={}&fieldSelector={}",
            rest::collection(&target.resource, &target.namespace),
            rest::segment(&rc.0),
            rest::by_name(&target.name),
        );
        let response = rest::send(&self.client, Method::GET, &uri, METADATA, Vec::new()).await;
        let response = response.map_err(|error| HistoryError::Unavailable(error.to_string()))?;
        let status = response.status().as_u16();
        let mut lines = Lines { body: response.into_body(), pending: Vec::new() };
        if status == 410 {
            return Ok(Successor::Gone);
        }
        if status != 200 {
            let failure = lines.all().await.unwrap_or_default();
            return Err(refused(rest::Failure { code: status, ..failure }));
        }
        // A watch that ends by itself ends after its seconds; a silent network must not hold it for longer.
        let patience =
            if until.is_some() { std::time::Duration::from_secs(u64::from(WATCH_SECONDS) + 2) } else { BRIEF };
        let end = Instant::now() + patience;
        loop {
            let line = match tokio::time::timeout_at(end, lines.next()).await {
                Err(_) | Ok(Ok(None)) => return Ok(Successor::NoneSeen),
                Ok(Err(cause)) => return Err(HistoryError::Unavailable(cause)),
                Ok(Ok(Some(line))) => line,
            };
            match self.read_line(record, &line)? {
                Read::Decided(successor) => return Ok(successor),
                Read::Passed(at) => {
                    if let (Some(at), Some(until)) = (at, until)
                        && until.is_at_or_before(&at)
                    {
                        return Ok(Successor::None);
                    }
                }
            }
        }
    }

    fn read_line(&self, record: &Record, line: &[u8]) -> Result<Read, HistoryError> {
        let Line { kind, object } = serde_json::from_slice(line)
            .map_err(|error| HistoryError::Unavailable(format!("an event cannot be read: {error}")))?;
        let kind = match kind.as_str() {
            "BOOKMARK" => return Ok(Read::Passed(object.metadata.revision())),
            "ERROR" if object.code == 410 => return Ok(Read::Decided(Successor::Gone)),
            "ADDED" => EventKind::Added,
            "MODIFIED" => EventKind::Modified,
            "DELETED" => EventKind::Deleted,
            _ => return Err(HistoryError::Unavailable(format!("the watch ended: {}", object.message))),
        };
        let metadata = object.metadata;
        let version = metadata.version().filter(|_| metadata.name == record.target.name);
        // An event that cannot be understood must not be passed over.
        let version = version.ok_or_else(|| HistoryError::Unavailable("an event names no object".into()))?;
        let carried = metadata.annotations.and_then(|annotations| (self.read)(&record.target, &annotations));
        let at = version.resource_version.clone();
        Ok(judge(record, &Event { kind, version, carried }).map_or(Read::Passed(Some(at)), Read::Decided))
    }
}

/// The lines of a body as they come.
struct Lines {
    body: Body,
    pending: Vec<u8>,
}

impl Lines {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let rest = self.pending.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.pending, rest);
                line.pop();
                if line.is_empty() {
                    continue;
                }
                return Ok(Some(line));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    /// The whole body as a `Status`.
    async fn all(mut self) -> Option<rest::Failure> {
        while self.fill().await.ok()? {}
        serde_json::from_slice(&self.pending).ok()
    }

    async fn fill(&mut self) -> Result<bool, String> {
        let Some(frame) = self.body.frame().await else { return Ok(false) };
        let frame = frame.map_err(|error| error.to_string())?;
        if let Ok(data) = frame.into_data() {
            if self.pending.len().saturating_add(data.len()) > MAX_EVENT {
                return Err("an event is too long".into());
            }
            self.pending.extend_from_slice(&data);
        }
        Ok(true)
    }
}
