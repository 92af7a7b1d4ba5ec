//! Which version of a policy is in force for a binding: a pure function of what the API server holds, and of what was
//! in force before. The order in which policies, bindings and namespaces arrive does not matter.

use std::{fmt, sync::Arc};

use super::{
    ledger::Pin,
    policies::{Policies, PolicyEntry},
};
use crate::{api::InForce, binding::Binding, canonical::Value, digest::Digest, policy::Policy, policy_set::Force};

/// A policy version with the parameters of a binding.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The version.
    pub policy: Arc<Policy>,
    /// The binding's parameters, read as the version declares them.
    pub params: Value<'static>,
}

impl Kept {
    /// As a binding's status names it.
    #[must_use]
    pub fn in_force(&self) -> InForce {
        InForce {
            id: self.policy.id().to_owned(),
            version: self.policy.version().to_owned(),
            digest: self.policy.digest().to_string(),
        }
    }
}

/// What decides for a binding, and why it is not what the binding wants.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What decides; none denies.
    pub in_force: Option<Kept>,
    /// Why the wanted version is not in force.
    pub shortfall: Option<Shortfall>,
}

impl Decision {
    /// The same for the policy set.
    #[must_use]
    pub fn force(&self) -> Force {
        match (&self.in_force, &self.shortfall) {
            (Some(kept), _) => Force::of(Arc::clone(&kept.policy), kept.params.clone()),
            (None, Some(shortfall)) => Force::Unavailable { message: shortfall.message.clone() },
            (None, None) => Force::Unavailable { message: "nothing is in force for this binding".to_owned() },
        }
    }

    /// Whether both put the same into force.
    #[must_use]
    pub fn is_same_force(&self, other: &Self) -> bool {
        match (&self.in_force, &other.in_force) {
            (Some(own), Some(other)) => own.policy.digest() == other.policy.digest() && own.params == other.params,
            (None, None) => self.shortfall == other.shortfall,
            _ => false,
        }
    }
}

/// Why a wanted version is not in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// In one word.
    pub cause: Cause,
    /// In words, with what to do.
    pub message: String,
}

/// Why a version cannot be in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The binding itself is not acceptable.
    InvalidBinding,
    /// No such policy version exists.
    PolicyMissing,
    /// It does not compile.
    PolicyNotCompiled,
    /// Its digest is about to be pinned.
    NotPinned,
    /// The ledger cannot be asked.
    LedgerUnavailable,
    /// The version was published before with other content.
    DigestConflict,
    /// The binding approves other content.
    DigestMismatch,
    /// The binding's parameters do not fit.
    InvalidParams,
}

impl Cause {
    /// As conditions spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidBinding => "InvalidBinding",
            Self::PolicyMissing => "PolicyMissing",
            Self::PolicyNotCompiled => "PolicyNotCompiled",
            Self::NotPinned => "NotPinned",
            Self::LedgerUnavailable => "LedgerUnavailable",
            Self::DigestConflict => "DigestConflict",
            Self::DigestMismatch => "DigestMismatch",
            Self::InvalidParams => "InvalidParams",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Decides what is in force for a binding: the wanted version, else what was in force before (`kept`, remembered by
/// this process), else what the binding's status says was in force (`recorded`, after a restart).
#[must_use]
pub fn decide(binding: &Binding, kept: Option<&Kept>, recorded: Option<&InForce>, policies: &Policies) -> Decision {
    let shortfall = match wanted(binding, policies) {
        Ok(in_force) => return Decision { in_force: Some(in_force), shortfall: None },
        Err(shortfall) => shortfall,
    };
    let before = kept.and_then(|kept| keep(binding, kept, policies));
    let in_force = before.or_else(|| recorded.and_then(|recorded| resume(binding, recorded, policies)));
    let mut shortfall = shortfall;
    match &in_force {
        Some(kept) => {
            shortfall.message.push_str(&format!(
                "; until then {}.{} stays in force",
                kept.policy.id(),
                kept.policy.version()
            ));
        }
        None => shortfall.message.push_str("; until then nothing is in force"),
    }
    Decision { in_force, shortfall: Some(shortfall) }
}

fn wanted(binding: &Binding, policies: &Policies) -> Result<Kept, Shortfall> {
    let (id, version) = (&binding.policy_id, &binding.wanted_version);
    let fail = |cause, message: String| Err(Shortfall { cause, message });
    let Some(entry) = policies.find(id, version) else {
        return fail(Cause::PolicyMissing, format!("policy `{id}.{version}` does not exist: apply it"));
    };
    let policy = usable(entry)?;
    if let Some(pinned) = binding.pinned
        && pinned != policy.digest()
    {
        let message = format!(
            "policy `{id}.{version}` has the digest {}, but the binding approves {pinned}: check which content was approved",
            policy.digest()
        );
        return fail(Cause::DigestMismatch, message);
    }
    match binding.read_params(policy.params()) {
        Ok(params) => Ok(Kept { policy: Arc::clone(policy), params }),
        Err(errors) => {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            fail(
                Cause::InvalidParams,
                format!("the parameters do not fit policy `{id}.{version}`: {}", errors.join("; ")),
            )
        }
    }
}

/// A policy that may be in force for somebody.
fn usable(entry: &PolicyEntry) -> Result<&Arc<Policy>, Shortfall> {
    let name = &entry.name;
    let fail = |cause, message: String| Err(Shortfall { cause, message });
    let policy = match &entry.compiled {
        Ok(policy) => policy,
        Err(errors) => {
            let first = errors.first().map(ToString::to_string).unwrap_or_default();
            return fail(Cause::PolicyNotCompiled, format!("policy `{name}` does not compile: {first}"));
        }
    };
    match &entry.pin {
        Pin::Pinned => Ok(policy),
        Pin::Unanswered => {
            fail(Cause::NotPinned, format!("the digest of policy `{name}` is being pinned in the ledger"))
        }
        Pin::Failed(message) => fail(
            Cause::LedgerUnavailable,
            format!("the digest of policy `{name}` cannot be pinned in the ledger: {message}"),
        ),
        Pin::Conflict(before) => fail(Cause::DigestConflict, conflict_message(name, policy.digest(), *before)),
    }
}

pub(super) fn conflict_message(name: &str, digest: Digest, before: Digest) -> String {
    format!(
        "policy `{name}` was published before with the digest {before} and now has {digest}: a version never changes; \
         publish this content under a new version"
    )
}

/// What was in force stays: with the binding's parameters of now where they fit it, else with those of then.
fn keep(binding: &Binding, kept: &Kept, policies: &Policies) -> Option<Kept> {
    let policy = same(policies, kept.policy.id(), kept.policy.version(), kept.policy.digest())?;
    let params = binding.read_params(policy.params()).unwrap_or_else(|_| kept.params.clone());
    Some(Kept { policy: Arc::clone(policy), params })
}

fn resume(binding: &Binding, recorded: &InForce, policies: &Policies) -> Option<Kept> {
    let policy = same(policies, &recorded.id, &recorded.version, recorded.digest.parse().ok()?)?;
    let params = binding.read_params(policy.params()).ok()?;
    Some(Kept { policy: Arc::clone(policy), params })
}

fn same<'p>(policies: &'p Policies, id: &str, version: &str, digest: Digest) -> Option<&'p Arc<Policy>> {
    let policy = usable(policies.find(id, version)?).ok()?;
    (policy.digest() == digest).then_some(policy)
}

#[cfg(test)]
mod tests;
