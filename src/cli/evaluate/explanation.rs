use serde::Serialize;

use crate::{
    cli::console::{Console, Paint},
    evaluate::{Explained, Explanation},
};

/// An expression of the policy, with what each of its parts came to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct ExpressionReport {
    /// `matchCondition`, `variable`, `signal` or `rule`.
    #[cfg_attr(feature = "cluster", schemars(extend("enum" = ["matchCondition", "variable", "signal", "rule"])))]
    kind: &'static str,
    /// Its name.
    name: String,
    /// The whole expression first, then each part before those that it is made of.
    parts: Vec<PartReport>,
}

/// A part of an expression.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
struct PartReport {
    /// How deep it is in the whole, which has depth 0.
    depth: usize,
    /// The element of a list or map that it was evaluated for; absent outside macros.
    #[serde(skip_serializing_if = "String::is_empty")]
    element: String,
    /// As it was written.
    expression: String,
    /// Its value as CEL writes it, cut where it is long; `masked: data of a Secret` where such data went into it;
    /// absent where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// Why it has no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What it costs by itself, in the API server's CEL cost units, without what its variables cost.
    cost: u64,
}

impl From<Explanation> for ExpressionReport {
    fn from(explanation: Explanation) -> Self {
        let Explanation { kind, name, parts } = explanation;
        Self { kind, name, parts: parts.into_iter().map(PartReport::from).collect() }
    }
}

impl From<Explained> for PartReport {
    fn from(part: Explained) -> Self {
        let Explained { depth, element, text, outcome, cost } = part;
        let (value, error) = match outcome {
            Ok(value) => (Some(value), None),
            Err(error) => (None, Some(error)),
        };
        Self { depth, element, expression: text, value, error, cost }
    }
}

/// Each expression with its parts below it, indented.
pub(super) fn show(console: &mut Console, reports: &[ExpressionReport]) {
    for report in reports {
        let kind = if report.kind == "matchCondition" { "condition" } else { report.kind };
        console.put(Paint::Faint, format!("    {kind:11} ")).put(Paint::Strong, &report.name).end();
        for part in &report.parts {
            show_part(console, part);
        }
    }
}

fn show_part(console: &mut Console, part: &PartReport) {
    let indent = "  ".repeat(part.depth);
    let element = if part.element.is_empty() { String::new() } else { format!("[{}] ", part.element) };
    console.put(Paint::Plain, format!("      {indent}{element}{}", part.expression));
    match (&part.value, &part.error) {
        (_, Some(error)) => console.put(Paint::Plain, "  ").put(Paint::Bad, error),
        (Some(value), _) if !value.is_empty() => console.put(Paint::Faint, "  = ").put(Paint::Plain, value),
        _ => console,
    };
    if part.cost > 0 {
        console.put(Paint::Faint, format!("  (cost {})", part.cost));
    }
    console.end();
}
