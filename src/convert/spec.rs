//! The spec of a converted policy.

use super::{
    VERSION, matching,
    names::identifier,
    params::{self, Params},
    source::{AdmissionPolicy, Matching, Validation},
};
use crate::{
    api::{MatchConstraints, NamedExpression, Outcome, PolicyRule, PolicySpec, Replay, ReplayMode, Signal, SignalType},
    cel,
};

/// The longest message of a rule, in characters.
const MAX_MESSAGE: usize = 1024;

/// What is told of an objectSelector.
pub(super) const BY_OBJECT_LABELS: &str =
    "the objectSelector became a match condition: who may set these labels may step out of the policy, as before";

/// The variables that a messageExpression may read in a ValidatingAdmissionPolicy and not in Writ.
const NOT_IN_MESSAGES: &[&str] = &["oldObject", "request", "namespaceObject"];

/// Every expression of a policy.
pub(super) fn expressions(policy: &AdmissionPolicy) -> Vec<&str> {
    let named = policy.match_conditions.iter().chain(&policy.variables).map(|named| named.expression.as_str());
    let validations = policy.validations.iter();
    let messages = validations.clone().filter_map(|validation| validation.message_expression.as_deref());
    named.chain(validations.map(|validation| validation.expression.as_str())).chain(messages).collect()
}

/// Why a policy cannot be converted at all.
pub(super) fn beyond_reach(policy: &AdmissionPolicy) -> Option<String> {
    let asks = |source: &&str| cel::reads(source, "authorizer").is_ok_and(|reads| !reads.is_empty());
    if let Some(source) = expressions(policy).into_iter().find(asks) {
        return Some(format!("`{source}` asks the authorizer: a policy of Writ reads nothing but the request"));
    }
    if policy.match_constraints.resource_rules.is_empty() {
        return Some("it matches no resource: matchConstraints.resourceRules is empty".to_owned());
    }
    None
}

/// What is different after the conversion.
pub(super) fn differences(policy: &AdmissionPolicy) -> Vec<String> {
    let mut found = Vec::new();
    if policy.failure_policy.as_deref() == Some("Ignore") {
        found.push("failurePolicy is Ignore: an expression that fails denies in Writ, and allowed before".to_owned());
    }
    if !policy.audit_annotations.is_empty() {
        let keys: Vec<&str> = policy.audit_annotations.iter().map(|annotation| annotation.key.as_str()).collect();
        found.push(format!(
            "the audit annotations {} are left out: Writ notes the decision, policy and rule",
            keys.join(", ")
        ));
    }
    if policy.match_constraints.match_policy.as_deref() == Some("Exact") {
        found.push("matchPolicy is Exact: Writ is asked about equivalent versions of a resource too".to_owned());
    }
    if matching::selects(policy.match_constraints.object_selector.as_ref()).is_some() {
        found.push(BY_OBJECT_LABELS.to_owned());
    }
    found
}

/// The spec, with an id to be given.
///
/// # Errors
/// What cannot be carried over.
pub(super) fn build(policy: &AdmissionPolicy, own: Option<&Matching>, given: &Params) -> Result<PolicySpec, String> {
    let directed = |source: &str| match given {
        Params::Literal(_) => params::redirect(source),
        Params::None | Params::Declared(..) => source.to_owned(),
    };
    let mut variables = Vec::new();
    if let Params::Literal(expression) = given {
        variables.push(NamedExpression { name: params::VARIABLE.to_owned(), expression: expression.clone() });
    }
    variables.extend(
        policy.variables.iter().map(|variable| NamedExpression {
            name: variable.name.clone(),
            expression: directed(&variable.expression),
        }),
    );
    let mut match_conditions = conditions(policy, own);
    for condition in &policy.match_conditions {
        if matches!(given, Params::Literal(_))
            && !cel::reads(&condition.expression, "params").unwrap_or_default().is_empty()
        {
            return Err(format!(
                "match condition `{}` reads parameters that are no flat values: write them into the condition",
                condition.name
            ));
        }
        let (name, expression) = (identifier(&condition.name), condition.expression.clone());
        match_conditions.push(NamedExpression { name, expression });
    }
    let mut signals = Vec::new();
    let mut rules = Vec::new();
    for (index, validation) in policy.validations.iter().enumerate() {
        let number = index + 1;
        signals.push(boolean(&format!("validation{number}"), &directed(&validation.expression)));
        let message_expression = validation.message_expression.as_deref().map(directed);
        let message_expression = message_expression.map(|source| message(number, source, &mut variables));
        rules.push(deny(number, validation, message_expression));
    }
    rules.push(PolicyRule {
        name: "valid".to_owned(),
        when: None,
        outcome: Outcome::Allow,
        reason: "Valid".to_owned(),
        message: None,
        message_expression: None,
    });
    let params = match given {
        Params::Declared(parameters, _) => parameters.clone(),
        Params::None | Params::Literal(_) => Vec::new(),
    };
    let resource_rules = policy.match_constraints.resource_rules.iter().map(matching::resource_rule).collect();
    Ok(PolicySpec {
        id: String::new(),
        version: VERSION.to_owned(),
        match_constraints: MatchConstraints { resource_rules },
        match_conditions,
        params,
        variables,
        signals,
        rules,
        replay: Replay { mode: ReplayMode::Repeatable, key: Vec::new(), window: None },
    })
}

/// What Writ's match constraints do not have, of the policy and of a binding.
fn conditions(policy: &AdmissionPolicy, own: Option<&Matching>) -> Vec<NamedExpression> {
    let mut found = Vec::new();
    let mut add = |name: &str, expression: String| found.push(NamedExpression { name: name.to_owned(), expression });
    let constraints = &policy.match_constraints;
    if !constraints.resource_rules.iter().all(matching::is_plain) {
        add("inScope", matching::any_of(&constraints.resource_rules));
    }
    for (prefix, matching) in [("", Some(constraints)), ("bound", own)] {
        let Some(matching) = matching else { continue };
        let name =
            |word: &str| if prefix.is_empty() { identifier(word) } else { identifier(&format!("{prefix}-{word}")) };
        if !prefix.is_empty() && !matching.resource_rules.is_empty() {
            add(&name("inScope"), matching::any_of(&matching.resource_rules));
        }
        if !matching.exclude_resource_rules.is_empty() {
            add(&name("notExcluded"), format!("!({})", matching::any_of(&matching.exclude_resource_rules)));
        }
        if let Some(selector) = matching::selects(matching.object_selector.as_ref()) {
            add(&name("selected"), matching::by_labels(selector));
        }
    }
    found
}

fn boolean(name: &str, expression: &str) -> Signal {
    Signal {
        name: name.to_owned(),
        value_type: SignalType::Boolean,
        expression: expression.to_owned(),
        allowed: Vec::new(),
        minimum: None,
        maximum: None,
        max_length: None,
        pattern: None,
        max_items: None,
    }
}

/// A message expression; one that reads more of the request than messages may becomes a variable.
fn message(number: usize, source: String, variables: &mut Vec<NamedExpression>) -> String {
    let reads_more = NOT_IN_MESSAGES.iter().any(|name| cel::reads(&source, name).is_ok_and(|reads| !reads.is_empty()));
    if !reads_more {
        return source;
    }
    let name = format!("message{number}_");
    variables.push(NamedExpression { name: name.clone(), expression: source });
    format!("variables.{name}")
}

fn deny(number: usize, validation: &Validation, message_expression: Option<String>) -> PolicyRule {
    let default = || format!("failed expression: {}", validation.expression.trim());
    let text = validation.message.clone().unwrap_or_else(default);
    PolicyRule {
        name: format!("validation-{number}"),
        when: Some(format!("!signals.validation{number}")),
        outcome: Outcome::Deny,
        reason: validation.reason.clone().filter(|reason| !reason.is_empty()).unwrap_or_else(|| "Invalid".to_owned()),
        message: Some(text.chars().take(MAX_MESSAGE).collect()),
        message_expression,
    }
}
