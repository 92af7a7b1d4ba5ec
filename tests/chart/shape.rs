//! What must hold for webhooks, pods and hooks, whatever the values.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::EVERYTHING;
use super::helm::{at, items, objects, of_kind, strings, text};

fn each_rendering(check: impl Fn(&[Value]) -> Result<()>) -> Result<()> {
    for arguments in [&[][..], &["--values", EVERYTHING], &["--set", "certificates.source=cert-manager"]] {
        check(&objects(arguments)?)?;
    }
    Ok(())
}

/// All (group, version, resource, operation) of a webhook's rules.
fn matched(webhook: &Value) -> BTreeSet<[String; 4]> {
    let mut matched = BTreeSet::new();
    for rule in items(webhook, "rules") {
        for group in strings(rule, "apiGroups") {
            for version in strings(rule, "apiVersions") {
                for resource in strings(rule, "resources") {
                    for operation in strings(rule, "operations") {
                        let all = ["CREATE", "UPDATE", "DELETE", "CONNECT"].map(str::to_owned);
                        let operations = if operation == "*" { all.to_vec() } else { vec![operation] };
                        matched.extend(
                            operations
                                .into_iter()
                                .map(|operation| [group.clone(), version.clone(), resource.clone(), operation]),
                        );
                    }
                }
            }
        }
    }
    matched
}

fn webhook<'a>(objects: &'a [Value], kind: &str, name: &str) -> Result<&'a Value> {
    let configurations = of_kind(objects, kind);
    let [configuration] = configurations.as_slice() else { anyhow::bail!("{} of {kind}", configurations.len()) };
    ensure!(text(configuration, "metadata/name") == "zz-writ", "{kind}");
    let mut webhooks = items(configuration, "webhooks").iter();
    webhooks.find(|webhook| text(webhook, "name") == name).with_context(|| format!("{kind} {name}"))
}

#[test]
fn both_webhooks_come_from_one_set_of_rules() -> Result<()> {
    each_rendering(|objects| {
        let mutate = webhook(objects, "MutatingWebhookConfiguration", "governed.writ.dev")?;
        let validate = webhook(objects, "ValidatingWebhookConfiguration", "governed.writ.dev")?;
        let expected: BTreeSet<_> = matched(validate)
            .into_iter()
            .filter(|[_, _, resource, operation]| {
                !resource.contains('/') && resource != "bindings" && ["CREATE", "UPDATE"].contains(&operation.as_str())
            })
            .collect();
        ensure!(!expected.is_empty() && matched(mutate) == expected, "{:?}", matched(mutate));
        for field in ["namespaceSelector", "matchConditions", "matchPolicy", "failurePolicy", "timeoutSeconds"] {
            ensure!(mutate.get(field) == validate.get(field), "{field} differs");
        }
        Ok(())
    })
}

#[test]
fn webhooks_fail_closed_and_are_not_evaded_by_labels() -> Result<()> {
    each_rendering(|objects| {
        for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
            for webhook in of_kind(objects, kind).iter().flat_map(|found| items(found, "webhooks")) {
                ensure!(webhook.get("objectSelector").is_none(), "{webhook}");
                ensure!(text(webhook, "matchPolicy") == "Equivalent", "{webhook}");
                ensure!(text(webhook, "sideEffects") == "NoneOnDryRun", "{webhook}");
                ensure!(at(webhook, "timeoutSeconds") == 2, "{webhook}");
                ensure!(at(webhook, "admissionReviewVersions") == &json!(["v1"]), "{webhook}");
                // Owned by the install hook: here it would be undone at every upgrade.
                ensure!(webhook.pointer("/clientConfig/caBundle").is_none(), "{webhook}");
                if let Some(selector) = webhook.get("namespaceSelector") {
                    let exempt = json!({"matchExpressions": [{
                        "key": "kubernetes.io/metadata.name", "operator": "NotIn",
                        "values": ["kube-node-lease", "kube-system", "writ"],
                    }]});
                    ensure!(*selector == exempt, "{selector}");
                }
            }
        }
        let own = webhook(objects, "ValidatingWebhookConfiguration", "policies.writ.dev")?;
        ensure!(text(own, "failurePolicy") == "Fail" && own.get("namespaceSelector").is_none(), "{own}");
        ensure!(items(own, "matchConditions").len() == 1, "{own}");
        Ok(())
    })
}

#[test]
fn only_the_value_opens_the_governing_webhooks() -> Result<()> {
    for (arguments, expected) in [(&[][..], "Fail"), (&["--set=failurePolicy=Ignore"], "Ignore")] {
        let objects = objects(arguments)?;
        for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
            let governed = webhook(&objects, kind, "governed.writ.dev")?;
            ensure!(text(governed, "failurePolicy") == expected, "{governed}");
        }
    }
    Ok(())
}

#[test]
fn every_webhook_leaves_the_break_glass_group_alone() -> Result<()> {
    for (group, conditions) in [("writ:break-glass", 1), ("", 0)] {
        let objects = objects(&["--set", &format!("breakGlass.group={group}")])?;
        for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
            for webhook in of_kind(&objects, kind).iter().flat_map(|found| items(found, "webhooks")) {
                ensure!(items(webhook, "matchConditions").len() == conditions, "`{group}`: {webhook}");
            }
        }
    }
    Ok(())
}

#[test]
fn every_pod_runs_without_rights_on_its_node() -> Result<()> {
    each_rendering(|objects| {
        let templates = objects.iter().filter(|object| ["StatefulSet", "Job"].contains(&text(object, "kind")));
        let pods: Vec<&Value> = templates.map(|object| at(object, "spec/template/spec")).collect();
        ensure!(pods.len() >= 4, "{} pods", pods.len());
        for pod in pods {
            ensure!(at(pod, "securityContext/runAsNonRoot") == true, "{pod}");
            ensure!(text(pod, "securityContext/seccompProfile/type") == "RuntimeDefault", "{pod}");
            for field in ["hostNetwork", "hostPID", "hostIPC"] {
                ensure!(pod.get(field).is_none(), "{field}: {pod}");
            }
            for container in items(pod, "containers") {
                ensure!(at(container, "securityContext/readOnlyRootFilesystem") == true, "{container}");
                ensure!(at(container, "securityContext/allowPrivilegeEscalation") == false, "{container}");
                ensure!(strings(container, "securityContext/capabilities/drop") == ["ALL"], "{container}");
                for mount in items(container, "volumeMounts") {
                    ensure!(at(mount, "readOnly") == true, "{mount}");
                }
            }
        }
        Ok(())
    })
}

#[test]
fn the_pre_delete_hook_knows_every_protecting_policy() -> Result<()> {
    each_rendering(|objects| {
        let names = |kind: &str| -> BTreeSet<String> {
            of_kind(objects, kind).iter().map(|object| text(object, "metadata/name").to_owned()).collect()
        };
        let policies = names("ValidatingAdmissionPolicy");
        ensure!(policies.len() >= 5 && names("ValidatingAdmissionPolicyBinding") == policies, "{policies:?}");
        let jobs = of_kind(objects, "Job");
        let job =
            jobs.iter().find(|job| text(job, "metadata/name") == "writ-pre-delete").context("no pre-delete job")?;
        let arguments = items(job, "spec/template/spec/containers").first().map(|found| strings(found, "args"));
        let removed: BTreeSet<String> = arguments
            .unwrap_or_default()
            .iter()
            .filter_map(|argument| argument.strip_prefix("--protecting-policy="))
            .map(str::to_owned)
            .collect();
        ensure!(removed == policies, "removes {removed:?}, has {policies:?}");
        Ok(())
    })
}

#[test]
fn what_removes_the_release_needs_no_object_that_a_webhook_could_refuse() -> Result<()> {
    each_rendering(|objects| {
        for object in objects.iter().filter(|object| object.pointer("/metadata/annotations/helm.sh~1hook").is_some()) {
            // Hooks in Writ's own namespace are exempt; cluster-scoped ones would be judged by who may be dead.
            ensure!(text(object, "metadata/namespace") == "writ", "{object}");
        }
        Ok(())
    })
}
