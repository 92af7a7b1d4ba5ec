//! Watches: a consistent list, then every change, for ever. Errors are waited out; a watch can be told to start anew.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::StreamExt as _;
use kube::{
    Api, Resource,
    runtime::watcher::{self, Event, watcher},
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::{Notify, mpsc},
    time::sleep,
};

use super::{index::Change, observed::Update};
use crate::metrics::{ControllerMetrics, WatchLabels};

/// The first pause after an error, and the longest: an API server that comes back is noticed within 2 s.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How long the API server keeps one watch open, in seconds; a connection that died in silence lasts no longer.
const WATCH_SECONDS: u32 = 120;

/// One watch.
pub(super) struct Watch {
    /// What is watched, for logs and metrics.
    pub(super) what: &'static str,
    /// A field selector; empty for all objects.
    pub(super) fields: String,
    /// A label selector; empty for all objects.
    pub(super) labels: String,
    /// Tells it to start anew.
    pub(super) restart: Arc<Notify>,
    /// Where changes go.
    pub(super) changes: mpsc::Sender<Change>,
    /// What is counted.
    pub(super) metrics: ControllerMetrics,
}

impl Watch {
    /// Watches until nobody takes changes any more. `convert` reads each object by itself and cannot fail.
    pub(super) async fn run<K, T>(self, api: Api<K>, convert: impl Fn(K) -> T, change: impl Fn(Update<T>) -> Change)
    where
        K: Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
    {
        // A quorum list and not a streaming one: that may begin at an old state of the API server's cache.
        let mut config = watcher::Config::default().timeout(WATCH_SECONDS);
        if !self.fields.is_empty() {
            config = config.fields(&self.fields);
        }
        if !self.labels.is_empty() {
            config = config.labels(&self.labels);
        }
        loop {
            let mut events = pin!(watcher(api.clone(), config.clone()));
            let mut listed = Vec::new();
            let mut pause = PAUSE.0;
            loop {
                let event = tokio::select! {
                    event = events.next() => event,
                    () = self.restart.notified() => break,
                };
                let update = match event {
                    None => break,
                    Some(Err(error)) => {
                        self.metrics.watch_errors.get_or_create(&WatchLabels { resource: self.what }).inc();
                        tracing::warn!(resource = self.what, error = %error, "watch failed, trying again");
                        sleep(pause).await;
                        pause = (pause * 2).min(PAUSE.1);
                        continue;
                    }
                    Some(Ok(Event::Init)) => {
                        listed.clear();
                        continue;
                    }
                    Some(Ok(Event::InitApply(object))) => {
                        listed.push(convert(object));
                        continue;
                    }
                    Some(Ok(Event::InitDone)) => Update::Replace(std::mem::take(&mut listed)),
                    Some(Ok(Event::Apply(object))) => Update::Set(convert(object)),
                    Some(Ok(Event::Delete(object))) => Update::Remove(convert(object)),
                };
                pause = PAUSE.0;
                if self.changes.send(change(update)).await.is_err() {
                    return;
                }
            }
            self.metrics.watch_restarts.get_or_create(&WatchLabels { resource: self.what }).inc();
            tracing::warn!(resource = self.what, "watch started anew");
        }
    }
}
