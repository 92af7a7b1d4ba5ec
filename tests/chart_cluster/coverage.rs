//! What the installed rules send: every way to change a governed kind, by whatever subresource, verb or label, and
//! nothing that a cluster needs to recover. Threats 36, 37 and 40; the rows of the contract's sections 5 and 6.
//!
//! Nobody answers at the webhooks' address, so a request that is sent is a request that is refused in their name.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::installed::Installed;

/// A request as an ordinary administrator makes it: what kubectl is told, and its input.
type Attempt = (&'static [&'static str], &'static str);

const POD: &str = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "new"}, "spec": {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1m"}}}]}}"#;
const EVADING: &str = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "new", "labels": {"control-plane": "true", "kubernetes.io/metadata.name": "kube-system", "admission": "skip"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}"#;
const NAMESPACE: &str = r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "evil", "labels": {"kubernetes.io/metadata.name": "kube-system"}}}"#;
const BINDING: &str =
    r#"{"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "pod"}, "target": {"kind": "Node", "name": "n"}}"#;
const EVICTION: &str =
    r#"{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "pod", "namespace": "place"}}"#;
const REVIEW: &str = r#"{"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}"#;
const EVENT: &str = r#"{"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "place"}, "involvedObject": {"kind": "Pod", "namespace": "place", "name": "pod"}}"#;
const LEASE: &str = r#"{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l", "namespace": "kube-node-lease"}}"#;
const LABEL: &str = r#"{"metadata": {"labels": {"a": "b"}}}"#;
const RAW: &str = "/api/v1/namespaces/place/pods/pod";

const SENT: &[Attempt] = &[
    (&["create", "-n", "place", "-f", "-"], POD),
    (&["create", "-n", "place", "-f", "-"], EVADING),
    (&["create", "-n", "place", "--dry-run=server", "-f", "-"], POD),
    (&["patch", "pod", "pod", "-n", "place", "--patch", LABEL], ""),
    (&["patch", "pod", "pod", "-n", "place", "--subresource=status", "--patch", LABEL], ""),
    (
        &[
            "patch",
            "pod",
            "pod",
            "-n",
            "place",
            "--subresource=ephemeralcontainers",
            "--patch",
            r#"{"spec": {"ephemeralContainers": [{"name": "d", "image": "i"}]}}"#,
        ],
        "",
    ),
    (
        &[
            "patch",
            "pod",
            "pod",
            "-n",
            "place",
            "--subresource=resize",
            "--patch",
            r#"{"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "2m"}}}]}}"#,
        ],
        "",
    ),
    (&["create", "--raw", "/api/v1/namespaces/place/pods/pod/binding", "-f", "-"], BINDING),
    (&["create", "--raw", "/api/v1/namespaces/place/bindings", "-f", "-"], BINDING),
    (&["create", "--raw", "/api/v1/namespaces/place/pods/pod/eviction", "-f", "-"], EVICTION),
    (&["create", "--raw", "/api/v1/namespaces/place/pods/pod/exec?command=sh", "-f", "-"], "{}"),
    (&["create", "--raw", "/api/v1/namespaces/place/pods/pod/attach", "-f", "-"], "{}"),
    (&["create", "--raw", "/api/v1/namespaces/place/pods/pod/portforward?ports=80", "-f", "-"], "{}"),
    (&["get", "--raw", "/api/v1/namespaces/place/pods/pod/proxy/"], ""),
    (&["get", "--raw", "/api/v1/namespaces/place/services/service/proxy/"], ""),
    (&["delete", "pod", "pod", "-n", "place", "--wait=false"], ""),
    (&["delete", "pod", "pod", "-n", "place", "--force", "--wait=false"], ""),
    (&["delete", "--raw", "/api/v1/namespaces/place/pods"], ""),
    (&["patch", "deployment", "deployment", "-n", "place", "--patch", LABEL], ""),
    (&["patch", "deployment", "deployment", "-n", "place", "--subresource=status", "--patch", LABEL], ""),
    (&["scale", "deployment", "deployment", "-n", "place", "--replicas=3"], ""),
    (&["scale", "statefulset", "statefulset", "-n", "place", "--replicas=3"], ""),
    (&["delete", "deployment", "deployment", "-n", "place"], ""),
    (
        &["apply", "--server-side", "-n", "place", "-f", "-"],
        r#"{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "deployment", "labels": {"c": "d"}}}"#,
    ),
    (&["create", "job", "job", "-n", "place", "--image=i"], ""),
    (&["create", "cronjob", "cronjob", "-n", "place", "--image=i", "--schedule=* * * * *"], ""),
    (&["create", "service", "clusterip", "new", "-n", "place", "--tcp=80"], ""),
    (&["create", "ingress", "new", "-n", "place", "--rule=a/b=c:80"], ""),
    (&["create", "clusterrole", "new", "--verb=get", "--resource=pods"], ""),
    (&["create", "clusterrolebinding", "new", "--clusterrole=view", "--user=u"], ""),
    (&["create", "role", "new", "-n", "place", "--verb=get", "--resource=pods"], ""),
    (&["create", "namespace", "new"], ""),
    (&["create", "-f", "-"], NAMESPACE),
    (&["label", "namespace", "place", "kubernetes.io/metadata.name=kube-system", "--overwrite"], ""),
    (&["label", "namespace", "place", "a=b"], ""),
    (&["delete", "namespace", "place", "--wait=false"], ""),
    (&["patch", "crd", "policies.writ.dev", "--patch", LABEL], ""),
    (&["delete", "crd", "policies.writ.dev", "--wait=false"], ""),
];

const NOT_SENT: &[Attempt] = &[
    (&["create", "configmap", "new", "-n", "place"], ""),
    (&["create", "secret", "generic", "new", "-n", "place"], ""),
    (&["create", "serviceaccount", "new", "-n", "place"], ""),
    (&["create", "-f", "-"], EVENT),
    (&["create", "-f", "-"], LEASE),
    (&["create", "-f", "-"], REVIEW),
    (&["create", "role", "new", "-n", "kube-system", "--verb=get", "--resource=pods"], ""),
    (&["create", "service", "clusterip", "new", "-n", "kube-system", "--tcp=80"], ""),
    (&["create", "deployment", "new", "-n", "writ", "--image=i"], ""),
    (&["scale", "statefulset", "writ", "-n", "writ", "--replicas=1"], ""),
    (&["delete", "statefulset", "writ", "-n", "writ", "--dry-run=server"], ""),
    // The namespaces that are exempt by name are so themselves.
    (&["label", "namespace", "kube-system", "a=b"], ""),
    (&["get", "--raw", RAW], ""),
];

fn installed() -> Result<Installed> {
    let installed = Installed::bare()?;
    installed.install(&[])?;
    // Refused at once, wherever the addresses of Services lead to on this machine.
    let nobody = json!({"url": "https://127.0.0.1:1/x"});
    for (kind, count) in [("mutatingwebhookconfiguration", 1), ("validatingwebhookconfiguration", 2)] {
        let patch: Vec<Value> = (0..count)
            .map(|index| json!({"op": "replace", "path": format!("/webhooks/{index}/clientConfig"), "value": nobody}))
            .collect();
        installed.root(&["patch", kind, "zz-writ", "--type=json", "--patch", &json!(patch).to_string()], "")?;
    }
    installed.root(&["create", "namespace", "place"], "")?;
    installed.root(&["create", "serviceaccount", "default", "-n", "place"], "")?;
    installed.root(&["create", "-n", "place", "-f", "-"], &POD.replace("new", "pod"))?;
    installed.root(&["create", "service", "clusterip", "service", "-n", "place", "--tcp=80"], "")?;
    installed.root(&["create", "deployment", "deployment", "-n", "place", "--image=i"], "")?;
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "statefulset"}, "spec": {
        "serviceName": "s", "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    }});
    installed.root(&["create", "-n", "place", "-f", "-"], &set.to_string())?;
    super::harness::wait_until("the webhooks", super::installed::SOON, || {
        let output = installed.cluster.kubectl(&["create", "namespace", "probe", "--dry-run=server"], "")?;
        Ok(output.stderr.contains("127.0.0.1:1").then_some(()))
    })?;
    Ok(installed)
}

#[test]
fn every_way_to_change_what_is_governed_is_sent_and_nothing_else() -> Result<()> {
    let installed = installed()?;
    for (arguments, stdin) in SENT {
        let what = format!("{} {stdin}", arguments.join(" "));
        let said = installed.cluster.kubectl(arguments, stdin)?.refused().with_context(|| what.clone())?;
        ensure!(said.contains("failed calling webhook \"governed.writ.dev\""), "{what}: {said}");
    }
    for (arguments, stdin) in NOT_SENT {
        let what = format!("{} {stdin}", arguments.join(" "));
        installed.cluster.kubectl(arguments, stdin)?.ok().context(what)?;
    }
    Ok(())
}

/// A Kubernetes that learns a new subresource makes this fail, before somebody finds it unguarded.
#[test]
fn every_writable_subresource_of_a_governed_kind_is_in_the_rules() -> Result<()> {
    let installed = super::installed::shared()?;
    let get =
        |path: &str| -> Result<Value> { Ok(serde_json::from_str(&installed.root(&["get", "--raw", path], "")?)?) };
    let found = installed.root(&["get", "validatingwebhookconfiguration", "zz-writ", "--output=json"], "")?;
    let configuration: Value = serde_json::from_str(&found)?;
    let mut sent: BTreeSet<(String, String)> = BTreeSet::new();
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    for rule in configuration["webhooks"][0]["rules"].as_array().into_iter().flatten() {
        for group in list(&rule["apiGroups"]) {
            sent.extend(list(&rule["resources"]).into_iter().map(|resource| (group.clone(), resource)));
        }
    }
    let groups: BTreeSet<String> = sent.iter().map(|(group, _)| group.clone()).collect();
    let served = get("/apis")?;
    let mut checked = 0;
    for group in groups {
        let versions = if group.is_empty() {
            vec!["/api/v1".to_owned()]
        } else {
            let groups = served["groups"].as_array().into_iter().flatten();
            let versions = groups.filter(|served| served["name"] == group.as_str());
            let versions = versions.flat_map(|group| group["versions"].as_array().into_iter().flatten());
            versions.map(|version| format!("/apis/{}", version["groupVersion"].as_str().unwrap_or_default())).collect()
        };
        for version in versions {
            for resource in get(&version)?["resources"].as_array().into_iter().flatten() {
                let name = resource["name"].as_str().unwrap_or_default();
                let main = name.split('/').next().unwrap_or_default();
                let verbs = list(&resource["verbs"]);
                let writes = verbs.iter().any(|verb| ["create", "update", "patch", "delete"].contains(&verb.as_str()));
                if name.contains('/') && writes && sent.contains(&(group.clone(), main.to_owned())) {
                    ensure!(sent.contains(&(group.clone(), name.to_owned())), "{version} {name} {verbs:?} is not sent");
                    checked += 1;
                }
            }
        }
    }
    ensure!(checked > 20, "only {checked} subresources were looked at");
    Ok(())
}
