//! Doubles as golang.org/x/text writes them in American English.

use super::super::conversions::plain;
use crate::canonical;

/// The largest number that x/text takes in a clause: it stops one digit after a million.
const LARGEST: u64 = 10_000_009;
/// What x/text writes for a clause whose number is larger.
const NO_VERB: &str = "%!(NOVERB)";
/// The precision of `%e`, and of `%f` where the clause says none.
const PRECISION: u64 = 6;
/// The longest padding of `%e`.
pub(in crate::cel) const WIDEST_PADDING: u64 = 65_535;

/// No double has more digits after the point.
const MOST_PLACES: usize = 1_074;

/// `%f`: the digits in groups of three, and after the point as many as the precision says.
pub(super) fn fixed(value: f64, precision: Option<u64>) -> String {
    let precision = precision.unwrap_or(PRECISION);
    if precision > LARGEST {
        return NO_VERB.to_owned();
    }
    if let Some(name) = unusual(value) {
        return name.to_owned();
    }
    let (least, most) = places(precision);
    let digits = match most {
        Some(most) => format!("{:.*}", most.min(MOST_PLACES), value.abs()),
        None => plain(&canonical::shortest(value.abs())),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let mut out = String::from(if value < 0.0 { "-" } else { "" });
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    let fraction = format!("{:0<least$}", fraction.trim_end_matches('0'));
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(&fraction);
    }
    out
}

/// The least and the largest number of digits after the point. x/text keeps the precision in 8 bits for the one, and
/// in 16 bits with a sign for the other: a negative one is no limit, and the digits are the fewest that read back.
fn places(precision: u64) -> (usize, Option<usize>) {
    let [low, high, ..] = precision.to_le_bytes();
    (usize::from(low), usize::try_from(i16::from_le_bytes([low, high])).ok())
}

/// How wide `%e` writes at least: its precision, by a slip of cel-go.
pub(super) fn width(precision: Option<u64>) -> usize {
    match precision.unwrap_or(PRECISION) {
        precision @ ..=LARGEST => usize::try_from(precision % (WIDEST_PADDING + 1)).unwrap_or_default(),
        _ => 0,
    }
}

/// `%e`: six digits after the point and a raised exponent of at least two.
pub(super) fn scientific(value: f64, precision: Option<u64>) -> String {
    if precision.is_some_and(|precision| precision > LARGEST) {
        return NO_VERB.to_owned();
    }
    let text = match unusual(value) {
        Some(name) => name.to_owned(),
        None => {
            let digits = format!("{:.6e}", value.abs());
            let (digits, exponent) = digits.split_once('e').unwrap_or((&digits, "0"));
            let (minus, exponent) = exponent.strip_prefix('-').map_or(("", exponent), |exponent| ("⁻", exponent));
            let raised: String = format!("{exponent:0>2}").chars().map(raise).collect();
            format!("{}{digits}×10{minus}{raised}", if value < 0.0 { "-" } else { "" })
        }
    };
    let missing = width(precision).saturating_sub(text.chars().count());
    format!("{}{text}", " ".repeat(missing))
}

fn unusual(value: f64) -> Option<&'static str> {
    match value {
        value if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("∞"),
        f64::NEG_INFINITY => Some("-∞"),
        _ => None,
    }
}

fn raise(digit: char) -> char {
    match digit {
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        _ => '⁰',
    }
}

/// A double within a list or a map: six digits after the point, and a text where it is no number.
pub(super) fn nested(value: f64) -> String {
    match value {
        value if value.is_nan() => "\"NaN\"".to_owned(),
        f64::INFINITY => "\"+Inf\"".to_owned(),
        f64::NEG_INFINITY => "\"-Inf\"".to_owned(),
        value => format!("{value:.6}"),
    }
}
