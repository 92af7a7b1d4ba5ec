use std::io::{self, Write};

use super::{Number, Value};

/// The canonical bytes of `value`: RFC 8785, with exact integers.
#[must_use]
pub fn encode(value: &Value<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    // INVARIANT: writing to a vector cannot fail.
    let _: io::Result<()> = encode_to(value, &mut out);
    out
}

/// Writes the canonical bytes of `value` to `out`, for example into a hash.
///
/// # Errors
/// Those of `out`.
pub fn encode_to(value: &Value<'_>, out: &mut impl Write) -> io::Result<()> {
    // Recursion is bounded by the depth of the value, which the parser bounds.
    match value {
        Value::Null => out.write_all(b"null"),
        Value::Bool(true) => out.write_all(b"true"),
        Value::Bool(false) => out.write_all(b"false"),
        Value::Number(number) => encode_number(*number, out),
        Value::String(text) => encode_string(text, out),
        Value::Array(items) => {
            out.write_all(b"[")?;
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.write_all(b",")?;
                }
                encode_to(item, out)?;
            }
            out.write_all(b"]")
        }
        Value::Object(object) => {
            out.write_all(b"{")?;
            for (index, (key, item)) in object.iter().enumerate() {
                if index > 0 {
                    out.write_all(b",")?;
                }
                encode_string(key, out)?;
                out.write_all(b":")?;
                encode_to(item, out)?;
            }
            out.write_all(b"}")
        }
    }
}

/// Writes a string in the form of RFC 8785 section 3.2.2.2: only what must be escaped is.
///
/// # Errors
/// Those of `out`.
pub fn encode_string(text: &str, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"\"")?;
    let mut rest = text.as_bytes();
    while let Some(index) = rest.iter().position(|byte| matches!(byte, 0..=0x1f | b'"' | b'\\')) {
        let (plain, special) = rest.split_at(index);
        out.write_all(plain)?;
        let Some((byte, after)) = special.split_first() else { break };
        match byte {
            b'"' => out.write_all(b"\\\"")?,
            b'\\' => out.write_all(b"\\\\")?,
            0x08 => out.write_all(b"\\b")?,
            b'\t' => out.write_all(b"\\t")?,
            b'\n' => out.write_all(b"\\n")?,
            0x0c => out.write_all(b"\\f")?,
            b'\r' => out.write_all(b"\\r")?,
            other => write!(out, "\\u{other:04x}")?,
        }
        rest = after;
    }
    out.write_all(rest)?;
    out.write_all(b"\"")
}

fn encode_number(number: Number, out: &mut impl Write) -> io::Result<()> {
    match number {
        Number::Int(value) => write!(out, "{value}"),
        Number::Uint(value) => write!(out, "{value}"),
        Number::Double(value) => encode_double(value, out),
    }
}

/// The shortest digits that read back as the same double, with an exponent: `1.5e-7`. Of several such texts the closest
/// to the double, and of two that are equally close the even one, as ECMAScript, Go and Python have it; the standard
/// library takes the larger.
pub(crate) fn shortest(value: f64) -> String {
    let text = format!("{value:e}");
    let digits = text.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    let even = format!("{value:.*e}", digits.saturating_sub(1));
    if even.parse() == Ok(value) { even } else { text }
}

/// ECMAScript's `Number::toString` (ECMA-262 section 6.1.6.1.20): the shortest digits that read back as the same double.
fn encode_double(value: f64, out: &mut impl Write) -> io::Result<()> {
    let scientific = shortest(value);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // `point` is the standard's n: the value is 0.digits × 10^n.
    let point = exponent + 1;
    out.write_all(sign.as_bytes())?;
    if (count..=21).contains(&point) {
        let zeros = "0".repeat(usize::try_from(point - count).unwrap_or_default());
        write!(out, "{digits}{zeros}")
    } else if (1..=21).contains(&point) {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or_default());
        write!(out, "{whole}.{fraction}")
    } else if (-5..=0).contains(&point) {
        let zeros = "0".repeat(usize::try_from(-point).unwrap_or_default());
        write!(out, "0.{zeros}{digits}")
    } else {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        let plus = if exponent > 0 { "+" } else { "" };
        write!(out, "{first}{dot}{rest}e{plus}{exponent}")
    }
}
