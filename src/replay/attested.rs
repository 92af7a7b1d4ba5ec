//! What the attestation on a stored object says about the change that wrote it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::event::Carried;
use super::history::ReadAttestation;
use super::record::{ResourceVersion, Target, Version};
use crate::attest::{Mode, ObjectName, Predicate, Replay};
use crate::keyring::Keyring;
use crate::projection::annotation_key;
use crate::verify::Verifier;

/// Reads attestations that keys of `keyring` signed for this cluster and this store of claims.
///
/// An attestation of another object, cluster or store, of a dry run, or with a signature that does not hold says
/// nothing: otherwise a copy would use up somebody's authority. How old it is does not matter.
#[must_use]
pub fn attested(keyring: Arc<Keyring>, cluster_id: String, store_id: String) -> ReadAttestation {
    Arc::new(move |target, annotations| {
        let predicate = predicate(&keyring, target, annotations)?;
        let here = predicate.cluster_id == cluster_id && predicate.store_id == store_id && !predicate.dry_run;
        (here && is_of(&predicate, target)).then(|| carried(&predicate)).flatten()
    })
}

fn predicate(keyring: &Keyring, target: &Target, annotations: &BTreeMap<String, String>) -> Option<Predicate> {
    let text = annotations.get(&annotation_key(&target.resource.resource, &target.resource.group))?;
    let statement = Verifier::offline(keyring).verify_compact(text).ok()?;
    Some(statement.predicate.clone())
}

/// Whether it is of the very object. Its version may be another one: an object is stored once for all versions.
fn is_of(predicate: &Predicate, target: &Target) -> bool {
    let name = matches!(&predicate.name, ObjectName::Given(name) if *name == target.name);
    name && predicate.namespace == target.namespace
        && predicate.sub_resource == target.subresource
        && predicate.resource.group == target.resource.group
        && predicate.resource.resource == target.resource.resource
}

fn carried(predicate: &Predicate) -> Option<Carried> {
    if predicate.operation.is_final() {
        return None;
    }
    // Only what enforces claims: a policy that is tried in shadow has the same fingerprint and uses nothing up.
    let enforced = predicate.decisions.iter().filter(|decision| decision.binding.mode == Mode::Enforce);
    let fingerprints = enforced.filter_map(|decision| match decision.replay {
        Some(Replay::Once { fingerprint }) => fingerprint,
        _ => None,
    });
    Some(Carried {
        fingerprints: fingerprints.collect(),
        operation: predicate.operation,
        old: predicate.old_object.as_ref().map(|old| Version {
            uid: old.uid.clone(),
            resource_version: ResourceVersion(old.resource_version.clone()),
        }),
        execution_id: predicate.execution_id.to_string(),
        user: predicate.user.username.clone(),
    })
}

#[cfg(test)]
mod tests;
