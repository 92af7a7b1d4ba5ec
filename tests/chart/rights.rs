//! Least RBAC: what no role of the chart may hold, and that Writ reads exactly what it judges.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use serde_json::Value;

use super::EVERYTHING;
use super::helm::{items, objects, of_kind, strings, text};

/// One rule of a role, with the role that has it.
#[derive(Debug)]
struct Right {
    role: String,
    cluster_wide: bool,
    groups: Vec<String>,
    resources: Vec<String>,
    names: Vec<String>,
    verbs: Vec<String>,
}

impl Right {
    fn is_about(&self, resource: &str) -> bool {
        self.resources.iter().any(|found| found == resource)
    }

    fn allows(&self, verb: &str) -> bool {
        self.verbs.iter().any(|found| found == verb)
    }
}

fn rights(objects: &[Value]) -> Vec<Right> {
    let mut rights = Vec::new();
    for (kind, cluster_wide) in [("ClusterRole", true), ("Role", false)] {
        for role in of_kind(objects, kind) {
            rights.extend(items(role, "rules").iter().map(|rule| Right {
                role: text(role, "metadata/name").to_owned(),
                cluster_wide,
                groups: strings(rule, "apiGroups"),
                resources: strings(rule, "resources"),
                names: strings(rule, "resourceNames"),
                verbs: strings(rule, "verbs"),
            }));
        }
    }
    rights
}

fn each_rendering(check: impl Fn(&[Value]) -> Result<()>) -> Result<()> {
    for arguments in [&[][..], &["--values", EVERYTHING], &["--set", "certificates.source=cert-manager"]] {
        check(&objects(arguments)?)?;
    }
    Ok(())
}

#[test]
fn no_role_has_wildcards_or_verbs_that_give_more() -> Result<()> {
    each_rendering(|objects| {
        let rights = rights(objects);
        ensure!(rights.len() > 20, "only {} rights were found", rights.len());
        for right in rights {
            for word in right.groups.iter().chain(&right.resources).chain(&right.verbs) {
                ensure!(!word.contains('*'), "{right:?}");
            }
            for verb in ["escalate", "bind", "impersonate", "approve", "sign"] {
                ensure!(!right.allows(verb), "{right:?}");
            }
        }
        Ok(())
    })
}

#[test]
fn secrets_are_read_by_name_in_the_own_namespace_alone() -> Result<()> {
    each_rendering(|objects| {
        for right in rights(objects).iter().filter(|right| right.is_about("secrets")) {
            ensure!(!right.cluster_wide, "{right:?}");
            ensure!(!right.allows("list") && !right.allows("watch") && !right.allows("deletecollection"), "{right:?}");
            // Only what is created has no name yet.
            ensure!(!right.names.is_empty() || right.verbs == ["create"], "{right:?}");
        }
        Ok(())
    })
}

#[test]
fn the_running_program_never_changes_webhooks_roles_or_policies() -> Result<()> {
    each_rendering(|objects| {
        for right in rights(objects).iter().filter(|right| right.role == "writ" && right.cluster_wide) {
            let writes = right.verbs.iter().any(|verb| !["get", "list", "watch"].contains(&verb.as_str()));
            let may = right.resources.iter().all(|resource| resource.ends_with("/status"))
                && right.groups == ["writ.dev"]
                || right.resources == ["events"];
            ensure!(!writes || may, "{right:?}");
        }
        Ok(())
    })
}

#[test]
fn webhooks_and_protecting_policies_are_touched_by_name_and_by_hooks_alone() -> Result<()> {
    each_rendering(|objects| {
        for right in rights(objects) {
            if right.groups.iter().any(|group| group == "admissionregistration.k8s.io") {
                ensure!(!right.names.is_empty(), "{right:?}");
                let reads = right.verbs.iter().all(|verb| ["get", "list", "watch"].contains(&verb.as_str()));
                ensure!(reads || right.role == "writ-hooks", "{right:?}");
            }
        }
        Ok(())
    })
}

#[test]
fn writ_reads_the_kinds_that_it_judges_and_no_others() -> Result<()> {
    each_rendering(|objects| {
        let mut judged: BTreeSet<(String, String)> = BTreeSet::new();
        for webhook in of_kind(objects, "ValidatingWebhookConfiguration") {
            for rule in items(webhook, "webhooks").iter().flat_map(|webhook| items(webhook, "rules")) {
                for group in strings(rule, "apiGroups") {
                    for resource in strings(rule, "resources") {
                        let main = resource.split('/').next().unwrap_or_default().to_owned();
                        judged.insert((group.clone(), main));
                    }
                }
            }
        }
        // No objects of their own, and never read.
        judged.remove(&(String::new(), "bindings".to_owned()));
        judged.remove(&(String::new(), "secrets".to_owned()));
        let needed = [("", "namespaces"), ("apiextensions.k8s.io", "customresourcedefinitions")];
        judged.extend(needed.map(|(group, resource)| (group.to_owned(), resource.to_owned())));
        for kind in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
            judged.insert(("admissionregistration.k8s.io".to_owned(), kind.to_owned()));
        }

        let mut read: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for right in rights(objects).iter().filter(|right| right.role == "writ" && right.cluster_wide) {
            for group in &right.groups {
                for resource in right.resources.iter().filter(|_| right.allows("list")) {
                    read.entry((group.clone(), resource.clone())).or_default().extend(right.verbs.iter().cloned());
                }
            }
        }
        let found: BTreeSet<_> = read.keys().cloned().collect();
        ensure!(found == judged, "too many: {:?}, missing: {:?}", &found - &judged, &judged - &found);
        for (kind, verbs) in read {
            ensure!(verbs.iter().eq(["get", "list", "watch"]), "{kind:?}: {verbs:?}");
        }
        Ok(())
    })
}

#[test]
fn built_in_roles_may_read_policies_but_not_write_them() -> Result<()> {
    each_rendering(|objects| {
        for role in of_kind(objects, "ClusterRole") {
            let labels = role.pointer("/metadata/labels").and_then(Value::as_object);
            let mut labels = labels.into_iter().flat_map(|labels| labels.keys());
            if labels.any(|label| label.starts_with("rbac.authorization.k8s.io/aggregate-to-")) {
                for rule in items(role, "rules") {
                    ensure!(strings(rule, "verbs") == ["get", "list", "watch"], "{role}");
                }
            }
        }
        Ok(())
    })
}
