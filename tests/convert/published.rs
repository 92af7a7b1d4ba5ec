//! The ValidatingAdmissionPolicies that are published inside a Go module, on the objects that are published with them.
//! Nothing of them is copied: they are read from the module cache.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{
    harness::{Cluster, Options, wait_until},
    writ,
};

/// Where the policies are.
const MODULE: &str = "github.com/kyverno/kyverno";

/// How many policies are in force at once: the API server keeps no more than 4,096 characters of warnings.
const BATCH: usize = 10;

/// The resources of the objects.
const RESOURCES: &[(&str, &str)] = &[
    ("Pod", "/api/v1/namespaces/default/pods"),
    ("Deployment", "/apis/apps/v1/namespaces/default/deployments"),
    ("StatefulSet", "/apis/apps/v1/namespaces/default/statefulsets"),
    ("DaemonSet", "/apis/apps/v1/namespaces/default/daemonsets"),
    ("Job", "/apis/batch/v1/namespaces/default/jobs"),
    ("CronJob", "/apis/batch/v1/namespaces/default/cronjobs"),
];

/// A policy with the name that it has here.
struct Published {
    name: String,
    spec: Value,
}

#[test]
fn published_policies_decide_as_the_originals() -> Result<()> {
    let (policies, objects) = read()?;
    let cluster = Cluster::control_plane(Options::default())?;
    cluster.kubectl(&["create", "serviceaccount", "default", "-n", "default"], "")?.ok()?;
    let folder = tempfile::tempdir()?;
    let mut skipped: BTreeMap<String, usize> = BTreeMap::new();
    let mut converted = Vec::new();
    for policy in policies {
        match convert(&policy, folder.path())? {
            Ok(file) => converted.push((policy, file)),
            Err(reason) => *skipped.entry(reason).or_default() += 1,
        }
    }
    let (mut allowed, mut denied, mut wrong) = (0, 0, Vec::new());
    for batch in converted.chunks(BATCH) {
        let told = original(&cluster, batch, &objects)?;
        for (policy, file) in batch {
            let ours = ours(file, &told, folder.path())?;
            for ((object, warnings), ours) in told.iter().zip(ours) {
                let theirs = warnings.contains(&format!("'{}'", policy.name));
                if theirs {
                    denied += 1
                } else {
                    allowed += 1
                };
                if theirs != ours {
                    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
                    wrong
                        .push(format!("{} on {} {name}: the API server denied: {theirs}", policy.spec, object["kind"]));
                }
            }
        }
    }
    println!(
        "{} policies, {} objects: {denied} denied, {allowed} allowed; skipped: {skipped:?}",
        converted.len(),
        objects.len()
    );
    ensure!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), denied + allowed, wrong.join("\n"));
    ensure!(converted.len() >= 25 && denied >= 50 && allowed >= 50, "too few");
    Ok(())
}

/// The policies of the module, each once, and the objects beside them.
fn read() -> Result<(Vec<Published>, Vec<Value>)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cel-corpus/corpus.sh");
    let run = Command::new(script).args(["folder", MODULE]).output()?;
    ensure!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let module = PathBuf::from(String::from_utf8_lossy(&run.stdout).trim());
    let mut policies: BTreeMap<String, Published> = BTreeMap::new();
    let mut objects: BTreeSet<String> = BTreeSet::new();
    for folder in folders(&module.join("test"))? {
        let documents: Vec<Value> = manifests(&folder)?.iter().flat_map(|file| documents(file)).collect();
        let of = |kind: &str| documents.iter().filter(move |document| document["kind"] == kind).collect::<Vec<_>>();
        let found = of("ValidatingAdmissionPolicy");
        if found.is_empty() {
            continue;
        }
        for document in found {
            let spec = document["spec"].clone();
            let name = format!("published-{}", policies.len());
            policies.entry(spec.to_string()).or_insert(Published { name, spec });
        }
        for (kind, _) in RESOURCES {
            for object in of(kind) {
                let mut object = object.clone();
                if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
                    metadata.insert("namespace".to_owned(), json!("default"));
                    objects.insert(object.to_string());
                }
            }
        }
    }
    let objects = objects.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>()?;
    Ok((policies.into_values().collect(), objects))
}

fn folders(root: &Path) -> Result<Vec<PathBuf>> {
    let (mut open, mut found) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
        }
        found.push(folder);
    }
    found.sort();
    Ok(found)
}

fn manifests(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|end| end == "yaml"));
    files.sort();
    Ok(files)
}

/// The documents of a file; none where it is a template.
fn documents(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let parts = text.split("\n---");
    parts.filter_map(|part| serde_saphyr::from_str::<Value>(part).ok()).filter(Value::is_object).collect()
}

/// The file with the converted policy, or why it is skipped.
fn convert(policy: &Published, folder: &Path) -> Result<Result<PathBuf, String>> {
    let path = |end: &str| folder.join(format!("{}.{end}", policy.name));
    if policy.spec.get("paramKind").is_some() {
        return Ok(Err("parameters of a kind that is not there".to_owned()));
    }
    let original: Vec<String> = resources(policy, "Deny").iter().map(Value::to_string).collect();
    fs::write(path("json"), original.join("\n"))?;
    let (status, converted, notes) = writ(&["convert", &path("json").to_string_lossy()])?;
    if status != 0 {
        let line = notes.lines().find(|line| line.starts_with("not converted")).unwrap_or(&notes);
        let reason = line.split(": ").skip(2).collect::<Vec<_>>().join(": ");
        return Ok(Err(reason.chars().take(120).collect()));
    }
    fs::write(path("yaml"), converted)?;
    Ok(Ok(path("yaml")))
}

fn resources(policy: &Published, action: &str) -> [Value; 2] {
    let object = |kind: &str, spec: Value| {
        let name = &policy.name;
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
    };
    [
        object("ValidatingAdmissionPolicy", policy.spec.clone()),
        object("ValidatingAdmissionPolicyBinding", json!({"policyName": policy.name, "validationActions": [action]})),
    ]
}

/// Every object as the API server would store it, with the warnings of the policies that it breaks.
fn original(cluster: &Cluster, batch: &[(Published, PathBuf)], objects: &[Value]) -> Result<Vec<(Value, String)>> {
    // Seen last of all: what came before it is in force when it is.
    let last = Published {
        name: "published-last".to_owned(),
        spec: json!({
            "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]},
            "validations": [{"expression": "false"}],
        }),
    };
    let policies: Vec<&Published> = batch.iter().map(|(policy, _)| policy).chain([&last]).collect();
    let all: Vec<Value> = policies.iter().flat_map(|policy| resources(policy, "Warn")).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": all}).to_string();
    cluster.kubectl(&["create", "-f", "-"], &list)?.ok()?;
    let create = |path: &str, object: &Value| {
        let path = format!("{path}?dryRun=All");
        cluster.client().request("POST", &path, &[("Content-Type", "application/json")], object.to_string().as_bytes())
    };
    let probe = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe", "namespace": "default"}});
    wait_until("the policies to be in force", Duration::from_secs(60), || {
        let answer = create("/api/v1/namespaces/default/configmaps", &probe)?;
        Ok(answer.headers.contains("published-last").then_some(()))
    })?;
    let mut told = Vec::new();
    for object in objects {
        let kind = object["kind"].as_str().unwrap_or_default();
        let (_, path) = RESOURCES.iter().find(|(known, _)| *known == kind).context("a known kind")?;
        let answer = create(path, object)?;
        // An object that is wrong by itself says nothing of policies.
        if answer.status == 201 {
            told.push((answer.json()?, answer.headers));
        }
    }
    cluster.kubectl(&["delete", "-f", "-"], &list)?.ok()?;
    wait_until("the policies to be gone", Duration::from_secs(60), || {
        let answer = create("/api/v1/namespaces/default/configmaps", &probe)?;
        Ok((!answer.headers.contains("published-last")).then_some(()))
    })?;
    Ok(told)
}

/// Whether Writ denies each object by the converted policy.
fn ours(file: &Path, told: &[(Value, String)], folder: &Path) -> Result<Vec<bool>> {
    let objects = folder.join("objects.json");
    let namespace = folder.join("namespace.json");
    let text: Vec<String> = told.iter().map(|(object, _)| object.to_string()).collect();
    fs::write(&objects, text.join("\n"))?;
    let default = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "labels": {"kubernetes.io/metadata.name": "default"}}});
    fs::write(&namespace, default.to_string())?;
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let (file, objects, namespace) = (path(file), path(&objects), path(&namespace));
    let arguments = [
        "evaluate",
        "-f",
        &file,
        "--object",
        &objects,
        "--namespace-object",
        &namespace,
        "--as",
        "admin",
        "-o",
        "json",
    ];
    let (status, answer, complaint) = writ(&[&arguments[..], &["--as-group", "system:masters"]].concat())?;
    ensure!(matches!(status, 0 | 1), "{file}: {complaint}");
    let answer: Value = serde_json::from_str(&answer)?;
    let requests = answer.pointer("/requests").and_then(Value::as_array).context("no requests")?;
    ensure!(requests.len() == told.len(), "{} of {}", requests.len(), told.len());
    Ok(requests.iter().map(|request| request["outcome"] == "Deny").collect())
}
