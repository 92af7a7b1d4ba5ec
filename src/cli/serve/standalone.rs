//! A folder of files in the place of a cluster.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use anyhow::{Context as _, anyhow, bail};
use futures::future::BoxFuture;

use crate::{
    admission::{GroupVersionResource, Request},
    api::{API_VERSION, Manifest, PolicyBindingSpec, PolicySpec, Reason},
    binding::{Binding, NAME_LABEL},
    canonical::{Object, Value},
    cli::{input::Inputs, manifest},
    ledger::{FileLedger, Ledger as _, Pinned},
    policy::{Policy, compile},
    policy_set::{Bound, Force, PolicySet},
    projection::kinds,
    runtime::{KindFacts, NamespaceFacts, Refusal, Snapshot, World, WorldError},
    time::Timestamp,
};

/// Policies and bindings of a folder, read once.
pub(super) struct Files {
    policies: Vec<Arc<Policy>>,
    snapshot: Arc<Snapshot>,
}

impl Files {
    /// Reads every `.yaml`, `.yml` and `.json` file of a folder. Anything that is wrong in them keeps the program from
    /// starting.
    pub(super) fn read(folder: &Path, guarded: &[String], now: Timestamp) -> anyhow::Result<Self> {
        let mut policies: BTreeMap<(String, String), Arc<Policy>> = BTreeMap::new();
        let mut bindings = Vec::new();
        let mut entries: Vec<_> = std::fs::read_dir(folder)
            .with_context(|| format!("the folder {} cannot be read", folder.display()))?
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| matches!(end.to_str(), Some("yaml" | "yml" | "json"))))
            .collect();
        entries.sort();
        for path in entries {
            for document in manifest::read(&mut Inputs::default(), &path).map_err(|failure| anyhow!("{failure}"))? {
                match document.kind() {
                    (API_VERSION, "Policy") => {
                        let found: Manifest<PolicySpec> = document.typed().map_err(|failure| anyhow!("{failure}"))?;
                        let policy = compile(&found.metadata.name, &found.spec).map_err(|errors| {
                            let errors: Vec<String> = errors
                                .iter()
                                .map(|error| format!("{}: {error}", document.place(&error.path)))
                                .collect();
                            anyhow!("{}", errors.join("\n"))
                        })?;
                        let key = (policy.id().to_owned(), policy.version().to_owned());
                        if policies.insert(key, Arc::new(policy)).is_some() {
                            bail!(
                                "{}: policy `{}` is there twice",
                                document.place("metadata.name"),
                                found.metadata.name
                            );
                        }
                    }
                    (API_VERSION, "PolicyBinding") => {
                        let found: Manifest<PolicyBindingSpec> =
                            document.typed().map_err(|failure| anyhow!("{failure}"))?;
                        let binding = Binding::compile(&found.metadata, &found.spec, guarded).map_err(|errors| {
                            let errors: Vec<String> = errors
                                .iter()
                                .map(|error| format!("{}: {error}", document.place(&error.path)))
                                .collect();
                            anyhow!("{}", errors.join("\n"))
                        })?;
                        bindings.push(binding);
                    }
                    _ => {}
                }
            }
        }
        let bounds =
            bindings.into_iter().map(|binding| bind(binding, &policies)).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self {
            policies: policies.into_values().collect(),
            snapshot: Arc::new(Snapshot {
                set: PolicySet::build(bounds),
                changed_at: now.minus(crate::runtime::SETTLING * 2),
            }),
        })
    }

    /// Pins the content of every version in the ledger.
    ///
    /// # Errors
    /// A version was published before with other content, or the ledger cannot be written.
    pub(super) async fn pin(&self, ledger: &FileLedger) -> anyhow::Result<()> {
        for policy in &self.policies {
            let (id, version, digest) = (policy.id(), policy.version(), policy.digest());
            if let Pinned::Conflict(before) = ledger.pin(id, version, digest).await? {
                bail!(
                    "policy `{id}.{version}` was published before with other content (`{before}`, now `{digest}`): a published version never changes, publish `{id}.<next>` instead"
                );
            }
        }
        Ok(())
    }
}

fn bind(binding: Binding, policies: &BTreeMap<(String, String), Arc<Policy>>) -> anyhow::Result<Bound> {
    let key = (binding.policy_id.clone(), binding.wanted_version.clone());
    let policy = policies
        .get(&key)
        .with_context(|| format!("binding `{}`: there is no policy `{}.{}`", binding.name, key.0, key.1))?;
    if binding.pinned.is_some_and(|pinned| pinned != policy.digest()) {
        bail!(
            "binding `{}` pins another content of policy `{}.{}`: its digest is {}",
            binding.name,
            key.0,
            key.1,
            policy.digest()
        );
    }
    let params = binding.read_params(policy.params()).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow!("binding `{}`: {}", binding.name, errors.join("; "))
    })?;
    let force = Force::of(Arc::clone(policy), params);
    Ok(Bound { binding, force })
}

impl World for Files {
    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        Some(Arc::clone(&self.snapshot))
    }

    fn is_current(&self, _: Timestamp) -> bool {
        true
    }

    /// A namespace of which only the name is known.
    fn namespace<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<NamespaceFacts>, WorldError>> {
        let labels: Object<'static> = [(NAME_LABEL, name.to_owned())].into_iter().collect();
        let metadata: Object<'static> =
            [("labels", Value::Object(labels)), ("name", Value::from(name.to_owned()))].into_iter().collect();
        let object = Value::Object([("metadata", Value::Object(metadata))].into_iter().collect());
        let labels = BTreeMap::from([(NAME_LABEL.to_owned(), name.to_owned())]);
        let facts = NamespaceFacts { uid: String::new(), resource_version: String::new(), labels, object };
        Box::pin(std::future::ready(Ok(Arc::new(facts))))
    }

    fn kind(&self, resource: &GroupVersionResource) -> KindFacts {
        let status_subresource = kinds::has_status(&resource.group, &resource.resource);
        KindFacts { status_subresource, ..KindFacts::UNKNOWN }
    }

    fn faults(&self) -> Vec<String> {
        Vec::new()
    }

    /// Without a cluster there is nobody to tell.
    fn refused(&self, _: &Value<'_>, _: &str, _: &str) {}

    fn admit_own<'a>(&'a self, _: &'a Request<'a>) -> BoxFuture<'a, Result<Vec<String>, Refusal>> {
        let refusal = Refusal::new(Reason::InvalidPolicy, "this writ reads its policies from files: change them there");
        Box::pin(std::future::ready(Err(refusal)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(version: &str, reason: &str) -> String {
        format!(
            r#"
apiVersion: writ.dev/v1alpha1
kind: Policy
metadata: {{name: scale.{version}}}
spec:
  id: scale
  version: {version}
  matchConstraints:
    resourceRules: [{{apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: [UPDATE]}}]
  signals: [{{name: replicas, type: Integer, expression: object.spec.replicas}}]
  rules: [{{name: any, outcome: Deny, reason: {reason}}}]
  replay: {{mode: Repeatable}}
"#
        )
    }

    #[tokio::test]
    async fn a_published_version_keeps_its_content_also_in_files() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("claims.redb");
        assert!(super::super::store::ledger(&place, false).is_err(), "a missing ledger is not an empty one");
        let publish = async |text: &str| {
            std::fs::write(folder.path().join("policy.yaml"), text).unwrap();
            let files = Files::read(folder.path(), &[], Timestamp::from_millis(1_000_000)).unwrap();
            // Opened anew each time, as by a process that was started again.
            files.pin(&super::super::store::ledger(&place, true).unwrap()).await
        };
        publish(&policy("v1", "Closed")).await.unwrap();
        publish(&policy("v1", "Closed")).await.unwrap();
        let refusal = publish(&policy("v1", "Open")).await.unwrap_err().to_string();
        assert!(refusal.contains("publish `scale.<next>` instead"), "{refusal}");
        publish(&policy("v2", "Open")).await.unwrap();
        publish(&policy("v1", "Closed")).await.unwrap();
    }
}
