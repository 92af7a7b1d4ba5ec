//! The command line against a real API server: `verify`, `status` and `claims`, also as a kubectl plugin.
#![expect(clippy::indexing_slicing, reason = "an answer that lacks what is asked for fails the test")]

use std::process::Output;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{
    harness::{Options, wait_until},
    support::{Rig, SOON, deployment, signer},
};

/// A change ticket for each target, good once.
const TICKET: &str = r#"
apiVersion: writ.dev/v1alpha1
kind: Policy
metadata: {name: ticket.v1}
spec:
  id: ticket
  version: v1
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: [CREATE, UPDATE]}
  signals:
  - name: ticket
    type: String
    expression: 'object.metadata.?annotations.orValue({})[?"example.com/ticket"].orValue("")'
  - {name: target, type: String, expression: 'request.namespace + "/" + request.name'}
  rules:
  - {name: ticket, when: 'signals.ticket.startsWith("CHG-")', outcome: Allow, reason: Ticketed}
  replay: {mode: Once, key: [ticket, target], window: 24h}
---
apiVersion: writ.dev/v1alpha1
kind: PolicyBinding
metadata: {name: ticket}
spec:
  policyRef: {id: ticket, version: v1}
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}}}
  exclude: {groups: ["system:serviceaccounts:kube-system"]}
  mode: Enforce
"#;

fn writ(rig: &Rig, program: &str, arguments: &[&str]) -> Result<Output> {
    let mut command = rig.cluster.command(program);
    command.args(arguments).env("KUBECONFIG", rig.cluster.admin());
    command.output().with_context(|| format!("{program} {arguments:?}"))
}

/// The exit code, and what stood on standard output and standard error.
fn run(rig: &Rig, arguments: &[&str]) -> Result<(i32, String, String)> {
    let output = writ(rig, env!("CARGO_BIN_EXE_writ"), arguments)?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).context("text");
    Ok((output.status.code().context("an exit code")?, text(output.stdout)?, text(output.stderr)?))
}

/// The answer in JSON, and the exit code.
fn answer(rig: &Rig, arguments: &[&str]) -> Result<(i32, Value)> {
    let (code, stdout, stderr) = run(rig, &[arguments, &["-o", "json"]].concat())?;
    Ok((code, serde_json::from_str(&stdout).with_context(|| format!("{arguments:?}: {stdout}{stderr}"))?))
}

/// What one check of the only attestation says.
fn check<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let checks = answer["attestations"][0]["checks"].as_array().map(Vec::as_slice).unwrap_or_default();
    checks.iter().find(|check| check["check"] == name).unwrap_or(&Value::Null)
}

fn published_key(rig: &Rig) -> Result<()> {
    let key = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "writ-public-key", "namespace": "writ-system"},
        "data": {"public-key.pem": signer().public_key().to_pem(), "keyId": signer().key_id().to_string(), "storeId": "0123456789abcdef0123456789abcdef"}});
    rig.apply(&key).map(drop)
}

#[test]
fn the_command_line_asks_the_cluster() -> Result<()> {
    let rig = Rig::in_cluster(Options::default().controller_manager())?;
    rig.govern(TICKET, &deployment("probe", "none"), "ticket.v1")?;
    let mut web = deployment("web", "registry.example/web:1");
    web["metadata"]["annotations"] = json!({"example.com/ticket": "CHG-1"});
    rig.create(&web)?;

    // Without a published key there is nothing to verify with.
    let (code, _, error) = run(&rig, &["verify", "deployment/web", "-n", "default"])?;
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("writ-public-key"), "{error}");

    published_key(&rig)?;
    verify(&rig)?;
    status(&rig)?;
    claims(&rig)
}

fn verify(rig: &Rig) -> Result<()> {
    // The deployment controller notes the revision; the attestation stays.
    wait_until("the controller to note the revision", SOON, || {
        let stored = rig.get(&["deployment", "web"])?;
        Ok(stored["metadata"]["annotations"].get("deployment.kubernetes.io/revision").map(drop))
    })?;
    for name in ["deployment/web", "deploy/web", "deployments.apps/web"] {
        let (code, answer) = answer(rig, &["verify", name, "-n", "default"])?;
        assert_eq!((code, &answer["verified"]), (0, &json!(true)), "{name}: {answer}");
        assert_eq!(check(&answer, "cluster")["status"], "Passed", "{answer}");
        assert_eq!(check(&answer, "trust")["status"], "NotChecked", "{answer}");
        let changes = &check(&answer, "content")["changes"];
        assert_eq!(changes[0]["field"], "/metadata/annotations/deployment.kubernetes.io~1revision", "{answer}");
    }
    rig.cluster.kubectl(&["scale", "deployment/web", "--replicas=3"], "")?.ok()?;
    let (code, scaled) = answer(rig, &["verify", "deployment/web", "-n", "default"])?;
    assert_eq!(code, 0, "{scaled}");
    let replicas = json!({"field": "/spec/replicas", "was": 1, "is": 3, "by": "the scale subresource, for example by an autoscaler"});
    assert!(check(&scaled, "content")["changes"].as_array().is_some_and(|all| all.contains(&replicas)), "{scaled}");

    // As a plugin of kubectl.
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_writ"), rig.cluster.directory().join("bin/kubectl-writ"))?;
    let kubectl = rig.cluster.directory().join("bin/kubectl");
    let output =
        writ(rig, kubectl.to_str().context("a path")?, &["writ", "verify", "deployment/web", "-n", "default"])?;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.starts_with("verified  deployment/web\n"), "{text}");

    // What was changed while nobody looked is named.
    rig.register(false, false)?;
    rig.cluster.kubectl(&["set", "image", "deployment/web", "c=registry.example/web:evil"], "")?.ok()?;
    let (code, changed) = answer(rig, &["verify", "deployment/web", "-n", "default"])?;
    assert_eq!((code, &check(&changed, "content")["reason"]), (1, &json!("ObjectChanged")), "{changed}");
    rig.register(true, true)?;

    for (name, words) in [("deployment/nobody", "not found"), ("unicorns/web", "serves no resource `unicorns`")] {
        let (code, _, error) = run(rig, &["verify", name, "-n", "default"])?;
        assert_eq!(code, 2, "{error}");
        assert!(error.contains(words), "{error}");
    }
    let (code, _, error) = run(rig, &["verify", "deployment/web", "--context", "nowhere"])?;
    assert_eq!(code, 2, "{error}");
    Ok(())
}

fn status(rig: &Rig) -> Result<()> {
    wait_until("the binding to be ready", SOON, || {
        let (_, status) = answer(rig, &["status"])?;
        Ok((status["bindings"][0]["ready"] == json!(true)).then_some(()))
    })?;
    let (code, status) = answer(rig, &["status"])?;
    // Nothing runs as a StatefulSet here; the rest is well.
    let problems = status["problems"].as_array().context("problems")?;
    assert_eq!((code, problems.len()), (1, 1), "{status}");
    assert!(problems[0].as_str().is_some_and(|text| text.contains("no StatefulSet `writ`")), "{status}");
    assert_eq!(status["bindings"][0]["inForce"], "ticket.v1");
    assert_eq!(status["replicas"][0]["ready"], true, "{status}");
    assert_eq!(status["webhooks"][1]["failurePolicy"], "Fail", "{status}");
    assert_eq!(status["store"]["id"], "0123456789abcdef0123456789abcdef");
    let (_, text, _) = run(rig, &["status"])?;
    assert!(text.contains("ticket (Enforce): ticket.v1"), "{text}");

    // Who may read little is told what was not read.
    let nobody = rig.cluster.kubeconfig("nobody", &[])?;
    let (code, status) = answer(rig, &["status", "--kubeconfig", nobody.to_str().context("a path")?])?;
    assert_eq!((code, status["problems"].as_array().map(Vec::len)), (2, Some(0)), "{status}");
    assert!(status["unreadable"].as_array().is_some_and(|all| all.len() > 5), "{status}");

    // The store and the key no longer name each other.
    rig.cluster
        .kubectl(
            &[
                "patch",
                "configmap",
                "writ-public-key",
                "-n",
                "writ-system",
                "--type=merge",
                "-p",
                r#"{"data":{"storeId":"f"}}"#,
            ],
            "",
        )?
        .ok()?;
    let (_, status) = answer(rig, &["status"])?;
    assert!(status["problems"].to_string().contains("one of them was exchanged"), "{status}");
    Ok(())
}

fn claims(rig: &Rig) -> Result<()> {
    let (code, all) = answer(rig, &["claims"])?;
    let list = all["claims"].as_array().context("claims")?;
    assert_eq!((code, list.len()), (0, 1), "{all}");
    let claim = &list[0];
    assert_eq!(claim["object"], "apps/v1/deployments default/web", "{all}");
    assert_eq!(claim["policy"], "ticket.v1");
    let fingerprint = claim["fingerprint"].as_str().context("a fingerprint")?;
    for (arguments, code, count) in [
        (vec![fingerprint], 0, 1),
        (vec!["sha256:0000000000000000000000000000000000000000000000000000000000000000"], 1, 0),
        (vec!["--policy", "ticket"], 0, 1),
        (vec!["--policy", "other"], 0, 0),
        (vec!["--state", "Released"], 0, 0),
        (vec!["--user", "admin"], 0, 1),
    ] {
        let (found, answer) = answer(rig, &[&["claims"], arguments.as_slice()].concat())?;
        assert_eq!((found, answer["claims"].as_array().map(Vec::len)), (code, Some(count)), "{arguments:?}: {answer}");
    }
    let (code, _, error) = run(rig, &["claims", "--writ-namespace", "nowhere"])?;
    assert_eq!(code, 2, "{error}");
    Ok(())
}
