//! Before an upgrade or rollback: the program that is to come reads every policy version in force.
//!
//! A version that it cannot compile, or whose digest it computes otherwise, would be out of force after the upgrade,
//! and what it governs would be refused. So the upgrade is refused instead.

use std::collections::BTreeMap;

use anyhow::bail;
use kube::{Api, Client, ResourceExt as _, api::ListParams};

use crate::api::{Policy, PolicyBinding, PolicySpec};

/// Compiles every policy version in force with this program and refuses if one fails or changes.
#[derive(Clone, Debug, clap::Args)]
pub struct PreUpgradeHook {}

impl PreUpgradeHook {
    pub(super) async fn run(self, client: Client) -> anyhow::Result<()> {
        if !is_served(&client).await? {
            println!("no policies yet: the CRDs of `writ.dev` are not installed");
            return Ok(());
        }
        let policies = Api::<Policy>::all(client.clone()).list(&ListParams::default()).await?.items;
        let bindings = Api::<PolicyBinding>::all(client).list(&ListParams::default()).await?.items;
        let problems = problems(&policies, &bindings);
        if !problems.is_empty() {
            bail!(
                "this version of Writ would not put these policy versions in force, so the upgrade was refused:\n  {}\n\
                 publish versions that it accepts, point the bindings to them, and upgrade again",
                problems.join("\n  ")
            );
        }
        println!("all {} policy versions in force compile, with the same digests", in_force(&bindings).len());
        Ok(())
    }
}

async fn is_served(client: &Client) -> anyhow::Result<bool> {
    let groups = client.list_api_groups().await?;
    Ok(groups.groups.iter().any(|group| group.name == crate::api::GROUP))
}

/// Name of each policy version in force, its digest, and a binding that has it in force.
fn in_force(bindings: &[PolicyBinding]) -> BTreeMap<String, (String, String)> {
    let versions = bindings.iter().filter_map(|binding| {
        let version = binding.status.as_ref()?.in_force.as_ref()?;
        Some((format!("{}.{}", version.id, version.version), (version.digest.clone(), binding.name_any())))
    });
    versions.collect()
}

fn problems(policies: &[Policy], bindings: &[PolicyBinding]) -> Vec<String> {
    let stored: BTreeMap<String, &PolicySpec> =
        policies.iter().map(|policy| (policy.name_any(), &policy.spec)).collect();
    let judge = |name: &String, digest: &String| match stored.get(name).map(|spec| recompile(name, spec)) {
        None => Some("is in force but no longer stored".to_owned()),
        Some(Err(error)) => Some(format!("does not compile: {error:#}")),
        Some(Ok(found)) => (found != *digest).then(|| format!("has digest `{digest}`, but `{found}` by this version")),
    };
    in_force(bindings)
        .iter()
        .filter_map(|(name, (digest, binding))| {
            judge(name, digest).map(|problem| format!("policy `{name}` (binding `{binding}`) {problem}"))
        })
        .collect()
}

/// The digest under which this program puts a version in force. The one place that asks the compiler.
fn recompile(name: &str, spec: &PolicySpec) -> anyhow::Result<String> {
    let policy = crate::policy::compile(name, spec).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", errors.join("; "))
    })?;
    Ok(policy.digest().to_string())
}
