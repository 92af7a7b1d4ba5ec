//! The text of a quantity, as `resource.ParseQuantity` reads it.

use std::cmp::Ordering;

use super::{
    amount::Amount,
    decimal::Decimal,
    format::{Format, Suffix},
};

/// The most digits that are tried as an integer.
const INTEGER_DIGITS: i64 = 18;
/// The digits that an integer with a binary suffix has beside those of the suffix.
const BINARY_DIGITS: i64 = 14;
/// What is smaller is rounded up to this: a billionth.
const NANO: i32 = -9;

const MALFORMED: &str = "a quantity is a number with an optional suffix such as m, k, M, Gi or e3";
const NO_NUMBER: &str = "the number of the quantity has no digits";
const BAD_SUFFIX: &str = "a quantity has no such suffix";

/// A text in parts.
struct Parts<'a> {
    negative: bool,
    /// With its sign and point.
    number: &'a str,
    /// Without leading zeros; `0` where nothing is left.
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

pub(super) fn parse(text: &str) -> Result<(Amount, Format), &'static str> {
    if text.is_empty() {
        return Err(MALFORMED);
    }
    let parts = split(text)?;
    let suffix = Suffix::parse(parts.suffix).ok_or(BAD_SUFFIX)?;
    if let Some(amount) = integer(&parts, suffix) {
        return Ok((amount, suffix.format));
    }
    decimal(&parts, suffix)
}

/// The characters at the start that `wanted` takes, and the rest.
fn span(text: &str, wanted: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|character| !wanted(character)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn split(text: &str) -> Result<Parts<'_>, &'static str> {
    let is_digit = |character: char| character.is_ascii_digit();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (_, significant) = span(unsigned, |character| character == '0');
    let (whole, mut rest) = span(significant, is_digit);
    let mut fraction = "";
    if let Some(after) = rest.strip_prefix('.') {
        (fraction, rest) = span(after, is_digit);
    }
    let number = text.strip_suffix(rest).unwrap_or(text);
    // Nothing but a sign and zeros is zero, without a sign.
    let negative = text.starts_with('-') && !significant.is_empty();
    let (_, after) = span(rest, |character| "eEinumkKMGTP".contains(character));
    let (_, after) = span(after.strip_prefix(['+', '-']).unwrap_or(after), is_digit);
    if !after.is_empty() {
        return Err(MALFORMED);
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    Ok(Parts { negative, number, whole, fraction, suffix: rest })
}

/// The amount as an integer, where it is short enough to be tried.
fn integer(parts: &Parts<'_>, suffix: Suffix) -> Option<Amount> {
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    let (scale, factor, room) = match suffix.format {
        Format::Binary if !parts.fraction.is_empty() => return None,
        Format::Binary => {
            let digits = i64::from(suffix.exponent) * 3 / 10;
            (0, 1_i64 << suffix.exponent, BINARY_DIGITS - digits - length(parts.whole))
        }
        Format::Decimal | Format::Exponent => {
            let room = INTEGER_DIGITS.saturating_sub(length(parts.whole)).saturating_sub(length(parts.fraction));
            (suffix.exponent, 1, room)
        }
    };
    if room < 0 {
        return None;
    }
    // As in apimachinery, the scale wraps around.
    let scale = scale.wrapping_sub(i32::try_from(parts.fraction.len()).unwrap_or(i32::MAX));
    if scale < NANO {
        return None;
    }
    let mut digits = parts.whole.bytes().chain(parts.fraction.bytes()).map(|byte| i64::from(byte.wrapping_sub(b'0')));
    let value = digits.try_fold(0_i64, |value, digit| value.checked_mul(10)?.checked_add(digit))?;
    let value = value.checked_mul(factor)?;
    Some(Amount::Integer { value: if parts.negative { -value } else { value }, scale })
}

fn decimal(parts: &Parts<'_>, suffix: Suffix) -> Result<(Amount, Format), &'static str> {
    let digits: Vec<u8> = parts.number.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect();
    if digits.is_empty() {
        return Err(NO_NUMBER);
    }
    let places = i32::try_from(parts.fraction.len()).unwrap_or(i32::MAX);
    let mut amount = Decimal::from_digits(false, digits, places);
    match suffix.format {
        Format::Binary => amount.multiply(1_u64 << suffix.exponent),
        _ => amount.set_scale(places.wrapping_add(suffix.exponent.wrapping_neg())),
    }
    if amount.sign() != 0 {
        amount.round_up(-NANO);
    }
    let mut format = suffix.format;
    if format == Format::Binary {
        let limit = Decimal::of(i64::MAX, 0);
        if amount.compare(&limit) == Ordering::Greater {
            amount = limit;
        }
        if amount.sign() != 0 && amount.compare(&Decimal::of(1, 0)) == Ordering::Less {
            format = Format::Decimal;
        }
    }
    if parts.negative {
        amount.negate();
    }
    Ok((Amount::Decimal(amount), format))
}
