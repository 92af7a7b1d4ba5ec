use super::{Change, invalid};
use crate::{
    admission::Operation,
    api::{PolicySpec, Reason},
    controller::{coverage, force::conflict_message, state::State},
    policy,
    runtime::Refusal,
};

pub(super) fn admit(change: &Change<'_>, state: &State) -> Result<Vec<String>, Refusal> {
    match change.request.operation {
        Operation::Create => create(change, state),
        Operation::Update if change.keeps("spec") => Ok(Vec::new()),
        Operation::Update => Err(edited(change)),
        Operation::Delete => delete(change, state),
        Operation::Connect => Ok(Vec::new()),
    }
}

fn create(change: &Change<'_>, state: &State) -> Result<Vec<String>, Refusal> {
    let spec: PolicySpec = change.spec()?;
    let name = change.name();
    let policy = policy::compile(name, &spec).map_err(|errors| {
        invalid(&format!("policy `{name}` is not acceptable"), errors.iter().map(ToString::to_string).collect())
    })?;
    if let Some(before) = state.pinned.get(name)
        && *before != policy.digest()
    {
        return Err(Refusal::new(Reason::InvalidPolicy, conflict_message(name, policy.digest(), *before)));
    }
    let mut warnings = policy.warnings();
    let unwatchable = state.unwatchable(&policy);
    if !unwatchable.is_empty() {
        warnings.push(format!(
            "mode `Once` needs kinds that can be watched, and these cannot: {}; requests for them will be denied",
            unwatchable.join(", ")
        ));
    }
    let covered = state.installed.coverage(&policy);
    if !covered.is_covered() {
        let missing = coverage::describe(&covered.missing);
        warnings.push(format!("the installed webhook rules do not send {missing}: nothing will be decided about them"));
    }
    Ok(warnings)
}

fn edited(change: &Change<'_>) -> Refusal {
    let name = change.name();
    let id = name.split_once('.').map_or(name, |(id, _)| id);
    let message =
        format!("a published policy version never changes: publish `{id}.<next>` instead, and point the binding to it");
    let mut refusal = invalid(&message, vec![format!("spec: differs from what was published as `{name}`")]);
    refusal.message = message;
    refusal
}

fn delete(change: &Change<'_>, state: &State) -> Result<Vec<String>, Refusal> {
    let name = change.name();
    let mut uses = Vec::new();
    for entry in state.bindings.iter() {
        let is_it = |id: &str, version: &str| name.split_once('.') == Some((id, version));
        let binding = &entry.binding;
        let kept = entry.decision.in_force.as_ref().is_some_and(|kept| is_it(kept.policy.id(), kept.policy.version()));
        let recorded = entry.status.in_force.as_ref().is_some_and(|recorded| is_it(&recorded.id, &recorded.version));
        if is_it(&binding.policy_id, &binding.wanted_version) {
            uses.push(format!("binding `{}` names it", binding.name));
        } else if kept || recorded {
            uses.push(format!("binding `{}` has it in force", binding.name));
        }
    }
    if uses.is_empty() {
        return Ok(Vec::new());
    }
    let more = uses.len().saturating_sub(5);
    let mut named = uses.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 {
        named.push_str(&format!(" and {more} more"));
    }
    let message = format!(
        "policy `{name}` is still in use: {named}. First point each binding to another version or delete it, then wait \
         until `kubectl get policybindings` shows the other version in force, then delete this one"
    );
    let causes = uses.into_iter().map(|used| (Reason::StillInUse.as_str().to_owned(), used)).collect();
    Err(Refusal { causes, ..Refusal::new(Reason::StillInUse, message) })
}
