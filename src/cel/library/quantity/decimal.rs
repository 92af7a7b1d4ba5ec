//! Decimals of any length, as `inf.Dec` of gopkg.in/inf.v0: an integer of decimal digits and a scale.
//!
//! Trailing zeros of the integer are counted and not kept: `1e999999999` takes one digit.

use std::cmp::Ordering;

use crate::cel::{error::EvaluationErrorKind, fuel::Fuel};

/// `digits` followed by `zeros` zeros, times ten to the power of minus `scale`.
#[derive(Clone, Debug)]
pub(super) struct Decimal {
    negative: bool,
    /// 0 to 9 each, without leading and trailing zeros; none for zero.
    digits: Vec<u8>,
    zeros: i64,
    scale: i32,
}

impl Decimal {
    pub(super) fn of(value: i64, scale: i32) -> Self {
        Self::from_digits(value < 0, value.unsigned_abs().to_string().bytes().map(|byte| byte - b'0').collect(), scale)
    }

    /// The decimal with these digits, each from 0 to 9.
    pub(super) fn from_digits(negative: bool, digits: Vec<u8>, scale: i32) -> Self {
        let mut decimal = Self { negative, digits, zeros: 0, scale };
        decimal.tidy();
        decimal
    }

    fn tidy(&mut self) {
        let significant = self.digits.iter().rposition(|digit| *digit != 0).map_or(0, |last| last + 1);
        self.zeros += i64::try_from(self.digits.len() - significant).unwrap_or(i64::MAX);
        self.digits.truncate(significant);
        let leading = self.digits.iter().take_while(|digit| **digit == 0).count();
        self.digits.drain(..leading);
        if self.digits.is_empty() {
            self.zeros = 0;
            self.negative = false;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.digits.len()
    }

    pub(super) fn scale(&self) -> i32 {
        self.scale
    }

    pub(super) fn set_scale(&mut self, scale: i32) {
        self.scale = scale;
    }

    pub(super) fn sign(&self) -> i64 {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    pub(super) fn negate(&mut self) {
        self.negative = !self.negative && !self.digits.is_empty();
    }

    /// The digits, and the power of ten that they are multiplied by.
    pub(super) fn parts(&self) -> (bool, &[u8], i64) {
        (self.negative, &self.digits, self.zeros - i64::from(self.scale))
    }

    /// The integer, without its scale, as the nearest double.
    pub(super) fn unscaled(&self) -> f64 {
        let text: String = self.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        let value: f64 = format!("0{text}e{}", self.zeros).parse().unwrap_or(f64::NAN);
        if self.negative { -value } else { value }
    }

    /// Multiplies the integer by a binary suffix, which is 2^60 at most: so every step fits, and is a fast one.
    pub(super) fn multiply(&mut self, by: u64) {
        let by = by.min(1 << 60);
        let mut carry: u64 = 0;
        for digit in self.digits.iter_mut().rev() {
            let product = u64::from(*digit) * by + carry;
            *digit = u8::try_from(product % 10).unwrap_or_default();
            carry = product / 10;
        }
        let mut all: Vec<u8> = carry.to_string().bytes().map(|byte| byte - b'0').collect();
        all.append(&mut self.digits);
        self.digits = all;
        self.tidy();
    }

    /// Rounds to `scale` digits after the point, away from zero. The difference of the scales wraps around, as there.
    pub(super) fn round_up(&mut self, scale: i32) {
        self.zeros += i64::from(scale.wrapping_sub(self.scale));
        self.scale = scale;
        let Ok(dropped) = usize::try_from(-self.zeros) else { return };
        self.zeros = 0;
        if dropped == 0 || self.digits.is_empty() {
            return;
        }
        // The last digit is none of the trailing zeros, so what is dropped is not zero.
        self.digits.truncate(self.digits.len().saturating_sub(dropped));
        let nines = self.digits.iter().rev().take_while(|digit| **digit == 9).count();
        self.digits.truncate(self.digits.len() - nines);
        self.zeros = i64::try_from(nines).unwrap_or(i64::MAX);
        match self.digits.last_mut() {
            Some(digit) => *digit += 1,
            None => self.digits.push(1),
        }
        self.tidy();
    }

    /// The order of the values.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let order = self.sign().cmp(&other.sign());
        if order != Ordering::Equal || self.digits.is_empty() {
            return order;
        }
        let sizes = self.compare_sizes(other);
        if self.negative { sizes.reverse() } else { sizes }
    }

    /// The order of two values that are not zero, without their signs.
    fn compare_sizes(&self, other: &Self) -> Ordering {
        let leading = |of: &Self| i64::try_from(of.digits.len()).unwrap_or(i64::MAX) + of.zeros - i64::from(of.scale);
        leading(self).cmp(&leading(other)).then_with(|| self.digits.cmp(&other.digits))
    }

    /// The sum, at the larger scale of both.
    pub(super) fn add(&self, fuel: &mut Fuel, other: &Self) -> Result<Self, EvaluationErrorKind> {
        let scale = self.scale.max(other.scale);
        let aligned = |of: &Self| of.zeros + i64::from(scale) - i64::from(of.scale);
        let (first, second) = (aligned(self), aligned(other));
        if self.digits.is_empty() || other.digits.is_empty() {
            let (rest, zeros) = if self.digits.is_empty() { (other, second) } else { (self, first) };
            let zeros = if rest.digits.is_empty() { 0 } else { zeros };
            return Ok(Self { zeros, scale, ..rest.clone() });
        }
        let zeros = first.min(second);
        let a = self.written(fuel, first - zeros)?;
        let b = other.written(fuel, second - zeros)?;
        let (negative, digits) = if self.negative == other.negative {
            (self.negative, added(a, &b))
        } else if self.compare_sizes(other) == Ordering::Less {
            (other.negative, subtracted(b, &a))
        } else {
            (self.negative, subtracted(a, &b))
        };
        let mut sum = Self { negative, digits: digits.into_iter().rev().collect(), zeros, scale };
        sum.tidy();
        Ok(sum)
    }

    /// The digits with `zeros` zeros, the last one first.
    fn written(&self, fuel: &mut Fuel, zeros: i64) -> Result<Vec<u8>, EvaluationErrorKind> {
        let zeros = usize::try_from(zeros).unwrap_or(usize::MAX);
        // Paid before it is made: powers may be billions apart.
        fuel.copy(self.digits.len().saturating_add(zeros))?;
        let mut all = vec![0; zeros];
        all.extend(self.digits.iter().rev());
        Ok(all)
    }
}

/// The sum of two integers, the last digit first.
fn added(mut a: Vec<u8>, b: &[u8]) -> Vec<u8> {
    let length = a.len().max(b.len()) + 1;
    a.resize(length, 0);
    let mut carry = 0;
    for (digit, other) in a.iter_mut().zip(b.iter().copied().chain(std::iter::repeat(0))) {
        let sum = *digit + other + carry;
        (*digit, carry) = (sum % 10, sum / 10);
    }
    a
}

/// The difference of two integers, of which the first is not less; the last digit first.
fn subtracted(mut a: Vec<u8>, b: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    for (digit, other) in a.iter_mut().zip(b.iter().copied().chain(std::iter::repeat(0))) {
        let taken = other + borrow;
        borrow = u8::from(*digit < taken);
        *digit = *digit + borrow * 10 - taken;
    }
    a
}
