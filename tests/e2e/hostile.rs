//! A webhook of somebody else, in the test's own process: it records what it is asked and patches as it is told.

use std::{
    io::BufReader,
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use anyhow::{Context as _, Result};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::{Value, json};

use crate::{harness::Authority, support::base64};

type Patch = dyn Fn(&Value) -> Value + Send + Sync;

/// A running webhook; it ends with the process.
pub(crate) struct Hostile {
    port: u16,
    authority: Authority,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl Hostile {
    /// Starts a webhook that answers each request with the JSON Patch that `patch` makes of it; a text is a denial.
    pub(crate) fn start(patch: impl Fn(&Value) -> Value + Send + Sync + 'static) -> Result<Self> {
        let authority = Authority::new("hostile")?;
        let identity = authority.server(&["127.0.0.1"])?;
        let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
        let config = Arc::new(ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (patch, recorded): (Arc<Patch>, _) = (Arc::new(patch), Arc::clone(&seen));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, patch, seen) = (Arc::clone(&config), Arc::clone(&patch), Arc::clone(&recorded));
                thread::spawn(move || {
                    let Ok(connection) = ServerConnection::new(config) else { return };
                    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
                    while answer(&mut stream, &*patch, &seen).is_ok() {}
                });
            }
        });
        Ok(Self { port, authority, seen })
    }

    /// A mutating configuration for it: its name decides when it runs.
    pub(crate) fn configuration(&self, name: &str, resources: &[&str], reinvocation: &str) -> Value {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": name},
            "webhooks": [{
                "name": "hostile.example.com",
                "clientConfig": {"url": format!("https://127.0.0.1:{}/", self.port), "caBundle": base64(self.authority.certificate().as_bytes())},
                "rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": resources}],
                "namespaceSelector": {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "writ-system"]}]},
                "reinvocationPolicy": reinvocation, "failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 5
            }]
        })
    }

    /// The same as a validating configuration.
    pub(crate) fn validating(&self, name: &str, resources: &[&str]) -> Value {
        let mut configuration = self.configuration(name, resources, "Never");
        configuration["kind"] = json!("ValidatingWebhookConfiguration");
        if let Some(webhook) = configuration["webhooks"][0].as_object_mut() {
            webhook.remove("reinvocationPolicy");
        }
        configuration
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Value> {
        self.seen.lock().map(|seen| seen.clone()).unwrap_or_default()
    }
}

fn answer(stream: &mut (impl std::io::BufRead + GetMut), patch: &Patch, seen: &Mutex<Vec<Value>>) -> Result<()> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        anyhow::ensure!(stream.read_line(&mut line)? > 0, "closed");
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let review: Value = serde_json::from_slice(&body)?;
    let request = review.get("request").context("a request")?.clone();
    let operations = patch(&request);
    let mut response = json!({"uid": request["uid"], "allowed": true});
    if let Some(message) = operations.as_str() {
        response = json!({"uid": request["uid"], "allowed": false, "status": {"message": message}});
    }
    if operations.as_array().is_some_and(|list| !list.is_empty()) {
        response["patchType"] = json!("JSONPatch");
        response["patch"] = json!(base64(operations.to_string().as_bytes()));
    }
    if let Ok(mut seen) = seen.lock() {
        seen.push(request);
    }
    let body =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).to_string();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    let out = stream.inner();
    out.write_all(head.as_bytes())?;
    out.write_all(body.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// The stream under a buffered reader.
trait GetMut {
    fn inner(&mut self) -> &mut dyn std::io::Write;
}

impl<S: std::io::Read + std::io::Write> GetMut for BufReader<S> {
    fn inner(&mut self) -> &mut dyn std::io::Write {
        self.get_mut()
    }
}
