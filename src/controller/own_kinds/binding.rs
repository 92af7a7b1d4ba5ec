use std::sync::Arc;

use super::{Change, invalid};
use crate::{
    admission::Operation,
    api::{Metadata, Mode, PolicyBindingSpec, Reason},
    binding::Binding,
    controller::{coverage, ledger::Pin, state::State},
    policy::{CompiledReplay, Policy},
    runtime::Refusal,
};

pub(super) fn admit(change: &Change<'_>, state: &State) -> Result<Vec<String>, Refusal> {
    // What does not change what is governed is never in the way: labels, finalizers, deletion.
    let changes = change.is(Operation::Create) || change.is(Operation::Update) && !change.keeps("spec");
    if !changes {
        return Ok(Vec::new());
    }
    let spec: PolicyBindingSpec = change.spec()?;
    let name = change.name();
    let metadata = Metadata { name: name.to_owned(), ..Metadata::default() };
    let fail = |errors: Vec<String>| invalid(&format!("binding `{name}` is not acceptable"), errors);
    let binding = Binding::compile(&metadata, &spec, &state.settings.guarded_labels)
        .map_err(|errors| fail(errors.iter().map(ToString::to_string).collect()))?;
    if binding.mode == Mode::Enforce && state.installed.ignores_failure() {
        let message = "the webhook is installed with failurePolicy `Ignore`, so mode `Enforce` would be no more than a \
                       wish while Writ is down (FailurePolicyIgnore): install it with `Fail`, or use mode `Warn` or `Audit`";
        return Err(Refusal::new(Reason::InvalidPolicy, message));
    }
    let reference = format!("{}.{}", binding.policy_id, binding.wanted_version);
    let Some(entry) = state.policies.entry(&reference) else {
        return Ok(vec![format!("policy `{reference}` does not exist yet: {}", meanwhile(&binding, state))]);
    };
    let Some(policy) = entry.policy() else {
        return Ok(vec![format!("policy `{reference}` does not compile: {}", meanwhile(&binding, state))]);
    };
    let errors = fit(&binding, policy);
    if !errors.is_empty() {
        return Err(fail(errors));
    }
    let mut warnings = warnings(&binding, policy, state);
    if matches!(entry.pin, Pin::Conflict(_)) {
        let message = format!(
            "policy `{reference}` was published before with other content and cannot be in force: {}",
            meanwhile(&binding, state)
        );
        warnings.push(message);
    }
    Ok(warnings)
}

/// What is wrong between a binding and the policy that it wants.
fn fit(binding: &Binding, policy: &Arc<Policy>) -> Vec<String> {
    let mut errors = Vec::new();
    if let Some(pinned) = binding.pinned
        && pinned != policy.digest()
    {
        errors.push(format!(
            "spec.policyRef.digest: policy `{}.{}` has the digest {}: approve that, or name the version that was approved",
            policy.id(),
            policy.version(),
            policy.digest()
        ));
    }
    if let Err(found) = binding.read_params(policy.params()) {
        errors.extend(found.iter().map(ToString::to_string));
    }
    errors
}

fn warnings(binding: &Binding, policy: &Arc<Policy>, state: &State) -> Vec<String> {
    let mut warnings = Vec::new();
    if binding.mode != Mode::Enforce {
        return warnings;
    }
    let covered = state.installed.coverage(policy);
    if !covered.is_covered() {
        let missing = coverage::describe(&covered.missing);
        warnings.push(format!(
            "not enforced for {missing}: the installed webhook rules do not send that; add it to the chart's webhook rules"
        ));
    }
    if !covered.partial.is_empty() {
        let partial = coverage::describe(&covered.partial);
        warnings.push(format!("{partial}: enforced only for what the installed webhook rules send"));
    }
    if matches!(policy.replay(), CompiledReplay::Once { .. }) {
        if !state.settings.once_is_safe() {
            warnings.push(
                "the API server does not authenticate to this webhook, so `Once` policies deny (CallerUnauthenticated): \
                 configure caller authentication, or accept the risk in the chart's values"
                    .to_owned(),
            );
        }
        let unwatchable = state.unwatchable(policy);
        if !unwatchable.is_empty() {
            warnings.push(format!("denied, since they cannot be watched (NotWatchable): {}", unwatchable.join(", ")));
        }
    }
    warnings
}

/// What decides until the wanted version can.
fn meanwhile(binding: &Binding, state: &State) -> String {
    let kept = state.bindings.entry(&binding.name).and_then(|entry| entry.decision.in_force.as_ref());
    match (kept, binding.mode) {
        (Some(kept), _) => format!("until then {}.{} stays in force", kept.policy.id(), kept.policy.version()),
        (None, Mode::Enforce) => {
            "until then everything that this binding can govern is denied (PolicyUnavailable)".to_owned()
        }
        (None, _) => "until then nothing is decided".to_owned(),
    }
}
