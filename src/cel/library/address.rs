//! Addresses as Go's `netip.ParseAddr` reads them, with its complaints.

use core::net::IpAddr;

use super::go_quote::quote;

/// What is wrong, and the rest of the text where that shows.
pub(super) type Fault<'a> = (&'static str, &'a [u8]);

/// The address that the text says; a zone is read and left out.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(text: &[u8]) -> Result<IpAddr, Fault<'_>> {
    match text.iter().find(|byte| b".:%".contains(byte)) {
        Some(b'.') => Ok(IpAddr::V4(read_v4(text)?.into())),
        Some(b':') => Ok(IpAddr::V6(read_v6(text)?.into())),
        Some(_) => fault("missing IPv6 address"),
        None => fault("unable to parse IP"),
    }
}

/// What is wrong with the text in the words of Go; nothing where it is an address.
pub(super) fn complaint(text: &[u8]) -> Option<String> {
    let (reason, at) = parse(text).err()?;
    let place = if at.is_empty() { String::new() } else { format!(" (at {})", quote(at)) };
    Some(format!("ParseAddr({}): {reason}{place}", quote(text)))
}

fn fault<T>(reason: &'static str) -> Result<T, Fault<'static>> {
    Err((reason, &[]))
}

fn read_v4(text: &[u8]) -> Result<u32, Fault<'_>> {
    let (mut bits, mut value, mut digits, mut points) = (0, 0_u32, 0, 0);
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
            b'.' => (bits, value, digits, points) = (bits << 8 | value, 0, 0, points + 1),
            _ => return Err(("unexpected character", rest)),
        }
        rest = after;
    }
    if points < 3 { fault("IPv4 address too short") } else { Ok(bits << 8 | value) }
}

fn read_v6(text: &[u8]) -> Result<u128, Fault<'_>> {
    let mut rest = text;
    if let Some(index) = text.iter().position(|byte| *byte == b'%') {
        let (address, zone) = text.split_at_checked(index).unwrap_or((text, &[]));
        if zone.len() < 2 {
            return fault("zone must be a non-empty string");
        }
        rest = address;
    }
    // What stands before `::`, at the left end, and what was read since, at the right end.
    let (mut head, mut bits, mut groups) = (None, 0_u128, 0_u32);
    if let Some(after) = rest.strip_prefix(b"::") {
        if after.is_empty() {
            return Ok(0);
        }
        (head, rest) = (Some(0), after);
    }
    while groups < 8 {
        let (group, after) = read_group(rest)?;
        if after.first() == Some(&b'.') {
            if head.is_none() && groups != 6 {
                return Err(("embedded IPv4 address must replace the final 2 fields of the address", rest));
            }
            if groups > 6 {
                return Err(("too many hex fields to fit an embedded IPv4 at the end of the address", rest));
            }
            bits = bits << 32 | u128::from(read_v4(rest)?);
            (groups, rest) = (groups + 2, &[]);
            break;
        }
        (bits, groups, rest) = (bits << 16 | group, groups + 1, after);
        match rest {
            [] => break,
            [b':'] => return Err(("colon must be followed by more characters", rest)),
            [b':', b':', ..] if head.is_some() => {
                return Err(("multiple :: in address", rest.get(1..).unwrap_or_default()));
            }
            [b':', b':', after @ ..] => {
                head = Some(bits << (128 - 16 * groups));
                (bits, rest) = (0, after);
                if rest.is_empty() {
                    break;
                }
            }
            [b':', after @ ..] => rest = after,
            _ => return Err(("unexpected character, want colon", rest)),
        }
    }
    match (rest, groups, head) {
        ([_, ..], ..) => Err(("trailing garbage after address", rest)),
        (_, ..8, None) => fault("address string too short"),
        (_, 8.., Some(_)) => fault("the :: must expand to at least one field of zeros"),
        (_, _, head) => Ok(head.unwrap_or_default() | bits),
    }
}

/// One to four hexadecimal digits, and what follows them.
fn read_group(text: &[u8]) -> Result<(u128, &[u8]), Fault<'_>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let length = text.iter().take_while(|byte| digit(byte).is_some()).count();
    let (digits, rest) = text.split_at_checked(length).unwrap_or((text, &[]));
    match length {
        0 => Err(("each colon-separated field must have at least one digit", text)),
        5.. => Err(("each group must have 4 or less digits", text)),
        _ => Ok((digits.iter().filter_map(digit).fold(0, |value, digit| value << 4 | u128::from(digit)), rest)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        /// Rust reads the same addresses, but that it knows no zone.
        #[test]
        fn addresses_are_those_of_rust(text in "[0-9]{1,3}(\\.[0-9]{1,3}){2,4}|([0-9a-fA-F]{0,5}:){1,8}[0-9a-f.:]{0,9}|[^%]{0,9}") {
            prop_assert_eq!(parse(text.as_bytes()).ok(), text.parse().ok());
        }

        #[test]
        fn what_is_written_reads_back(v4 in any::<u32>(), v6 in any::<u128>(), zeros in 0_u32..128) {
            for address in [IpAddr::V4(v4.into()), IpAddr::V6(v6.into()), IpAddr::V6((v6 & v6.rotate_left(zeros)).into())] {
                let text = address.to_string();
                prop_assert_eq!(parse(text.as_bytes()), Ok(address));
            }
        }
    }
}
