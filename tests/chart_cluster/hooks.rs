//! The hooks with the arguments and the service accounts that the chart gives them, in the order in which Helm runs
//! them. What only pods can show is shown with pods elsewhere.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::harness::{Output, wait_until};
use super::installed::{CHART, Installed, NAMESPACE, SOON, shared};

const N: &str = "--namespace=writ";

/// What a pair of key and store is known by.
#[derive(Debug, PartialEq, Eq)]
struct Pair {
    key: String,
    store: String,
    private: String,
}

impl Installed {
    fn json(&self, arguments: &[&str]) -> Result<Value> {
        let arguments = [&["get", "--output=json"], arguments].concat();
        Ok(serde_json::from_str(&self.root(&arguments, "")?)?)
    }

    /// Key and store, which must name each other and be what verifiers are told.
    fn pair(&self, secret: &str) -> Result<Pair> {
        let secret = self.json(&["secret", secret, N])?;
        let root = self.json(&["configmap", "writ-store", N])?;
        let public = self.json(&["configmap", "writ-public-key", N])?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let pair = Pair {
            key: text(&root["data"]["keyId"]),
            store: text(&root["data"]["storeId"]),
            private: text(&secret["data"]["key.pem"]),
        };
        let annotations = &secret["metadata"]["annotations"];
        ensure!(annotations["writ.dev/store-id"] == pair.store.as_str(), "{annotations}");
        ensure!(annotations.get("writ.dev/pending").is_none(), "{annotations}");
        ensure!(public["data"]["keyId"] == pair.key.as_str(), "{public}");
        ensure!(public["data"]["storeId"] == pair.store.as_str(), "{public}");
        Ok(pair)
    }

    fn exists(&self, what: &[&str]) -> Result<bool> {
        let arguments = [&["get"], what].concat();
        Ok(self.cluster.kubectl_as(&self.root, &arguments, "")?.success)
    }
}

#[test]
fn key_store_and_authority_are_made_once() -> Result<()> {
    let installed = Installed::bare()?;
    let values: &[&str] = &[];
    installed.prepare(values)?;
    installed.job("writ-install", values)?.ok()?;
    let (pair, authority) = (installed.pair("writ-signing-key")?, installed.json(&["secret", "writ-ca", N])?);
    ensure!(pair.key.len() == 64 && pair.store.len() == 32, "{pair:?}");
    for _ in 0..2 {
        let said = installed.job("writ-install", values)?.ok()?;
        ensure!(said.contains("signing key and store: there, and stay as they are"), "{said}");
    }
    ensure!(installed.pair("writ-signing-key")? == pair, "the pair was replaced");
    ensure!(installed.json(&["secret", "writ-ca", N])?["data"] == authority["data"], "the authority was replaced");
    // A key in a Secret can be replaced by a key in a Secret, and the API server itself says no to it.
    let patch = json!({"data": {"key.pem": ""}}).to_string();
    let arguments = ["patch", "secret", "writ-signing-key", N, "--patch", &patch];
    let said = installed.cluster.kubectl_as(&installed.root, &arguments, "")?.refused()?;
    ensure!(said.contains("immutable"), "{said}");
    Ok(())
}

/// Threat 17: a store that was lost is never taken for an empty one.
#[test]
fn a_loss_is_refused_until_it_is_accepted_by_its_id() -> Result<()> {
    let installed = Installed::bare()?;
    installed.prepare(&[])?;
    let hook = |values: &[&str]| installed.job("writ-install", values);
    hook(&[])?.ok()?;
    let first = installed.pair("writ-signing-key")?;

    installed.root(&["delete", "configmap", "writ-store", N], "")?;
    let said = hook(&[])?.refused()?;
    ensure!(said.contains(&format!("set `recovery.acceptLostStore={}`", first.store)), "{said}");
    ensure!(!hook(&["--set=recovery.acceptLostStore=all"])?.success, "a loss was accepted by another name");
    ensure!(!installed.exists(&["configmap", "writ-store", N])?, "a store was made in spite of the refusal");
    hook(&["--set", &format!("recovery.acceptLostStore={}", first.store)])?.ok()?;
    let second = installed.pair("writ-signing-key")?;
    ensure!(second.store != first.store && second.key == first.key, "{second:?}");

    installed.root(&["delete", "secret", "writ-signing-key", N], "")?;
    let said = hook(&[])?.refused()?;
    ensure!(said.contains(&format!("set `recovery.acceptLostKey={}`", second.key)), "{said}");
    hook(&["--set", &format!("recovery.acceptLostKey={}", second.key)])?.ok()?;
    let third = installed.pair("writ-signing-key")?;
    ensure!(third.store == second.store && third.key != second.key, "{third:?}");

    installed.root(&["delete", "secret", "writ-signing-key", N], "")?;
    installed.root(&["delete", "configmap", "writ-store", "writ-public-key", N], "")?;
    installed.root(&["create", "configmap", "writ-claim-of-old", N], "")?;
    let said = hook(&[])?.refused()?;
    ensure!(said.contains("configmap `writ-claim-of-old` tells of an earlier installation"), "{said}");
    hook(&["--set=recovery.acceptLostStore=all"])?.ok()?;
    installed.pair("writ-signing-key")?;
    Ok(())
}

#[test]
fn a_hook_that_ended_half_way_is_completed() -> Result<()> {
    let installed = Installed::bare()?;
    installed.prepare(&[])?;
    installed.job("writ-install", &[])?.ok()?;
    let pair = installed.pair("writ-signing-key")?;
    for root_is_there in [true, false] {
        installed.root(&["annotate", "secret", "writ-signing-key", "writ.dev/pending=true", N], "")?;
        if !root_is_there {
            installed.root(&["delete", "configmap", "writ-store", N], "")?;
        }
        installed.job("writ-install", &[])?.ok()?;
        ensure!(installed.pair("writ-signing-key")? == pair, "another pair was made");
    }
    Ok(())
}

#[test]
fn an_operators_own_key_is_taken_and_never_made() -> Result<()> {
    let installed = Installed::bare()?;
    let values: &[&str] = &["--set=signingKey.existingSecret=mine"];
    installed.prepare(values)?;
    let said = installed.job("writ-install", values)?.refused()?;
    ensure!(said.contains("secret `mine` is missing"), "{said}");
    let path = installed.cluster.directory().join("key.pem");
    let key = format!("--from-file=key.pem={}", path.display());
    let create = |content: &str| -> Result<()> {
        fs::write(&path, content)?;
        installed.root(&["create", "secret", "generic", "mine", N, &key], "")?;
        Ok(())
    };
    create("no key")?;
    let said = installed.job("writ-install", values)?.refused()?;
    ensure!(said.contains("no Ed25519 key: make one with `writ keygen`"), "{said}");
    installed.root(&["delete", "secret", "mine", N], "")?;
    // RFC 8410, section 10.3.
    create(
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n",
    )?;
    installed.job("writ-install", values)?.ok()?;
    let pair = installed.pair("mine")?;
    ensure!(!installed.exists(&["secret", "writ-signing-key", N])?, "a key was made although there is one");
    installed.job("writ-install", values)?.ok()?;
    ensure!(installed.pair("mine")? == pair, "another store was made");
    Ok(())
}

#[test]
fn what_helm_and_the_hook_write_does_not_collide_and_goes_in_order() -> Result<()> {
    let installed = Installed::bare()?;
    installed.install(&[])?;
    let pair = installed.pair("writ-signing-key")?;
    let bundles = |installed: &Installed| -> Result<Vec<Value>> {
        let mut bundles = Vec::new();
        for kind in ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"] {
            let found = installed.json(&[kind, "zz-writ", "--show-managed-fields"])?;
            for webhook in found["webhooks"].as_array().into_iter().flatten() {
                bundles.push(webhook["clientConfig"]["caBundle"].clone());
            }
            let managers = found["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
            let hook = managers.iter().find(|entry| entry["manager"] == "writ-install").context("no writ-install")?;
            let fields = hook["fieldsV1"].to_string();
            ensure!(fields.contains("f:caBundle") && !fields.contains("f:service"), "{fields}");
        }
        Ok(bundles)
    };
    let authority = installed.json(&["secret", "writ-ca", N])?["data"]["ca.crt"].clone();
    ensure!(bundles(&installed)? == vec![authority; 3], "not the authority's certificate");

    let before = bundles(&installed)?;
    let upgrade = ["upgrade", "writ", CHART, "--no-hooks", "--reuse-values", "--set=logLevel=debug"];
    installed.helm(&upgrade)?.ok()?;
    ensure!(bundles(&installed)? == before, "the upgrade took the bundle away");
    installed.job("writ-ca-bundle", &[])?.ok()?;
    installed.helm(&["rollback", "writ", "1", "--no-hooks"])?.ok()?;
    ensure!(bundles(&installed)? == before, "the rollback took the bundle away");

    installed.job("writ-pre-delete", &["--set=guardedLabelKeys={freeze.example.com/window}"])?.ok()?;
    for kind in ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"] {
        ensure!(!installed.exists(&[kind, "zz-writ"])?, "{kind} is still there");
    }
    for kind in ["validatingadmissionpolicy", "validatingadmissionpolicybinding"] {
        let left = installed.root(&["get", kind, "--output=name"], "")?;
        ensure!(!left.contains("writ"), "left: {left}");
    }
    // Once more, as after a failed removal.
    installed.job("writ-pre-delete", &["--set=guardedLabelKeys={freeze.example.com/window}"])?.ok()?;
    installed.helm(&["uninstall", "writ", "--no-hooks"])?.ok()?;
    ensure!(installed.exists(&["crd", "policies.writ.dev"])?, "policies went with the release");
    let left = installed.root(&["get", "all,clusterrole,clusterrolebinding", "--output=name", N], "")?;
    ensure!(!left.lines().any(|name| name.contains("/writ")), "left: {left}");

    installed.install(&["--take-ownership"])?;
    ensure!(installed.pair("writ-signing-key")? == pair, "another pair after the second installation");
    Ok(())
}

#[test]
fn a_purge_leaves_nothing_but_what_is_not_of_writ() -> Result<()> {
    let installed = Installed::bare()?;
    let values: &[&str] = &["--set=uninstall.purge=true"];
    installed.install(values)?;
    for name in ["writ-claim-1", "writ-ledger-1", "writ-replica-writ-0", "of-somebody-else"] {
        installed.root(&["create", "configmap", name, N], "")?;
    }
    installed
        .job("writ-pre-delete", &[values, &["--set=guardedLabelKeys={freeze.example.com/window}"]].concat())?
        .ok()?;
    installed.helm(&["uninstall", "writ", "--no-hooks"])?.ok()?;
    let left = installed.root(&["get", "configmap,secret,lease", "--output=name", N], "")?;
    ensure!(left.trim() == "configmap/of-somebody-else", "left: {left}");
    wait_until("the end of the definitions", SOON, || {
        Ok((!installed.exists(&["crd", "policies.writ.dev"])?).then_some(()))
    })
}

#[test]
fn an_upgrade_is_refused_when_a_version_in_force_would_change() -> Result<()> {
    let installed = Installed::bare()?;
    installed.install(&[])?;
    let hook = || -> Result<Output> { installed.job("writ-pre-upgrade", &[]) };
    hook()?.ok()?;
    let policy = json!({
        "apiVersion": "writ.dev/v1alpha1", "kind": "Policy", "metadata": {"name": "p.v1"},
        "spec": {
            "id": "p", "version": "v1",
            "matchConstraints": {"resourceRules": [
                {"apiGroups": ["apps"], "apiVersions": ["*"], "resources": ["deployments"], "operations": ["CREATE"]},
            ]},
            "rules": [{"name": "all", "outcome": "Allow", "reason": "Sample"}],
            "replay": {"mode": "Repeatable"},
        },
    });
    let binding = json!({
        "apiVersion": "writ.dev/v1alpha1", "kind": "PolicyBinding", "metadata": {"name": "b"},
        "spec": {"policyRef": {"id": "p", "version": "v1"}, "mode": "Enforce"},
    });
    installed.root(&["create", "-f", "-"], &binding.to_string())?;
    let in_force = |digest: &str| -> Result<()> {
        let patch = json!({"status": {"inForce": {"id": "p", "version": "v1", "digest": digest}}}).to_string();
        let arguments = ["patch", "wpb", "b", "--subresource=status", "--type=merge", "--patch", &patch];
        installed.cluster.kubectl_as(&installed.writ, &arguments, "")?.ok()?;
        Ok(())
    };
    let spec: writ::api::PolicySpec = serde_json::from_value(policy["spec"].clone())?;
    let digest = writ::policy::digest(&spec).to_string();
    in_force(&digest)?;
    let said = hook()?.refused()?;
    ensure!(said.contains("policy `p.v1` (binding `b`) is in force but no longer stored"), "{said}");
    installed.root(&["create", "-f", "-"], &policy.to_string())?;
    hook()?.ok()?;
    in_force(&format!("sha256:{}", "0".repeat(64)))?;
    let said = hook()?.refused()?;
    ensure!(said.contains(&format!("but `{digest}` by this version")), "{said}");

    // As if an earlier version of Writ had taken what this one does not.
    let mut broken = policy.clone();
    broken["metadata"]["name"] = json!("p.v2");
    broken["spec"]["version"] = json!("v2");
    broken["spec"]["rules"][0]["when"] = json!("signals.undeclared");
    installed.root(&["create", "-f", "-"], &broken.to_string())?;
    let patch = json!({"status": {"inForce": {"id": "p", "version": "v2", "digest": digest}}}).to_string();
    let arguments = ["patch", "wpb", "b", "--subresource=status", "--type=merge", "--patch", &patch];
    installed.cluster.kubectl_as(&installed.writ, &arguments, "")?.ok()?;
    let said = hook()?.refused()?;
    ensure!(said.contains("policy `p.v2` (binding `b`) does not compile: spec.rules[0].when"), "{said}");
    Ok(())
}

#[test]
fn the_self_test_says_what_is_wrong() -> Result<()> {
    let installed = Installed::bare()?;
    installed.install(&[])?;
    let run = || installed.hook("writ-test", &["self-test", "--timeout-seconds=1"])?.refused();
    let said = run()?;
    ensure!(said.contains("0 of 2 replicas are ready"), "{said}");
    let ready = json!({"status": {"replicas": 2, "readyReplicas": 2}}).to_string();
    installed
        .root(&["patch", "statefulset", "writ", N, "--subresource=status", "--type=merge", "--patch", &ready], "")?;
    let said = run()?;
    ensure!(said.contains("a valid policy was refused"), "{said}");
    let no_bundle = json!([{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]).to_string();
    installed
        .root(&["patch", "validatingwebhookconfiguration", "zz-writ", "--type=json", "--patch", &no_bundle], "")?;
    let said = run()?;
    ensure!(said.contains("has no `caBundle`"), "{said}");
    installed.root(&["delete", "validatingwebhookconfiguration", "zz-writ"], "")?;
    let said = run()?;
    ensure!(said.contains("`zz-writ` is missing"), "{said}");
    Ok(())
}

/// A cluster whose replicas are all dead: governed kinds are refused, and the way in is the break-glass group.
#[test]
fn without_a_replica_only_break_glass_changes_what_is_governed() -> Result<()> {
    let installed = shared()?;
    let cluster = &installed.cluster;
    let role = ["create", "clusterrole", "anything", "--verb=get", "--resource=pods"];
    let said = cluster.kubectl(&role, "")?.refused()?;
    ensure!(said.contains("governed.writ.dev"), "{said}");
    let policy = json!({"apiVersion": "writ.dev/v1alpha1", "kind": "PolicyBinding", "metadata": {"name": "x"},
        "spec": {"policyRef": {"id": "p", "version": "v1"}, "mode": "Audit"}});
    let said = cluster.kubectl(&["create", "-f", "-"], &policy.to_string())?.refused()?;
    ensure!(said.contains("policies.writ.dev"), "{said}");
    // As people do it: impersonation, which the audit log shows.
    let as_group = ["--as=admin", "--as-group=system:masters", "--as-group=writ:break-glass"];
    cluster.kubectl(&[&role[..], &as_group].concat(), "")?.ok()?;
    // What must go on does.
    cluster.kubectl(&["create", "configmap", "ordinary"], "")?.ok()?;
    cluster.kubectl(&["create", "serviceaccount", "hook", N], "")?.ok()?;
    cluster.kubectl(&["create", "role", "exempt", "--verb=get", "--resource=pods", N], "")?.ok()?;
    cluster.kubectl(&["create", "role", "exempt", "--verb=get", "--resource=pods", "-n", "kube-system"], "")?.ok()?;
    Ok(())
}

/// What the API server itself answers about the rights of the chart's accounts.
#[test]
fn accounts_may_what_they_need_and_no_more() -> Result<()> {
    let installed = shared()?;
    let cases: &[(&str, &[&str], bool)] = &[
        ("writ", &["list", "deployments.apps", "--all-namespaces"], true),
        ("writ", &["watch", "clusterroles.rbac.authorization.k8s.io"], true),
        ("writ", &["create", "configmaps", N], true),
        ("writ", &["get", "secrets/writ-signing-key", N], false),
        ("writ", &["update", "policybindings.writ.dev/x", "--subresource=status"], true),
        ("writ", &["create", "events.events.k8s.io", "--namespace=default"], true),
        ("writ", &["get", "secrets/writ-ca", N], false),
        ("writ", &["list", "secrets", N], false),
        ("writ", &["get", "secrets", "--all-namespaces"], false),
        ("writ", &["get", "configmaps", "--namespace=default"], false),
        ("writ", &["create", "policies.writ.dev"], false),
        ("writ", &["update", "policybindings.writ.dev"], false),
        ("writ", &["patch", "validatingwebhookconfigurations/zz-writ"], false),
        ("writ", &["create", "pods", N], false),
        ("writ-install", &["update", "secrets/writ-signing-key", N], true),
        ("writ-install", &["delete", "secrets/writ-signing-key", N], false),
        ("writ-install", &["list", "secrets", N], false),
        ("writ-install", &["get", "nodes"], false),
        ("writ-hooks", &["patch", "mutatingwebhookconfigurations/zz-writ"], true),
        ("writ-hooks", &["delete", "validatingadmissionpolicies/writ-records"], true),
        ("writ-hooks", &["delete", "mutatingwebhookconfigurations/other"], false),
        ("writ-hooks", &["get", "secrets/writ-signing-key", N], false),
        ("writ-hooks", &["delete", "configmaps", N], false),
        ("writ-test", &["create", "policies.writ.dev"], true),
        ("writ-test", &["create", "policybindings.writ.dev"], false),
    ];
    for (account, question, expected) in cases {
        let account = format!("--as=system:serviceaccount:{NAMESPACE}:{account}");
        let arguments = [&["auth", "can-i"], *question, &[&account]].concat();
        let answer = installed.cluster.kubectl(&arguments, "")?;
        ensure!(answer.success == *expected, "{account} {question:?}: {}{}", answer.stdout, answer.stderr);
    }
    Ok(())
}

/// Threat 46: claims wait behind the requests that wait for claims.
#[test]
fn requests_of_writ_have_a_priority_level_of_their_own() -> Result<()> {
    let installed = shared()?;
    let uid = |kind: &str| -> Result<String> {
        installed.root(&["get", kind, "writ", "--output=jsonpath={.metadata.uid}"], "")
    };
    let (schema, level) = (uid("flowschema")?, uid("prioritylevelconfiguration")?);
    let ask = |user: &str| -> Result<String> {
        let client = installed.cluster.client_as("kube-apiserver", user, &["system:serviceaccounts"])?;
        Ok(client.get("/api/v1/namespaces/writ/configmaps")?.headers.to_lowercase())
    };
    let own = format!("system:serviceaccount:{NAMESPACE}:writ");
    wait_until("the flow schema", SOON, || {
        let headers = ask(&own)?;
        let found = headers.contains(&format!("x-kubernetes-pf-flowschema-uid: {schema}"))
            && headers.contains(&format!("x-kubernetes-pf-prioritylevel-uid: {level}"));
        Ok(found.then_some(()))
    })?;
    let other = ask(&format!("system:serviceaccount:{NAMESPACE}:writ-hooks"))?;
    ensure!(!other.contains(&schema) && other.contains("x-kubernetes-pf-flowschema-uid"), "{other}");
    Ok(())
}
