//! Equality and order, across the numeric types as cel-go has them.

use std::cmp::Ordering;

use super::{Key, List, Map, Value, collection::PeekKey};
use crate::cel::{error::EvaluationErrorKind, fuel::Fuel};

/// 2^63 and 2^64 as doubles; both are exact.
pub(in crate::cel) const TWO_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_64: f64 = 18_446_744_073_709_551_616.0;

/// Whether two values are equal; values of different types are not, except numbers. NaN equals nothing.
///
/// # Errors
/// [`EvaluationErrorKind::WorkExceeded`]: deep equality is work. [`EvaluationErrorKind::NoSuchOverload`] where a
/// library's value on the left meets another type, as the API server has it for the types of its libraries.
pub(in crate::cel) fn equal(fuel: &mut Fuel, a: &Value<'_>, b: &Value<'_>) -> Result<bool, EvaluationErrorKind> {
    Ok(match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::String(a), Value::String(b)) => {
            if a.len() == b.len() {
                fuel.scan(a.len())?;
            }
            **a == **b
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            fuel.scan(a.len().min(b.len()))?;
            **a == **b
        }
        (Value::List(a), Value::List(b)) => return equal_lists(fuel, a, b),
        (Value::Map(a), Value::Map(b)) => return equal_maps(fuel, a, b),
        (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
        (Value::Duration(a), Value::Duration(b)) => a == b,
        (Value::Opaque(_), Value::Null) => false,
        (Value::Opaque(a), Value::Opaque(b)) if a.type_name() == b.type_name() && a.takes(b) => {
            fuel.scan(a.bytes().min(b.bytes()))?;
            a == b
        }
        (Value::Opaque(_), _) => {
            let arguments = format!("{}, {}", a.type_name(), b.type_name());
            return Err(EvaluationErrorKind::NoSuchOverload { function: "_==_", arguments });
        }
        (Value::Type(a), Value::Type(b)) => a == b,
        (Value::Optional(None), Value::Optional(None)) => true,
        // cel-go asks the value inside at once, past the rule that nothing but null equals null.
        (Value::Optional(Some(a)), Value::Optional(Some(b))) => match (a.value(), b.value()) {
            (Value::Opaque(value), Value::Null) => {
                let arguments = format!("{}, null_type", value.type_name());
                return Err(EvaluationErrorKind::NoSuchOverload { function: "_==_", arguments });
            }
            (a, b) => return equal(fuel, a, b),
        },
        _ => compare_numbers(a, b) == Some(Ordering::Equal),
    })
}

/// Whether `a` and `b` are the same as membership asks for it: what cannot be compared is different.
///
/// # Errors
/// [`EvaluationErrorKind::WorkExceeded`]
pub(in crate::cel) fn same(fuel: &mut Fuel, a: &Value<'_>, b: &Value<'_>) -> Result<bool, EvaluationErrorKind> {
    match equal(fuel, a, b) {
        Err(kind) if !kind.is_fatal() => Ok(false),
        outcome => outcome,
    }
}

/// The equality of collections, part by part: a difference decides, whatever other parts cannot be compared.
#[derive(Default)]
struct Parts {
    refused: Option<EvaluationErrorKind>,
}

impl Parts {
    /// Takes in the next part; says whether the collections may still be equal.
    fn may_follow(&mut self, part: Result<bool, EvaluationErrorKind>) -> Result<bool, EvaluationErrorKind> {
        match part {
            Err(kind) if !kind.is_fatal() => {
                self.refused = Some(kind);
                Ok(true)
            }
            outcome => outcome,
        }
    }

    /// The outcome where no part was different.
    fn end(self) -> Result<bool, EvaluationErrorKind> {
        self.refused.map_or(Ok(true), Err)
    }
}

fn equal_lists(fuel: &mut Fuel, a: &List<'_>, b: &List<'_>) -> Result<bool, EvaluationErrorKind> {
    if a.len() != b.len() {
        return Ok(false);
    }
    let mut parts = Parts::default();
    for index in 0..a.len() {
        fuel.toil(1)?;
        let (Some(a), Some(b)) = (a.peek(index), b.peek(index)) else { return Ok(false) };
        if !parts.may_follow(equal(fuel, &a, &b))? {
            return Ok(false);
        }
    }
    parts.end()
}

fn equal_maps(fuel: &mut Fuel, a: &Map<'_>, b: &Map<'_>) -> Result<bool, EvaluationErrorKind> {
    if a.len() != b.len() {
        return Ok(false);
    }
    // Both are in key order, and equal keys are the same key.
    let mut parts = Parts::default();
    for index in 0..a.len() {
        fuel.toil(2)?;
        let (Some(a), Some(b)) = (a.peek(index), b.peek(index)) else { return Ok(false) };
        if !same_key(fuel, &a.0, &b.0)? || !parts.may_follow(equal(fuel, &a.1, &b.1))? {
            return Ok(false);
        }
    }
    parts.end()
}

fn same_key(fuel: &mut Fuel, a: &PeekKey<'_, '_>, b: &PeekKey<'_, '_>) -> Result<bool, EvaluationErrorKind> {
    let same_text = |fuel: &mut Fuel, a: &str, b: &str| {
        fuel.scan(a.len().min(b.len()))?;
        Ok(a == b)
    };
    match (a, b) {
        (PeekKey::Name(a), PeekKey::Name(b)) => same_text(fuel, a, b),
        (PeekKey::Kept(Key::String(a)), PeekKey::Kept(Key::String(b))) => same_text(fuel, a, b),
        (PeekKey::Name(name), PeekKey::Kept(Key::String(text)))
        | (PeekKey::Kept(Key::String(text)), PeekKey::Name(name)) => same_text(fuel, name, text),
        (PeekKey::Kept(a), PeekKey::Kept(b)) => Ok(a == b),
        (PeekKey::Name(_), PeekKey::Kept(_)) | (PeekKey::Kept(_), PeekKey::Name(_)) => Ok(false),
    }
}

/// The order of two values of one ordered type, or of two numbers.
///
/// # Errors
/// `Ok(None)` where the types have no order between them; [`EvaluationErrorKind::InvalidArgument`] for NaN.
pub(in crate::cel) fn compare(
    fuel: &mut Fuel,
    a: &Value<'_>,
    b: &Value<'_>,
) -> Result<Option<Ordering>, EvaluationErrorKind> {
    Ok(Some(match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => {
            fuel.scan(a.len().min(b.len()))?;
            a.as_bytes().cmp(b.as_bytes())
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            fuel.scan(a.len().min(b.len()))?;
            a.cmp(b)
        }
        (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        (Value::Duration(a), Value::Duration(b)) => a.cmp(b),
        _ if !is_number(a) || !is_number(b) => return Ok(None),
        _ => compare_numbers(a, b).ok_or(EvaluationErrorKind::InvalidArgument {
            function: "comparison",
            reason: "NaN values cannot be ordered",
        })?,
    }))
}

fn is_number(value: &Value<'_>) -> bool {
    matches!(value, Value::Int(_) | Value::Uint(_) | Value::Double(_))
}

/// The order of two numbers: integers exactly, an integer and a double as doubles, as cel-go does. `None` for NaN and
/// for anything that is no number.
#[expect(clippy::cast_precision_loss, reason = "cel-go compares an integer with a double after this very conversion")]
fn compare_numbers(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    match (a, b) {
        (Value::Double(a), Value::Int(b)) => a.partial_cmp(&(*b as f64)),
        (Value::Int(a), Value::Double(b)) => (*a as f64).partial_cmp(b),
        (Value::Double(a), Value::Uint(b)) => a.partial_cmp(&(*b as f64)),
        (Value::Uint(a), Value::Double(b)) => (*a as f64).partial_cmp(b),
        _ => compare_exactly(a, b),
    }
}

/// The order of two numbers by their mathematical values; a total order over all but NaN.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the ranges are checked first")]
pub(super) fn compare_exactly(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Uint(b)) => Some(u64::try_from(*a).map_or(Ordering::Less, |a| a.cmp(b))),
        (Value::Int(a), Value::Double(b)) => {
            if b.is_nan() {
                return None;
            }
            if *b >= TWO_63 {
                return Some(Ordering::Less);
            }
            if *b < -TWO_63 {
                return Some(Ordering::Greater);
            }
            let whole = b.floor();
            let order = a.cmp(&(whole as i64));
            Some(if order == Ordering::Equal && whole < *b { Ordering::Less } else { order })
        }
        (Value::Uint(a), Value::Double(b)) => {
            if b.is_nan() {
                return None;
            }
            if *b >= TWO_64 {
                return Some(Ordering::Less);
            }
            if *b < 0.0 {
                return Some(Ordering::Greater);
            }
            let whole = b.floor();
            let order = a.cmp(&(whole as u64));
            Some(if order == Ordering::Equal && whole < *b { Ordering::Less } else { order })
        }
        (Value::Uint(_), Value::Int(_)) | (Value::Double(_), Value::Int(_) | Value::Uint(_)) => {
            compare_exactly(b, a).map(Ordering::reverse)
        }
        _ => None,
    }
}
