//! Optional values; `or`, `orValue`, `optMap` and `optFlatMap` are instructions of the machine.

use super::{
    super::{
        error::EvaluationErrorKind,
        fuel::Fuel,
        types::Type,
        value::{List, Timestamp, Value},
    },
    Cost, Declarations, Size, no_such_overload,
};

type Outcome<'a> = Result<Value<'a>, EvaluationErrorKind>;

pub(super) fn declare(into: &mut Declarations) {
    let value = Type::Parameter(0);
    let optional = Type::optional(value.clone());
    let list = Type::list(value.clone());
    let optionals = Type::list(optional.clone());
    into.function("optional.of").sized(Size::Target).global([value.clone()], optional.clone(), Cost::Unit, of);
    let function = into.function("optional.ofNonZeroValue");
    function.global([value.clone()], optional.clone(), Cost::Unit, of_non_zero_value).sized(Size::Target);
    into.function("optional.none").global([], optional.clone(), Cost::Unit, none);
    into.function("value").sized(Size::Target).method([optional.clone()], value.clone(), Cost::Unit, self::value);
    into.function("hasValue").method([optional.clone()], Type::Bool, Cost::Unit, has_value);
    into.function("or").method([optional.clone(), optional.clone()], optional.clone(), Cost::Unit, lowered);
    into.function("orValue").method([optional.clone(), value.clone()], value, Cost::Unit, lowered);
    into.function("last").sized(Size::Element).method([list.clone()], optional.clone(), Cost::Unit, last);
    into.function("first").sized(Size::Element).method([list.clone()], optional, Cost::Unit, first);
    into.function("optional.unwrap").sized(Size::Target).global([optionals.clone()], list.clone(), Cost::Unit, unwrap);
    into.function("unwrapOpt").sized(Size::Target).method([optionals], list, Cost::Unit, unwrap);
    describe(into);
}

fn describe(into: &mut Declarations) {
    into.function("optional.of").about("An optional that has the value.").example("optional.of(1).hasValue()", "true");
    into.function("optional.ofNonZeroValue")
        .about("An optional that has the value, unless it is empty, zero, false or null.")
        .example("optional.ofNonZeroValue('')", "optional.none()")
        .example("optional.ofNonZeroValue(2)", "optional.of(2)");
    into.function("optional.none").about("An optional without a value.").example("optional.none().orValue(3)", "3");
    into.function("value")
        .about("The value of an optional; an error where there is none.")
        .example("optional.of('a').value()", "'a'");
    into.function("hasValue").about("Whether an optional has a value.").example("{'k': 1}.?x.hasValue()", "false");
    into.function("or")
        .about("The optional itself where it has a value, else the other.")
        .example("optional.none().or(optional.of(2))", "optional.of(2)");
    into.function("orValue")
        .about("The value of an optional, or another where there is none.")
        .example("{'k': 1}.?x.orValue(5)", "5");
    into.function("last")
        .about("The last element of a list, as an optional.")
        .example("[1, 2].last()", "optional.of(2)")
        .example("[].last()", "optional.none()");
    into.function("first")
        .about("The first element of a list, as an optional.")
        .example("[1, 2].first()", "optional.of(1)");
    into.function("optional.unwrap")
        .about("The values of those optionals of a list that have one.")
        .example("optional.unwrap([optional.of(1), optional.none()])", "[1]");
    into.function("unwrapOpt")
        .about("As `optional.unwrap`.")
        .example("[optional.none(), optional.of('a')].unwrapOpt()", "['a']");
}

/// Stands in the table for `or` and `orValue`, which evaluate their argument only where it is needed.
fn lowered<'a>(_: &mut Fuel, _: &[Value<'a>]) -> Outcome<'a> {
    Err(EvaluationErrorKind::Internal("an operator was called"))
}

fn of<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let value = arguments.first().ok_or_else(|| no_such_overload("optional.of", arguments))?;
    Value::present(value.clone())
}

fn of_non_zero_value<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let value = arguments.first().ok_or_else(|| no_such_overload("optional.ofNonZeroValue", arguments))?;
    if is_zero(value) { Ok(Value::Optional(None)) } else { Value::present(value.clone()) }
}

fn is_zero(value: &Value<'_>) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Int(value) => *value == 0,
        Value::Uint(value) => *value == 0,
        Value::Double(value) => *value == 0.0,
        Value::String(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::List(list) => list.is_empty(),
        Value::Map(map) => map.is_empty(),
        // Go's zero time is the start of the year 1, not that of 1970.
        Value::Timestamp(time) => time.seconds() == Timestamp::MIN_SECONDS && time.nanos() == 0,
        Value::Duration(duration) => duration.nanos() == 0,
        Value::Opaque(value) => value.is_zero(),
        Value::Type(_) | Value::Optional(_) => false,
    }
}

fn none<'a>(_: &mut Fuel, _: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Optional(None))
}

fn value<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    match arguments {
        [Value::Optional(Some(present))] => Ok(present.value().clone()),
        [Value::Optional(None)] => Err(EvaluationErrorKind::EmptyOptional),
        _ => Err(no_such_overload("value", arguments)),
    }
}

fn has_value<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    match arguments {
        [Value::Optional(inner)] => Ok(Value::Bool(inner.is_some())),
        _ => Err(no_such_overload("hasValue", arguments)),
    }
}

fn element<'a>(list: &List<'a>, index: Option<usize>) -> Outcome<'a> {
    index.and_then(|index| list.element(index)).map_or(Ok(Value::Optional(None)), Value::present)
}

fn last<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    match arguments {
        [Value::List(list)] => element(list, list.len().checked_sub(1)),
        _ => Err(no_such_overload("last", arguments)),
    }
}

fn first<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    match arguments {
        [Value::List(list)] => element(list, Some(0)),
        _ => Err(no_such_overload("first", arguments)),
    }
}

fn unwrap<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [Value::List(list)] = arguments else { return Err(no_such_overload("unwrapOpt", arguments)) };
    fuel.elements(list.len())?;
    let mut present = Vec::new();
    for item in list.iter() {
        match item {
            Value::Optional(Some(inner)) => present.push(inner.value().clone()),
            Value::Optional(None) => {}
            other => return Err(no_such_overload("unwrapOpt", &[other])),
        }
    }
    Value::list(present)
}
