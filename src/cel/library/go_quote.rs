//! Go's `strconv.Quote`, in which messages and lists are written.

mod printable;

use printable::PRINTABLE;

/// The text in double quotes; what does not print is escaped, and bytes that are no UTF-8 one by one.
pub(super) fn quote(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|character| push(&mut out, character));
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out.push('"');
    out
}

fn push(out: &mut String, character: char) {
    match (named(character), character) {
        (Some(escape), _) => out.push_str(escape),
        (None, other) if prints(other) => out.push(other),
        (None, other) => out.push_str(&match u32::from(other) {
            code @ ..0x80 => format!("\\x{code:02x}"),
            code @ ..0x1_0000 => format!("\\u{code:04x}"),
            code => format!("\\U{code:08x}"),
        }),
    }
}

/// The escape of a character that has a short one, which `strings.quote` writes too.
pub(super) const fn named(character: char) -> Option<&'static str> {
    Some(match character {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\u{c}' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\u{b}' => "\\v",
        _ => return None,
    })
}

/// Whether the character prints: letters, marks, numbers, punctuation, symbols and the space of ASCII.
fn prints(character: char) -> bool {
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    let code = u32::from(character);
    let index = PRINTABLE.partition_point(|(_, last)| *last < code);
    PRINTABLE.get(index).is_some_and(|(first, _)| *first <= code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_go_does() {
        for (text, quoted) in [
            ("", r#""""#),
            ("a b", r#""a b""#),
            ("\"\\", r#""\"\\""#),
            ("\u{7}\u{8}\u{c}\n\r\t\u{b}\0\u{7f}", r#""\a\b\f\n\r\t\v\x00\x7f""#),
            ("é\u{ad}\u{200b}\u{2028}\u{e000}\u{ffff}", r#""é\u00ad\u200b\u2028\ue000\uffff""#),
            ("😀\u{e0001}\u{10ffff}", r#""😀\U000e0001\U0010ffff""#),
        ] {
            assert_eq!(quote(text.as_bytes()), quoted);
        }
        assert_eq!(quote(b"a\xff\xc3("), r#""a\xff\xc3(""#);
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(PRINTABLE.iter().all(|(first, last)| first <= last));
        assert!(PRINTABLE.iter().zip(PRINTABLE.iter().skip(1)).all(|(a, b)| a.1 < b.0));
    }
}
