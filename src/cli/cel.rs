//! `writ cel`: one expression by itself.

use std::path::PathBuf;

use serde::Serialize;

use super::{
    Exit, Failure, Io,
    console::{Answer, Console, Format, OutputArguments, Paint, clean},
    evaluate::mapping,
    input, manifest,
};
use crate::{
    canonical,
    cel::{self, Bindings, Environment, Fuel, Key, Map, Position, Type, Value},
    time::Timestamp,
};

const EXAMPLES: &str = "\
Examples:
  writ cel '1 + 2'
  writ cel 'object.spec.replicas <= 5' --vars vars.yaml      # vars.yaml: {object: {spec: {replicas: 3}}}
  writ cel 'request.time.getDayOfWeek() == 5' --time 2026-11-27T09:00:00Z
  echo 'has(object.metadata.labels)' | writ cel - --vars vars.yaml -o json

Exit codes: 0 it has a value, 1 it does not compile or fails, 2 the variables cannot be read.";

/// Evaluate one CEL expression: its value, type and cost, or the error with its position.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CelCommand {
    /// The expression; `-` reads it from standard input.
    #[arg(value_name = "EXPRESSION")]
    expression: String,
    /// A mapping in YAML or JSON; each of its keys is a variable of the expression.
    #[arg(long, value_name = "FILE")]
    vars: Option<PathBuf>,
    /// The value of `request.time`, as in 2026-11-24T09:00:00Z.
    #[arg(long, value_name = "TIME")]
    time: Option<Timestamp>,
    #[command(flatten)]
    output: OutputArguments,
}

/// The answer of `writ cel`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct CelResult {
    /// The value in JSON; absent where it has no JSON form (bytes, types, optionals, NaN) or there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cluster", schemars(with = "Option<serde_json::Value>"))]
    value: Option<canonical::Value<'static>>,
    /// The value as CEL writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    literal: Option<String>,
    /// The type of the value, for example `map`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    value_type: Option<String>,
    /// The type that the checker found before evaluation, for example `map(string, int)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    checked_type: Option<String>,
    /// What the evaluation cost, in the API server's CEL cost units.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<u64>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<CelFault>,
}

/// One thing that is wrong with an expression.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct CelFault {
    /// What is wrong.
    message: String,
    /// The kind of error as one word, of an evaluation.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// The line, from 1.
    line: u32,
    /// The character within the line, from 1.
    column: u32,
    /// The byte, from 0.
    offset: u32,
}

impl Answer for CelResult {
    const KIND: &'static str = "CelResult";
}

impl CelFault {
    fn new(position: Position, message: String, code: Option<&'static str>) -> Self {
        Self { message, code, line: position.line, column: position.column, offset: position.offset }
    }
}

impl CelCommand {
    pub(super) fn run(&self, io: &mut Io) -> Result<Exit, Failure> {
        let source = match self.expression.as_str() {
            "-" => io.inputs.text("-".as_ref())?,
            other => other.to_owned(),
        };
        let source = source.trim_end();
        let variables = match &self.vars {
            Some(path) => mapping(&manifest::read(&mut io.inputs, path)?, &input::name(path))?,
            None => canonical::Object::default(),
        };
        let result = evaluate(source, &variables, self.time);
        let exit = if result.errors.is_empty() { Exit::Yes } else { Exit::No };
        match self.output.output {
            Format::Json => io.console.json(&result)?,
            Format::Text => show(&mut io.console, source, &result),
        }
        Ok(exit)
    }
}

/// Evaluates an expression; `time` is `request.time`.
fn evaluate(source: &str, variables: &canonical::Object<'_>, time: Option<Timestamp>) -> CelResult {
    let mut environment = Environment::new();
    let mut bindings = Bindings::new();
    for (name, value) in values(variables, time) {
        environment = environment.variable(name, Type::Dyn);
        if let Some(slot) = environment.slot(name) {
            bindings.set(slot, value);
        }
    }
    let program = match cel::compile(source, &environment, None) {
        Ok(program) => program,
        Err(errors) => {
            let fault = |issue: &cel::CompileError| CelFault::new(issue.position, issue.kind.to_string(), None);
            return CelResult { errors: errors.issues().iter().map(fault).collect(), ..CelResult::default() };
        }
    };
    let mut fuel = Fuel::new(Fuel::PER_EXPRESSION);
    let checked_type = Some(program.output().to_string());
    match program.evaluate(&bindings, &mut fuel) {
        Ok(value) => CelResult {
            value: value.to_canonical().ok(),
            literal: Some(value.literal()),
            value_type: Some(value.type_name().to_owned()),
            checked_type,
            cost: Some(fuel.cost()),
            errors: Vec::new(),
        },
        Err(error) => {
            let fault = CelFault::new(error.position, error.kind.to_string(), Some(error.kind.code()));
            CelResult { checked_type, cost: Some(fuel.cost()), errors: vec![fault], ..CelResult::default() }
        }
    }
}

/// The variables by name, the time among them as a field of `request`.
fn values<'v>(variables: &'v canonical::Object<'v>, time: Option<Timestamp>) -> Vec<(&'v str, Value<'v>)> {
    let plain = variables.iter().filter(|(name, _)| time.is_none() || *name != "request");
    let mut values: Vec<_> = plain.map(|(name, value)| (name, Value::from(value))).collect();
    if let Some(time) = time {
        let key = |name| Key::String(cel::Text::Borrowed(name));
        let fields = variables.member("request").and_then(canonical::Value::as_object).into_iter();
        let fields = fields.flat_map(canonical::Object::iter).map(|(name, value)| (key(name), Value::from(value)));
        let fields = fields.chain([(key("time"), timestamp(time))]).collect();
        values.push(("request", Map::new(fields).map_or(Value::Null, Value::Map)));
    }
    values
}

fn timestamp(time: Timestamp) -> Value<'static> {
    let (seconds, millis) = (time.as_millis().div_euclid(1000), time.as_millis().rem_euclid(1000));
    let nanos = u32::try_from(millis).unwrap_or_default() * 1_000_000;
    cel::Timestamp::new(seconds, nanos).map_or(Value::Null, Value::Timestamp)
}

fn show(console: &mut Console, source: &str, result: &CelResult) {
    for (name, value) in [("value", &result.literal), ("type", &result.value_type)] {
        if let Some(value) = value {
            console.put(Paint::Faint, format!("{name:5}  ")).put(Paint::Plain, value).end();
        }
    }
    for fault in &result.errors {
        console
            .put(Paint::Bad, "error")
            .put(Paint::Plain, format!("  {}:{}: {}", fault.line, fault.column, fault.message))
            .end();
        caret(console, source, fault);
    }
    if let Some(cost) = result.cost {
        console.put(Paint::Faint, "cost   ").put(Paint::Plain, cost).end();
    }
}

/// The line of the source, and below it a caret under the place of the fault.
fn caret(console: &mut Console, source: &str, fault: &CelFault) {
    let line = source.split('\n').nth(fault.line.saturating_sub(1) as usize).unwrap_or_default();
    let before: String = line.chars().take(fault.column.saturating_sub(1) as usize).collect();
    console.put(Paint::Faint, "     | ").put(Paint::Plain, line).end();
    // As wide as what is shown before it.
    let margin = " ".repeat(clean(&before).chars().count());
    console.put(Paint::Faint, "     | ").put(Paint::Plain, margin).put(Paint::Bad, "^").end();
}
