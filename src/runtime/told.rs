//! What users and the API server's audit log are told about a decision.

use std::collections::BTreeMap;

use super::{Refusal, judge::Judged};
use crate::api::Reason;

/// The refusal of the first binding that denies, with the others as causes.
pub(super) fn denial(judged: &[Judged<'_>]) -> Option<Refusal> {
    let mut denials = judged.iter().filter(|judged| !judged.allows());
    let first = denials.next()?;
    let own = match &first.decision.cause {
        crate::evaluate::Cause::Own(reason) => *reason,
        crate::evaluate::Cause::Rule { .. } => Reason::PolicyDenied,
    };
    let mut causes: Vec<(String, String)> = first
        .decision
        .also
        .iter()
        .map(|(rule, reason)| (reason.clone(), format!("rule `{rule}` also denies")))
        .collect();
    causes.extend(denials.map(|judged| (judged.decision.reason().to_owned(), describe(judged))));
    let rule_reason = first.decision.rule().map(|_| first.decision.reason().to_owned());
    Some(Refusal { reason: own, rule_reason, message: describe(first), causes })
}

/// Policy version, rule, reason, what to do, and the values behind it.
fn describe(judged: &Judged<'_>) -> String {
    use std::fmt::Write as _;
    let binding = &judged.bound.binding;
    let decision = &judged.decision;
    let version = judged.policy.map_or(binding.wanted_version.as_str(), |policy| policy.version());
    let mut text = format!("{}.{version}", binding.policy_id);
    if let Some(rule) = decision.rule() {
        let _ = write!(text, ", rule `{rule}`");
    }
    let _ = write!(text, " ({}): {}", decision.reason(), decision.message);
    for (rule, reason) in &decision.also {
        let _ = write!(text, "; also rule `{rule}` ({reason})");
    }
    if !decision.signals.is_empty() {
        let values = decision.signals.iter().map(|(name, value)| {
            let json = serde_json::to_string(&value.to_value()).unwrap_or_default();
            format!("{name}={}", super::clean(&json, 96))
        });
        let _ = write!(text, " [{}]", values.collect::<Vec<_>>().join(", "));
    }
    text
}

pub(super) fn warning(judged: &Judged<'_>) -> String {
    let binding = &judged.bound.binding;
    let text = format!(
        "policy {} (binding {}) would deny ({}): {}",
        binding.policy_id,
        binding.name,
        judged.decision.reason(),
        judged.decision.message
    );
    super::clean(&text, 240)
}

pub(super) fn audit(judged: &[Judged<'_>], id: &str, outcome: &str, reason: &str) -> BTreeMap<&'static str, String> {
    let mut annotations = BTreeMap::from([("decision", id.to_owned()), ("outcome", outcome.to_owned())]);
    if !reason.is_empty() {
        annotations.insert("reason", super::clean(reason, 128));
    }
    let decisive = judged.iter().find(|judged| !judged.allows()).or(judged.first());
    if let Some(judged) = decisive {
        let version = judged.policy.map_or(judged.bound.binding.wanted_version.as_str(), |policy| policy.version());
        annotations.insert("policy", format!("{}.{version}", judged.bound.binding.policy_id));
        if let Some(rule) = judged.decision.rule() {
            annotations.insert("rule", super::clean(rule, 128));
        }
    }
    annotations
}
