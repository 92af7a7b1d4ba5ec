//! What stands in the status of policies and bindings: pure functions of what is known. The leader writes it.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    bindings::BindingEntry,
    conditions::{Finding, conditions},
    coverage::{self, Coverage, Installed},
    force::{Cause, conflict_message},
    kinds::Kinds,
    ledger::Pin,
    policies::PolicyEntry,
    replicas::{Report, version_line},
    state::State,
};
use crate::{
    api::{Mode, PolicyBindingStatus, PolicyStatus},
    digest::Digest,
    policy::{CompiledReplay, Policy},
    time::Timestamp,
};

/// The type of the condition that sums up.
pub const READY: &str = "Ready";
/// The type of the condition about expressions.
pub const COMPILED: &str = "Compiled";

/// The status of a policy; `None` while the ledger's first answer is awaited.
#[must_use]
pub fn policy_status(entry: &PolicyEntry, now: Timestamp) -> Option<PolicyStatus> {
    let generation = entry.seen.generation;
    let with = |digest, cost, findings| PolicyStatus {
        observed_generation: Some(generation),
        digest,
        worst_case_cost: cost,
        conditions: conditions(&entry.status.conditions, findings, generation, now),
    };
    let policy = match &entry.compiled {
        Ok(policy) => policy,
        Err(errors) => {
            let message = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            let findings = vec![
                Finding::fails(COMPILED, "Invalid", message),
                Finding::fails(READY, "NotCompiled", "the policy does not compile: publish a corrected version"),
            ];
            return Some(with(None, None, findings));
        }
    };
    let digest = policy.digest();
    let ready = match &entry.pin {
        Pin::Unanswered => return None,
        Pin::Pinned => Finding::holds(READY, "Pinned", "compiled, and its digest is pinned in the ledger"),
        Pin::Failed(message) => Finding::fails(READY, "LedgerUnavailable", message.clone()),
        Pin::Conflict(before) => {
            Finding::fails(READY, "DigestConflict", conflict_message(&entry.name, digest, *before))
        }
    };
    let mut compiled = vec!["every expression is valid".to_owned()];
    compiled.extend(policy.warnings());
    let findings = vec![Finding::holds(COMPILED, "Valid", compiled.join("; ")), ready];
    let cost = i64::try_from(policy.worst_case_cost()).unwrap_or(i64::MAX);
    Some(with(Some(digest.to_string()), Some(cost), findings))
}

/// What the readiness of bindings depends on, beside themselves.
pub struct Surroundings<'s> {
    /// What is known.
    pub state: &'s State,
    /// Digest of the set in force on this replica.
    pub set_digest: Digest,
    /// The reports of the other replicas that are alive.
    pub others: &'s [Report],
}

/// What was found out about policies before, kept while nothing changes that it depends on.
#[derive(Debug, Default)]
pub struct Reach {
    known: BTreeMap<Digest, (Coverage, Vec<String>)>,
    basis: Option<(Arc<Installed>, Arc<Kinds>)>,
}

impl Reach {
    /// What the webhook rules leave out of a policy, and what of it cannot be watched.
    fn of(&mut self, policy: &Policy, state: &State) -> (Coverage, Vec<String>) {
        let is_same = self.basis.as_ref().is_some_and(|(installed, kinds)| {
            Arc::ptr_eq(installed, &state.installed) && Arc::ptr_eq(kinds, &state.kinds)
        });
        if !is_same {
            self.known.clear();
            self.basis = Some((Arc::clone(&state.installed), Arc::clone(&state.kinds)));
        }
        let find = || (state.installed.coverage(policy), state.unwatchable(policy));
        self.known.entry(policy.digest()).or_insert_with(find).clone()
    }
}

/// The status of a binding; `None` while the ledger's first answer about its policy is awaited.
#[must_use]
pub fn binding_status(
    entry: &BindingEntry,
    around: &Surroundings<'_>,
    reach: &mut Reach,
    now: Timestamp,
) -> Option<PolicyBindingStatus> {
    let generation = entry.seen.generation;
    let ready = match &entry.decision.shortfall {
        Some(shortfall) if shortfall.cause == Cause::NotPinned => return None,
        Some(shortfall) => Finding::fails(READY, shortfall.cause.as_str(), shortfall.message.clone()),
        None => readiness(entry, around, reach),
    };
    Some(PolicyBindingStatus {
        observed_generation: Some(generation),
        in_force: entry.decision.in_force.as_ref().map(super::force::Kept::in_force),
        conditions: conditions(&entry.status.conditions, vec![ready], generation, now),
    })
}

/// The wanted version is in force here: is it everywhere, and does it get to see what it is about?
fn readiness(entry: &BindingEntry, around: &Surroundings<'_>, reach: &mut Reach) -> Finding {
    let Some(kept) = &entry.decision.in_force else {
        return Finding::fails(READY, "PolicyUnavailable", "nothing is in force");
    };
    let (policy, state) = (&kept.policy, around.state);
    let is_enforced = entry.binding.mode == Mode::Enforce;
    if is_enforced && state.installed.ignores_failure() {
        let message = "the webhook is installed with failurePolicy `Ignore`, so requests go on undecided while Writ is \
                       down: install it with `Fail`, or use mode `Warn` or `Audit`";
        return Finding::fails(READY, "FailurePolicyIgnore", message);
    }
    let (covered, unwatchable) = reach.of(policy, state);
    if !covered.is_covered() {
        let message = format!(
            "the installed webhook rules do not send {}: add it to the chart's webhook rules",
            coverage::describe(&covered.missing)
        );
        return Finding::fails(READY, "NotCovered", message);
    }
    if matches!(policy.replay(), CompiledReplay::Once { .. }) && is_enforced {
        if !state.settings.once_is_safe() {
            let message = "the API server does not authenticate to this webhook, so anybody who reaches it could use up \
                           authorities, and this policy denies: configure caller authentication, or accept the risk in \
                           the chart's values";
            return Finding::fails(READY, "CallerUnauthenticated", message);
        }
        if !unwatchable.is_empty() {
            let message = format!(
                "cannot be watched, so the outcome of a use cannot be found out, and it is denied: {}",
                unwatchable.join(", ")
            );
            return Finding::fails(READY, "NotWatchable", message);
        }
    }
    let behind = replicas_without(entry, policy, around);
    if !behind.is_empty() {
        return Finding::fails(READY, "NotOnEveryReplica", format!("not yet in force on {}", behind.join(", ")));
    }
    let mut message = format!("{}.{} is in force on every ready replica", policy.id(), policy.version());
    if !covered.partial.is_empty() {
        let partial = coverage::describe(&covered.partial);
        message.push_str(&format!("; {partial}: only for what the installed webhook rules send"));
    }
    Finding::holds(READY, "InForce", message)
}

fn replicas_without(entry: &BindingEntry, policy: &Policy, around: &Surroundings<'_>) -> Vec<String> {
    let line = line(entry, policy);
    let set_digest = around.set_digest.to_string();
    let has_it = |report: &Report| {
        report.set_digest == set_digest || report.versions.get(&entry.binding.name).is_some_and(|own| *own == line)
    };
    let behind = around.others.iter().filter(|report| report.ready && !has_it(report));
    behind.map(|report| report.replica.clone()).collect()
}

/// What a replica reports of a binding.
pub(super) fn line(entry: &BindingEntry, policy: &Policy) -> String {
    let name = format!("{}.{}", policy.id(), policy.version());
    version_line(&entry.seen.uid, entry.seen.generation, &name, &policy.digest().to_string())
}

#[cfg(test)]
mod tests;
