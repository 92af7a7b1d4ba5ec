//! What each part of a policy's expressions came to, for people who ask why. It is no part of a decision: the parts
//! are compiled and evaluated once more, each by itself.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Input, Verdict, evaluate,
    mask::{MASKED, Mask, is_harmless},
    scope::{RuleScope, Scope},
};
use crate::{
    canonical,
    cel::{
        Activation, CompileErrors, Each, Environment, EvaluationError, Fuel, Program, Slot, Type, Value, compile,
        outline,
    },
    policy::{Environments, Policy},
    signal::SignalValue,
};

/// How many elements of a list or map are shown under a macro.
const MAX_ELEMENTS: usize = 8;

/// The longest value that is shown, in characters.
const MAX_SHOWN: usize = 120;

/// One expression of a policy with its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What it is: `matchCondition`, `variable`, `signal` or `rule`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The expression and its parts, each before those that it is made of.
    pub parts: Vec<Explained>,
}

/// A part of an expression with what it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// How deep it is in the whole, which has depth 0.
    pub depth: usize,
    /// The element that it was evaluated for, as `name = value`; empty outside macros.
    pub element: String,
    /// As its author wrote it, on one line.
    pub text: String,
    /// Its value as CEL writes it, cut where it is long; or the error. A value that data of a Secret went into says
    /// that it is masked, unless it is a boolean or a signal.
    pub outcome: Result<String, String>,
    /// What it costs by itself, in the API server's units; what a variable costs is counted there.
    pub cost: u64,
}

/// Explains what [`evaluate`] came to: the match conditions, the variables that were read, the signals, and the rules
/// up to the one that decided.
#[must_use]
pub fn explain(policy: &Policy, params: &canonical::Value<'_>, input: &Input<'_>) -> Vec<Explanation> {
    let environments = Environments::of(policy);
    let (condition, request, rule) = (environments.condition(), environments.request(), environments.rule());
    let plans = |programs: Vec<(&'static str, &str, &Program)>, environment: &Environment| -> Vec<Plan> {
        programs.into_iter().map(|(kind, name, program)| Plan::new(kind, name, program, environment)).collect()
    };
    let decision = match evaluate(policy, params, input) {
        Verdict::Decided(decision) => Some(decision),
        Verdict::Skipped => None,
    };
    let conditions = plans(named("matchCondition", policy.conditions()), condition);
    let signals = signals(policy);
    let asked = decision.as_ref().map_or(&[][..], |_| &signals);
    let used = read_variables(
        policy,
        policy.conditions().iter().map(|(_, program)| program).chain(asked.iter().map(|(.., program)| *program)),
    );
    let variables = policy.variables().iter().filter(|(name, _)| used.contains(name.as_str()));
    let variables = plans(variables.map(|(name, program)| ("variable", name.as_str(), program)).collect(), request);
    let signals = plans(asked.to_vec(), request);
    let rules = plans(decision.as_ref().map(|decision| tried(policy, decision)).unwrap_or_default(), &rule);

    let values = decision.map(|decision| decision.signals).unwrap_or_default();
    let scope = Scope::new(policy, params, input);
    let mask = Mask::new(policy, input);
    warm(policy, &scope);
    let mut explanations = Vec::new();
    explanations.extend(conditions.iter().chain(&variables).chain(&signals).map(|plan| plan.run(&scope, &mask)));
    explanations.extend(with_signals(&scope, &values, &rules, &mask));
    explanations
}

/// The conditions of a policy: every expression, and every part of one, that yields a boolean, as (kind, name, text).
/// What a macro evaluates for its elements is not among them.
#[must_use]
pub fn conditions(policy: &Policy) -> Vec<(&'static str, String, String)> {
    let environments = Environments::of(policy);
    let (condition, request, rule) = (environments.condition(), environments.request(), environments.rule());
    let whens = policy.rules().iter().filter_map(|rule| Some(("rule", rule.name.as_str(), rule.when.as_ref()?)));
    let programs = (named("matchCondition", policy.conditions()).into_iter().map(|named| (named, condition)))
        .chain(named("variable", policy.variables()).into_iter().map(|named| (named, request)))
        .chain(signals(policy).into_iter().map(|named| (named, request)))
        .chain(whens.map(|named| (named, &rule)));
    let mut found = Vec::new();
    for ((kind, name, program), environment) in programs {
        for part in Plan::new(kind, name, program, environment).parts {
            let condition = (kind, name.to_owned(), part.text);
            let is_bool = part.program.is_ok_and(|program| *program.output() == Type::Bool);
            if is_bool && !found.contains(&condition) {
                found.push(condition);
            }
        }
    }
    found
}

fn signals(policy: &Policy) -> Vec<(&'static str, &str, &Program)> {
    policy.signals().iter().map(|signal| ("signal", signal.name.as_str(), &signal.program)).collect()
}

fn named<'p>(kind: &'static str, programs: &'p [(String, Program)]) -> Vec<(&'static str, &'p str, &'p Program)> {
    programs.iter().map(|(name, program)| (kind, name.as_str(), program)).collect()
}

/// The conditions of the rules up to the one that decided; of all where none did.
fn tried<'p>(policy: &'p Policy, decision: &super::Decision) -> Vec<(&'static str, &'p str, &'p Program)> {
    let rules = policy.rules();
    if decision.signals.len() < policy.signals().len() {
        return Vec::new();
    }
    let last = rules.iter().position(|rule| Some(rule.name.as_str()) == decision.rule()).unwrap_or(rules.len());
    let tried = rules.iter().take(last.saturating_add(1));
    tried.filter_map(|rule| Some(("rule", rule.name.as_str(), rule.when.as_ref()?))).collect()
}

/// The names of the variables that programs read, and of those that these read.
fn read_variables<'p>(policy: &Policy, programs: impl Iterator<Item = &'p Program>) -> BTreeSet<String> {
    let reads = |program: &Program| -> Vec<String> {
        let paths = program.references().iter().map(|path| path.steps().collect::<Vec<_>>());
        paths
            .filter_map(|steps| match steps.as_slice() {
                ["variables", name, ..] => Some((*name).to_owned()),
                _ => None,
            })
            .collect()
    };
    let mut found: BTreeSet<String> = programs.flat_map(reads).collect();
    // A variable reads only earlier ones.
    for (name, program) in policy.variables().iter().rev() {
        if found.contains(name) {
            found.extend(reads(program));
        }
    }
    found
}

/// Evaluates all variables, so that no part pays for one.
fn warm(policy: &Policy, scope: &Scope<'_>) {
    for index in 0..policy.variables().len() {
        let _ = scope.variable(index, &mut Fuel::new(Fuel::PER_EXPRESSION));
    }
}

fn with_signals<'a>(
    scope: &Scope<'a>,
    values: &BTreeMap<String, SignalValue>,
    rules: &'a [Plan],
    mask: &Mask,
) -> Vec<Explanation> {
    let scope: RuleScope<'_, 'a> = scope.rules(values);
    rules.iter().map(|plan| plan.run(&scope, mask)).collect()
}

/// The compiled parts of one expression.
struct Plan {
    kind: &'static str,
    name: String,
    parts: Vec<PlannedPart>,
}

struct PlannedPart {
    depth: usize,
    text: String,
    program: Result<Program, CompileErrors>,
    each: Option<PlannedEach>,
    /// The condition of a branch, and what it must come to for the branch to be taken.
    only_if: Option<(Program, bool)>,
}

/// What a macro evaluates for each element.
struct PlannedEach {
    range: Program,
    names: [Option<(String, Slot)>; 2],
    text: String,
    body: Program,
}

impl Plan {
    fn new(kind: &'static str, name: &str, program: &Program, environment: &Environment) -> Self {
        let source = program.source();
        let text = |range: &std::ops::Range<usize>| source.get(range.clone()).unwrap_or_default();
        // INVARIANT: the expression compiled, so it has an outline.
        let parts = outline(source).unwrap_or_default().into_iter().map(|part| PlannedPart {
            depth: part.depth,
            text: one_line(text(&part.text)),
            program: compile(text(&part.text), environment, None),
            each: part.each.and_then(|each| planned_each(&each, source, environment)),
            only_if: part
                .only_if
                .and_then(|(condition, wanted)| Some((compile(text(&condition), environment, None).ok()?, wanted))),
        });
        Self { kind, name: name.to_owned(), parts: parts.collect() }
    }

    /// Whether the part is a signal, whose value every decision tells.
    fn is_recorded(&self, part: &PlannedPart) -> bool {
        self.kind == "signal" && part.depth == 0
    }

    fn run<'a>(&'a self, scope: &dyn Activation<'a>, mask: &Mask) -> Explanation {
        let mut parts = Vec::new();
        let mut skipped_below = usize::MAX;
        for part in &self.parts {
            if part.depth > skipped_below {
                continue;
            }
            skipped_below = usize::MAX;
            if part.only_if.as_ref().is_some_and(|branch| !is_taken(branch, scope)) {
                skipped_below = part.depth;
                continue;
            }
            let mut fuel = Fuel::new(Fuel::PER_EXPRESSION);
            let outcome = match &part.program {
                Ok(program) => {
                    shown(program.evaluate(scope, &mut fuel), mask.hides(program) && !self.is_recorded(part))
                }
                Err(errors) => Err(errors.to_string()),
            };
            let (text, element) = (part.text.clone(), String::new());
            parts.push(Explained { depth: part.depth, element, text, outcome, cost: fuel.cost() });
            if let Some(each) = &part.each {
                each.run(part.depth + 1, scope, mask, &mut parts);
            }
        }
        Explanation { kind: self.kind, name: self.name.clone(), parts }
    }
}

fn is_taken<'a>((condition, wanted): &'a (Program, bool), scope: &dyn Activation<'a>) -> bool {
    let value = condition.evaluate(scope, &mut Fuel::new(Fuel::PER_EXPRESSION));
    value.is_ok_and(|value| value.as_bool() == Some(*wanted))
}

/// The variables of a macro are declared with the types of its range.
fn planned_each(each: &Each, source: &str, environment: &Environment) -> Option<PlannedEach> {
    let text = |range: &std::ops::Range<usize>| source.get(range.clone()).unwrap_or_default();
    let range = compile(text(&each.range), environment, None).ok()?;
    let (first, second) = match (range.output(), &each.second) {
        (Type::List(element), None) => (element.as_ref().clone(), Type::Dyn),
        (Type::List(element), Some(_)) => (Type::Int, element.as_ref().clone()),
        (Type::Map(key, value), _) => (key.as_ref().clone(), value.as_ref().clone()),
        _ => (Type::Dyn, Type::Dyn),
    };
    let mut inner = environment.clone().variable(&each.variable, first);
    if let Some(name) = &each.second {
        inner = inner.variable(name, second);
    }
    let body = compile(text(&each.body), &inner, None).ok()?;
    let slot = |name: &str| inner.slot(name).map(|slot| (name.to_owned(), slot));
    let names = [slot(&each.variable), each.second.as_deref().and_then(slot)];
    Some(PlannedEach { range, names, text: one_line(text(&each.body)), body })
}

impl PlannedEach {
    fn run<'a>(&'a self, depth: usize, scope: &dyn Activation<'a>, mask: &Mask, into: &mut Vec<Explained>) {
        let hidden = mask.hides(&self.range) || mask.hides(&self.body);
        let Ok(range) = self.range.evaluate(scope, &mut Fuel::new(Fuel::PER_EXPRESSION)) else { return };
        let pair = self.names[1].is_some();
        let elements: Vec<[Value<'a>; 2]> = match &range {
            Value::List(list) => {
                let index = |at: usize| Value::Int(i64::try_from(at).unwrap_or(i64::MAX));
                let of = |(at, item)| if pair { [index(at), item] } else { [item, Value::Null] };
                list.iter().enumerate().map(of).take(MAX_ELEMENTS + 1).collect()
            }
            Value::Map(map) => map.iter().map(|(key, value)| [key, value]).take(MAX_ELEMENTS + 1).collect(),
            _ => return,
        };
        for (at, values) in elements.iter().enumerate() {
            let mut fuel = Fuel::new(Fuel::PER_EXPRESSION);
            let with = WithElement { inner: scope, names: &self.names, values };
            let named = self.names.iter().flatten().zip(values);
            let element: Vec<_> =
                named.map(|((name, _), value)| format!("{name} = {}", written(value, hidden))).collect();
            if at == MAX_ELEMENTS {
                let outcome = Ok(String::new());
                into.push(Explained { depth, element: String::new(), text: "…".to_owned(), outcome, cost: 0 });
                return;
            }
            let outcome = shown(self.body.evaluate(&with, &mut fuel), hidden);
            into.push(Explained {
                depth,
                element: element.join(", "),
                text: self.text.clone(),
                outcome,
                cost: fuel.cost(),
            });
        }
    }
}

/// The variables of an expression, and those of a macro for one element.
struct WithElement<'s, 'a> {
    inner: &'s dyn Activation<'a>,
    names: &'s [Option<(String, Slot)>; 2],
    values: &'s [Value<'a>; 2],
}

impl<'a> Activation<'a> for WithElement<'_, 'a> {
    fn resolve(&self, slot: Slot, fuel: &mut Fuel) -> Result<Value<'a>, EvaluationError> {
        let named = self.names.iter().zip(self.values);
        let own = named.filter_map(|(name, value)| Some((name.as_ref()?.1, value))).find(|(own, _)| *own == slot);
        own.map_or_else(|| self.inner.resolve(slot, fuel), |(_, value)| Ok(value.clone()))
    }
}

fn shown(outcome: Result<Value<'_>, EvaluationError>, hidden: bool) -> Result<String, String> {
    outcome.map(|value| written(&value, hidden)).map_err(|error| error.kind.to_string())
}

fn written(value: &Value<'_>, hidden: bool) -> String {
    if hidden && !is_harmless(value) { MASKED.to_owned() } else { short(&value.literal()) }
}

fn short(text: &str) -> String {
    let mut characters = text.chars();
    let mut start: String = characters.by_ref().take(MAX_SHOWN).collect();
    if characters.next().is_some() {
        start.push('…');
    }
    start
}

/// A text of several lines on one, without what indents it.
fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}
