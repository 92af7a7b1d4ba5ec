use serde::Serialize;

use super::explanation::{self, ExpressionReport};
use crate::{
    api::Outcome,
    canonical::Value,
    cli::{
        case::Case,
        console::{Answer, Console, Paint},
        decide::{Overall, Standing},
    },
    digest::Digest,
    evaluate::{Decision, Explanation},
    policy::{MAX_DECISION_COST, Policy},
    policy_set::{Bound, Force},
    time::Timestamp,
};

/// The answer of `writ evaluate`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(in crate::cli) struct EvaluateResult {
    /// Whether all requests are allowed.
    allowed: bool,
    /// One entry for each object.
    requests: Vec<RequestReport>,
}

/// What becomes of one request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct RequestReport {
    /// `Allow`, `Deny`, `Exempt` (left out by a binding), `NotGoverned` (no binding is about it) or `NoOp` (an update
    /// that changes nothing). All but `Deny` are allowed.
    #[cfg_attr(feature = "cluster", schemars(extend("enum" = ["Allow", "Deny", "Exempt", "NotGoverned", "NoOp"])))]
    outcome: &'static str,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    operation: &'static str,
    /// The resource, for example `apps/v1/deployments`.
    resource: String,
    /// The subresource; absent for the main resource.
    #[serde(skip_serializing_if = "String::is_empty")]
    sub_resource: String,
    /// The namespace; absent for a cluster-scoped object.
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
    /// The object's name; absent where the server would generate it.
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    /// Who asks.
    user: String,
    /// The time of the decision, RFC 3339.
    #[cfg_attr(feature = "cluster", schemars(with = "String"))]
    time: Timestamp,
    /// What each binding, or the policy of `--policy`, has to say, in the order of names.
    decisions: Vec<StandingReport>,
}

/// What one binding, or one policy by itself, has to say.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(in crate::cli) struct StandingReport {
    /// The binding's name; absent for a policy by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    binding: Option<String>,
    /// `Enforce`, `Warn` or `Audit`; absent for a policy by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    /// `Decided`; or why nothing was: `Skipped` (a match condition is false), `Exempt` (excluded by the binding),
    /// `OtherRequest` (the policy is about other resources or operations), `OtherSubject` (the binding is about other
    /// people or namespaces).
    #[cfg_attr(feature = "cluster", schemars(extend("enum" = ["Decided", "Skipped", "Exempt", "OtherRequest", "OtherSubject"])))]
    standing: &'static str,
    /// The policy version.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyReport>,
    /// The decision; only where `standing` is `Decided`.
    #[serde(flatten)]
    decision: Option<DecisionReport>,
    /// What the parts of the expressions came to; only with `--explain`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    explanation: Vec<ExpressionReport>,
}

/// A policy version.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
struct PolicyReport {
    /// Its id.
    id: String,
    /// Its version.
    version: String,
    /// The digest of its normal form, `sha256:…`.
    #[cfg_attr(feature = "cluster", schemars(with = "String"))]
    digest: Digest,
    /// `Once` or `Repeatable`.
    replay: &'static str,
}

/// A decision, with all that explains it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
struct DecisionReport {
    /// `Allow` or `Deny`.
    #[cfg_attr(feature = "cluster", schemars(extend("enum" = ["Allow", "Deny"])))]
    outcome: &'static str,
    /// The rule that matched; absent where none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// The reason word: the rule's, or one of Writ's own such as `NoRuleMatched`.
    reason: String,
    /// What the user is told.
    message: String,
    /// Later Deny rules that also match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<RuleReport>,
    /// The values of the signals, as far as they could be taken.
    #[cfg_attr(feature = "cluster", schemars(with = "std::collections::BTreeMap<String, serde_json::Value>"))]
    signals: Value<'static>,
    /// The identity of the authority; only of an allowed request under a `Once` policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cluster", schemars(with = "Option<String>"))]
    fingerprint: Option<Digest>,
    /// What the decision cost, in the API server's CEL cost units.
    cost: u64,
}

/// A rule with its reason.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
struct RuleReport {
    /// The rule's name.
    rule: String,
    /// Its reason word.
    reason: String,
}

impl Answer for EvaluateResult {
    const KIND: &'static str = "EvaluateResult";
}

impl EvaluateResult {
    pub(super) fn new(requests: Vec<RequestReport>) -> Self {
        Self { allowed: requests.iter().all(|request| request.outcome != Overall::Deny.as_str()), requests }
    }

    pub(super) fn is_denied(&self) -> bool {
        !self.allowed
    }
}

impl RequestReport {
    pub(super) fn new(case: &Case, outcome: Overall, decisions: Vec<StandingReport>) -> Self {
        let request = &case.request;
        Self {
            outcome: outcome.as_str(),
            operation: request.operation.as_str(),
            resource: request.resource.to_string(),
            sub_resource: request.sub_resource.to_string(),
            namespace: request.namespace.to_string(),
            name: case.name().to_owned(),
            user: request.user_info.username.clone(),
            time: case.time,
            decisions,
        }
    }
}

impl StandingReport {
    pub(in crate::cli) fn of_policy(policy: &Policy, standing: &Standing) -> Self {
        Self { policy: Some(PolicyReport::of(policy)), ..Self::of(standing) }
    }

    fn of(standing: &Standing) -> Self {
        let (word, decision) = match standing {
            Standing::Decided(decision) => ("Decided", Some(DecisionReport::of(decision))),
            Standing::Skipped => ("Skipped", None),
            Standing::Exempt => ("Exempt", None),
            Standing::OtherRequest => ("OtherRequest", None),
            Standing::OtherSubject => ("OtherSubject", None),
        };
        Self { binding: None, mode: None, standing: word, policy: None, decision, explanation: Vec::new() }
    }

    pub(in crate::cli) fn of_binding(bound: &Bound, standing: &Standing) -> Self {
        let policy = match &bound.force {
            Force::InForce { policy, .. } => Some(PolicyReport::of(policy)),
            Force::Unavailable { .. } => None,
        };
        let binding = &bound.binding;
        Self { binding: Some(binding.name.clone()), mode: Some(binding.mode.as_str()), policy, ..Self::of(standing) }
    }
}

impl StandingReport {
    /// The report with what the parts of the expressions came to.
    pub(super) fn explained(mut self, explanations: Vec<Explanation>) -> Self {
        self.explanation = explanations.into_iter().map(ExpressionReport::from).collect();
        self
    }
}

impl PolicyReport {
    fn of(policy: &Policy) -> Self {
        Self {
            id: policy.id().to_owned(),
            version: policy.version().to_owned(),
            digest: policy.digest(),
            replay: policy.replay().mode().as_str(),
        }
    }
}

impl DecisionReport {
    fn of(decision: &Decision) -> Self {
        let also = decision.also.iter().map(|(rule, reason)| RuleReport { rule: rule.clone(), reason: reason.clone() });
        Self {
            outcome: decision.outcome.as_str(),
            rule: decision.rule().map(str::to_owned),
            reason: decision.reason().to_owned(),
            message: decision.message.clone(),
            also: also.collect(),
            signals: decision.signals_value().into_owned(),
            fingerprint: decision.fingerprint,
            cost: decision.cost,
        }
    }
}

pub(super) fn show(console: &mut Console, result: &EvaluateResult) {
    for (index, request) in result.requests.iter().enumerate() {
        if index > 0 {
            console.end();
        }
        show_request(console, request);
    }
}

fn show_request(console: &mut Console, request: &RequestReport) {
    let paint = if request.outcome == Overall::Deny.as_str() { Paint::Bad } else { Paint::Good };
    let slash = |text: &str| if text.is_empty() { String::new() } else { format!("/{text}") };
    let place = if request.namespace.is_empty() { String::new() } else { format!("{}/", request.namespace) };
    let name = if request.name.is_empty() { "(name to be generated)" } else { &request.name };
    let resource = format!("{}{}", request.resource, slash(&request.sub_resource));
    let words = format!("  {} {resource} {place}{name} by {} at {}", request.operation, request.user, request.time);
    console.put(paint, request.outcome).put(Paint::Plain, words).end();
    if request.outcome == Overall::NoOp.as_str() {
        console.line("  the update changes nothing that an attestation covers: nothing is decided");
    }
    for decision in &request.decisions {
        show_standing(console, decision);
    }
}

fn show_standing(console: &mut Console, report: &StandingReport) {
    let (id, version) = report.policy.as_ref().map_or(("", ""), |policy| (&policy.id, &policy.version));
    let name = report.binding.clone().unwrap_or_else(|| format!("{id}.{version}"));
    let mode = report.mode.map(|mode| format!(" ({mode})")).unwrap_or_default();
    console.put(Paint::Plain, "  ").put(Paint::Strong, format!("{name}{mode}"));
    let Some(decision) = &report.decision else {
        console.put(Paint::Plain, format!(": {}", why(report.standing))).end();
        explanation::show(console, &report.explanation);
        return;
    };
    console.end();
    if report.binding.is_some() {
        field(console, "policy", format!("{id}.{version}"));
    }
    let denies = decision.outcome == Outcome::Deny.as_str();
    let outcome = match (denies, report.mode) {
        (true, Some("Warn" | "Audit")) => "would deny, and does not",
        (true, _) => "Deny",
        (false, _) => "Allow",
    };
    console
        .put(Paint::Faint, format!("    {:11} ", "outcome"))
        .put(if denies { Paint::Bad } else { Paint::Good }, outcome)
        .end();
    field(console, "rule", decision.rule.as_deref().unwrap_or("(none)"));
    field(console, "reason", &decision.reason);
    field(console, "message", &decision.message);
    for also in &decision.also {
        field(console, "also", format!("{} ({})", also.rule, also.reason));
    }
    let signals = decision.signals.as_object().into_iter().flat_map(crate::canonical::Object::iter);
    for (index, (name, value)) in signals.enumerate() {
        field(console, if index == 0 { "signals" } else { "" }, format!("{name} = {}", json(value)));
    }
    if let Some(fingerprint) = &decision.fingerprint {
        field(console, "fingerprint", format!("{fingerprint} (acts once; nobody asked whether it was used)"));
    }
    field(console, "cost", format!("{} of {MAX_DECISION_COST}", decision.cost));
    explanation::show(console, &report.explanation);
}

fn field(console: &mut Console, name: &str, value: impl std::fmt::Display) {
    console.put(Paint::Faint, format!("    {name:11} ")).put(Paint::Plain, value).end();
}

fn json(value: &Value<'_>) -> String {
    String::from_utf8(crate::canonical::encode(value)).unwrap_or_default()
}

const fn why(standing: &str) -> &'static str {
    match standing.as_bytes() {
        b"Skipped" => "a match condition is false",
        b"Exempt" => "excluded by the binding: allowed and recorded",
        b"OtherRequest" => "the policy is about other resources or operations",
        _ => "the binding is about other people or namespaces",
    }
}
