//! The standard functions of strings; `matches` is with the regular expressions.

use super::{
    super::{error::EvaluationErrorKind, fuel::Fuel, types::Type, value::Value},
    Cost, Declarations, no_such_overload,
};

pub(super) fn declare(into: &mut Declarations) {
    let both = [Type::String, Type::String];
    into.function("contains").unguarded().method(both.clone(), Type::Bool, Cost::Contains, contains);
    into.function("endsWith").unguarded().method(both.clone(), Type::Bool, Cost::Scan(1), ends_with);
    into.function("startsWith").unguarded().method(both, Type::Bool, Cost::Scan(1), starts_with);
    describe(into);
}

fn describe(into: &mut Declarations) {
    into.function("contains")
        .about("Whether a string has another inside.")
        .example("'registry.example.com'.contains('example')", "true");
    into.function("endsWith")
        .about("Whether a string ends with another.")
        .example("'image:latest'.endsWith(':latest')", "true");
    into.function("startsWith")
        .about("Whether a string starts with another.")
        .example("'docker.io/nginx'.startsWith('docker.io/')", "true");
}

fn contains<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Result<Value<'a>, EvaluationErrorKind> {
    let [Value::String(text), Value::String(part)] = arguments else {
        return Err(no_such_overload("contains", arguments));
    };
    fuel.scan(text.len() + part.len())?;
    Ok(Value::Bool(text.contains(&**part)))
}

fn ends_with<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Result<Value<'a>, EvaluationErrorKind> {
    let [Value::String(text), Value::String(part)] = arguments else {
        return Err(no_such_overload("endsWith", arguments));
    };
    fuel.scan(part.len())?;
    Ok(Value::Bool(text.ends_with(&**part)))
}

fn starts_with<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Result<Value<'a>, EvaluationErrorKind> {
    let [Value::String(text), Value::String(part)] = arguments else {
        return Err(no_such_overload("startsWith", arguments));
    };
    fuel.scan(part.len())?;
    Ok(Value::Bool(text.starts_with(&**part)))
}
