//! The operators that are calls: arithmetic, order, negation, and those that the checker alone needs to know.

use std::cmp::Ordering;

use super::{
    super::{
        error::EvaluationErrorKind,
        fuel::Fuel,
        types::Type,
        value::{Blob, Duration, List, Text, Timestamp, Value, compare},
    },
    Cost, Declarations, Size, no_such_overload,
};

type Outcome<'a> = Result<Value<'a>, EvaluationErrorKind>;

#[cold]
fn overflow(of: &'static str) -> EvaluationErrorKind {
    EvaluationErrorKind::Overflow(of)
}

pub(super) fn declare(into: &mut Declarations) {
    let (a, b) = (Type::Parameter(0), Type::Parameter(1));
    into.function("_?_:_").global([Type::Bool, a.clone(), a.clone()], a.clone(), Cost::Unit, lowered);
    for name in ["_==_", "_!=_"] {
        into.function(name).singleton().global([a.clone(), a.clone()], Type::Bool, Cost::Compare, lowered);
    }
    into.function("!_").singleton().global([Type::Bool], Type::Bool, Cost::Unit, lowered);
    arithmetic(into);
    order(into);
    let (list, map) = (Type::list(a.clone()), Type::map(a.clone(), b.clone()));
    let optional_list = Type::optional(Type::list(b.clone()));
    let optional_map = Type::optional(map.clone());
    into.function("_[_]")
        .singleton()
        .global([list.clone(), Type::Int], a.clone(), Cost::Unit, lowered)
        .global([map.clone(), a.clone()], b.clone(), Cost::Unit, lowered)
        .global([optional_list.clone(), Type::Int], Type::optional(b.clone()), Cost::Unit, lowered)
        .global([optional_map.clone(), a.clone()], Type::optional(b.clone()), Cost::Unit, lowered);
    into.function("_[?_]")
        .global([Type::list(b.clone()), Type::Int], Type::optional(b.clone()), Cost::Unit, lowered)
        .global([optional_list, Type::Int], Type::optional(b.clone()), Cost::Unit, lowered)
        .global([map.clone(), a.clone()], Type::optional(b.clone()), Cost::Unit, lowered)
        .global([optional_map, a.clone()], Type::optional(b), Cost::Unit, lowered);
    into.function("@in").singleton().global([a.clone(), list], Type::Bool, Cost::InList, lowered).global(
        [a, map],
        Type::Bool,
        Cost::Unit,
        lowered,
    );
    describe(into);
}

fn describe(into: &mut Declarations) {
    into.function("_?_:_")
        .about("`c ? a : b` is `a` where `c` is true and `b` where it is false; only one of them is evaluated.")
        .example("1 < 2 ? 'yes' : 'no'", "'yes'");
    into.function("_==_").about("Equality. Numbers are equal by value whatever their types; lists and maps element by element; NaN equals nothing.").example("dyn(1) == 1.0", "true").example("[1, 2] == [1, 2]", "true").example("dyn('1') == 1", "false");
    into.function("_!=_").about("The opposite of `==`.").example("'a' != 'b'", "true");
    into.function("!_").about("The opposite of a boolean.").example("!true", "false");
    into.function("_[_]").about("The element of a list at a position from 0, or the value of a map under a key; an error where there is none.").example("['a', 'b'][1]", "'b'").example("{'k': 1}['k']", "1");
    into.function("_[?_]")
        .about("As `[…]`, but an optional: absent where there is no such element.")
        .example("[1][?3]", "optional.none()")
        .example("{'k': 1}[?'k']", "optional.of(1)");
    into.function("@in")
        .about("Whether a list has the element, or a map the key.")
        .example("2 in [1, 2]", "true")
        .example("'x' in {'k': 1}", "false");
    into.function("_+_").about("Sum of numbers and times; concatenation of strings, bytes and lists. An integer that overflows is an error.").example("1 + 2", "3").example("'a' + 'b'", "'ab'").example("[1] + [2]", "[1, 2]").example("timestamp('2026-01-01T00:00:00Z') + duration('1h')", "timestamp('2026-01-01T01:00:00Z')");
    into.function("_-_")
        .about("Difference of numbers and times.")
        .example("5 - 7", "-2")
        .example("timestamp('2026-01-02T00:00:00Z') - timestamp('2026-01-01T00:00:00Z')", "duration('24h')");
    into.function("_*_").about("Product.").example("6 * 7", "42");
    into.function("_/_")
        .about("Quotient; of integers towards zero, and an error for a divisor of zero.")
        .example("-7 / 2", "-3")
        .example("7.0 / 2.0", "3.5");
    into.function("_%_").about("Remainder of integers, with the sign of the dividend.").example("-7 % 2", "-1");
    into.function("-_").about("The negative of a number.").example("-(1 - 2)", "1");
    into.function("_<_").about("Order of numbers by value whatever their types, of strings and bytes by their bytes, of times, and of booleans.").example("1 < 1.5", "true").example("'a' < 'b'", "true");
    into.function("_<=_").about("As `<`, or equal.").example("2 <= 2u", "true");
    into.function("_>_").about("The opposite order.").example("duration('2h') > duration('90m')", "true");
    into.function("_>=_").about("As `>`, or equal.").example("'b' >= 'a'", "true");
}

fn arithmetic(into: &mut Declarations) {
    let list = Type::list(Type::Parameter(0));
    into.function("_+_")
        .sized(Size::Sum)
        .singleton()
        .global([Type::Bytes, Type::Bytes], Type::Bytes, Cost::Concatenate, add)
        .global([Type::Double, Type::Double], Type::Double, Cost::Unit, add)
        .global([Type::Duration, Type::Duration], Type::Duration, Cost::Unit, add)
        .global([Type::Duration, Type::Timestamp], Type::Timestamp, Cost::Unit, add)
        .global([Type::Timestamp, Type::Duration], Type::Timestamp, Cost::Unit, add)
        .global([Type::Int, Type::Int], Type::Int, Cost::Unit, add)
        .global([list.clone(), list.clone()], list, Cost::Unit, add)
        .global([Type::String, Type::String], Type::String, Cost::Concatenate, add)
        .global([Type::Uint, Type::Uint], Type::Uint, Cost::Unit, add);
    into.function("_-_")
        .singleton()
        .global([Type::Double, Type::Double], Type::Double, Cost::Unit, subtract)
        .global([Type::Duration, Type::Duration], Type::Duration, Cost::Unit, subtract)
        .global([Type::Int, Type::Int], Type::Int, Cost::Unit, subtract)
        .global([Type::Timestamp, Type::Duration], Type::Timestamp, Cost::Unit, subtract)
        .global([Type::Timestamp, Type::Timestamp], Type::Duration, Cost::Unit, subtract)
        .global([Type::Uint, Type::Uint], Type::Uint, Cost::Unit, subtract);
    for (name, apply) in [("_*_", multiply as super::Apply), ("_/_", divide)] {
        into.function(name)
            .singleton()
            .global([Type::Double, Type::Double], Type::Double, Cost::Unit, apply)
            .global([Type::Int, Type::Int], Type::Int, Cost::Unit, apply)
            .global([Type::Uint, Type::Uint], Type::Uint, Cost::Unit, apply);
    }
    into.function("_%_").singleton().global([Type::Int, Type::Int], Type::Int, Cost::Unit, modulo).global(
        [Type::Uint, Type::Uint],
        Type::Uint,
        Cost::Unit,
        modulo,
    );
    into.function("-_").singleton().global([Type::Double], Type::Double, Cost::Unit, negate).global(
        [Type::Int],
        Type::Int,
        Cost::Unit,
        negate,
    );
}

fn order(into: &mut Declarations) {
    use Type::{Bool, Bytes, Double, Duration, Int, String, Timestamp, Uint};
    let applies: [(_, super::Apply); 4] =
        [("_<_", less), ("_<=_", less_or_equal), ("_>_", greater), ("_>=_", greater_or_equal)];
    for (name, apply) in applies {
        let function = into.function(name).singleton();
        for (left, right) in [
            (Bool, Bool),
            (Int, Int),
            (Int, Double),
            (Int, Uint),
            (Uint, Uint),
            (Uint, Double),
            (Uint, Int),
            (Double, Double),
            (Double, Int),
            (Double, Uint),
        ] {
            function.global([left, right], Bool, Cost::Unit, apply);
        }
        function
            .global([String, String], Bool, Cost::Compare, apply)
            .global([Bytes, Bytes], Bool, Cost::Compare, apply)
            .global([Timestamp, Timestamp], Bool, Cost::Unit, apply)
            .global([Duration, Duration], Bool, Cost::Unit, apply);
    }
}

/// Stands in the table for operators that become instructions of their own and are never called.
fn lowered<'a>(_: &mut Fuel, _: &[Value<'a>]) -> Outcome<'a> {
    Err(EvaluationErrorKind::Internal("an operator was called"))
}

fn add<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [left, right] = arguments else { return Err(no_such_overload("_+_", arguments)) };
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => a.checked_add(*b).map(Value::Int).ok_or_else(|| overflow("int")),
        (Value::Uint(a), Value::Uint(b)) => a.checked_add(*b).map(Value::Uint).ok_or_else(|| overflow("uint")),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a + b)),
        (Value::String(a), Value::String(b)) => {
            fuel.copy(a.len() + b.len())?;
            Ok(Value::String(Text::Owned([&**a, &**b].concat().into())))
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            fuel.copy(a.len() + b.len())?;
            Ok(Value::Bytes(Blob::Owned([&**a, &**b].concat().into())))
        }
        (Value::List(a), Value::List(b)) => concatenate(fuel, a, b),
        (Value::Duration(a), Value::Duration(b)) => {
            a.checked_add(*b).map(Value::Duration).ok_or_else(|| overflow("duration"))
        }
        (Value::Timestamp(time), Value::Duration(span)) | (Value::Duration(span), Value::Timestamp(time)) => {
            shift(*time, Some(*span))
        }
        _ => Err(no_such_overload("_+_", arguments)),
    }
}

fn concatenate<'a>(fuel: &mut Fuel, a: &List<'a>, b: &List<'a>) -> Outcome<'a> {
    if b.is_empty() {
        return Ok(Value::List(a.clone()));
    }
    if a.is_empty() {
        return Ok(Value::List(b.clone()));
    }
    fuel.elements(a.len() + b.len())?;
    Value::list(a.iter().chain(b.iter()).collect())
}

fn shift<'a>(time: Timestamp, by: Option<Duration>) -> Outcome<'a> {
    by.and_then(|by| time.checked_add(by)).map(Value::Timestamp).ok_or_else(|| overflow("timestamp"))
}

fn subtract<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    match arguments {
        [Value::Int(a), Value::Int(b)] => a.checked_sub(*b).map(Value::Int).ok_or_else(|| overflow("int")),
        [Value::Uint(a), Value::Uint(b)] => a.checked_sub(*b).map(Value::Uint).ok_or_else(|| overflow("uint")),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a - b)),
        [Value::Duration(a), Value::Duration(b)] => {
            a.checked_sub(*b).map(Value::Duration).ok_or_else(|| overflow("duration"))
        }
        [Value::Timestamp(a), Value::Duration(b)] => shift(*a, b.checked_neg()),
        [Value::Timestamp(a), Value::Timestamp(b)] => {
            a.checked_since(*b).map(Value::Duration).ok_or_else(|| overflow("duration"))
        }
        _ => Err(no_such_overload("_-_", arguments)),
    }
}

fn multiply<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    match arguments {
        [Value::Int(a), Value::Int(b)] => a.checked_mul(*b).map(Value::Int).ok_or_else(|| overflow("int")),
        [Value::Uint(a), Value::Uint(b)] => a.checked_mul(*b).map(Value::Uint).ok_or_else(|| overflow("uint")),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a * b)),
        _ => Err(no_such_overload("_*_", arguments)),
    }
}

fn divide<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    match arguments {
        [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => Err(EvaluationErrorKind::DivideByZero),
        [Value::Int(a), Value::Int(b)] => a.checked_div(*b).map(Value::Int).ok_or_else(|| overflow("int")),
        [Value::Uint(a), Value::Uint(b)] => a.checked_div(*b).map(Value::Uint).ok_or_else(|| overflow("uint")),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a / b)),
        _ => Err(no_such_overload("_/_", arguments)),
    }
}

fn modulo<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    match arguments {
        [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => Err(EvaluationErrorKind::DivideByZero),
        [Value::Int(a), Value::Int(b)] => a.checked_rem(*b).map(Value::Int).ok_or_else(|| overflow("int")),
        [Value::Uint(a), Value::Uint(b)] => a.checked_rem(*b).map(Value::Uint).ok_or_else(|| overflow("uint")),
        _ => Err(no_such_overload("_%_", arguments)),
    }
}

fn negate<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    match arguments {
        [Value::Int(value)] => value.checked_neg().map(Value::Int).ok_or_else(|| overflow("int")),
        [Value::Double(value)] => Ok(Value::Double(-value)),
        // cel-go negates durations too, where the checker could not see the type.
        [Value::Duration(value)] => value.checked_neg().map(Value::Duration).ok_or_else(|| overflow("duration")),
        _ => Err(no_such_overload("-_", arguments)),
    }
}

fn ordered<'a>(
    fuel: &mut Fuel,
    function: &'static str,
    arguments: &[Value<'a>],
    holds: fn(Ordering) -> bool,
) -> Outcome<'a> {
    let [left, right] = arguments else { return Err(no_such_overload(function, arguments)) };
    let order = compare(fuel, left, right)?.ok_or_else(|| no_such_overload(function, arguments))?;
    Ok(Value::Bool(holds(order)))
}

fn less<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    ordered(fuel, "_<_", arguments, Ordering::is_lt)
}

fn less_or_equal<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    ordered(fuel, "_<=_", arguments, Ordering::is_le)
}

fn greater<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    ordered(fuel, "_>_", arguments, Ordering::is_gt)
}

fn greater_or_equal<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    ordered(fuel, "_>=_", arguments, Ordering::is_ge)
}
