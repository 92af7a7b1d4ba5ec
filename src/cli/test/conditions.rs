use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    cli::console::{Console, Paint},
    evaluate::{Explanation, conditions},
    policy::Policy,
};

/// Which conditions of a policy's expressions came out both ways in some case.
#[derive(Debug, Default)]
pub(super) struct ConditionCoverage {
    policies: BTreeMap<String, Vec<CoveredCondition>>,
}

/// A condition: an expression that yields a boolean, or a part of one.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct CoveredCondition {
    /// `matchCondition`, `variable`, `signal` or `rule`.
    kind: &'static str,
    /// The name of the expression that it is a part of.
    name: String,
    /// As it was written.
    expression: String,
    /// The number of cases in which it was true.
    #[serde(rename = "true")]
    came_true: u64,
    /// The number of cases in which it was false.
    #[serde(rename = "false")]
    came_false: u64,
}

impl ConditionCoverage {
    /// Makes a policy known, so that what no case asks counts too.
    pub(super) fn declare(&mut self, name: &str, policy: &Policy) {
        let condition =
            |(kind, name, expression)| CoveredCondition { kind, name, expression, came_true: 0, came_false: 0 };
        let all = || conditions(policy).into_iter().map(condition).collect();
        self.policies.entry(name.to_owned()).or_insert_with(all);
    }

    /// Counts what the conditions came to in one case.
    pub(super) fn count(&mut self, name: &str, explanations: &[Explanation]) {
        let Some(known) = self.policies.get_mut(name) else { return };
        for explanation in explanations {
            for condition in
                known.iter_mut().filter(|known| known.kind == explanation.kind && known.name == explanation.name)
            {
                let mut parts = explanation.parts.iter().filter(|part| part.element.is_empty());
                let Some(part) = parts.find(|part| part.text == condition.expression) else { continue };
                match part.outcome.as_deref() {
                    Ok("true") => condition.came_true += 1,
                    Ok("false") => condition.came_false += 1,
                    _ => {}
                }
            }
        }
    }

    /// The conditions of a policy.
    pub(super) fn of(&mut self, name: &str) -> Vec<CoveredCondition> {
        self.policies.remove(name).unwrap_or_default()
    }
}

impl CoveredCondition {
    pub(super) fn is_covered(&self) -> bool {
        self.came_true > 0 && self.came_false > 0
    }
}

/// How many came out both ways, and each that did not.
pub(super) fn show(console: &mut Console, policy: &str, conditions: &[CoveredCondition]) {
    if conditions.is_empty() {
        return;
    }
    let covered = conditions.iter().filter(|condition| condition.is_covered()).count();
    let count = format!("{policy}: {covered} of {} came out both ways", conditions.len());
    console.put(Paint::Faint, "conditions ").put(Paint::Plain, count).end();
    for condition in conditions.iter().filter(|condition| !condition.is_covered()) {
        let word = match (condition.came_true, condition.came_false) {
            (0, 0) => "never asked",
            (0, _) => "never true ",
            _ => "never false",
        };
        let place = format!("{} {}", condition.kind, condition.name);
        console
            .put(Paint::Warning, format!("  {word}"))
            .put(Paint::Plain, format!("  {place}: {}", condition.expression))
            .end();
    }
}
