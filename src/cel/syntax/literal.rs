//! The values of literals: numbers, and the escapes of strings and bytes.

use super::super::error::CompileErrorKind;

fn bad(message: &str) -> CompileErrorKind {
    CompileErrorKind::Literal(message.to_owned())
}

/// An `int` literal, decimal or `0x…`.
pub(super) fn int(text: &str, negative: bool) -> Result<i64, CompileErrorKind> {
    let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |hex| (hex, 16));
    let signed = if negative { format!("-{digits}") } else { digits.to_owned() };
    i64::from_str_radix(&signed, radix).map_err(|_| bad("the int literal does not fit 64 bits"))
}

/// A `uint` literal with its `u`.
pub(super) fn uint(text: &str) -> Result<u64, CompileErrorKind> {
    let digits = text.trim_end_matches(['u', 'U']);
    let (digits, radix) = digits.strip_prefix("0x").map_or((digits, 10), |hex| (hex, 16));
    u64::from_str_radix(digits, radix).map_err(|_| bad("the uint literal does not fit 64 bits"))
}

/// A `double` literal; one that is too large for a finite double is refused.
pub(super) fn double(text: &str, negative: bool) -> Result<f64, CompileErrorKind> {
    let value: f64 = text.parse().map_err(|_| bad("invalid double literal"))?;
    if !value.is_finite() {
        return Err(bad("the double literal is out of range"));
    }
    Ok(if negative { -value } else { value })
}

/// The content of a string token, prefix and quotes included.
pub(super) fn string(token: &str) -> Result<String, CompileErrorKind> {
    let (content, raw) = content(token);
    if raw || !content.contains('\\') {
        return Ok(content);
    }
    let bytes = unescape(&content, false)?;
    String::from_utf8(bytes).map_err(|_| bad("the string literal is not valid UTF-8"))
}

/// The content of a bytes token, prefix and quotes included.
pub(super) fn bytes(token: &str) -> Result<Vec<u8>, CompileErrorKind> {
    let (content, raw) = content(token.get(1..).unwrap_or_default());
    if raw { Ok(content.into_bytes()) } else { unescape(&content, true) }
}

/// What stands between the quotes, with line ends as `\n`, and whether it is raw.
fn content(token: &str) -> (String, bool) {
    let unprefixed = token.trim_start_matches(['r', 'R']);
    let raw = unprefixed.len() != token.len();
    let quotes = ["\"\"\"", "'''"].iter().find(|q| unprefixed.len() >= 6 && unprefixed.starts_with(**q));
    let width = quotes.map_or(1, |quotes| quotes.len());
    let inner = unprefixed.get(width..unprefixed.len().saturating_sub(width)).unwrap_or_default();
    (inner.replace("\r\n", "\n").replace('\r', "\n"), raw)
}

fn unescape(content: &str, as_bytes: bool) -> Result<Vec<u8>, CompileErrorKind> {
    let mut out = Vec::with_capacity(content.len());
    let mut characters = content.chars();
    while let Some(character) = characters.next() {
        if character == '\\' {
            escape(&mut characters, as_bytes, &mut out)?;
        } else {
            push(&mut out, character);
        }
    }
    Ok(out)
}

fn push(out: &mut Vec<u8>, character: char) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Reads what follows a backslash.
fn escape(characters: &mut std::str::Chars<'_>, as_bytes: bool, out: &mut Vec<u8>) -> Result<(), CompileErrorKind> {
    let invalid =
        || bad("invalid escape: use one of \\a \\b \\f \\n \\r \\t \\v \\\\ \\? \\\" \\' \\` \\x \\u \\U or octal");
    let code = characters.next().ok_or_else(invalid)?;
    let plain = match code {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' | '\'' | '"' | '`' | '?' => u8::try_from(code).map_err(|_| invalid())?,
        'x' | 'X' => return numeric(characters, 2, 16, 0, as_bytes, out),
        'u' if !as_bytes => return numeric(characters, 4, 16, 0, false, out),
        'U' if !as_bytes => return numeric(characters, 8, 16, 0, false, out),
        '0'..='3' => return numeric(characters, 2, 8, code.to_digit(8).unwrap_or_default(), as_bytes, out),
        _ => return Err(invalid()),
    };
    out.push(plain);
    Ok(())
}

/// Reads `count` digits after the value `first`: a byte in bytes, a code point in strings.
fn numeric(
    characters: &mut std::str::Chars<'_>,
    count: usize,
    radix: u32,
    first: u32,
    as_byte: bool,
    out: &mut Vec<u8>,
) -> Result<(), CompileErrorKind> {
    let mut value = first;
    for _ in 0..count {
        let digit =
            characters.next().and_then(|c| c.to_digit(radix)).ok_or_else(|| bad("an escape has too few digits"))?;
        value = value.checked_mul(radix).and_then(|v| v.checked_add(digit)).ok_or_else(|| bad("invalid code point"))?;
    }
    if as_byte {
        out.push(u8::try_from(value).map_err(|_| bad("an escape of a byte is above 255"))?);
    } else {
        push(out, char::from_u32(value).ok_or_else(|| bad("invalid Unicode code point"))?);
    }
    Ok(())
}
