//! `tests/vectors/kinds.json` holds an object of every built-in kind: the API server takes each, and serves no other.

#[path = "harness/harness.rs"]
mod harness;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use harness::{Client, Cluster, Options};
use serde::Deserialize;
use serde_json::{Value, json};

/// The namespace of the objects that live in one; the vectors name it too.
const NAMESPACE: &str = "survey";

/// What has to be there before an object of a kind can be created.
#[derive(Deserialize)]
struct Prerequisite {
    group: String,
    version: String,
    resource: String,
    create: Value,
}

#[derive(Deserialize)]
struct Kind {
    group: String,
    version: String,
    resource: String,
    kind: String,
    namespaced: bool,
    #[serde(default)]
    prerequisites: Vec<Prerequisite>,
    create: Value,
}

/// A served resource with its kind and whether it lives in a namespace.
type Served = BTreeMap<(String, String, String), (String, bool)>;

#[test]
fn every_served_kind_is_in_the_vectors_and_can_be_created() -> Result<()> {
    let kinds: Vec<Kind> = serde_json::from_str(include_str!("vectors/kinds.json"))?;
    let cluster = Cluster::control_plane(Options::default().api_server_args(&["--runtime-config=api/all=true"]))?;
    let served = served(cluster.client())?;
    let known: BTreeSet<_> = kinds.iter().map(key).collect();
    let unknown: Vec<_> = served.keys().filter(|key| !known.contains(key)).collect();
    assert!(unknown.is_empty(), "served, but not in the vectors: {unknown:?}");

    cluster.kubectl(&["create", "namespace", NAMESPACE], "")?.ok()?;
    // A pod needs it, and no controller makes it here.
    cluster.kubectl(&["create", "serviceaccount", "default", "--namespace", NAMESPACE], "")?.ok()?;
    let mut created = 0;
    let mut refused = Vec::new();
    for kind in &kinds {
        let Some((name, namespaced)) = served.get(&key(kind)) else { continue };
        assert_eq!((name, namespaced), (&kind.kind, &kind.namespaced), "{}", kind.resource);
        for before in &kind.prerequisites {
            let key = (before.group.clone(), before.version.clone(), before.resource.clone());
            let (_, namespaced) = served.get(&key).with_context(|| format!("{key:?} is not served"))?;
            create(cluster.client(), &key, *namespaced, &before.create)?;
        }
        match create(cluster.client(), &key(kind), kind.namespaced, &kind.create)? {
            (201, _) => created += 1,
            (status, text) => refused.push(format!("{} {}: {status} {text}", kind.version, kind.resource)),
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    println!("{created} objects created of {} in the vectors", kinds.len());
    assert!(created >= 85, "only {created} kinds were created");
    Ok(())
}

fn key(kind: &Kind) -> (String, String, String) {
    (kind.group.clone(), kind.version.clone(), kind.resource.clone())
}

/// Every resource that can be created and listed: what is stored, without the reviews that are only answered.
fn served(client: &Client) -> Result<Served> {
    let mut served = Served::new();
    let groups = client.get("/apis")?.json()?;
    let mut versions = vec![String::from("/api/v1")];
    for group in groups.pointer("/groups").and_then(Value::as_array).context("no groups")? {
        let of_group = group.pointer("/versions").and_then(Value::as_array).context("no versions")?;
        versions.extend(
            of_group
                .iter()
                .filter_map(|version| Some(format!("/apis/{}", version.pointer("/groupVersion")?.as_str()?))),
        );
    }
    for path in versions {
        let (group, version) = match path.trim_start_matches("/apis/").split_once('/') {
            Some((group, version)) if path != "/api/v1" => (group, version),
            _ => ("", "v1"),
        };
        let list = client.get(&path)?.json()?;
        for resource in list.pointer("/resources").and_then(Value::as_array).context("no resources")? {
            let text = |name: &str| resource.pointer(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let verbs = resource.pointer("/verbs").and_then(Value::as_array).context("no verbs")?;
            if !text("/name").contains('/') && ["create", "list"].iter().all(|verb| verbs.contains(&json!(verb))) {
                let namespaced = resource.pointer("/namespaced").and_then(Value::as_bool).unwrap_or_default();
                served.insert((group.to_owned(), version.to_owned(), text("/name")), (text("/kind"), namespaced));
            }
        }
    }
    Ok(served)
}

fn create(
    client: &Client,
    (group, version, resource): &(String, String, String),
    namespaced: bool,
    object: &Value,
) -> Result<(u16, String)> {
    let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
    let namespace = if namespaced { format!("/namespaces/{NAMESPACE}") } else { String::new() };
    let path = format!("{root}{namespace}/{resource}");
    let answer =
        client.request("POST", &path, &[("Content-Type", "application/json")], object.to_string().as_bytes())?;
    Ok((answer.status, answer.text()))
}
