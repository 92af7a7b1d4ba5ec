//! Policies: compiled once, at `kubectl apply` and again by every replica, by this same code; then only read.

mod compile;
mod environment;
mod matching;
mod normal;
mod reach;
mod replay;

use std::{collections::BTreeMap, fmt, time::Duration};

pub use compile::compile;
pub(crate) use environment::Environments;
pub use environment::{EVALUATION_ROOTS, REQUEST_FIELDS, rule_slots, slots};
pub use matching::{ResourceMatcher, ResourcePattern};
pub use normal::{digest, normal_form};

use crate::{
    admission::{Operation, Request},
    api::{Outcome, ReplayMode},
    cel::{Fuel, Position, Program},
    digest::Digest,
    signal::Declaration,
};

/// The most that all expressions of one decision may cost together, in the API server's CEL cost units. Each by itself
/// may cost [`Fuel::PER_EXPRESSION`].
pub const MAX_DECISION_COST: u64 = Fuel::PER_DECISION;
/// The longest `replay.window`.
pub const MAX_WINDOW: Duration = Duration::from_secs(400 * 24 * 3600);
/// The longest id and the longest version, in bytes.
pub const MAX_NAME: usize = 40;

/// One compiled policy version.
#[derive(Debug)]
pub struct Policy {
    id: String,
    version: String,
    digest: Digest,
    matchers: Box<[ResourceMatcher]>,
    conditions: Box<[(String, Program)]>,
    params: BTreeMap<String, Declaration>,
    variables: Box<[(String, Program)]>,
    signals: Box<[CompiledSignal]>,
    rules: Box<[CompiledRule]>,
    replay: CompiledReplay,
    worst_case_cost: u64,
    /// What an author should know of the rules.
    notes: Vec<String>,
}

/// A compiled signal.
#[derive(Debug)]
pub struct CompiledSignal {
    /// Its name.
    pub name: String,
    /// Type and constraints.
    pub declaration: Declaration,
    /// How it is taken from the request.
    pub program: Program,
}

/// A compiled rule.
#[derive(Debug)]
pub struct CompiledRule {
    /// Its name.
    pub name: String,
    /// When it matches; `None` is always.
    pub when: Option<Program>,
    /// What it decides.
    pub outcome: Outcome,
    /// The author's reason word.
    pub reason: String,
    /// The author's message.
    pub message: Option<String>,
    /// Yields a better message.
    pub message_expression: Option<Program>,
}

/// How often an authority may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompiledReplay {
    /// The values of `key` authorize one request within `window`.
    Once {
        /// Names of signals, sorted.
        key: Vec<String>,
        /// How long a used authority is remembered.
        window: Duration,
    },
    /// Every allowed request is allowed.
    Repeatable,
}

impl CompiledReplay {
    /// The mode as the API has it.
    #[must_use]
    pub const fn mode(&self) -> ReplayMode {
        match self {
            Self::Once { .. } => ReplayMode::Once,
            Self::Repeatable => ReplayMode::Repeatable,
        }
    }
}

impl Policy {
    /// Name over all versions.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// This version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Digest of the normal form.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What a binding must give.
    #[must_use]
    pub fn params(&self) -> &BTreeMap<String, Declaration> {
        &self.params
    }

    /// Conditions that narrow the match, in order.
    #[must_use]
    pub fn conditions(&self) -> &[(String, Program)] {
        &self.conditions
    }

    /// Lazily evaluated expressions, in order.
    #[must_use]
    pub fn variables(&self) -> &[(String, Program)] {
        &self.variables
    }

    /// Signals, in order.
    #[must_use]
    pub fn signals(&self) -> &[CompiledSignal] {
        &self.signals
    }

    /// Rules, in order.
    #[must_use]
    pub fn rules(&self) -> &[CompiledRule] {
        &self.rules
    }

    /// How often an authority may be used.
    #[must_use]
    pub fn replay(&self) -> &CompiledReplay {
        &self.replay
    }

    /// Which requests the policy is about.
    #[must_use]
    pub fn matchers(&self) -> &[ResourceMatcher] {
        &self.matchers
    }

    /// Whether the policy is about a request that does `operation`: the request's own, or `DELETE` where an update
    /// removes the last finalizer.
    #[must_use]
    pub fn matches(&self, request: &Request<'_>, operation: Operation) -> bool {
        self.matchers.iter().any(|matcher| matcher.matches(request, operation))
    }

    /// Every expression, with the path of its field.
    pub fn expressions(&self) -> impl Iterator<Item = (String, &Program)> {
        let signals = self.signals.iter().enumerate();
        let rules = self.rules.iter().enumerate().flat_map(|(index, rule)| {
            let whens = rule.when.iter().map(move |when| (format!("spec.rules[{index}].when"), when));
            let messages = rule.message_expression.iter();
            whens.chain(messages.map(move |message| (format!("spec.rules[{index}].messageExpression"), message)))
        });
        (named("matchConditions", &self.conditions))
            .chain(named("variables", &self.variables))
            .chain(signals.map(|(index, signal)| (format!("spec.signals[{index}].expression"), &signal.program)))
            .chain(rules)
    }

    /// The most that one decision can cost, in the API server's CEL cost units.
    #[must_use]
    pub fn worst_case_cost(&self) -> u64 {
        self.worst_case_cost
    }

    /// What an author should know although the policy is acceptable.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.notes.clone();
        let large = self.expressions().filter(|(_, program)| program.worst_case_cost() > Fuel::PER_EXPRESSION);
        warnings.extend(large.map(|(path, program)| {
            let (cost, limit) = (program.worst_case_cost(), Fuel::PER_EXPRESSION);
            format!(
                "{path}: {}, over the limit of {limit} per expression, and would be denied (CostExceeded)",
                could_cost(cost)
            )
        }));
        if self.worst_case_cost > MAX_DECISION_COST {
            warnings.push(format!(
                "{}, over the limit of {MAX_DECISION_COST} per decision, and would be denied (CostExceeded)",
                could_cost(self.worst_case_cost)
            ));
        }
        warnings
    }
}

fn named<'p>(field: &'static str, programs: &'p [(String, Program)]) -> impl Iterator<Item = (String, &'p Program)> {
    let path = move |index| format!("spec.{field}[{index}].expression");
    programs.iter().enumerate().map(move |(index, (_, program))| (path(index), program))
}

/// [`u64::MAX`] stands for more than can be counted.
fn could_cost(cost: u64) -> String {
    match cost {
        u64::MAX => "the largest objects could cost more than can be counted".to_owned(),
        cost => format!("the largest objects could cost {cost}"),
    }
}

/// One thing that is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Field path, for example `spec.rules[1].when`.
    pub path: String,
    /// Where within the expression at that path.
    pub position: Option<Position>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(position) = self.position {
            write!(f, " at {position}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for PolicyError {}

#[cfg(test)]
mod tests;
