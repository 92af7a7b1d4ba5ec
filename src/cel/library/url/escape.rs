//! Percent-escapes, with the sets of bytes that Go's `net/url` leaves alone in each part of a URL.

use super::fault::Fault;

/// A part of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Host,
    /// The zone of an IPv6 address.
    Zone,
    /// A user name or a password.
    User,
    /// A name or a value of a parameter.
    Query,
    Fragment,
}

impl Place {
    fn is_host(self) -> bool {
        matches!(self, Self::Host | Self::Zone)
    }

    /// Whether `byte` may stand there as it is.
    fn keeps(self, byte: u8) -> bool {
        match byte {
            b'-' | b'_' | b'.' | b'~' => true,
            _ if byte.is_ascii_alphanumeric() => true,
            // RFC 3986, 3.2.2, and what Go takes from a host besides.
            b'!' | b'\'' | b'(' | b')' | b'*' | b'[' | b']' | b'<' | b'>' | b'"' if self.is_host() => true,
            b'!' | b'(' | b')' | b'*' => self == Self::Fragment,
            // RFC 3986, 2.2: the reserved characters, as far as each part has no use of its own for them.
            b'$' | b'&' | b'+' | b',' | b';' | b'=' => self != Self::Query,
            b':' => !matches!(self, Self::User | Self::Query),
            b'/' | b'@' => matches!(self, Self::Path | Self::Fragment),
            b'?' => self == Self::Fragment,
            _ => false,
        }
    }
}

/// Whether `text` is escaped as it may stand in `place`: then it is left as it was written.
pub(super) fn is_escaped(text: &str, place: Place) -> bool {
    text.bytes().all(|byte| b"!'()*[]%".contains(&byte) || place.keeps(byte))
}

/// `bytes` with everything escaped that `place` does not keep.
pub(super) fn escape(bytes: &[u8], place: Place) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |value: u8| char::from(DIGITS.get(usize::from(value)).copied().unwrap_or_default());
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if place.keeps(*byte) {
            out.push(char::from(*byte));
        } else {
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out
}

/// `text` without its escapes.
///
/// # Errors
/// A percent sign without two hexadecimal digits, and in a host whatever `place` does not keep.
pub(super) fn decode(text: &str, place: Place) -> Result<Vec<u8>, Fault<'_>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let mut next = after;
        match first {
            b'%' => {
                let byte = escaped(after).filter(|byte| may_escape(*byte, place));
                out.push(byte.ok_or(Fault::Escape(rest.get(..3).unwrap_or(rest)))?);
                next = after.get(2..).unwrap_or_default();
            }
            b'+' if place == Place::Query => out.push(b' '),
            byte if place.is_host() && byte.is_ascii() && !place.keeps(*byte) => {
                return Err(Fault::Character(*byte));
            }
            byte => out.push(*byte),
        }
        rest = next;
    }
    Ok(out)
}

/// The byte that two hexadecimal digits say.
fn escaped(digits: &[u8]) -> Option<u8> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    match digits {
        [high, low, ..] => Some(value(*high)? << 4 | value(*low)?),
        _ => None,
    }
}

/// In a host only what is not ASCII is escaped, and the percent sign that starts a zone (RFC 6874); in a zone what may
/// stand there anyway, and a space.
fn may_escape(byte: u8, place: Place) -> bool {
    match place {
        Place::Host => !byte.is_ascii() || byte == b'%',
        Place::Zone => byte == b'%' || byte == b' ' || Place::Host.keeps(byte),
        _ => true,
    }
}
