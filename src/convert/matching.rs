//! What Writ's match constraints do not have becomes a match condition.

use super::source::Rule;
use crate::{
    api::{LabelSelector, ResourceRule, RuleOperation, SelectorOperator, SelectorRequirement},
    cel::Value,
};

/// A text as a literal of CEL.
fn quoted(text: &str) -> String {
    Value::from(text).literal()
}

fn list<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let items: Vec<String> = texts.into_iter().map(quoted).collect();
    format!("[{}]", items.join(", "))
}

/// The rule as Writ has it.
pub(super) fn resource_rule(rule: &Rule) -> ResourceRule {
    let (api_groups, api_versions) = (rule.api_groups.clone(), rule.api_versions.clone());
    ResourceRule { api_groups, api_versions, resources: rule.resources.clone(), operations: rule.operations.clone() }
}

/// Whether Writ's rule says all that this one says.
pub(super) fn is_plain(rule: &Rule) -> bool {
    rule.resource_names.is_empty() && rule.scope.as_deref().is_none_or(|scope| scope == "*")
}

/// Whether a request is one of those that the rules name.
pub(super) fn any_of(rules: &[Rule]) -> String {
    let each: Vec<String> = rules.iter().map(|rule| format!("({})", rule_condition(rule))).collect();
    each.join(" || ")
}

fn rule_condition(rule: &Rule) -> String {
    let mut parts = Vec::new();
    for (field, allowed) in [("group", &rule.api_groups), ("version", &rule.api_versions)] {
        if !allowed.iter().any(|one| one == "*") {
            parts.push(format!("request.resource.{field} in {}", list(allowed.iter().map(String::as_str))));
        }
    }
    parts.extend(resources(&rule.resources));
    if !rule.operations.contains(&RuleOperation::All) {
        parts.push(format!("request.operation in {}", list(rule.operations.iter().map(|one| operation(*one)))));
    }
    // A Namespace is no namespaced object, although the request for one names a namespace.
    let cluster =
        "(request.namespace == \"\" || request.resource.group == \"\" && request.resource.resource == \"namespaces\")";
    match rule.scope.as_deref() {
        Some("Cluster") => parts.push(cluster.to_owned()),
        Some("Namespaced") => parts.push(format!("!{cluster}")),
        _ => {}
    }
    if !rule.resource_names.is_empty() {
        parts.push(format!("request.name in {}", list(rule.resource_names.iter().map(String::as_str))));
    }
    if parts.is_empty() { "true".to_owned() } else { parts.join(" && ") }
}

/// Resources as `pods`, `pods/exec`, `pods/*`, `*/scale`, `*` and `*/*`; nothing where all are meant.
fn resources(patterns: &[String]) -> Option<String> {
    if patterns.iter().any(|pattern| pattern == "*/*") {
        return None;
    }
    let condition = |pattern: &String| {
        let (resource, sub) = pattern.split_once('/').unwrap_or((pattern, ""));
        let mut parts = Vec::new();
        if resource != "*" {
            parts.push(format!("request.resource.resource == {}", quoted(resource)));
        }
        if sub != "*" {
            parts.push(format!("request.subResource == {}", quoted(sub)));
        }
        parts.join(" && ")
    };
    let each: Vec<String> = patterns.iter().map(condition).collect();
    Some(format!("({})", each.join(" || ")))
}

const fn operation(operation: RuleOperation) -> &'static str {
    match operation {
        RuleOperation::Create => "CREATE",
        RuleOperation::Update => "UPDATE",
        RuleOperation::Delete => "DELETE",
        RuleOperation::Connect => "CONNECT",
        RuleOperation::All => "*",
    }
}

/// Whether the labels of the object, old or new, are selected.
pub(super) fn by_labels(selector: &LabelSelector) -> String {
    let equal = selector
        .match_labels
        .iter()
        .map(|(key, value)| format!("{}.orValue(dyn(null)) == {}", label(key), quoted(value)));
    let parts: Vec<String> = equal.chain(selector.match_expressions.iter().map(requirement)).collect();
    format!("[object, oldObject].exists(o, o != null && {})", parts.join(" && "))
}

fn label(key: &str) -> String {
    format!("o.?metadata.?labels[?{}]", quoted(key))
}

fn requirement(requirement: &SelectorRequirement) -> String {
    let label = label(&requirement.key);
    let values = list(requirement.values.iter().map(String::as_str));
    match requirement.operator {
        SelectorOperator::In => format!("{label}.orValue(dyn(null)) in {values}"),
        SelectorOperator::NotIn => format!("!({label}.orValue(dyn(null)) in {values})"),
        SelectorOperator::Exists => format!("{label}.hasValue()"),
        SelectorOperator::DoesNotExist => format!("!{label}.hasValue()"),
    }
}

/// Whether a selector selects anything less than all.
pub(super) fn selects(selector: Option<&LabelSelector>) -> Option<&LabelSelector> {
    selector.filter(|selector| !selector.match_labels.is_empty() || !selector.match_expressions.is_empty())
}

/// What both selectors select.
pub(super) fn both(a: Option<&LabelSelector>, b: Option<&LabelSelector>) -> Option<LabelSelector> {
    let (a, b) = match (selects(a), selects(b)) {
        (None, None) => return None,
        (Some(one), None) | (None, Some(one)) => return Some(one.clone()),
        (Some(a), Some(b)) => (a, b),
    };
    let mut joined = a.clone();
    joined.match_expressions.extend(b.match_expressions.iter().cloned());
    for (key, value) in &b.match_labels {
        match joined.match_labels.get(key) {
            // One key has one value in a map: a second value, which nothing can have too, is a requirement.
            Some(known) if known != value => joined.match_expressions.push(SelectorRequirement {
                key: key.clone(),
                operator: SelectorOperator::In,
                values: vec![value.clone()],
            }),
            _ => {
                joined.match_labels.insert(key.clone(), value.clone());
            }
        }
    }
    Some(joined)
}
