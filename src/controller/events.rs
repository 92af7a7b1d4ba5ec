//! Kubernetes Events: what people should hear of where they look first. Telling never waits: where too much is to be
//! told, the rest is dropped and counted.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    time::timeout,
};

use crate::{
    canonical::Value,
    metrics::{ControllerMetrics, WriteLabels},
};

/// How many events may wait.
const WAITING: usize = 256;
/// The same object hears of the same reason at most this often.
const AGAIN: Duration = Duration::from_secs(10);
/// How many objects are remembered for that.
const REMEMBERED: usize = 4096;
/// The longest text, in bytes: the API allows 1 kB.
const MAX_NOTE: usize = 1000;
const LIMIT: Duration = Duration::from_secs(5);

/// An object that an event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// For example `apps/v1`.
    pub api_version: String,
    /// For example `ReplicaSet`.
    pub kind: String,
    /// Its namespace; empty for a cluster-scoped object.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// About what.
    pub subject: Subject,
    /// Whether something is wrong.
    pub warning: bool,
    /// Why, as one CamelCase word.
    pub reason: String,
    /// What was done or tried, as one CamelCase word.
    pub action: &'static str,
    /// What happened and what to do.
    pub note: String,
}

/// Tells.
#[derive(Debug)]
pub struct Events {
    sender: Sender<Notice>,
    told: Mutex<BTreeMap<(String, String), Instant>>,
    metrics: ControllerMetrics,
}

impl Events {
    pub(super) fn new(metrics: ControllerMetrics) -> (Self, Receiver<Notice>) {
        let (sender, receiver) = channel(WAITING);
        (Self { sender, told: Mutex::default(), metrics }, receiver)
    }

    /// Tells soon, or not at all. Never waits.
    pub fn tell(&self, notice: Notice) {
        if self.was_told(&notice, Instant::now()) {
            return;
        }
        if self.sender.try_send(notice).is_err() {
            self.metrics.events.get_or_create(&WriteLabels { outcome: "dropped" }).inc();
        }
    }

    /// Tells the owner of an object that a controller was refused: controllers try again for ever and in silence, and
    /// the object that people look at is the owner. Whether there is one.
    pub fn tell_owner(&self, object: &Value<'_>, reason: &str, message: &str) -> bool {
        let Some(subject) = owner(object) else { return false };
        let (reason, note) = (reason.to_owned(), message.to_owned());
        self.tell(Notice { subject, warning: true, reason, action: "Admission", note });
        true
    }

    fn was_told(&self, notice: &Notice, now: Instant) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= REMEMBERED {
            told.retain(|_, at| now.saturating_duration_since(*at) < AGAIN);
        }
        let key = (notice.subject.uid.clone(), notice.reason.clone());
        if told.get(&key).is_some_and(|at| now.saturating_duration_since(*at) < AGAIN) {
            return true;
        }
        // With more objects than that at once, some hear twice.
        if told.len() < REMEMBERED {
            told.insert(key, now);
        }
        false
    }
}

/// The owner that controls an object, which lives in the object's namespace.
#[must_use]
pub fn owner(object: &Value<'_>) -> Option<Subject> {
    let owners = object.at(&["metadata", "ownerReferences"])?.as_array()?;
    let owner = owners.iter().find(|owner| owner.member("controller").and_then(Value::as_bool) == Some(true))?;
    let text = |value: Option<&Value<'_>>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Subject {
        api_version: text(owner.member("apiVersion")),
        kind: text(owner.member("kind")),
        namespace: text(object.at(&["metadata", "namespace"])),
        name: text(owner.member("name")),
        uid: text(owner.member("uid")),
    })
}

/// Sends events for ever.
pub(super) async fn run(client: Client, replica: String, metrics: ControllerMetrics, mut notices: Receiver<Notice>) {
    let reporter = Reporter { controller: "writ.dev/controller".to_owned(), instance: Some(replica) };
    let recorder = Recorder::new(client, reporter);
    while let Some(notice) = notices.recv().await {
        let (event, reference) = event(notice);
        let outcome = match timeout(LIMIT, recorder.publish(&event, &reference)).await {
            Ok(Ok(())) => "done",
            Ok(Err(error)) => {
                tracing::warn!(error = %error, "an event could not be written");
                "failed"
            }
            Err(_) => "failed",
        };
        metrics.events.get_or_create(&WriteLabels { outcome }).inc();
    }
}

fn event(notice: Notice) -> (Event, ObjectReference) {
    let Subject { api_version, kind, namespace, name, uid } = notice.subject;
    let mut note = notice.note;
    if note.len() > MAX_NOTE {
        let end = (0..=MAX_NOTE - 3).rev().find(|at| note.is_char_boundary(*at)).unwrap_or(0);
        note.truncate(end);
        note.push('…');
    }
    let event = Event {
        type_: if notice.warning { EventType::Warning } else { EventType::Normal },
        reason: notice.reason.chars().take(128).collect(),
        note: Some(note),
        action: notice.action.to_owned(),
        secondary: None,
    };
    let reference = ObjectReference {
        api_version: Some(api_version),
        kind: Some(kind),
        namespace: (!namespace.is_empty()).then_some(namespace),
        name: Some(name),
        uid: Some(uid),
        ..ObjectReference::default()
    };
    (event, reference)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canonical, metrics::Metrics};

    fn notice(uid: &str, reason: &str) -> Notice {
        let subject = Subject { uid: uid.to_owned(), ..Subject::default() };
        Notice { subject, warning: true, reason: reason.to_owned(), action: "Admission", note: "n".repeat(2000) }
    }

    #[test]
    fn the_owner_that_controls() {
        let object = br#"{"metadata":{"namespace":"shop","ownerReferences":[
            {"apiVersion":"v1","kind":"Node","name":"n","uid":"1"},
            {"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-1","uid":"2","controller":true}]}}"#;
        let subject = owner(&canonical::parse(object).unwrap()).unwrap();
        assert_eq!(
            (subject.kind.as_str(), subject.name.as_str(), subject.namespace.as_str()),
            ("ReplicaSet", "web-1", "shop")
        );
        for none in ["{}", r#"{"metadata":{}}"#, r#"{"metadata":{"ownerReferences":[{"kind":"Node"}]}}"#] {
            assert_eq!(owner(&canonical::parse(none.as_bytes()).unwrap()), None, "{none}");
        }
    }

    #[test]
    fn nothing_is_told_twice_in_a_row_and_nobody_waits() {
        let (events, mut told) = Events::new(Metrics::default().controller);
        for (uid, reason) in [("1", "A"), ("1", "A"), ("1", "B"), ("2", "A")] {
            events.tell(notice(uid, reason));
        }
        let mut count = 0;
        while told.try_recv().is_ok() {
            count += 1;
        }
        assert_eq!(count, 3);
        let later = Instant::now() + AGAIN;
        assert!(!events.was_told(&notice("1", "A"), later));
        for index in 0..WAITING + 10 {
            events.tell(notice(&format!("u{index}"), "A"));
        }
        let dropped = events.metrics.events.get_or_create(&WriteLabels { outcome: "dropped" }).get();
        assert_eq!(dropped, 10);
    }

    #[test]
    fn a_note_is_as_long_as_the_api_allows() {
        let (event, reference) = event(notice("1", &"R".repeat(200)));
        assert!(event.note.is_some_and(|note| note.len() <= 1000 && note.ends_with('…')));
        assert_eq!((event.reason.len(), reference.namespace), (128, None));
    }
}
