//! Objects of every built-in kind, and a client for the few verbs that the survey needs.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use writ::{
    admission::GroupVersionKind,
    projection::{Plan, annotation_key, kinds},
};

use crate::harness::{Cluster, Session, wait_until};

/// The namespace of the objects that live in one; the vectors name it too.
pub(crate) const NAMESPACE: &str = "survey";
/// A second one.
pub(crate) const OTHER_NAMESPACE: &str = "elsewhere";

/// An object that can be created.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Sample {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) resource: String,
    pub(crate) kind: String,
    pub(crate) namespaced: bool,
    pub(crate) create: Value,
}

/// Fields of the vectors that no schema knows: a plain create drops them, server-side apply refuses them.
const UNDECLARED: &[(&str, &str, &str)] = &[
    ("ClusterRoleBinding", "/subjects/0", "apiVersion"),
    ("EndpointSlice", "", "protocol"),
    ("PriorityClass", "", "Value"),
    ("RoleBinding", "/subjects/0", "apiVersion"),
];

/// The objects of `tests/vectors/kinds.json`.
pub(crate) fn samples() -> Result<Vec<Sample>> {
    let mut samples: Vec<Sample> = serde_json::from_str(include_str!("../vectors/kinds.json"))?;
    for sample in &mut samples {
        for (_, parent, field) in UNDECLARED.iter().filter(|(kind, _, _)| *kind == sample.kind) {
            if let Some(object) = sample.create.pointer_mut(parent).and_then(Value::as_object_mut) {
                object.remove(*field);
            }
        }
    }
    Ok(samples)
}

impl Sample {
    pub(crate) fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind { group: self.group.clone(), version: self.version.clone(), kind: self.kind.clone() }
    }

    /// Group, version and resource.
    pub(crate) fn gvr(&self) -> (String, String, String) {
        (self.group.clone(), self.version.clone(), self.resource.clone())
    }

    /// The annotation of its attestation.
    pub(crate) fn key(&self) -> String {
        annotation_key(&self.resource, &self.group)
    }

    /// How writ projects it.
    pub(crate) fn plan(&self) -> Plan {
        Plan::new(&self.gvk(), &self.key(), kinds::has_status(&self.group, &self.resource))
    }

    pub(crate) fn name(&self) -> &str {
        self.create["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// `apps/v1`, or `v1` for the core group.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The object with its `apiVersion` and `kind`.
    pub(crate) fn manifest(&self) -> Value {
        let mut object = self.create.clone();
        object["apiVersion"] = json!(self.api_version());
        object["kind"] = json!(self.kind);
        object
    }

    /// For messages.
    pub(crate) fn label(&self) -> String {
        format!("{} {}", self.api_version(), self.kind)
    }

    fn path(&self, namespace: &str) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        let namespace = if self.namespaced { format!("/namespaces/{namespace}") } else { String::new() };
        format!("{root}/{}{namespace}/{}", self.api_version(), self.resource)
    }
}

/// An answer of the API server.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn ok(self) -> Result<Value> {
        ensure!(self.status < 300, "{} {}", self.status, self.message());
        Ok(self.body)
    }

    pub(crate) fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

/// A client of the API server, as the administrator.
pub(crate) struct Api<'c> {
    session: Session<'c>,
}

impl<'c> Api<'c> {
    /// The client, and the two namespaces with what a pod needs in them.
    pub(crate) fn new(cluster: &'c Cluster) -> Result<Self> {
        let api = Self::of(cluster);
        for namespace in [NAMESPACE, OTHER_NAMESPACE] {
            api.send("POST", "/api/v1/namespaces", &json!({"metadata": {"name": namespace}}))?.ok()?;
            let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
            api.send("POST", &accounts, &json!({"metadata": {"name": "default"}}))?.ok()?;
        }
        Ok(api)
    }

    /// The client alone.
    pub(crate) fn of(cluster: &'c Cluster) -> Self {
        Self { session: Session::new(cluster.client()) }
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Result<Answer> {
        self.typed(method, path, "application/json", body)
    }

    fn typed(&self, method: &str, path: &str, content: &str, body: &Value) -> Result<Answer> {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.session.request(method, path, &[("Content-Type", content)], text.as_bytes())?;
        Ok(Answer { status: answer.status, body: serde_json::from_slice(&answer.body).unwrap_or_default() })
    }

    pub(crate) fn create(&self, sample: &Sample, object: &Value) -> Result<Answer> {
        self.create_in(NAMESPACE, sample, object)
    }

    pub(crate) fn create_in(&self, namespace: &str, sample: &Sample, object: &Value) -> Result<Answer> {
        self.send("POST", &sample.path(namespace), object)
    }

    /// Whether an object has only fields that its kind knows; nothing is stored.
    pub(crate) fn create_strictly(&self, sample: &Sample, object: &Value) -> Result<Answer> {
        self.send("POST", &format!("{}?dryRun=All&fieldValidation=Strict", sample.path(NAMESPACE)), object)
    }

    pub(crate) fn get(&self, sample: &Sample, name: &str) -> Result<Answer> {
        self.send("GET", &format!("{}/{name}", sample.path(NAMESPACE)), &Value::Null)
    }

    pub(crate) fn put(&self, sample: &Sample, name: &str, object: &Value) -> Result<Answer> {
        self.send("PUT", &format!("{}/{name}", sample.path(NAMESPACE)), object)
    }

    pub(crate) fn apply(&self, sample: &Sample, name: &str, object: &Value) -> Result<Answer> {
        let path = format!("{}/{name}?fieldManager=survey&force=true", sample.path(NAMESPACE));
        self.typed("PATCH", &path, "application/apply-patch+yaml", object)
    }

    pub(crate) fn merge(&self, sample: &Sample, name: &str, patch: &Value) -> Result<Answer> {
        let path = format!("{}/{name}", sample.path(NAMESPACE));
        self.typed("PATCH", &path, "application/merge-patch+json", patch)
    }

    pub(crate) fn delete(&self, sample: &Sample, name: &str) -> Result<Answer> {
        let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0, "propagationPolicy": "Background"});
        self.send("DELETE", &format!("{}/{name}", sample.path(NAMESPACE)), &options)
    }

    /// Removes an object that may have finalizers, and waits until it is gone.
    pub(crate) fn remove(&self, sample: &Sample, name: &str) -> Result<()> {
        wait_until(&format!("{} {name} to be gone", sample.label()), Duration::from_secs(20), || {
            let gone = || -> Result<bool> { Ok(self.get(sample, name)?.status == 404) };
            // The answer is a Status where nothing keeps the object, else the object.
            let deleted = self.delete(sample, name)?;
            if deleted.body["kind"] == "Status" && (deleted.status == 404 || deleted.status == 200) {
                return Ok(Some(()));
            }
            self.merge(sample, name, &json!({"metadata": {"finalizers": null}}))?;
            if sample.kind == "Namespace" {
                let bare = json!({"metadata": {"name": name}, "spec": {"finalizers": []}});
                self.send("PUT", &format!("/api/v1/namespaces/{name}/finalize"), &bare)?;
            }
            Ok(gone()?.then_some(()))
        })
    }

    /// Every resource that is stored, as (group, version, resource), and whether it has a status subresource.
    pub(crate) fn served(&self) -> Result<BTreeMap<(String, String, String), bool>> {
        let read = |path: &str| self.send("GET", path, &Value::Null)?.ok();
        let groups = read("/apis")?;
        let versions = groups["groups"].as_array().into_iter().flatten().flat_map(|group| group["versions"].as_array());
        let of_groups = versions.flatten().filter_map(|version| version["groupVersion"].as_str());
        let mut served = BTreeMap::new();
        for api_version in std::iter::once("v1").chain(of_groups) {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            let root = if group.is_empty() { "/api" } else { "/apis" };
            let list = read(&format!("{root}/{api_version}"))?;
            let resources = list["resources"].as_array().context("no resources")?;
            let name = |resource: &Value| resource["name"].as_str().unwrap_or_default().to_owned();
            let names: Vec<String> = resources.iter().map(name).collect();
            for resource in resources {
                let verbs = resource["verbs"].as_array().context("no verbs")?;
                if !name(resource).contains('/') && ["create", "list"].iter().all(|verb| verbs.contains(&json!(verb))) {
                    let has_status = names.contains(&format!("{}/status", name(resource)));
                    served.insert((group.to_owned(), version.to_owned(), name(resource)), has_status);
                }
            }
        }
        Ok(served)
    }
}
