//! Which rules can be the first to match.

use std::collections::BTreeSet;

use super::CompiledRule;
use crate::cel::{Bindings, Fuel, Program, conjuncts};

/// What a condition that reads nothing may cost to find out.
const FUEL: u64 = 10_000;

/// What a condition comes to whatever the request is, where that is so.
fn constant(when: &Program) -> Option<bool> {
    if !when.references().is_empty() {
        return None;
    }
    when.evaluate(&Bindings::new(), &mut Fuel::new(FUEL)).ok()?.as_bool()
}

/// What to tell of rules that never decide: a condition that is never true, or one that holds only where an earlier
/// rule matches too. Such a rule is no error: a Deny rule that also matches is listed in the answer. (After a rule
/// without a condition it is one: that needs no thought to see.)
pub(super) fn notes(rules: &[CompiledRule]) -> Vec<String> {
    let mut notes = Vec::new();
    let mut earlier: Vec<(&str, BTreeSet<String>)> = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let Some(when) = &rule.when else { continue };
        let name = &rule.name;
        if constant(when) == Some(false) {
            notes.push(format!("spec.rules[{index}].when: rule `{name}` never matches: its condition is always false"));
            continue;
        }
        // The empty set is a subset of every other.
        let conditions = match constant(when) {
            Some(_) => BTreeSet::new(),
            // INVARIANT: the condition compiled, so it can be read.
            None => conjuncts(when.source()).unwrap_or_default(),
        };
        if let Some((first, _)) = earlier.iter().find(|(_, known)| known.is_subset(&conditions)) {
            notes.push(format!(
                "spec.rules[{index}].when: rule `{name}` never decides: rule `{first}` before it matches whenever it does"
            ));
        }
        earlier.push((name, conditions));
    }
    notes
}
