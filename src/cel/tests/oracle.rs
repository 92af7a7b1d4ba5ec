//! The engine against the API server's own CEL: value, type, error, cost, and the place of the first compile error.
//!
//! `make oracle N=… SEED=…` compares as many expressions as wanted.

mod admission;
mod corpus;
mod data;
mod differences;
mod generate;
mod process;
mod random;
mod seeds;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::{
    render::{parse_type, render},
    vectors::{Expected, value_of},
};
use crate::{
    canonical,
    cel::{Activation, Bindings, CompileErrorKind, CompileErrors, Environment, Fuel, Program, Type, compile},
};
use generate::Generator;
pub(super) use process::Group;
use process::{Answer, ask};
use random::Random;

/// How many expressions share the same inputs.
const PER_GROUP: usize = 50;

/// How often an expression is evaluated; Go's maps iterate in an order that differs each time.
const RUNS: usize = 5;

/// How often, where the answers differ: an order of two keys may come up the same five times.
const RUNS_OF_A_DIFFERENCE: usize = 100;

/// An expression with both answers.
struct Compared {
    expression: String,
    input: Map<String, Json>,
    own: Expected,
    /// What is wrong, and where, in the order of the source.
    own_errors: Vec<(String, CompileErrorKind)>,
    theirs: Answer,
}

impl Compared {
    fn new(expression: &str, input: &Map<String, Json>, (own, own_errors): Own, theirs: Answer) -> Self {
        Self { expression: expression.to_owned(), input: input.clone(), own, own_errors, theirs }
    }

    fn is_refused(&self) -> bool {
        self.own.error.as_deref() == Some("Compile")
    }

    /// Whether the API server's counting of costs panics, as it does where an argument of `sort`, `distinct` or
    /// `flatten` is an error, and this engine ends with an error too. A panic has no class and no cost of its own.
    fn both_fail_where_they_panic(&self) -> bool {
        self.theirs.expected.error.as_deref() == Some("Internal")
            && self.own.of == self.theirs.expected.of
            && self.own.error.is_some()
    }

    fn agrees(&self) -> bool {
        let place = self.theirs.positions.first();
        let placed = self.own_errors.first().map(|(at, _)| at) == place;
        self.own == self.theirs.expected && (placed || self.theirs.syntax || place.is_none())
    }
}

type Own = (Expected, Vec<(String, CompileErrorKind)>);

/// What this engine makes of the expressions of a group.
fn answers(group: &Group) -> Vec<Own> {
    let held = |(name, input): (&String, &Json)| (name.clone(), canonical::Value::from(input.clone()));
    let inputs: Vec<(String, canonical::Value<'_>)> = group.input.iter().map(held).collect();
    if let Some(variables) = &group.variables {
        let (env, variables) = admission::environment(variables);
        let programs = compiled(&group.expressions, &env);
        return evaluated(&programs, &admission::Request::new(&env, &inputs, &variables));
    }
    let type_of = |name: &str| group.types.get(name).map_or(Type::Dyn, |of| parse_type(of.as_str().unwrap()));
    let env = inputs.iter().fold(Environment::new(), |env, (name, _)| env.variable(name, type_of(name)));
    let programs = compiled(&group.expressions, &env);
    let mut bindings = Bindings::new();
    for (name, input) in &inputs {
        bindings.set(env.slot(name).unwrap(), value_of(&type_of(name), input));
    }
    evaluated(&programs, &bindings)
}

fn compiled(expressions: &[String], env: &Environment) -> Vec<Result<Program, CompileErrors>> {
    expressions.iter().map(|expression| compile(expression, env, None)).collect()
}

fn evaluated<'a>(programs: &'a [Result<Program, CompileErrors>], activation: &dyn Activation<'a>) -> Vec<Own> {
    let own = |program: &'a Result<Program, CompileErrors>| {
        let program = match program {
            Ok(program) => program,
            Err(errors) => {
                let refused = Expected { error: Some("Compile".to_owned()), ..Expected::default() };
                let issues = errors.issues().iter().map(|issue| (issue.position.to_string(), issue.kind.clone()));
                return (refused, issues.collect());
            }
        };
        let mut fuel = Fuel::new(Fuel::PER_EXPRESSION);
        let (value, error) = match program.evaluate(activation, &mut fuel) {
            Ok(value) => (Some(render(&value)), None),
            Err(error) => (None, Some(error.kind.code().to_owned())),
        };
        let cost = (error.as_deref() != Some("CostExceeded")).then_some(fuel.cost());
        (Expected { of: Some(program.output().to_string()), value, error, cost }, Vec::new())
    };
    programs.iter().map(own).collect()
}

#[derive(Default)]
struct Tally {
    count: usize,
    varying: usize,
    panics: usize,
    refused: usize,
    failed: usize,
    named: BTreeMap<&'static str, usize>,
    unnamed: Vec<Compared>,
}

/// Compares all expressions of `groups` and counts what came out.
fn compare(groups: &[Group], tally: &mut Tally) {
    let mut theirs = ask(groups, RUNS).into_iter();
    let mut different = Vec::new();
    for group in groups {
        for (expression, own) in group.expressions.iter().zip(answers(group)) {
            let compared = Compared::new(expression, &group.input, own, theirs.next().unwrap());
            tally.count += 1;
            if compared.theirs.varies {
                tally.varying += 1;
                continue;
            }
            if compared.both_fail_where_they_panic() {
                tally.panics += 1;
                continue;
            }
            match compared.theirs.expected.error.as_deref() {
                Some("Compile") => tally.refused += 1,
                Some(_) => tally.failed += 1,
                None => {}
            }
            if compared.agrees() {
                continue;
            }
            // What is beyond the limit of work takes the API server seconds: it is not asked for again.
            match differences::name(&compared) {
                Some(name) if compared.own.error.as_deref() == Some("WorkExceeded") => {
                    *tally.named.entry(name).or_default() += 1;
                }
                _ => different.push((group, compared)),
            }
        }
    }
    assert!(theirs.next().is_none());
    let again: Vec<Group> = different
        .iter()
        .map(|(group, compared)| Group { expressions: vec![compared.expression.clone()], ..(*group).clone() })
        .collect();
    for ((_, compared), again) in different.into_iter().zip(ask(&again, RUNS_OF_A_DIFFERENCE)) {
        if again.varies {
            tally.varying += 1;
        } else if let Some(name) = differences::name(&compared) {
            *tally.named.entry(name).or_default() += 1;
        } else {
            tally.unnamed.push(compared);
        }
    }
}

/// `count` expressions in groups that share their inputs, the same for the same seed.
fn generated(seed: u64, count: usize) -> (Vec<Group>, BTreeMap<&'static str, usize>) {
    let mut random = Random::new(seed);
    let mut called = BTreeMap::new();
    let types: Map<String, Json> =
        data::VARIABLES.iter().map(|(name, of)| ((*name).to_owned(), Json::from(*of))).collect();
    let groups = (0..count.div_ceil(PER_GROUP)).map(|_| {
        let input = data::inputs(&mut random);
        let mut generator = Generator::new(&mut random);
        let expressions = (0..PER_GROUP).map(|_| generator.expression()).collect();
        for (name, count) in generator.called {
            *called.entry(name).or_default() += count;
        }
        Group { types: types.clone(), input, variables: None, expressions }
    });
    (groups.collect(), called)
}

/// The differences as vectors that can be pasted, the shortest first.
fn shown(unnamed: &mut [Compared]) -> String {
    unnamed.sort_by_key(|compared| compared.expression.len());
    let line = |compared: &Compared| {
        let used = |name: &str| compared.expression.contains(name);
        let input: BTreeMap<_, _> = compared.input.iter().filter(|(name, _)| name.len() < 3 && used(name)).collect();
        format!(
            "{}\n  here {:?} {:?}\n  API server {:?} {:?} {:?}\n  {}",
            compared.expression,
            compared.own,
            compared.own_errors.iter().map(|(at, _)| at).collect::<Vec<_>>(),
            compared.theirs.expected,
            compared.theirs.positions,
            compared.theirs.message,
            serde_json::to_string(&input).unwrap(),
        )
    };
    unnamed.iter().take(400).map(line).collect::<Vec<_>>().join("\n")
}

#[expect(clippy::disallowed_methods, reason = "switches of the test, not of the program")]
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Fails where the engine differs from the API server on an expression of `group`, with a name or without.
pub(super) fn agrees(group: Group) {
    let mut tally = Tally::default();
    compare(&[group], &mut tally);
    assert!(tally.unnamed.is_empty() && tally.named.is_empty(), "{:?}\n{}", tally.named, shown(&mut tally.unnamed));
}

/// The expressions of a file, one a line, over the first inputs of a seed: to find the smallest that differs.
fn of_file(path: &str, seed: u64) -> Vec<Group> {
    let (mut groups, _) = generated(seed, 1);
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    groups.truncate(1);
    groups.iter_mut().for_each(|group| group.expressions = text.lines().map(str::to_owned).collect());
    groups
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a switch of the test, not of the program")]
fn random_expressions_are_what_the_api_server_makes_of_them() {
    let count = usize::try_from(setting("WRIT_ORACLE_COUNT", 20_000)).unwrap();
    let seed = setting("WRIT_ORACLE_SEED", 1);
    let mut tally = Tally::default();
    if let Ok(path) = std::env::var("WRIT_ORACLE_FILE") {
        compare(&of_file(&path, seed), &mut tally);
        assert!(tally.unnamed.is_empty(), "{} differences:\n{}", tally.unnamed.len(), shown(&mut tally.unnamed));
        println!("{} expressions of {path}: no difference without a name; named: {:?}", tally.count, tally.named);
        return;
    }
    let (mut done, mut part) = (0, 0);
    let mut called: BTreeMap<&str, usize> = BTreeMap::new();
    while done < count {
        let size = (count - done).min(20_000);
        let (groups, names) = generated(seed.wrapping_mul(1_000_003).wrapping_add(part), size);
        compare(&groups, &mut tally);
        for (name, count) in names {
            *called.entry(name).or_default() += count;
        }
        done += size;
        part += 1;
    }
    println!(
        "{} expressions of seed {seed}: {} refused, {} failed, {} vary in the API server, {} make it panic; named differences: {:?}",
        tally.count, tally.refused, tally.failed, tally.varying, tally.panics, tally.named
    );
    assert!(tally.unnamed.is_empty(), "{} differences:\n{}", tally.unnamed.len(), shown(&mut tally.unnamed));
    let named: usize = tally.named.values().sum();
    assert!(named * 1_000 <= tally.count, "{named} named differences are more than 0.1 %: {:?}", tally.named);
}
