//! Policies written for this test (`tests/vectors/convert.yaml`).

use std::{fs, path::Path, time::Duration};

use crate::{
    harness::{Client, Cluster, Options, wait_until},
    writ,
};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

/// Of `tests/vectors/convert.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    policy: Value,
    binding: Value,
    #[serde(default)]
    params: Vec<Value>,
    requests: Vec<Request>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    before: Option<Value>,
    object: Option<Value>,
    denied: bool,
}

/// The namespaces of the requests.
const NAMESPACES: [&str; 2] = ["convert", "elsewhere"];

#[test]
fn a_converted_policy_decides_as_the_original() -> Result<()> {
    let cases: Vec<Case> = serde_saphyr::from_str(include_str!("../vectors/convert.yaml"))?;
    let cluster = Cluster::control_plane(Options::default())?;
    for namespace in NAMESPACES {
        cluster.kubectl(&["create", "namespace", namespace], "")?.ok()?;
    }
    for object in sources(&keeper()?, "keeper.example.com") {
        cluster.kubectl(&["apply", "-f", "-"], &object.to_string())?.ok()?;
    }
    let (mut count, mut wrong) = (0, Vec::new());
    for (index, case) in cases.iter().enumerate() {
        let name = format!("original-{index}.example.com");
        let folder = tempfile::tempdir()?;
        let converted = convert(case, &name, folder.path())?;
        for request in &case.requests {
            if let Some(before) = &request.before {
                // Stored before the policy is there; one object may be the start of several requests.
                let _ = send(cluster.client(), "POST", &collection(before)?, before)?;
            }
        }
        for object in sources(case, &name) {
            // The policy before it may be in force for a moment more.
            wait_until("the objects to be taken", Duration::from_secs(30), || {
                Ok(Some(cluster.kubectl(&["apply", "-f", "-"], &object.to_string())?.ok()?))
                    .map(|taken| taken.map(|_| ()))
            })?;
        }
        // The API server puts a policy into force when it has seen all of it.
        let settled = wait_until("the policy to decide as expected", Duration::from_secs(30), || {
            let told =
                case.requests.iter().map(|request| Ok(original(cluster.client(), request, &name)? == request.denied));
            Ok(told.collect::<Result<Vec<_>>>()?.iter().all(|as_expected| *as_expected).then_some(()))
        });
        if let Err(error) = settled {
            wrong.push(format!("{}: {error:#}", case.name));
        }
        for request in &case.requests {
            count += 1;
            if ours(request, &converted, folder.path())? != request.denied {
                let (before, object) = (json!(request.before), json!(request.object));
                wrong.push(format!("{}: Writ denied: {}\n  {before} -> {object}", case.name, !request.denied));
            }
        }
        for object in sources(case, &name) {
            cluster.kubectl(&["delete", "-f", "-"], &object.to_string())?.ok()?;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 25, "only {count} requests");
    Ok(())
}

/// A policy about nothing here with the parameters of the others. The API server stops watching a kind of parameters with
/// the last policy that has it, and does not see them when a policy has it again.
fn keeper() -> Result<Case> {
    Ok(serde_json::from_value(json!({
        "name": "keeper",
        "policy": {
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["services"]}]},
            "validations": [{"expression": "true"}],
        },
        "binding": {"validationActions": ["Deny"], "paramRef": {"name": "kept", "namespace": NAMESPACES[0], "parameterNotFoundAction": "Deny"}},
        "requests": [],
    }))?)
}

/// The policy, its binding and its parameters.
fn sources(case: &Case, name: &str) -> Vec<Value> {
    let object = |kind: &str, spec: &Value| json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let mut binding = case.binding.clone();
    if let Value::Object(fields) = &mut binding {
        fields.insert("policyName".to_owned(), json!(name));
    }
    let mut all = case.params.clone();
    all.push(object("ValidatingAdmissionPolicy", &case.policy));
    all.push(object("ValidatingAdmissionPolicyBinding", &binding));
    all
}

/// Converts a case; answers the file with the result.
fn convert(case: &Case, name: &str, folder: &Path) -> Result<String> {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let text: Vec<String> = sources(case, name).iter().map(Value::to_string).collect();
    fs::write(path("sources.json"), text.join("\n"))?;
    let (status, converted, notes) = writ(&["convert", &path("sources.json")])?;
    ensure!(status == 0, "{}: exit {status}: {notes}", case.name);
    fs::write(path("converted.yaml"), converted)?;
    Ok(path("converted.yaml"))
}

fn text<'v>(object: &'v Value, pointer: &str) -> Option<&'v str> {
    object.pointer(pointer)?.as_str()
}

/// The path of the collection that an object belongs to.
fn collection(object: &Value) -> Result<String> {
    let plural = match text(object, "/kind").context("no kind")? {
        "ConfigMap" => "configmaps",
        "Secret" => "secrets",
        _ => return Ok("/api/v1/namespaces".to_owned()),
    };
    let namespace = text(object, "/metadata/namespace").context("no namespace")?;
    Ok(format!("/api/v1/namespaces/{namespace}/{plural}"))
}

fn send(client: &Client, method: &str, path: &str, body: &Value) -> Result<(u16, String)> {
    let answer = client.request(method, path, &[("Content-Type", "application/json")], body.to_string().as_bytes())?;
    Ok((answer.status, answer.text()))
}

/// Whether the API server denies a request, which is sent as a dry run.
fn original(client: &Client, request: &Request, name: &str) -> Result<bool> {
    let object = request.object.as_ref().or(request.before.as_ref()).context("no object")?;
    let collection = collection(object)?;
    let one = format!("{collection}/{}?dryRun=All", text(object, "/metadata/name").unwrap_or_default());
    let (status, text) = match (&request.before, &request.object) {
        (None, _) => send(client, "POST", &format!("{collection}?dryRun=All"), object)?,
        (Some(_), Some(_)) => send(client, "PUT", &one, object)?,
        (Some(_), None) => send(client, "DELETE", &one, &json!({"dryRun": ["All"]}))?,
    };
    let by_policy = text.contains(&format!("ValidatingAdmissionPolicy '{name}'"));
    ensure!(status < 300 || by_policy, "{status} {text}");
    Ok(by_policy)
}

/// Whether Writ denies it by the converted policy.
fn ours(request: &Request, converted: &str, folder: &Path) -> Result<bool> {
    let file = |name: &str, object: &Value| -> Result<String> {
        let path = folder.join(name).to_string_lossy().into_owned();
        fs::write(&path, object.to_string())?;
        Ok(path)
    };
    let mut arguments =
        vec!["evaluate".to_owned(), "-f".to_owned(), converted.to_owned(), "--as".to_owned(), "admin".to_owned()];
    for (flag, name, object) in
        [("--object", "object.json", &request.object), ("--old-object", "old.json", &request.before)]
    {
        if let Some(object) = object {
            arguments.extend([flag.to_owned(), file(name, object)?]);
        }
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (status, out, complaint) = writ(&arguments)?;
    ensure!(matches!(status, 0 | 1), "{complaint}{out}");
    Ok(status == 1)
}
