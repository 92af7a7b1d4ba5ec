//! How much a quantity is: an integer times a power of ten, or a decimal of any length.
//!
//! Scales are 32 bits wide and wrap around as in apimachinery: what `1e2147483647` plus `1n` is there, it is here.

use std::{borrow::Cow, cmp::Ordering};

use super::decimal::Decimal;
use crate::cel::{error::EvaluationErrorKind, fuel::Fuel};

#[derive(Clone, Debug)]
pub(super) enum Amount {
    /// `value` times ten to the power of `scale`.
    Integer {
        value: i64,
        scale: i32,
    },
    Decimal(Decimal),
}

impl Amount {
    pub(super) fn is_zero(&self) -> bool {
        self.sign() == 0
    }

    pub(super) fn sign(&self) -> i64 {
        match self {
            Self::Integer { value, .. } => value.signum(),
            Self::Decimal(decimal) => decimal.sign(),
        }
    }

    /// How many digits it keeps; none for an integer.
    pub(super) fn digits(&self) -> usize {
        match self {
            Self::Integer { .. } => 0,
            Self::Decimal(decimal) => decimal.len(),
        }
    }

    pub(super) fn decimal(&self) -> Cow<'_, Decimal> {
        match self {
            Self::Integer { value, scale } => Cow::Owned(Decimal::of(*value, scale.wrapping_neg())),
            Self::Decimal(decimal) => Cow::Borrowed(decimal),
        }
    }

    /// The value as an integer, where it is kept as one and fits.
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer { value, scale: 0 } => Some(*value),
            Self::Integer { value, scale } if *scale > 0 => raised(*value, *scale),
            _ => None,
        }
    }

    /// The order of both. apimachinery divides by zero where the difference of two scales leaves 32 bits; here there is
    /// an order.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Integer { value: a, scale: x }, Self::Integer { value: b, scale: y }) if x == y => a.cmp(b),
            _ => self.decimal().compare(&other.decimal()),
        }
    }

    /// The sum of both, or the difference where `negated`.
    ///
    /// # Errors
    /// [`EvaluationErrorKind::WorkExceeded`]: powers that are far apart give long sums.
    pub(super) fn add(&self, fuel: &mut Fuel, other: &Self, negated: bool) -> Result<Self, EvaluationErrorKind> {
        if let (Self::Integer { value: a, scale: x }, Self::Integer { value: b, scale: y }) = (self, other) {
            let b = if negated { b.wrapping_neg() } else { *b };
            if let Some((value, scale)) = sum((*a, *x), (b, *y)) {
                return Ok(Self::Integer { value, scale });
            }
        }
        fuel.copy(self.digits().saturating_add(other.digits()))?;
        let mut second = other.decimal().into_owned();
        if negated {
            second.negate();
        }
        self.decimal().add(fuel, &second).map(Self::Decimal)
    }

    /// The nearest double of the digits times that of the power, as `AsApproximateFloat64`.
    #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
    pub(super) fn approximate(&self) -> f64 {
        let (base, exponent) = match self {
            Self::Integer { value, scale } => (*value as f64, *scale),
            Self::Decimal(decimal) => (decimal.unscaled(), decimal.scale().wrapping_neg()),
        };
        if exponent == 0 { base } else { base * power_of_ten(exponent) }
    }
}

/// The sum of two integers with scales; `None` where it does not fit.
fn sum((a, x): (i64, i32), (b, y): (i64, i32)) -> Option<(i64, i32)> {
    if b == 0 {
        return Some((a, x));
    }
    if a == 0 {
        return Some((b, y));
    }
    Some(match x.cmp(&y) {
        Ordering::Equal => (a.checked_add(b)?, x),
        Ordering::Greater => (raised(a, x.wrapping_sub(y))?.checked_add(b)?, y),
        Ordering::Less => (a.checked_add(raised(b, y.wrapping_sub(x))?)?, x),
    })
}

/// `value` times ten to the power of `scale`, where it fits. A scale that wrapped around raises nothing.
pub(super) fn raised(value: i64, scale: i32) -> Option<i64> {
    match u32::try_from(scale) {
        Err(_) => Some(value),
        Ok(_) if value == 0 => Some(0),
        Ok(scale) => value.checked_mul(10_i64.checked_pow(scale)?),
    }
}

/// Ten to the power of `exponent` as Go's `math.Pow10` computes it: the product of a multiple of 32 and the rest.
fn power_of_ten(exponent: i32) -> f64 {
    let size = exponent.unsigned_abs();
    let exact = |sign: &str, power: u32| format!("1e{sign}{power}").parse().unwrap_or(f64::NAN);
    let (coarse, fine): (u32, u32) = (size / 32 * 32, size % 32);
    match exponent {
        0..=308 => exact("", coarse) * exact("", fine),
        -323..0 => exact("-", coarse) / exact("", fine),
        309.. => f64::INFINITY,
        _ => 0.0,
    }
}
