//! The accessors of timestamps and durations.
//!
//! Zones are `UTC` or a fixed offset such as `+02:00`. Names of the time zone database are refused: its contents
//! change, and the same expression would not give the same decision for ever.

use super::{
    super::{
        error::EvaluationErrorKind,
        fuel::Fuel,
        types::Type,
        value::{Timestamp, Value},
    },
    Apply, Cost, Declarations, no_such_overload,
};

type Outcome<'a> = Result<Value<'a>, EvaluationErrorKind>;

pub(super) fn declare(into: &mut Declarations) {
    let of_time: [(&'static str, Apply); 6] = [
        ("getFullYear", full_year),
        ("getMonth", month),
        ("getDayOfYear", day_of_year),
        ("getDayOfMonth", day_of_month),
        ("getDate", date),
        ("getDayOfWeek", day_of_week),
    ];
    for (name, apply) in of_time {
        accessor(into, name, apply, false);
    }
    let of_both: [(&'static str, Apply); 4] =
        [("getHours", hours), ("getMinutes", minutes), ("getSeconds", seconds), ("getMilliseconds", milliseconds)];
    for (name, apply) in of_both {
        accessor(into, name, apply, true);
    }
    describe(into);
}

fn describe(into: &mut Declarations) {
    into.function("getFullYear").about("The year.").example("timestamp('2026-11-28T09:30:15Z').getFullYear()", "2026");
    into.function("getMonth")
        .about("The month from 0 for January.")
        .example("timestamp('2026-11-28T09:30:15Z').getMonth()", "10");
    into.function("getDayOfYear")
        .about("The day of the year from 0.")
        .example("timestamp('2026-02-01T00:00:00Z').getDayOfYear()", "31");
    into.function("getDayOfMonth")
        .about("The day of the month from 0.")
        .example("timestamp('2026-11-28T09:30:15Z').getDayOfMonth()", "27");
    into.function("getDate")
        .about("The day of the month from 1.")
        .example("timestamp('2026-11-28T09:30:15Z').getDate()", "28");
    into.function("getDayOfWeek")
        .about("The day of the week from 0 for Sunday.")
        .example("timestamp('2026-11-28T09:30:15Z').getDayOfWeek()", "6");
    into.function("getHours")
        .about("The hour of a timestamp, or the whole hours of a duration. A zone is `UTC` or an offset.")
        .example("timestamp('2026-11-28T09:30:15Z').getHours('+02:00')", "11")
        .example("duration('90m').getHours()", "1");
    into.function("getMinutes")
        .about("The minute of a timestamp, or the whole minutes of a duration.")
        .example("timestamp('2026-11-28T09:30:15Z').getMinutes()", "30")
        .example("duration('90m').getMinutes()", "90");
    into.function("getSeconds")
        .about("The second of a timestamp, or the whole seconds of a duration.")
        .example("timestamp('2026-11-28T09:30:15Z').getSeconds()", "15")
        .example("duration('90s').getSeconds()", "90");
    into.function("getMilliseconds")
        .about("The millisecond within the second of a timestamp, or the whole milliseconds of a duration.")
        .example("timestamp('2026-11-28T09:30:15.25Z').getMilliseconds()", "250")
        .example("duration('1.5s').getMilliseconds()", "1500");
}

fn accessor(into: &mut Declarations, name: &'static str, apply: Apply, of_duration: bool) {
    let function = into.function(name);
    function.method([Type::Timestamp], Type::Int, Cost::Unit, apply);
    function.method([Type::Timestamp, Type::String], Type::Int, Cost::Unit, apply);
    if of_duration {
        function.method([Type::Duration], Type::Int, Cost::Unit, apply);
    }
}

/// The timestamp of a call and the offset of its zone, in seconds east of UTC.
fn timestamp(name: &'static str, arguments: &[Value<'_>]) -> Result<(Timestamp, i64), EvaluationErrorKind> {
    match arguments {
        [Value::Timestamp(time)] => Ok((*time, 0)),
        [Value::Timestamp(time), Value::String(zone)] => {
            let reason = "the time zone is neither `UTC` nor an offset such as `+02:00`";
            let offset = offset(zone).ok_or(EvaluationErrorKind::InvalidArgument { function: name, reason })?;
            Ok((*time, offset))
        }
        _ => Err(no_such_overload(name, arguments)),
    }
}

/// The most minutes of an offset; Go counts on until its clock wraps around.
const MAX_OFFSET: i64 = 1_000_000;

/// `UTC`, or hours and minutes with an optional sign. As in cel-go both are whole numbers of any size, and a minus
/// before the hours is one before the minutes too.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "UTC" | "") {
        return Some(0);
    }
    let (hours, minutes) = zone.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let minutes = if zone.starts_with('-') { minutes.checked_neg()? } else { minutes };
    let offset = hours.checked_mul(60)?.checked_add(minutes)?;
    (-MAX_OFFSET..=MAX_OFFSET).contains(&offset).then_some(offset * 60)
}

fn full_year<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let (time, offset) = timestamp("getFullYear", arguments)?;
    Ok(Value::Int(time.civil(offset).year))
}

fn month<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let (time, offset) = timestamp("getMonth", arguments)?;
    Ok(Value::Int(time.civil(offset).month - 1))
}

fn day_of_year<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let (time, offset) = timestamp("getDayOfYear", arguments)?;
    Ok(Value::Int(time.civil(offset).day_of_year))
}

fn day_of_month<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let (time, offset) = timestamp("getDayOfMonth", arguments)?;
    Ok(Value::Int(time.civil(offset).day - 1))
}

fn date<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let (time, offset) = timestamp("getDate", arguments)?;
    Ok(Value::Int(time.civil(offset).day))
}

fn day_of_week<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let (time, offset) = timestamp("getDayOfWeek", arguments)?;
    Ok(Value::Int(time.civil(offset).day_of_week))
}

/// How many times `nanos` a duration is. As in Go this is a double before it is a whole number: the last nanoseconds of
/// a long duration may be rounded up.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "as in Go")]
fn units(arguments: &[Value<'_>], nanos: i64) -> Option<i64> {
    let [Value::Duration(duration)] = arguments else { return None };
    let (whole, rest) = (duration.nanos() / nanos, duration.nanos() % nanos);
    Some((whole as f64 + rest as f64 / nanos as f64) as i64)
}

fn hours<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    if let Some(hours) = units(arguments, 3_600_000_000_000) {
        return Ok(Value::Int(hours));
    }
    let (time, offset) = timestamp("getHours", arguments)?;
    Ok(Value::Int(time.civil(offset).hour))
}

fn minutes<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    if let Some(minutes) = units(arguments, 60_000_000_000) {
        return Ok(Value::Int(minutes));
    }
    let (time, offset) = timestamp("getMinutes", arguments)?;
    Ok(Value::Int(time.civil(offset).minute))
}

fn seconds<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    if let Some(seconds) = units(arguments, 1_000_000_000) {
        return Ok(Value::Int(seconds));
    }
    let (time, offset) = timestamp("getSeconds", arguments)?;
    Ok(Value::Int(time.civil(offset).second))
}

fn milliseconds<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    if let [Value::Duration(duration)] = arguments {
        return Ok(Value::Int(duration.nanos() / 1_000_000));
    }
    let (time, _) = timestamp("getMilliseconds", arguments)?;
    Ok(Value::Int(i64::from(time.nanos() / 1_000_000)))
}
