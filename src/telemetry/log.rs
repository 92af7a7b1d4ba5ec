use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Write},
};

use serde::Serialize;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::MakeWriter,
    layer::{Context, Layer},
};

use super::line::{to_line, write_escaped};
use crate::{
    clock::{Clock as _, SystemClock},
    time::Timestamp,
};

/// A layer that writes each event as one JSON line.
pub(super) struct JsonLog<M>(M);

impl<M> JsonLog<M> {
    pub(super) const fn new(writer: M) -> Self {
        Self(writer)
    }
}

#[derive(Serialize)]
struct Entry<'a> {
    time: Option<Timestamp>,
    level: &'static str,
    target: &'a str,
    message: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    fields: BTreeMap<&'static str, serde_json::Value>,
}

impl<S: Subscriber, M: for<'w> MakeWriter<'w> + 'static> Layer<S> for JsonLog<M> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let meta = event.metadata();
        let entry = Entry {
            time: SystemClock.now().ok(),
            level: meta.level().as_str(),
            target: meta.target(),
            message: fields.message,
            fields: fields.others,
        };
        // A log that cannot be written must not stop a decision; decisions have their own lines.
        let _ = to_line(&entry).map(|line| self.0.make_writer_for(meta).write_all(&line));
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: BTreeMap<&'static str, serde_json::Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<serde_json::Value>) {
        self.others.insert(field.name(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" { self.message = text } else { self.put(field, text) }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" { value.clone_into(&mut self.message) } else { self.put(field, value) }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
}

/// A writer for people's eyes: risky characters are escaped, the colours of the log itself are kept.
pub(super) struct Plain<W>(W);

impl Plain<io::Stderr> {
    pub(super) fn stderr() -> Self {
        Self(io::stderr())
    }
}

impl<W: Write> Write for Plain<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Each event comes as one whole text.
        write_escaped(&mut self.0, &String::from_utf8_lossy(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_one_object_on_one_line() {
        let buffer = Buffer::default();
        let out = buffer.clone();
        let subscriber = tracing_subscriber::registry().with(JsonLog::new(move || out.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(target: "writ::test", count = 3, who = %"a\"\n{\"level\":\"INFO\"}", "odd {}", "\u{202e}name");
        });
        let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(text.contains(r"odd \u202ename"), "{text}");
        let entry: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(entry["level"], "WARN");
        assert_eq!(entry["target"], "writ::test");
        assert_eq!(entry["fields"]["count"], 3);
        assert_eq!(entry["fields"]["who"], "a\"\n{\"level\":\"INFO\"}");
        assert!(entry["time"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn text_is_plain() {
        let mut plain = Plain(Vec::new());
        plain.write_all("a\u{9b}31m\u{202e}b\n".as_bytes()).unwrap();
        assert_eq!(plain.0, b"a\\u009b31m\\u202eb\n");
    }
}
