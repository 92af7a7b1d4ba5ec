//! Suffixes, and the canonical text of a quantity.

use std::cmp::Ordering;

use super::{amount::Amount, decimal::Decimal};

/// How a quantity is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// With powers of ten: `12k`.
    Decimal,
    /// With powers of 1024: `12Ki`.
    Binary,
    /// With an exponent: `12e3`.
    Exponent,
}

/// What a suffix multiplies by: two to the power of the exponent for the binary format, ten for the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suffix {
    pub(super) exponent: i32,
    pub(super) format: Format,
}

const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [(&str, i32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

/// A longer number is not divided to find its binary suffix.
const DIVIDED: usize = 4_096;

impl Suffix {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let exponent_of = |table: &[(&str, i32)]| table.iter().find(|(name, _)| *name == text).map(|(_, power)| *power);
        if let Some(exponent) = exponent_of(&DECIMAL) {
            return Some(Self { exponent, format: Format::Decimal });
        }
        if let Some(exponent) = exponent_of(&BINARY) {
            return Some(Self { exponent, format: Format::Binary });
        }
        let exponent: i64 = text.strip_prefix(['e', 'E'])?.parse().ok()?;
        #[expect(clippy::cast_possible_truncation, reason = "as in apimachinery")]
        Some(Self { exponent: exponent as i32, format: Format::Exponent })
    }
}

fn name_of(table: &[(&'static str, i32)], exponent: i64) -> Option<&'static str> {
    table.iter().find(|(_, power)| i64::from(*power) == exponent).map(|(name, _)| *name)
}

pub(super) fn canonical(amount: &Amount, format: Format) -> String {
    if amount.is_zero() {
        return "0".to_owned();
    }
    let decimal = amount.decimal();
    if format == Format::Binary
        && let Some(text) = binary(&decimal)
    {
        return text;
    }
    let (negative, digits, exponent) = decimal.parts();
    let padding = usize::try_from(exponent.rem_euclid(3)).unwrap_or_default();
    let exponent = exponent - exponent.rem_euclid(3);
    let number = written(negative, digits, padding);
    let suffix = match format {
        Format::Decimal | Format::Binary => name_of(&DECIMAL, exponent).map(str::to_owned),
        Format::Exponent if exponent == 0 => Some(String::new()),
        Format::Exponent => None,
    };
    format!("{number}{}", suffix.unwrap_or_else(|| format!("e{exponent}")))
}

fn written(negative: bool, digits: &[u8], zeros: usize) -> String {
    let sign = if negative { "-" } else { "" };
    let digits: String = digits.iter().map(|digit| char::from(b'0' + digit)).collect();
    format!("{sign}{digits}{}", "0".repeat(zeros))
}

/// With the largest power of 1024. `None` where that would need a fraction, or a suffix that there is none for; and
/// small numbers are written plain.
fn binary(decimal: &Decimal) -> Option<String> {
    let (negative, digits, exponent) = decimal.parts();
    let zeros = usize::try_from(exponent).ok()?;
    let mut positive = decimal.clone();
    if negative {
        positive.negate();
    }
    if positive.compare(&Decimal::of(1024, 0)) == Ordering::Less || digits.len().saturating_add(zeros) > DIVIDED {
        return None;
    }
    let mut whole = [digits, &vec![0; zeros]].concat();
    let mut power = 0;
    while let Some(quotient) = divided(&whole) {
        whole = quotient;
        power += 10;
    }
    let suffix = if power == 0 { "" } else { name_of(&BINARY, power)? };
    Some(format!("{}{suffix}", written(negative, &whole, 0)))
}

/// The number divided by 1024, where that leaves no rest.
fn divided(digits: &[u8]) -> Option<Vec<u8>> {
    let mut rest = 0;
    let mut quotient = Vec::with_capacity(digits.len());
    for digit in digits {
        let value = rest * 10 + u32::from(*digit);
        let next = u8::try_from(value / 1024).unwrap_or_default();
        if !quotient.is_empty() || next != 0 {
            quotient.push(next);
        }
        rest = value % 1024;
    }
    (rest == 0 && !quotient.is_empty()).then_some(quotient)
}
