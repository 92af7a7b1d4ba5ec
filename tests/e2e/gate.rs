//! The gate as the API server really uses it: other webhooks, controllers, subresources, odd bodies (threats 7, 8, 9,
//! 36, 37, 39, 41, 49, 51 and 57).

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::{
    harness::{Options, wait_until},
    hostile::Hostile,
    support::{ALLOW_ALL, Rig, SOON, assert_says, deployment, verified},
};

const DEPLOYMENTS: &str = "attestation.writ.dev/deployments.apps";

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
        "spec": {"automountServiceAccountToken": false, "containers": [{"name": "c", "image": "registry.example/a"}]}})
}

#[test]
fn t09_what_another_webhook_changes_afterwards_is_refused_by_name_or_signed_again() -> Result<()> {
    let rig = Rig::standalone(Options::default(), ALLOW_ALL)?;
    let changer = Hostile::start(|request| {
        // Only where it is not there yet, as a good webhook would.
        let there = request["object"]["spec"]["template"]["spec"]["containers"][0].get("env").is_some();
        let add = json!([{"op": "add", "path": "/spec/template/spec/containers/0/env", "value": [{"name": "X", "value": "1"}]}]);
        if there { json!([]) } else { add }
    })?;
    // Before writ in the order of names: writ attests what it made.
    rig.apply(&changer.configuration("aaa", &["deployments"], "Never"))?;
    wait_until("the other webhook to be called", SOON, || {
        let _ =
            rig.cluster.kubectl(&["create", "--dry-run=server", "-f", "-"], &deployment("probe", "a").to_string())?;
        Ok((!changer.seen().is_empty()).then_some(()))
    })?;
    let stored = rig.create(&deployment("before", "registry.example/a"))?;
    verified(&stored, DEPLOYMENTS)?;
    assert_eq!(stored["spec"]["template"]["spec"]["containers"][0]["env"][0]["name"], "X");

    // After it: the API server asks writ again, because writ asks for that.
    rig.cluster.kubectl(&["delete", "mutatingwebhookconfiguration", "aaa"], "")?.ok()?;
    rig.apply(&changer.configuration("zzz", &["deployments"], "Never"))?;
    let mut number = 0;
    wait_until("the other webhook to run after writ", SOON, || {
        number += 1;
        let stored = rig.create(&deployment(&format!("after-{number}"), "registry.example/a"))?;
        verified(&stored, DEPLOYMENTS)?;
        Ok((stored["spec"]["template"]["spec"]["containers"][0].get("env").is_some()).then_some(()))
    })?;

    // One that changes the object at every call cannot be signed after: refused, naming the field.
    let restless = Hostile::start(|request| {
        let before =
            request["object"]["metadata"]["labels"]["count"].as_str().unwrap_or("0").parse::<u32>().unwrap_or(0);
        let labels = json!({"count": (before + 1).to_string()});
        json!([{"op": "add", "path": "/metadata/labels", "value": labels}])
    })?;
    rig.cluster.kubectl(&["delete", "mutatingwebhookconfiguration", "zzz"], "")?.ok()?;
    rig.apply(&restless.configuration("zzzz", &["deployments"], "IfNeeded"))?;
    let message = wait_until("a refusal", SOON, || {
        number += 1;
        let object = deployment(&format!("restless-{number}"), "registry.example/a").to_string();
        let output = rig.cluster.kubectl(&["create", "-f", "-"], &object)?;
        Ok((!output.success).then_some(output.stderr))
    })?;
    assert_says(&message, &["ObjectChanged", "/metadata/labels", "reinvocationPolicy"])
}

#[test]
fn t07_t08_each_object_carries_its_own_writ_and_controllers_come_to_rest() -> Result<()> {
    let rig = Rig::standalone(Options::default().controller_manager(), ALLOW_ALL)?;
    let mut object = deployment("web", "registry.example/a");
    // A forged key of another scope in the template is inert, and the pod's own key is written anew.
    object["spec"]["template"]["metadata"]["annotations"] = json!({"attestation.writ.dev/pods": "forged"});
    rig.create(&object)?;
    let sets = || rig.get(&["replicasets,pods", "-l", "app=web"]);
    wait_until("a replica set and its pod", SOON, || {
        let list = sets()?;
        Ok((list["items"].as_array().is_some_and(|items| items.len() == 2)).then_some(()))
    })?;
    for item in sets()?["items"].as_array().context("items")? {
        let key =
            if item["kind"] == "Pod" { "attestation.writ.dev/pods" } else { "attestation.writ.dev/replicasets.apps" };
        let statement = verified(item, key)?;
        ensure!(statement.predicate.user.username.starts_with("system:"), "{:?}", statement.predicate.user);
    }
    // The deployment controller copies our key to the replica set; nobody chases anybody.
    let versions = || -> Result<Vec<String>> {
        let list = rig.get(&["deployments,replicasets"])?;
        let items = list["items"].as_array().context("items")?.clone();
        Ok(items.iter().map(|item| item["metadata"]["resourceVersion"].to_string()).collect())
    };
    let mut last = versions()?;
    let mut calm = 0;
    wait_until("ten looks without a write", SOON, || {
        let now = versions()?;
        calm = if now == last { calm + 1 } else { 0 };
        last = now;
        Ok((calm >= 10).then_some(()))
    })
}

#[test]
fn t36_t37_every_way_to_change_a_pod_is_decided_and_recorded() -> Result<()> {
    let rig = Rig::standalone(Options::default(), ALLOW_ALL)?;
    rig.cluster.kubectl(&["create", "serviceaccount", "default"], "")?.ok()?;
    rig.create(&pod("a"))?;
    rig.create(&deployment("web", "registry.example/a"))?;
    let client = rig.cluster.client();
    let json_type = [("Content-Type", "application/json")];
    let merge = [("Content-Type", "application/merge-patch+json")];
    let pods = "/api/v1/namespaces/default/pods";
    let eviction =
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a", "namespace": "default"}});
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "a"}, "target": {"kind": "Node", "name": "n"}});
    let ephemeral = json!({"spec": {"ephemeralContainers": [{"name": "d", "image": "registry.example/d"}]}});
    let status = json!({"status": {"reason": "x"}});
    let scale = json!({"spec": {"replicas": 2}});
    // (method, path, headers, body, operation, resource, subresource)
    type Way<'w> = (&'w str, String, &'w [(&'w str, &'w str)], Value, &'w str, &'w str, &'w str);
    let ways: Vec<Way<'_>> = vec![
        ("PATCH", format!("{pods}/a/status"), &merge, status, "UPDATE", "pods", "status"),
        ("PATCH", format!("{pods}/a/ephemeralcontainers"), &merge, ephemeral, "UPDATE", "pods", "ephemeralcontainers"),
        ("POST", format!("{pods}/a/binding"), &json_type, binding, "CREATE", "pods", "binding"),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/default/deployments/web/scale".into(),
            &merge,
            scale,
            "UPDATE",
            "deployments",
            "scale",
        ),
        ("GET", format!("{pods}/a/exec?command=x"), &json_type, json!(null), "CONNECT", "pods", "exec"),
        ("GET", format!("{pods}/a/portforward"), &json_type, json!(null), "CONNECT", "pods", "portforward"),
        ("GET", format!("{pods}/a/proxy/"), &json_type, json!(null), "CONNECT", "pods", "proxy"),
        ("POST", format!("{pods}/a/eviction"), &json_type, eviction, "CREATE", "pods", "eviction"),
        (
            "DELETE",
            "/apis/apps/v1/namespaces/default/deployments".into(),
            &json_type,
            json!(null),
            "DELETE",
            "deployments",
            "",
        ),
    ];
    let mut missing = Vec::new();
    for (method, path, headers, body, operation, resource, subresource) in ways {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let _ = client.request(method, &path, headers, body.as_bytes())?;
        let found = rig.decisions()?.iter().any(|line| {
            let request = &line["request"];
            request["operation"] == operation
                && request["resource"]["resource"] == resource
                && request["subResource"].as_str().unwrap_or_default() == subresource
                && !request["name"].as_str().unwrap_or_default().is_empty()
        });
        if !found {
            missing.push(format!("{method} {path}"));
        }
    }
    assert_eq!(missing, Vec::<String>::new());
    // The old way to bind a pod: a main resource, but nothing of it is stored that could carry an attestation.
    rig.create(&pod("b"))?;
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "b"}, "target": {"kind": "Node", "name": "n"}});
    let path = "/api/v1/namespaces/default/bindings";
    let answer = client.request("POST", path, &json_type, binding.to_string().as_bytes())?;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let lines = rig.decisions()?;
    let line = lines.iter().rfind(|line| line["request"]["resource"]["resource"] == "bindings").context("no line")?;
    assert_eq!((&line["outcome"], &line["request"]["name"]), (&json!("Allow"), &json!("b")));
    Ok(())
}

#[test]
fn what_a_controller_was_refused_is_told_on_the_owner() -> Result<()> {
    let rig = Rig::in_cluster(Options::default().controller_manager())?;
    let policy = ALLOW_ALL.replace(
        "rules: [{name: all, outcome: Allow, reason: Allowed}]",
        "signals: [{name: resource, type: String, expression: request.resource.resource}]\n  rules:\n  - {name: pods, when: 'signals.resource == \"pods\"', outcome: Deny, reason: NoPods, message: pods rest today}\n  - {name: all, outcome: Allow, reason: Allowed}",
    );
    rig.govern(&policy, &pod("probe"), "all.v1")?;
    rig.create(&deployment("web", "registry.example/a"))?;
    wait_until("an event on the ReplicaSet", SOON, || {
        let events = rig.get(&["events.events.k8s.io"])?;
        let told = events["items"].as_array().into_iter().flatten().any(|event| {
            event["reportingController"] == "writ.dev/controller"
                && event["regarding"]["kind"] == "ReplicaSet"
                && event["note"].as_str().is_some_and(|note| note.contains("pods rest today"))
        });
        Ok(told.then_some(()))
    })
}

#[test]
fn t39_an_object_under_deletion_is_decided_like_any_other() -> Result<()> {
    let policy = ALLOW_ALL.replace(
        "rules: [{name: all, outcome: Allow, reason: Allowed}]",
        "signals:\n  - {name: deletes, type: Boolean, expression: 'change.deletes'}\n  - {name: held, type: Boolean, expression: '\"hold\" in request.userInfo.groups'}\n  rules:\n  - {name: deletion, when: 'signals.deletes && !signals.held', outcome: Deny, reason: NoDeletion}\n  - {name: all, outcome: Allow, reason: Allowed}",
    );
    let rig = Rig::standalone(Options::default(), &policy)?;
    let mut object = deployment("web", "registry.example/a");
    object["metadata"]["finalizers"] = json!(["example.com/hold"]);
    rig.create(&object)?;
    let message = rig.cluster.kubectl(&["delete", "deployment", "web", "--wait=false"], "")?.refused()?;
    assert_says(&message, &["NoDeletion"])?;
    let holder = rig.cluster.kubeconfig("holder", &["hold", "system:masters"])?;
    rig.cluster.kubectl_as(&holder, &["delete", "deployment", "web", "--wait=false"], "")?.ok()?;
    // Under deletion now: a change is decided and attested as ever, the last finalizer counts as the deletion itself.
    let label = json!({"metadata": {"labels": {"x": "y"}}}).to_string();
    rig.cluster.kubectl(&["patch", "deployment", "web", "--type=merge", "-p", &label], "")?.ok()?;
    verified(&rig.get(&["deployment", "web"])?, DEPLOYMENTS)?;
    let release = json!({"metadata": {"finalizers": null}}).to_string();
    let message =
        rig.cluster.kubectl(&["patch", "deployment", "web", "--type=merge", "-p", &release], "")?.refused()?;
    assert_says(&message, &["NoDeletion"])?;
    rig.cluster.kubectl_as(&holder, &["patch", "deployment", "web", "--type=merge", "-p", &release], "")?.ok()?;
    let gone = rig.cluster.kubectl(&["get", "deployment", "web"], "")?.refused()?;
    assert_says(&gone, &["NotFound"])
}

#[test]
fn t41_racing_writers_are_never_refused_wrongly() -> Result<()> {
    let rig = Rig::standalone(Options::default(), ALLOW_ALL)?;
    rig.create(&deployment("web", "registry.example/a"))?;
    let refusals: Vec<String> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let rig = &rig;
                scope.spawn(move || -> Result<Vec<String>> {
                    let client = rig.cluster.client_as("kube-apiserver", "admin", &["system:masters"])?;
                    let mut refusals = Vec::new();
                    for round in 0..25 {
                        let patch =
                            json!({"metadata": {"labels": {format!("w{writer}"): format!("r{round}")}}}).to_string();
                        let path = "/apis/apps/v1/namespaces/default/deployments/web";
                        let headers = [("Content-Type", "application/merge-patch+json")];
                        let response = client.request("PATCH", path, &headers, patch.as_bytes())?;
                        // The API server itself gives up after some conflicts, and on a machine without time it gives up
                        // waiting; a refusal is what a webhook says.
                        if response.text().contains("denied the request") {
                            refusals.push(response.text());
                        }
                    }
                    Ok(refusals)
                })
            })
            .collect();
        writers
            .into_iter()
            .flat_map(|writer| {
                writer.join().map_or_else(
                    |_| vec!["panicked".into()],
                    |list| list.unwrap_or_else(|error| vec![error.to_string()]),
                )
            })
            .collect()
    });
    assert_eq!(refusals, Vec::<String>::new());
    verified(&rig.get(&["deployment", "web"])?, DEPLOYMENTS)?;
    Ok(())
}

#[test]
fn t49_t51_an_object_with_two_meanings_is_refused_and_an_odd_body_is_no_review() -> Result<()> {
    let rig = Rig::standalone(Options::default(), ALLOW_ALL)?;
    let client = rig.client(true)?;
    let json_type = [("Content-Type", "application/json")];
    let review = |object: &str| {
        format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","kind":{{"group":"","version":"v1","kind":"ConfigMap"}},"resource":{{"group":"","version":"v1","resource":"configmaps"}},"name":"a","namespace":"default","operation":"CREATE","userInfo":{{"username":"ann"}},"object":{object}}}}}"#
        )
    };
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for object in [
        r#"{"a":1,"a":2}"#,
        r#"{"x":{"b":1,"\u0062":2}}"#,
        &format!(r#"{{"a":{deep}}}"#),
        r#"{"a":1e999}"#,
        r#"{"a":"\ud800"}"#,
    ] {
        let response = client.request("POST", "/validate?timeout=2s", &json_type, review(object).as_bytes())?;
        assert_eq!(response.status, 200, "{}", response.text());
        let answer = response.json()?;
        let status = &answer["response"]["status"];
        assert_eq!(
            (answer["response"]["allowed"].as_bool(), status["code"].as_u64()),
            (Some(false), Some(403)),
            "{answer}"
        );
        assert_eq!(status["details"]["causes"][0]["reason"], "MalformedObject");
    }
    for (body, status) in [("", 400), ("{}", 400), ("[[", 400), (&review("{}")[..60], 400)] {
        let response = client.request("POST", "/validate", &json_type, body.as_bytes())?;
        assert_eq!(response.status, status, "{body}");
    }
    let huge = client.request("POST", "/validate", &json_type, &vec![b' '; 10 << 20]);
    ensure!(huge.is_err() || huge.is_ok_and(|response| response.status == 413), "ten megabytes are too many");
    let nobody = rig.client(false)?.request("POST", "/validate", &json_type, review("{}").as_bytes())?;
    assert_eq!(nobody.status, 401);
    Ok(())
}

#[test]
fn t57_what_is_in_a_secret_reaches_no_output() -> Result<()> {
    let rig = Rig::standalone(Options::default(), ALLOW_ALL)?;
    let canary = "canary-7f3a9c";
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"}, "stringData": {"password": canary}});
    let stored = rig.create(&secret)?;
    let statement = verified(&stored, "attestation.writ.dev/secrets")?;
    ensure!(!format!("{statement:?}").contains(canary), "the attestation");
    for line in rig.decisions()? {
        ensure!(!line.to_string().contains(canary), "{line}");
    }
    let metrics = rig.client(false)?.get("/metrics")?.text();
    ensure!(!metrics.contains(canary), "the metrics");
    Ok(())
}

#[test]
fn modes_warn_and_audit_let_everything_pass_and_a_reviewed_version_must_be_in_force() -> Result<()> {
    let deny = |mode: &str| {
        ALLOW_ALL
            .replace("outcome: Allow, reason: Allowed", "outcome: Deny, reason: Refused, message: not here")
            .replace("all", "none")
            .replace("mode: Enforce", &format!("mode: {mode}"))
    };
    let rig = Rig::standalone(Options::default(), &deny("Warn"))?;
    let output = rig.cluster.kubectl(&["create", "-f", "-"], &deployment("web", "a").to_string())?;
    assert_says(&output.stderr, &["Warning:", "would deny", "Refused", "not here"])?;
    ensure!(output.success, "a warning refuses nothing");
    ensure!(
        rig.get(&["deployment", "web"])?["metadata"]["annotations"].get(DEPLOYMENTS).is_none(),
        "a warning attests nothing"
    );
    let audit = Rig::beside(rig.cluster.clone(), &deny("Audit"), crate::support::CLUSTER_ID)?;
    let output = audit.cluster.kubectl(&["create", "-f", "-"], &deployment("quiet", "a").to_string())?;
    ensure!(output.success && !output.stderr.contains("Warning"), "{}", output.stderr);
    let decisions = audit.decisions()?;
    let line = decisions.iter().find(|line| line["request"]["name"] == "quiet").context("a line")?;
    assert_eq!(line["decisions"][0]["outcome"], "WouldDeny");

    let enforce = Rig::beside(rig.cluster.clone(), ALLOW_ALL, crate::support::CLUSTER_ID)?;
    let mut reviewed = deployment("reviewed", "a");
    reviewed["metadata"]["annotations"] = json!({"request.writ.dev/policy.all": "v2"});
    assert_says(&enforce.refused(&reviewed)?, &["VersionNotInForce", "`v2`", "`v1` is in force"])?;
    reviewed["metadata"]["annotations"] = json!({"request.writ.dev/policy.all": "v1"});
    enforce.create(&reviewed)?;
    Ok(())
}
