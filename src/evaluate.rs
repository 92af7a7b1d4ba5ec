//! One policy, one request, one decision: total, metered, and the same for the same inputs in any process.

mod explain;
mod input;
mod mask;
mod scope;

use std::collections::BTreeMap;

pub use explain::{Explained, Explanation, conditions, explain};
pub use input::{Input, deletes, removes_last_finalizer};

use crate::{
    api::{Outcome, Reason},
    canonical::{Object, Value},
    cel::{EvaluationError, EvaluationErrorKind, Fuel, Program},
    digest::{Digest, Domain},
    fingerprint::fingerprint,
    policy::{CompiledReplay, CompiledRule, Policy},
    signal::{Declaration, SignalValue},
};
use scope::{RuleScope, Scope};

/// The longest message of a rule that is shown, in characters.
pub const MAX_MESSAGE: usize = 1024;

/// What a policy has to say about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A match condition is false: the policy is not about this request.
    Skipped,
    /// The policy decides.
    Decided(Box<Decision>),
}

/// Why a decision fell as it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A rule matched.
    Rule {
        /// Its name.
        name: String,
        /// The author's reason word.
        reason: String,
    },
    /// No rule could decide; always a denial.
    Own(Reason),
}

/// A decision, with all that explains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Allowed or denied.
    pub outcome: Outcome,
    /// Why.
    pub cause: Cause,
    /// What the user is told.
    pub message: String,
    /// The values of the signals, as far as they could be taken.
    pub signals: BTreeMap<String, SignalValue>,
    /// The identity of the authority; only of an allowed request under a `Once` policy.
    pub fingerprint: Option<Digest>,
    /// Later Deny rules that also match, as (rule, reason).
    pub also: Vec<(String, String)>,
    /// What the decision cost, in the API server's CEL cost units.
    pub cost: u64,
}

impl Decision {
    /// The name of the rule that decided.
    #[must_use]
    pub fn rule(&self) -> Option<&str> {
        match &self.cause {
            Cause::Rule { name, .. } => Some(name),
            Cause::Own(_) => None,
        }
    }

    /// The reason word: the author's, or Writ's own.
    #[must_use]
    pub fn reason(&self) -> &str {
        match &self.cause {
            Cause::Rule { reason, .. } => reason,
            Cause::Own(reason) => reason.as_str(),
        }
    }

    /// The values of the signals as one JSON object.
    #[must_use]
    pub fn signals_value(&self) -> Value<'_> {
        Value::Object(
            self.signals.iter().map(|(name, value)| (name.as_str(), value.to_value())).collect::<Object<'_>>(),
        )
    }

    /// Digest of the values of the signals.
    #[must_use]
    pub fn signals_digest(&self) -> Digest {
        Digest::of_value(Domain::Signals, &self.signals_value())
    }
}

/// Decides a request by a policy. There is no default: whatever cannot be evaluated is a denial.
#[must_use]
pub fn evaluate(policy: &Policy, params: &Value<'_>, input: &Input<'_>) -> Verdict {
    let scope = Scope::new(policy, params, input);
    // Each expression has a limit of its own within it, as in the API server.
    let mut fuel = Fuel::decision();
    // Any that is false skips the policy, whatever the others say; only then an error counts.
    let mut failed = None;
    for (name, condition) in policy.conditions() {
        match scope::boolean(condition, &scope, &mut fuel) {
            Ok(true) => {}
            Ok(false) => return Verdict::Skipped,
            Err(error) => failed = failed.or(Some((name, error))),
        }
    }
    if let Some((name, error)) = failed {
        let message = format!("match condition `{name}` failed at {error}");
        return decided(&fuel, BTreeMap::new(), Cause::Own(reason_of(&error)), message);
    }
    let mut signals = BTreeMap::new();
    for signal in policy.signals() {
        match take(&scope, &signal.program, &signal.declaration, &mut fuel) {
            Ok(value) => signals.insert(signal.name.clone(), value),
            Err((reason, message)) => {
                return decided(&fuel, signals, Cause::Own(reason), format!("signal `{}` {message}", signal.name));
            }
        };
    }
    let rules = scope.rules(&signals);
    decide(policy, &rules, signals, &mut fuel)
}

fn decided(fuel: &Fuel, signals: BTreeMap<String, SignalValue>, cause: Cause, message: String) -> Verdict {
    Verdict::Decided(Box::new(Decision {
        outcome: Outcome::Deny,
        cause,
        message,
        signals,
        fingerprint: None,
        also: Vec::new(),
        cost: fuel.total_cost(),
    }))
}

/// The first rule that matches decides.
fn decide<'a>(
    policy: &'a Policy,
    scope: &RuleScope<'_, 'a>,
    signals: BTreeMap<String, SignalValue>,
    fuel: &mut Fuel,
) -> Verdict {
    for (index, rule) in policy.rules().iter().enumerate() {
        match matches(scope, rule, fuel) {
            Ok(false) => {}
            Ok(true) => return conclude(policy, scope, index, signals, fuel),
            Err(error) => {
                let message = format!("rule `{}` failed at {error}", rule.name);
                return decided(fuel, signals, Cause::Own(reason_of(&error)), message);
            }
        }
    }
    let message = "no rule of the policy allows it, and nothing is allowed by default".to_owned();
    decided(fuel, signals, Cause::Own(Reason::NoRuleMatched), message)
}

fn conclude<'a>(
    policy: &'a Policy,
    scope: &RuleScope<'_, 'a>,
    index: usize,
    signals: BTreeMap<String, SignalValue>,
    fuel: &mut Fuel,
) -> Verdict {
    let Some((rule, later)) = policy.rules().get(index..).and_then(<[CompiledRule]>::split_first) else {
        // INVARIANT: the index is that of a rule.
        return decided(fuel, signals, Cause::Own(Reason::InternalError), "a rule was lost".to_owned());
    };
    let mut also = Vec::new();
    if rule.outcome == Outcome::Deny {
        // Only for the user's information, so a failure here is no reason.
        let denies = later.iter().filter(|rule| rule.outcome == Outcome::Deny);
        let matching = denies.filter(|rule| matches!(matches(scope, rule, fuel), Ok(true)));
        also.extend(matching.map(|rule| (rule.name.clone(), rule.reason.clone())));
    }
    let fingerprint = match (policy.replay(), rule.outcome) {
        (CompiledReplay::Once { key, .. }, Outcome::Allow) => {
            let Some(identity) = fingerprint(policy.id(), key, &signals) else {
                return decided(
                    fuel,
                    signals,
                    Cause::Own(Reason::SignalMissing),
                    "a signal of the replay key has no value".to_owned(),
                );
            };
            Some(identity)
        }
        _ => None,
    };
    let message = message(scope, rule, fuel);
    let cause = Cause::Rule { name: rule.name.clone(), reason: rule.reason.clone() };
    Verdict::Decided(Box::new(Decision {
        outcome: rule.outcome,
        cause,
        message,
        signals,
        fingerprint,
        also,
        cost: fuel.total_cost(),
    }))
}

fn matches<'a>(scope: &RuleScope<'_, 'a>, rule: &'a CompiledRule, fuel: &mut Fuel) -> Result<bool, EvaluationError> {
    rule.when.as_ref().map_or(Ok(true), |when| scope::boolean(when, scope, fuel))
}

/// The message of a rule: its expression, else its text, else its reason. An allowed request needs none.
fn message<'a>(scope: &RuleScope<'_, 'a>, rule: &'a CompiledRule, fuel: &mut Fuel) -> String {
    let computed = rule.message_expression.as_ref().and_then(|program| scope::string(program, scope, fuel).ok());
    let chosen = computed.filter(|text| !text.trim().is_empty()).or_else(|| rule.message.clone());
    let text = chosen.unwrap_or_else(|| {
        format!("rule `{}` {}", rule.name, if rule.outcome == Outcome::Allow { "allows it" } else { "denies it" })
    });
    text.chars().take(MAX_MESSAGE).collect()
}

/// Takes a signal: its expression, then its declared type and constraints.
fn take<'a>(
    scope: &Scope<'a>,
    program: &'a Program,
    declaration: &Declaration,
    fuel: &mut Fuel,
) -> Result<SignalValue, (Reason, String)> {
    let value = fuel.apart(|fuel| program.evaluate(scope, fuel));
    let value = value.map_err(|error| (reason_of(&error), format!("failed at {error}")))?;
    let Some(value) = scope::unwrap_optional(value) else {
        return Err((Reason::SignalMissing, "is missing from the request".to_owned()));
    };
    let value = scope::signal_value(&value, declaration.value_type())
        .ok_or_else(|| (Reason::SignalInvalid, format!("is not of type {}", declaration.value_type().as_str())))?;
    declaration.check(&value).map_err(|error| (Reason::SignalInvalid, error.to_string()))?;
    Ok(value)
}

fn reason_of(error: &EvaluationError) -> Reason {
    match error.kind {
        EvaluationErrorKind::CostExceeded { .. } | EvaluationErrorKind::WorkExceeded { .. } => Reason::CostExceeded,
        EvaluationErrorKind::Internal(_) => Reason::InternalError,
        _ => Reason::EvaluationError,
    }
}

#[cfg(test)]
mod tests;
