//! The engine against what the API server's own CEL said of each case.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

use super::render::{parse_type, render};
use crate::{
    canonical,
    cel::{Bindings, Duration, Environment, Fuel, Timestamp, Type, Value, compile},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "about")]
    _about: String,
    #[serde(default)]
    types: BTreeMap<String, String>,
    #[serde(default)]
    input: BTreeMap<String, serde_json::Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) expression: String,
    #[serde(default)]
    pub(super) types: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) input: BTreeMap<String, serde_json::Value>,
    #[serde(flatten)]
    expected: Expected,
    pub(super) differs: Option<Differs>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub(super) struct Expected {
    #[serde(rename = "type")]
    pub(super) of: Option<String>,
    pub(super) value: Option<String>,
    pub(super) error: Option<String>,
    pub(super) cost: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct Differs {
    why: String,
    /// The difference that random expressions may have, of which this is an example.
    pub(super) name: Option<String>,
    #[serde(flatten)]
    expected: Expected,
}

/// What is expected of this engine: what the API server does, unless the case says otherwise.
fn expectation(case: &Case) -> Expected {
    let Some(Differs { why, expected: own, .. }) = &case.differs else { return case.expected.clone() };
    assert!(!why.is_empty());
    let theirs = case.expected.clone();
    if own.error.as_deref() == Some("Compile") {
        return own.clone();
    }
    let (value, error) = match (&own.value, &own.error) {
        (None, None) => (theirs.value, theirs.error),
        _ => (own.value.clone(), own.error.clone()),
    };
    Expected { of: own.of.clone().or(theirs.of), value, error, cost: own.cost.or(theirs.cost) }
}

/// Every case with the types and the inputs of its file, and the name of that.
pub(super) fn cases() -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/cel");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut cases = Vec::new();
    for path in paths {
        let (name, text) = (path.display().to_string(), fs::read_to_string(&path).unwrap());
        let file: File = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        for case in file.cases {
            let (mut types, mut input) = (file.types.clone(), file.input.clone());
            types.extend(case.types);
            input.extend(case.input);
            cases.push((name.clone(), Case { types, input, ..case }));
        }
    }
    cases
}

fn evaluate(case: &Case) -> Expected {
    let expression = &case.expression;
    let mut env = Environment::new();
    let mut held = Vec::new();
    for (name, input) in &case.input {
        let of = case.types.get(name).map_or(Type::Dyn, |of| parse_type(of));
        env = env.variable(name, of.clone());
        held.push((name, of, canonical::Value::from(input.clone())));
    }
    let program = match compile(expression, &env, None) {
        Ok(program) => program,
        Err(errors) => {
            assert!(!errors.issues().is_empty() && !errors.to_string().is_empty());
            return Expected { error: Some("Compile".to_owned()), ..Expected::default() };
        }
    };
    let mut bindings = Bindings::new();
    for (name, of, input) in &held {
        bindings.set(env.slot(name).unwrap(), value_of(of, input));
    }
    let mut fuel = Fuel::new(Fuel::PER_EXPRESSION);
    let outcome = program.evaluate(&bindings, &mut fuel);
    let (value, error) = match outcome {
        Ok(value) => (Some(render(&value)), None),
        Err(error) => (None, Some(error.kind.code().to_owned())),
    };
    let cost = (error.as_deref() != Some("CostExceeded")).then_some(fuel.cost());
    let worst = program.worst_case_cost();
    assert!(fuel.cost() <= worst, "{expression} cost {}, and {worst} was to be the worst", fuel.cost());
    Expected { of: Some(program.output().to_string()), value, error, cost }
}

#[expect(clippy::cast_precision_loss, reason = "the vectors have small numbers")]
pub(super) fn value_of<'a>(of: &Type, input: &'a canonical::Value<'a>) -> Value<'a> {
    let value = Value::from(input);
    match (of, &value) {
        (Type::Uint, Value::Int(number)) => Value::Uint(u64::try_from(*number).unwrap()),
        (Type::Double, Value::Int(number)) => Value::Double(*number as f64),
        (Type::Timestamp, Value::String(text)) => Value::Timestamp(Timestamp::parse(text).unwrap()),
        (Type::Duration, Value::String(text)) => Value::Duration(Duration::parse(text).unwrap()),
        _ => value,
    }
}

#[test]
fn the_engine_agrees_with_the_api_server() {
    let cases = cases();
    let differing = |(path, case): &(String, Case)| {
        let (wanted, found) = (expectation(case), evaluate(case));
        let shown = || format!("{path}: {}\n  wanted {wanted:?}\n  found  {found:?}", case.expression);
        (found != wanted).then(shown)
    };
    let failures: Vec<String> = cases.iter().filter_map(differing).collect();
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
    assert!(cases.len() > 1_500, "only {} cases were found", cases.len());
}
