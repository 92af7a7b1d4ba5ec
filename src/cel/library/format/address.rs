//! Addresses as Go's `netip.ParseAddr` takes them, with its complaints.

use super::super::go_quote::quote;

/// Which protocol an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// What is wrong, and the rest of the text where that shows.
type Fault<'a> = (&'static str, &'a [u8]);

/// The family of the address.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(text: &[u8]) -> Result<Family, String> {
    let result = match text.iter().find(|byte| b".:%".contains(byte)) {
        Some(b'.') => check_v4(text).map(|()| Family::V4),
        Some(b':') => check_v6(text).map(|()| Family::V6),
        Some(_) => Err(("missing IPv6 address", &[][..])),
        None => Err(("unable to parse IP", &[][..])),
    };
    result.map_err(|(reason, at)| {
        let place = if at.is_empty() { String::new() } else { format!(" (at {})", quote(at)) };
        format!("ParseAddr({}): {reason}{place}", quote(text))
    })
}

fn fault<T>(reason: &'static str) -> Result<T, Fault<'static>> {
    Err((reason, &[]))
}

fn check_v4(text: &[u8]) -> Result<(), Fault<'_>> {
    let (mut value, mut digits, mut points) = (0_u32, 0, 0);
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        match byte {
            b'0'..=b'9' if digits == 1 && value == 0 => return fault("IPv4 field has octet with leading zero"),
            b'0'..=b'9' => {
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
                if value > 255 {
                    return fault("IPv4 field has value >255");
                }
            }
            b'.' if digits == 0 || after.is_empty() => {
                return Err(("IPv4 field must have at least one digit", rest));
            }
            b'.' if points == 3 => return fault("IPv4 address too long"),
            b'.' => (value, digits, points) = (0, 0, points + 1),
            _ => return Err(("unexpected character", rest)),
        }
        rest = after;
    }
    if points < 3 { fault("IPv4 address too short") } else { Ok(()) }
}

fn check_v6(text: &[u8]) -> Result<(), Fault<'_>> {
    let mut rest = text;
    if let Some(index) = text.iter().position(|byte| *byte == b'%') {
        let (address, zone) = text.split_at_checked(index).unwrap_or((text, &[]));
        if zone.len() < 2 {
            return fault("zone must be a non-empty string");
        }
        rest = address;
    }
    let mut gap = false;
    if let Some(after) = rest.strip_prefix(b"::") {
        if after.is_empty() {
            return Ok(());
        }
        (gap, rest) = (true, after);
    }
    let mut groups = 0;
    while groups < 8 {
        let digits = check_group(rest)?;
        let after = rest.get(digits..).unwrap_or_default();
        if after.first() == Some(&b'.') {
            if !gap && groups != 6 {
                return Err(("embedded IPv4 address must replace the final 2 fields of the address", rest));
            }
            if groups > 6 {
                return Err(("too many hex fields to fit an embedded IPv4 at the end of the address", rest));
            }
            check_v4(rest)?;
            (groups, rest) = (groups + 2, &[]);
            break;
        }
        groups += 1;
        rest = after;
        match rest {
            [] => break,
            [b':'] => return Err(("colon must be followed by more characters", rest)),
            [b':', b':', ..] if gap => return Err(("multiple :: in address", rest.get(1..).unwrap_or_default())),
            [b':', b':', after @ ..] => {
                (gap, rest) = (true, after);
                if rest.is_empty() {
                    break;
                }
            }
            [b':', after @ ..] => rest = after,
            _ => return Err(("unexpected character, want colon", rest)),
        }
    }
    match (rest, groups, gap) {
        ([_, ..], ..) => Err(("trailing garbage after address", rest)),
        (_, ..8, false) => fault("address string too short"),
        (_, 8.., true) => fault("the :: must expand to at least one field of zeros"),
        _ => Ok(()),
    }
}

/// How many hexadecimal digits the text starts with: one to four.
fn check_group(text: &[u8]) -> Result<usize, Fault<'_>> {
    match text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count() {
        0 => Err(("each colon-separated field must have at least one digit", text)),
        5.. => Err(("each group must have 4 or less digits", text)),
        digits => Ok(digits),
    }
}
