//! Helm, without a cluster: what the chart renders to, as text and as objects.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The chart's directory.
pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/writ");

/// The pinned helm, built at its first use on a machine.
pub(crate) fn helm() -> Result<PathBuf> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/tools.sh");
    let output = Command::new(script).args(["path", "helm"]).stderr(Stdio::inherit()).output().context(script)?;
    ensure!(output.status.success(), "`tests/cluster/tools.sh path helm` failed, see above");
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// `helm template` with further arguments: the manifests, or what was complained about.
pub(crate) fn template(namespace: &str, arguments: &[&str]) -> Result<Result<String, String>> {
    let output = Command::new(helm()?)
        .args(["template", "writ", CHART, "--namespace", namespace])
        .args(arguments)
        .env("HELM_CACHE_HOME", std::env::temp_dir())
        .output()?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes);
    Ok(if output.status.success() { Ok(text(output.stdout)?) } else { Err(text(output.stderr)?) })
}

/// The manifests of a rendering that must succeed.
pub(crate) fn rendered(arguments: &[&str]) -> Result<String> {
    template("writ", arguments)?.map_err(anyhow::Error::msg)
}

/// The objects of a rendering that must succeed.
pub(crate) fn objects(arguments: &[&str]) -> Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(&rendered(arguments)?)?;
    Ok(documents.into_iter().filter(Value::is_object).collect())
}

/// `a/b/c` of an object; null where it is absent.
pub(crate) fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    path.split('/').fold(object, |value, key| value.get(key).unwrap_or(&Value::Null))
}

/// The elements of a list; none where it is absent.
pub(crate) fn items<'a>(object: &'a Value, path: &str) -> &'a [Value] {
    at(object, path).as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The strings of a list.
pub(crate) fn strings(object: &Value, path: &str) -> Vec<String> {
    items(object, path).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A string; empty where it is absent.
pub(crate) fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    at(object, path).as_str().unwrap_or_default()
}

/// The objects of a kind.
pub(crate) fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| text(object, "kind") == kind).collect()
}
