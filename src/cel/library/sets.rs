//! The set extension of cel-go (`ext/sets.go`): lists taken as sets, by the equality of the language.

use super::{
    super::{
        error::EvaluationErrorKind,
        fuel::Fuel,
        types::Type,
        value::{List, Value},
    },
    Apply, Cost, Declarations, no_such_overload,
};

type Outcome<'a> = Result<Value<'a>, EvaluationErrorKind>;

pub(super) fn declare(into: &mut Declarations) {
    let list = Type::list(Type::Parameter(0));
    let mut of_two = |name, times, apply: Apply, about| {
        let function = into.function(name).about(about);
        function.global([list.clone(), list.clone()], Type::Bool, Cost::CrossCompare(times), apply);
    };
    of_two("sets.contains", 1, contains, "Whether the first list has every element of the second.");
    of_two("sets.equivalent", 2, equivalent, "Whether each list has every element of the other.");
    of_two("sets.intersects", 1, intersects, "Whether the lists have an element in common.");
    into.function("sets.contains")
        .example("sets.contains([1, 2, 3], [3, 2])", "true")
        .example("sets.contains([], [1])", "false")
        .example("sets.contains([], [])", "true");
    into.function("sets.equivalent")
        .example("sets.equivalent(['a'], ['a', 'a'])", "true")
        .example("sets.equivalent([1, 2], [1])", "false");
    into.function("sets.intersects")
        .example("sets.intersects([1], [1, 2])", "true")
        .example("sets.intersects([1], [])", "false");
}

fn lists<'a, 'v>(
    name: &'static str,
    arguments: &'v [Value<'a>],
) -> Result<(&'v List<'a>, &'v List<'a>), EvaluationErrorKind> {
    match arguments {
        [Value::List(first), Value::List(second)] => Ok((first, second)),
        _ => Err(no_such_overload(name, arguments)),
    }
}

fn has_all(fuel: &mut Fuel, list: &List<'_>, wanted: &List<'_>) -> Result<bool, EvaluationErrorKind> {
    for item in wanted.iter() {
        if !list.has(fuel, &item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn contains<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let (list, part) = lists("sets.contains", arguments)?;
    Ok(Value::Bool(has_all(fuel, list, part)?))
}

fn equivalent<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let (first, second) = lists("sets.equivalent", arguments)?;
    Ok(Value::Bool(has_all(fuel, first, second)? && has_all(fuel, second, first)?))
}

fn intersects<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let (first, second) = lists("sets.intersects", arguments)?;
    for item in first.iter() {
        if second.has(fuel, &item)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}
