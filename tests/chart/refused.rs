//! Values that are refused, and what people are told.

use anyhow::{Result, ensure};

use super::helm::template;

/// Namespace, values as after `--set`, and a part of the message.
const REFUSED: &[(&str, &[&str], &str)] = &[
    ("default", &[], "install Writ into a namespace of its own, not into `default`"),
    ("kube-system", &[], "install Writ into a namespace of its own, not into `kube-system`"),
    ("writ", &["failurePolicy=Maybe"], "at '/failurePolicy': value must be one of 'Fail', 'Ignore'"),
    ("writ", &["replicaz=3"], "additional properties 'replicaz' not allowed"),
    ("writ", &["certificates.source=vault"], "at '/certificates/source': value must be one of 'hook', 'cert-manager'"),
    ("writ", &["image.digest=latest"], "at '/image/digest': 'latest' does not match pattern"),
    ("writ", &["recovery.acceptLostStore=x"], "at '/recovery/acceptLostStore': 'x' does not match pattern"),
    ("writ", &["replicas=two"], "at '/replicas': got string, want integer"),
    ("writ", &["webhook.rules=null"], "rules"),
    ("writ", &["guardedLabelKeys={kubernetes.io/metadata.name}"], "the API server itself keeps it equal to the name"),
    ("writ", &["guardedLabelKeys={it's}"], "at '/guardedLabelKeys/0'"),
    ("writ", &["breakGlass.group=system:authenticated"], "has members all the time"),
    ("writ", &["breakGlass.group=system:masters"], "has members all the time"),
    ("writ", &["breakGlass.group=a'b"], "at '/breakGlass/group'"),
    ("writ", &["callerAuthentication.caSecret=a"], "name the certificates that are accepted"),
    ("writ", &["callerAuthentication.names={a}"], "has no effect without caSecret or caConfigMap"),
    (
        "writ",
        &["callerAuthentication.caSecret=a", "callerAuthentication.caConfigMap=b", "callerAuthentication.names={n}"],
        "set caSecret or caConfigMap, not both",
    ),
    (
        "writ",
        &[
            "callerAuthentication.caSecret=a",
            "callerAuthentication.names={n}",
            "callerAuthentication.acceptUnauthenticatedOnce=true",
        ],
        "contradicts an authority for callers",
    ),
];

/// API group and resource that no rule may have, and a part of the message.
const UNGOVERNABLE: &[(&str, &str, &str)] = &[
    ("*", "pods", "write the groups out"),
    ("apps", "*", "write the resources out"),
    ("apps", "*/*", "write the resources out"),
    ("", "configmaps", "needs it to recover"),
    ("", "events", "needs it to recover"),
    ("", "endpoints", "needs it to recover"),
    ("", "nodes/status", "needs it to recover"),
    ("events.k8s.io", "events", "reviews, leases and events must go on"),
    ("coordination.k8s.io", "leases", "reviews, leases and events must go on"),
    ("authorization.k8s.io", "subjectaccessreviews", "reviews, leases and events must go on"),
    ("authentication.k8s.io", "tokenreviews", "reviews, leases and events must go on"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations", "never sent to webhooks"),
    ("writ.dev", "policies", "policies have a webhook of their own"),
    ("apps", "Deployments", "does not match pattern"),
];

#[test]
fn values_that_cannot_work_are_refused_with_what_to_do() -> Result<()> {
    for (namespace, values, message) in REFUSED {
        let arguments: Vec<&str> = values.iter().flat_map(|value| ["--set", value]).collect();
        refused(namespace, &arguments, message)?;
    }
    Ok(())
}

#[test]
fn rules_that_would_stop_the_cluster_are_refused() -> Result<()> {
    for (group, resource, message) in UNGOVERNABLE {
        let rules = serde_json::json!([{"apiGroups": [group], "resources": [resource]}]);
        refused("writ", &["--set-json", &format!("webhook.rules={rules}")], message)?;
    }
    Ok(())
}

fn refused(namespace: &str, arguments: &[&str], message: &str) -> Result<()> {
    match template(namespace, arguments)? {
        Ok(_) => anyhow::bail!("{namespace} {arguments:?} was accepted"),
        Err(said) => {
            ensure!(said.contains(message), "{namespace} {arguments:?} was refused with: {said}");
            Ok(())
        }
    }
}
