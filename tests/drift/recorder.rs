//! What the last mutating webhook and the validating webhook are shown.

use std::sync::{Arc, Mutex};

use anyhow::Result;
use serde_json::{Value, json};

use super::api::{Api, Sample};
use crate::harness::wait_until;
use crate::{hostile::Hostile, support::SOON};

/// The value that the recorder writes where writ writes an attestation.
const MARK: &str = "survey";

type Seen = Arc<Mutex<Vec<Value>>>;

/// A pair of webhooks in the places of writ's own: the mutating one adds an annotation, as writ does.
pub(crate) struct Recorder {
    mutate: Seen,
    validate: Seen,
}

/// One request as both webhooks saw it.
#[derive(Debug)]
pub(crate) struct Pair {
    /// The object that would be signed.
    pub(crate) signed: Value,
    /// The object that would be checked.
    pub(crate) checked: Value,
}

impl Recorder {
    pub(crate) fn start(api: &Api<'_>) -> Result<Self> {
        let (mutate, validate) = (Seen::default(), Seen::default());
        let recorder = Self { mutate: Arc::clone(&mutate), validate: Arc::clone(&validate) };
        let first = Hostile::start(move |request| {
            keep(&mutate, request);
            mark(request)
        })?;
        let second = Hostile::start(move |request| {
            keep(&validate, request);
            json!([])
        })?;
        let kinds = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
        api.send("POST", kinds, &first.configuration("zz-recorder", &["*"], "IfNeeded"))?.ok()?;
        let mut validating = second.configuration("zz-recorder", &["*"], "IfNeeded");
        validating["kind"] = json!("ValidatingWebhookConfiguration");
        if let Some(webhook) = validating["webhooks"][0].as_object_mut() {
            webhook.remove("reinvocationPolicy");
        }
        api.send("POST", &kinds.replace("mutating", "validating"), &validating)?.ok()?;
        recorder.wait(api)?;
        Ok(recorder)
    }

    /// Waits until the API server calls both.
    fn wait(&self, api: &Api<'_>) -> Result<()> {
        let probe = json!({"metadata": {"name": "probe"}});
        wait_until("the API server to call the recorder", SOON, || {
            let path = format!("/api/v1/namespaces/{}/configmaps?dryRun=All", super::api::NAMESPACE);
            api.send("POST", &path, &probe)?.ok()?;
            Ok((!take(&self.mutate).is_empty() && !take(&self.validate).is_empty()).then_some(()))
        })
    }

    /// What was seen of a kind's objects since the last time; `None` where the API server showed none to one of both.
    pub(crate) fn take(&self, sample: &Sample) -> Option<Pair> {
        let last = |seen: &Seen| {
            let of_kind = |request: &Value| {
                request["resource"]["resource"] == sample.resource.as_str()
                    && request["resource"]["group"] == sample.group.as_str()
                    && request["subResource"].is_null()
            };
            let request = take(seen).into_iter().rfind(of_kind)?;
            Some(without_mark(request["object"].clone(), &sample.key()))
        };
        let (signed, checked) = (last(&self.mutate), last(&self.validate));
        Some(Pair { signed: signed?, checked: checked? })
    }
}

fn keep(seen: &Seen, request: &Value) {
    if let Ok(mut seen) = seen.lock() {
        seen.push(request.clone());
    }
}

fn take(seen: &Seen) -> Vec<Value> {
    seen.lock().map(|mut seen| std::mem::take(&mut *seen)).unwrap_or_default()
}

/// The patch that writes an annotation where writ would.
fn mark(request: &Value) -> Value {
    let text = |name: &str| request["resource"][name].as_str().unwrap_or_default();
    if !request["subResource"].is_null() || !request["object"]["metadata"].is_object() {
        return json!([]);
    }
    let key = writ::projection::annotation_key(text("resource"), text("group"));
    let path = format!("/metadata/annotations/{}", key.replace('/', "~1"));
    let add = json!({"op": "add", "path": path, "value": MARK});
    if request["object"]["metadata"]["annotations"].is_object() {
        json!([add])
    } else {
        json!([{"op": "add", "path": "/metadata/annotations", "value": {}}, add])
    }
}

fn without_mark(mut object: Value, key: &str) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        let annotations = metadata.get_mut("annotations").and_then(Value::as_object_mut);
        if annotations.is_some_and(|annotations| annotations.remove(key).is_some() && annotations.is_empty()) {
            metadata.remove("annotations");
        }
    }
    object
}
