//! Policies and bindings for the tests of the pure parts.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    coverage::{Hook, HookRule},
    ledger::Pin,
    observed::{Observed, Seen, Update},
    settings::Settings,
    state::State,
};

/// The spec of `p.<version>`: a policy about Deployments that allows everything.
pub(super) fn policy_spec(version: &str) -> Value {
    json!({
        "id": "p", "version": version,
        "matchConstraints": {"resourceRules": [rule("apps", "deployments", &["CREATE", "UPDATE"])]},
        "rules": [{"name": "all", "outcome": "Allow", "reason": "Good"}],
        "replay": {"mode": "Repeatable"},
    })
}

pub(super) fn rule(group: &str, resource: &str, operations: &[&str]) -> Value {
    json!({"apiGroups": [group], "apiVersions": ["v1"], "resources": [resource], "operations": operations})
}

/// The same as `Once`, by a ticket in the object's annotations.
pub(super) fn once_spec(version: &str) -> Value {
    let mut spec = policy_spec(version);
    let expression = "object.metadata.?annotations[?'ticket'].orValue('')";
    spec["signals"] = json!([{"name": "ticket", "type": "String", "expression": expression}]);
    spec["replay"] = json!({"mode": "Once", "key": ["ticket"], "window": "720h"});
    spec
}

pub(super) fn policy(version: &str, spec: Value) -> Observed {
    let seen = Seen { uid: format!("uid-{version}"), generation: 1, resource_version: 1 };
    Observed { seen, name: format!("p.{version}"), spec, status: Value::Null }
}

pub(super) fn binding_spec(version: &str, mode: &str) -> Value {
    json!({"policyRef": {"id": "p", "version": version}, "mode": mode})
}

pub(super) fn binding(name: &str, spec: Value) -> Observed {
    let seen = Seen { uid: format!("uid-{name}"), generation: 1, resource_version: 1 };
    Observed { seen, name: name.to_owned(), spec, status: Value::Null }
}

/// A state whose ledger has an answer at once: everything is pinned.
pub(super) fn state(policies: Vec<Observed>, bindings: Vec<Observed>) -> State {
    let mut state = State::new(Arc::new(Settings { guarded_labels: vec!["team".to_owned()], ..Settings::default() }));
    Arc::make_mut(&mut state.installed).mutating = Some(vec![hook(&["*"], &["*"], &["CREATE", "UPDATE"])]);
    Arc::make_mut(&mut state.installed).validating = Some(vec![hook(&["*"], &["*/*"], &["*"])]);
    pin_all(&mut state, policies);
    state.update_bindings(Update::Replace(bindings));
    state.settle();
    state
}

/// These are all policies, and the ledger holds each.
pub(super) fn pin_all(state: &mut State, policies: Vec<Observed>) {
    for policy in state.update_policies(Update::Replace(policies)) {
        state.update_pin(&format!("{}.{}", policy.id(), policy.version()), policy.digest(), Pin::Pinned);
    }
}

pub(super) fn hook(groups: &[&str], resources: &[&str], operations: &[&str]) -> Hook {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let rule = HookRule {
        groups: words(groups),
        versions: words(&["v1"]),
        resources: words(resources),
        operations: words(operations),
    };
    Hook { name: "governed.writ.dev".to_owned(), rules: vec![rule], ..Hook::default() }
}
