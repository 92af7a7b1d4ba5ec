//! Conversions between types, and `type` and `dyn`.

use super::{
    super::{
        error::EvaluationErrorKind,
        fuel::Fuel,
        types::Type,
        value::{Blob, Duration, TWO_63, Text, Timestamp, Value},
    },
    Cost, Declarations, Size, no_such_overload,
};
use crate::canonical;

type Outcome<'a> = Result<Value<'a>, EvaluationErrorKind>;

pub(super) fn declare(into: &mut Declarations) {
    let a = Type::Parameter(0);
    into.function("type").singleton().global([a.clone()], Type::type_of(a.clone()), Cost::Unit, type_of);
    into.function("dyn").sized(Size::Target).singleton().global([a], Type::Dyn, Cost::Unit, identity);
    let scan = Cost::Scan(0);
    convert(into, "bool", Type::Bool, to_bool, &[(Type::Bool, Cost::Unit), (Type::String, Cost::Unit)]);
    convert(into, "bytes", Type::Bytes, to_bytes, &[(Type::Bytes, Cost::Unit), (Type::String, scan)]);
    let units = |types: &[Type]| types.iter().map(|of| (of.clone(), Cost::Unit)).collect::<Vec<_>>();
    let from = units(&[Type::Double, Type::Int, Type::String, Type::Uint]);
    convert(into, "double", Type::Double, to_double, &from);
    convert(into, "duration", Type::Duration, to_duration, &units(&[Type::Duration, Type::String]));
    let from = units(&[Type::Int, Type::Double, Type::Duration, Type::String, Type::Timestamp, Type::Uint]);
    convert(into, "int", Type::Int, to_int, &from);
    let mut from = units(&[Type::String, Type::Bool]);
    from.push((Type::Bytes, scan));
    from.extend(units(&[Type::Double, Type::Duration, Type::Int, Type::Timestamp, Type::Uint]));
    convert(into, "string", Type::String, to_string, &from);
    convert(into, "timestamp", Type::Timestamp, to_timestamp, &units(&[Type::Timestamp, Type::Int, Type::String]));
    convert(into, "uint", Type::Uint, to_uint, &units(&[Type::Uint, Type::Double, Type::Int, Type::String]));
    describe(into);
}

fn describe(into: &mut Declarations) {
    into.function("type").about("The type of a value.").example("type(1)", "int").example("type([1]) == list", "true");
    into.function("dyn")
        .about("The same value, whose type the checker no longer knows.")
        .example("dyn(1) == 'a'", "false");
    into.function("bool")
        .about("A boolean of a word such as `true`, `t` or `1`.")
        .example("bool('true')", "true")
        .example("bool('0')", "false");
    into.function("bytes").about("The UTF-8 of a string.").example("bytes('é')", "b'\\xc3\\xa9'");
    into.function("double")
        .about("A floating-point number.")
        .example("double('1.5')", "1.5")
        .example("double(2)", "2.0");
    into.function("duration")
        .about("A span of time, as hours, minutes, seconds and parts of them.")
        .example("duration('1h30m')", "duration('5400s')");
    into.function("int")
        .about("An integer; a double is cut towards zero, a timestamp is its seconds since 1970.")
        .example("int('42')", "42")
        .example("int(-1.9)", "-1")
        .example("int(timestamp('1970-01-01T00:01:00Z'))", "60");
    into.function("string")
        .about("The text of a value.")
        .example("string(1.5)", "'1.5'")
        .example("string(true)", "'true'")
        .example("string(duration('90s'))", "'90s'");
    into.function("timestamp")
        .about("A point in time, of RFC 3339 or of seconds since 1970.")
        .example("timestamp('2026-01-01T01:00:00+01:00')", "timestamp('2026-01-01T00:00:00Z')")
        .example("timestamp(0)", "timestamp('1970-01-01T00:00:00Z')");
    into.function("uint").about("An unsigned integer.").example("uint('7')", "7u").example("uint(3.9)", "3u");
}

fn convert(into: &mut Declarations, name: &'static str, result: Type, apply: super::Apply, from: &[(Type, Cost)]) {
    let function = into.function(name);
    for (of, cost) in from {
        function.global([of.clone()], result.clone(), *cost, apply);
    }
}

/// The functions whose calls on constants are constants themselves.
pub(in crate::cel) const CONVERSIONS: &[&str] =
    &["bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"];

fn failed(from: &'static str, to: &'static str) -> EvaluationErrorKind {
    EvaluationErrorKind::Conversion { from, to }
}

fn identity<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    arguments.first().cloned().ok_or_else(|| no_such_overload("dyn", arguments))
}

fn type_of<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let value = arguments.first().ok_or_else(|| no_such_overload("type", arguments))?;
    Ok(Value::Type(value.type_name()))
}

/// Pays for reading a text: a number may have any length.
fn read(fuel: &mut Fuel, arguments: &[Value<'_>]) -> Result<(), EvaluationErrorKind> {
    match arguments {
        [Value::String(text)] => fuel.copy(text.len()),
        _ => Ok(()),
    }
}

fn to_bool<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    match arguments {
        [Value::Bool(value)] => Ok(Value::Bool(*value)),
        [Value::String(text)] => match &**text {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(Value::Bool(false)),
            _ => Err(failed("string", "bool")),
        },
        _ => Err(no_such_overload("bool", arguments)),
    }
}

fn to_bytes<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    match arguments {
        [Value::Bytes(bytes)] => Ok(Value::Bytes(bytes.clone())),
        [Value::String(Text::Borrowed(text))] => Ok(Value::Bytes(Blob::Borrowed(text.as_bytes()))),
        [Value::String(text)] => {
            fuel.copy(text.len())?;
            Ok(Value::Bytes(Blob::Owned(text.as_bytes().into())))
        }
        _ => Err(no_such_overload("bytes", arguments)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
fn to_double<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    read(fuel, arguments)?;
    match arguments {
        [Value::Double(value)] => Ok(Value::Double(*value)),
        [Value::Int(value)] => Ok(Value::Double(*value as f64)),
        [Value::Uint(value)] => Ok(Value::Double(*value as f64)),
        [Value::String(text)] => parse_double(text).map(Value::Double).ok_or(failed("string", "double")),
        _ => Err(no_such_overload("double", arguments)),
    }
}

/// A decimal text, `Inf` or `NaN`; one that is too large for a finite double is refused, as in Go.
fn parse_double(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    let says_infinite = text.contains(['i', 'I']);
    (value.is_finite() || value.is_nan() || says_infinite).then_some(value)
}

fn to_duration<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    read(fuel, arguments)?;
    match arguments {
        [Value::Duration(value)] => Ok(Value::Duration(*value)),
        [Value::String(text)] => {
            // Each of its numbers is one to add up: slower than any other text.
            fuel.toil(2 * text.len() as u64)?;
            Duration::parse(text).map(Value::Duration).ok_or(failed("string", "duration"))
        }
        _ => Err(no_such_overload("duration", arguments)),
    }
}

fn to_timestamp<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    match arguments {
        [Value::Timestamp(value)] => Ok(Value::Timestamp(*value)),
        [Value::Int(seconds)] => {
            Timestamp::new(*seconds, 0).map(Value::Timestamp).ok_or(EvaluationErrorKind::Overflow("timestamp"))
        }
        [Value::String(text)] => Timestamp::parse(text).map(Value::Timestamp).ok_or(failed("string", "timestamp")),
        _ => Err(no_such_overload("timestamp", arguments)),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
fn to_int<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    read(fuel, arguments)?;
    let overflow = EvaluationErrorKind::Overflow("int");
    match arguments {
        [Value::Int(value)] => Ok(Value::Int(*value)),
        // Both ends are excluded, as in cel-go.
        [Value::Double(value)] if value.abs() < TWO_63 => Ok(Value::Int(*value as i64)),
        [Value::Double(_)] => Err(overflow),
        [Value::Uint(value)] => i64::try_from(*value).map(Value::Int).map_err(|_| overflow),
        [Value::Duration(value)] => Ok(Value::Int(value.nanos())),
        [Value::Timestamp(value)] => Ok(Value::Int(value.seconds())),
        [Value::String(text)] => text.parse().map(Value::Int).map_err(|_| failed("string", "int")),
        _ => Err(no_such_overload("int", arguments)),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
fn to_uint<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    read(fuel, arguments)?;
    const LIMIT: f64 = 18_446_744_073_709_551_616.0;
    let overflow = EvaluationErrorKind::Overflow("uint");
    match arguments {
        [Value::Uint(value)] => Ok(Value::Uint(*value)),
        [Value::Double(value)] if *value >= 0.0 && *value < LIMIT => Ok(Value::Uint(*value as u64)),
        [Value::Double(_)] => Err(overflow),
        [Value::Int(value)] => u64::try_from(*value).map(Value::Uint).map_err(|_| overflow),
        [Value::String(text)] if !text.starts_with('+') => {
            text.parse().map(Value::Uint).map_err(|_| failed("string", "uint"))
        }
        [Value::String(_)] => Err(failed("string", "uint")),
        _ => Err(no_such_overload("uint", arguments)),
    }
}

fn to_string<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(match arguments {
        [Value::String(text)] => Value::String(text.clone()),
        [Value::Bool(value)] => Value::from(if *value { "true" } else { "false" }),
        [Value::Bytes(bytes)] => {
            fuel.copy(bytes.len())?;
            let text = std::str::from_utf8(bytes).map_err(|_| failed("bytes", "string"))?;
            Value::from(text.to_owned())
        }
        [Value::Double(value)] => Value::from(shortest(*value)),
        [Value::Int(value)] => Value::from(value.to_string()),
        [Value::Uint(value)] => Value::from(value.to_string()),
        [Value::Duration(value)] => Value::from(value.to_string()),
        [Value::Timestamp(value)] => Value::from(value.to_string()),
        _ => return Err(no_such_overload("string", arguments)),
    })
}

/// Digits with an exponent as a number without one.
pub(super) fn plain(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i64 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or_default());
    let digits = format!("{}{digits}", zeros(-exponent));
    let whole = usize::try_from(exponent.max(0)).unwrap_or_default() + 1;
    match digits.split_at_checked(whole) {
        Some((whole, "")) => format!("{sign}{whole}"),
        Some((whole, fraction)) => format!("{sign}{whole}.{fraction}"),
        None => format!("{sign}{digits}{}", "0".repeat(whole - digits.len())),
    }
}

/// A double as Go's `%g` writes it: the shortest digits that read back, with an exponent below 1e-4 and from 1e6.
pub(super) fn shortest(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    let scientific = canonical::shortest(value);
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if value == 0.0 || (-4..6).contains(&exponent) {
        return plain(&scientific);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
