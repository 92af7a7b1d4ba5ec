//! The protecting ValidatingAdmissionPolicies: of each rule, what it refuses and what it lets pass.
//!
//! Webhooks see none of these requests, as in a cluster whose replicas are all dead. Threats 5, 6, 47, 48 and 93.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::installed::{GUARDED, Installed, NAMESPACE, shared};

const OURS: &str = "attestation.writ.dev/pods";

/// Who acts.
#[derive(Clone, Copy, Debug)]
enum Who {
    Mallory,
    Writ,
    Root,
}

/// What is tried, and what the refusal says; none means that it must be accepted.
type Case<'a> = (Who, &'a [&'a str], &'a str, Option<&'a str>);

impl Installed {
    fn who(&self, who: Who) -> &PathBuf {
        match who {
            Who::Mallory => &self.mallory,
            Who::Writ => &self.writ,
            Who::Root => &self.root,
        }
    }

    fn attempt(&self, cases: &[Case<'_>]) -> Result<()> {
        for (who, arguments, stdin, refusal) in cases {
            let output = self.cluster.kubectl_as(self.who(*who), arguments, stdin)?;
            let what = format!("{who:?}: {} {stdin}", arguments.join(" "));
            match refusal {
                None => drop(output.ok().context(what)?),
                Some(message) => {
                    let said = output.refused().with_context(|| what.clone())?;
                    ensure!(said.contains("ValidatingAdmissionPolicy"), "{what}: refused by another: {said}");
                    ensure!(said.contains(message), "{what}: {said}");
                }
            }
        }
        Ok(())
    }

    /// A namespace with a service account, so that pods can be created without controllers.
    fn place(&self, name: &str) -> Result<()> {
        self.root(&["create", "namespace", name], "")?;
        self.root(&["create", "serviceaccount", "default", "--namespace", name], "")?;
        Ok(())
    }
}

fn annotated(kind: &str, api: &str, name: &str, key: &str, spec: &str) -> String {
    format!(
        "{{\"apiVersion\": \"{api}\", \"kind\": \"{kind}\", \"metadata\": {{\"name\": \"{name}\", \"annotations\": \
         {{\"{key}\": \"original\"}}}}, {spec}}}"
    )
}

const CONTAINER: &str = r#""containers": [{"name": "c", "image": "i"}]"#;

/// Threat 5: an attestation is stripped or transplanted through a status.
#[test]
fn an_attestation_does_not_change_through_a_status() -> Result<()> {
    let installed = shared()?;
    let place = "by-status";
    installed.place(place)?;
    let template = format!(
        r#""spec": {{"selector": {{"matchLabels": {{"a": "b"}}}}, "template": {{"metadata": {{"labels": {{"a": "b"}}}}, "spec": {{{CONTAINER}}}}}}}"#
    );
    for (kind, api, spec) in [
        ("Pod", "v1", format!("\"spec\": {{{CONTAINER}}}")),
        ("Deployment", "apps/v1", template.clone()),
        ("DaemonSet", "apps/v1", template),
        ("Service", "v1", r#""spec": {"ports": [{"port": 80}]}"#.to_owned()),
        (
            "Job",
            "batch/v1",
            format!(r#""spec": {{"template": {{"spec": {{"restartPolicy": "Never", {CONTAINER}}}}}}}"#),
        ),
    ] {
        let object = annotated(kind, api, "it", OURS, &spec);
        installed.root(&["create", "--namespace", place, "-f", "-"], &object)?;
        let patch = |annotations: &str| format!("{{\"metadata\": {{\"annotations\": {annotations}}}}}");
        let (set, change, remove, other) = (
            patch(r#"{"attestation.writ.dev/deployments.apps": "forged"}"#),
            patch(&format!(r#"{{"{OURS}": "forged"}}"#)),
            patch(&format!(r#"{{"{OURS}": null}}"#)),
            patch(r#"{"example.com/note": "hello", "writ.dev/other": "x"}"#),
        );
        let through = |patch: &str| {
            let words = ["patch", kind, "it", "--namespace", place, "--subresource=status", "--type=merge", "--patch"];
            words.iter().map(|word| (*word).to_owned()).chain([patch.to_owned()]).collect::<Vec<String>>()
        };
        let refusal = Some("cannot be set, changed or removed through a status");
        for (patch, refusal) in [(&set, refusal), (&change, refusal), (&remove, refusal), (&other, None)] {
            let arguments = through(patch);
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            installed.attempt(&[(Who::Mallory, &arguments, "", refusal), (Who::Root, &arguments, "", refusal)])?;
        }
    }
    Ok(())
}

/// The namespace's own subresources: status and finalize.
#[test]
fn an_attestation_of_a_namespace_does_not_change_through_finalize() -> Result<()> {
    let installed = shared()?;
    installed.place("finalized")?;
    let forged = annotated("Namespace", "v1", "finalized", "attestation.writ.dev/namespaces", r#""spec": {}"#);
    let plain = annotated("Namespace", "v1", "finalized", "example.com/note", r#""spec": {}"#);
    let finalize: &[&str] = &["replace", "--raw", "/api/v1/namespaces/finalized/finalize", "-f", "-"];
    installed
        .attempt(&[(Who::Mallory, finalize, &forged, Some("through a status")), (Who::Mallory, finalize, &plain, None)])
}

/// Threat 6: a Binding merges its annotations into the Pod.
#[test]
fn a_binding_of_a_pod_carries_no_attestation() -> Result<()> {
    let installed = shared()?;
    let place = "bound";
    installed.place(place)?;
    let pod = |name: &str| annotated("Pod", "v1", name, "example.com/a", &format!("\"spec\": {{{CONTAINER}}}"));
    for name in ["one", "two"] {
        installed.root(&["create", "--namespace", place, "-f", "-"], &pod(name))?;
    }
    let binding = |pod: &str, key: &str| {
        annotated("Binding", "v1", pod, key, r#""target": {"apiVersion": "v1", "kind": "Node", "name": "n"}"#)
    };
    let (forged, honest) = (binding("one", OURS), binding("one", "example.com/note"));
    let (forged_old, honest_old) = (binding("two", OURS), binding("two", "example.com/note"));
    let by_pod: &[&str] = &["create", "--raw", "/api/v1/namespaces/bound/pods/one/binding", "-f", "-"];
    let by_kind: &[&str] = &["create", "--raw", "/api/v1/namespaces/bound/bindings", "-f", "-"];
    let refusal = Some("a Binding cannot carry annotations under attestation.writ.dev/");
    installed.attempt(&[
        (Who::Mallory, by_pod, &forged, refusal),
        (Who::Root, by_pod, &forged, refusal),
        (Who::Mallory, by_kind, &forged_old, refusal),
        (Who::Mallory, by_pod, &honest, None),
        (Who::Mallory, by_kind, &honest_old, None),
    ])
}

/// Threat 48: an administrator of the namespace tampers with records.
#[test]
fn records_are_written_by_writ_alone() -> Result<()> {
    let installed = shared()?;
    let refusal = Some("is a record of Writ");
    let data = r#"{"data": {"a": "b"}}"#;
    let secret = r#"{"metadata": {"labels": {"a": "b"}}}"#;
    let n = "--namespace=writ";
    installed.attempt(&[
        (Who::Mallory, &["create", "configmap", "writ-claim-1", n], "", refusal),
        (Who::Mallory, &["create", "configmap", "writ-ledger-1", n], "", refusal),
        (Who::Mallory, &["create", "configmap", "writ-replica-writ-0", n], "", refusal),
        (Who::Mallory, &["create", "configmap", "writ-elsewhere", n], "", None),
        (Who::Mallory, &["create", "configmap", "writ-claim-1", "--namespace=default"], "", None),
        (Who::Mallory, &["patch", "configmap", "writ-store", n, "--patch", data], "", refusal),
        (Who::Mallory, &["patch", "configmap", "writ-public-key", n, "--patch", data], "", refusal),
        (Who::Mallory, &["patch", "configmap", "writ-recovery", n, "--patch", data], "", refusal),
        (Who::Mallory, &["delete", "configmap", "writ-store", n], "", refusal),
        (Who::Mallory, &["delete", "configmaps", "--all", n], "", refusal),
        (Who::Mallory, &["delete", "--raw", "/api/v1/namespaces/writ/configmaps"], "", refusal),
        (Who::Mallory, &["patch", "secret", "writ-ca", n, "--patch", secret], "", refusal),
        (Who::Mallory, &["delete", "secret", "writ-signing-key", n], "", refusal),
        (Who::Mallory, &["create", "secret", "generic", "mine", n], "", None),
        (Who::Mallory, &["create", "-f", "-", n], LEASE, refusal),
        (Who::Mallory, &["create", "-f", "-", n], OTHER_LEASE, None),
        (Who::Writ, &["create", "configmap", "writ-claim-2", n], "", None),
        (Who::Writ, &["create", "-f", "-", n], LEASE, None),
        (Who::Writ, &["patch", "configmap", "writ-claim-2", n, "--patch", data], "", None),
        (Who::Writ, &["delete", "configmap", "writ-claim-2", n], "", None),
        // Holders of the verb: an upgrade, a restore.
        (Who::Root, &["create", "configmap", "writ-claim-3", n], "", None),
        (Who::Root, &["delete", "configmap", "writ-claim-3", n], "", None),
    ])
}

const LEASE: &str = r#"{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "writ"}}"#;
const OTHER_LEASE: &str = r#"{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "other"}}"#;

#[test]
fn the_namespace_of_writ_is_not_deleted_before_it_is_uninstalled() -> Result<()> {
    let installed = shared()?;
    installed.place("passing")?;
    installed.attempt(&[
        (
            Who::Mallory,
            &["delete", "namespace", NAMESPACE, "--dry-run=server"],
            "",
            Some("helm uninstall writ -n writ"),
        ),
        (Who::Root, &["delete", "namespace", NAMESPACE, "--dry-run=server"], "", Some("run `helm uninstall")),
        (Who::Mallory, &["delete", "namespace", "passing", "--wait=false"], "", None),
    ])
}

/// Threat 93: an editor of the namespace leaves what governs it by a label.
#[test]
fn guarded_labels_are_set_by_holders_of_the_verb() -> Result<()> {
    let installed = shared()?;
    for name in ["open", "frozen"] {
        installed.place(name)?;
    }
    let frozen = format!("{GUARDED}=winter");
    installed.root(&["label", "namespace", "frozen", &frozen], "")?;
    installed.root(
        &["create", "clusterrolebinding", "labels", "--clusterrole=writ-namespace-labels", "--user=steward"],
        "",
    )?;
    installed
        .root(&["create", "clusterrolebinding", "stewards", "--clusterrole=everything-else", "--user=steward"], "")?;
    let steward = installed.cluster.kubeconfig("steward", &[super::installed::BREAK_GLASS])?;
    let refusal = Some(GUARDED);
    let through_status = format!(r#"{{"metadata": {{"labels": {{"{GUARDED}": "spring"}}}}}}"#);
    let (summer, remove) = (format!("{GUARDED}=summer"), format!("{GUARDED}-"));
    let created = format!(
        r#"{{"apiVersion": "v1", "kind": "Namespace", "metadata": {{"name": "new", "labels": {{"{GUARDED}": "x"}}}}}}"#
    );
    let finalize = format!(
        r#"{{"apiVersion": "v1", "kind": "Namespace", "metadata": {{"name": "frozen", "labels": {{"{GUARDED}": "x"}}}}, "spec": {{}}}}"#
    );
    let attempts: &[&[&str]] = &[
        &["label", "namespace", "open", &summer],
        &["label", "--overwrite", "namespace", "frozen", &summer],
        &["label", "namespace", "frozen", &remove],
        &["patch", "namespace", "frozen", "--subresource=status", "--type=merge", "--patch", &through_status],
    ];
    for arguments in attempts {
        installed.attempt(&[(Who::Mallory, arguments, "", refusal)])?;
    }
    installed.attempt(&[
        (Who::Mallory, &["create", "-f", "-"], &created, refusal),
        (Who::Mallory, &["replace", "--raw", "/api/v1/namespaces/frozen/finalize", "-f", "-"], &finalize, refusal),
        (Who::Mallory, &["label", "namespace", "frozen", "team=blue"], "", None),
        (Who::Mallory, &["create", "namespace", "unlabelled"], "", None),
    ])?;
    for arguments in attempts {
        installed.cluster.kubectl_as(&steward, arguments, "")?.ok().with_context(|| arguments.join(" "))?;
    }
    Ok(())
}

#[test]
fn what_is_in_force_is_said_by_writ_alone() -> Result<()> {
    let installed = shared()?;
    let binding = r#"{"apiVersion": "writ.dev/v1alpha1", "kind": "PolicyBinding", "metadata": {"name": "by-writ"},
        "spec": {"policyRef": {"id": "p", "version": "v1"}, "mode": "Audit"}}"#;
    installed.root(&["create", "-f", "-"], binding)?;
    let status = r#"{"status": {"inForce": {"id": "p", "version": "v0", "digest": "sha256:0"}}}"#;
    let through: &[&str] = &["patch", "wpb", "by-writ", "--subresource=status", "--type=merge", "--patch", status];
    let around: &[&str] = &["patch", "wpb", "by-writ", "--type=merge", "--patch", status];
    let spec: &[&str] = &["patch", "wpb", "by-writ", "--type=merge", "--patch", r#"{"spec": {"mode": "Warn"}}"#];
    let refusal = Some("only Writ itself writes it");
    installed.attempt(&[
        (Who::Mallory, through, "", refusal),
        (Who::Root, through, "", refusal),
        // Without the subresource the API server itself ignores a status.
        (Who::Mallory, around, "", None),
        (Who::Mallory, spec, "", None),
    ])?;
    let version = ["get", "wpb", "by-writ", "-o", "jsonpath={.status.inForce.version}"];
    ensure!(installed.root(&version, "")?.is_empty(), "a status was written past its subresource");
    installed.attempt(&[(Who::Writ, through, "", None)])?;
    ensure!(installed.root(&version, "")? == "v0", "Writ could not write the status");
    Ok(())
}
