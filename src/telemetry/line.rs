use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};

/// The most bytes of one string in a line; what is longer is cut, and a mark says by how much.
pub const STRING_LIMIT: usize = 4 * 1024;
/// The most bytes of one line.
pub const LINE_LIMIT: usize = 1024 * 1024;

/// A value does not make a line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The value does not serialize, or holds raw JSON, which could break the line.
    #[error("the line cannot be written as JSON: {0}")]
    Value(#[from] serde_json::Error),
    /// The line is longer than [`LINE_LIMIT`].
    #[error("the line is longer than {LINE_LIMIT} bytes")]
    TooLong,
}

/// One JSON object on one line, its end included, safe for a terminal and for a log collector.
///
/// # Errors
/// [`LineError`]
pub fn to_line<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, LineError> {
    let mut line = Vec::with_capacity(1024);
    value.serialize(&mut Serializer::with_formatter(&mut line, Careful::default()))?;
    line.push(b'\n');
    if line.len() > LINE_LIMIT { Err(LineError::TooLong) } else { Ok(line) }
}

/// Whether a character may reorder, hide or break text where it is shown.
pub(super) const fn is_risky(character: char) -> bool {
    matches!(character,
        '\u{7f}'..='\u{9f}' // delete, C1 controls
        | '\u{ad}' | '\u{61c}' | '\u{180e}' // soft hyphen, bidi and vowel marks
        | '\u{200b}'..='\u{200f}' // zero width, bidi marks
        | '\u{2028}'..='\u{202e}' // separators, bidi embeddings
        | '\u{2060}'..='\u{206f}' // invisible operators, bidi isolates
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' // byte order mark, annotations
        | '\u{e0000}'..='\u{e007f}') // tags
}

/// Writes `text`, each risky character as `\uXXXX`.
pub(super) fn write_escaped<W: Write + ?Sized>(out: &mut W, text: &str) -> io::Result<()> {
    // Nearly all text is this plain, and a look at its bytes is much cheaper than one at its characters.
    if text.is_ascii() && !text.as_bytes().contains(&0x7f) {
        return out.write_all(text.as_bytes());
    }
    let mut rest = text;
    while let Some((at, character)) = rest.char_indices().find(|(_, character)| is_risky(*character)) {
        let (plain, after) = rest.split_at(at);
        out.write_all(plain.as_bytes())?;
        let mut units = [0; 2];
        for unit in character.encode_utf16(&mut units) {
            write!(out, "\\u{unit:04x}")?;
        }
        rest = after.get(character.len_utf8()..).unwrap_or_default();
    }
    out.write_all(rest.as_bytes())
}

/// A compact formatter that caps strings and escapes what JSON allows but a reader should not meet.
#[derive(Default)]
struct Careful {
    written: usize,
    cut: usize,
}

impl Careful {
    /// How much of `length` further bytes still fits.
    fn room(&mut self, length: usize) -> usize {
        let room = if self.cut > 0 { 0 } else { length.min(STRING_LIMIT - self.written) };
        self.written += room;
        room
    }
}

impl Formatter for Careful {
    fn begin_string<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        *self = Self::default();
        out.write_all(b"\"")
    }

    fn end_string<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        if self.cut > 0 {
            write!(out, "…[{} bytes cut]", self.cut)?;
        }
        out.write_all(b"\"")
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let room = self.room(fragment.len());
        let end = fragment.floor_char_boundary(room);
        self.cut += fragment.len() - end;
        write_escaped(out, fragment.get(..end).unwrap_or_default())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, out: &mut W, escape: CharEscape) -> io::Result<()> {
        if self.room(1) == 0 {
            self.cut += 1;
            return Ok(());
        }
        match escape {
            CharEscape::Quote => out.write_all(b"\\\""),
            CharEscape::ReverseSolidus => out.write_all(b"\\\\"),
            CharEscape::Solidus => out.write_all(b"/"),
            CharEscape::LineFeed => out.write_all(b"\\n"),
            CharEscape::CarriageReturn => out.write_all(b"\\r"),
            CharEscape::Tab => out.write_all(b"\\t"),
            CharEscape::Backspace => out.write_all(b"\\b"),
            CharEscape::FormFeed => out.write_all(b"\\f"),
            CharEscape::AsciiControl(byte) => write!(out, "\\u{byte:04x}"),
        }
    }

    fn write_raw_fragment<W: ?Sized + Write>(&mut self, _: &mut W, _: &str) -> io::Result<()> {
        Err(io::Error::other("raw JSON is not written into a line"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{json, value::RawValue};

    use super::*;

    #[test]
    fn what_could_deceive_a_reader_is_escaped() {
        for (text, written) in [
            ("plain é 日本", "plain é 日本"),
            ("a\r\nb\u{1b}[31m\0\u{8}\u{c}\t", r"a\r\nb\u001b[31m\u0000\b\f\t"),
            ("\u{7f}\u{85}\u{9b}31m", r"\u007f\u0085\u009b31m"),
            ("\u{2028}\u{2029}", r"\u2028\u2029"),
            ("\u{202e}abc\u{2066}\u{200f}\u{61c}", r"\u202eabc\u2066\u200f\u061c"),
            ("\u{200b}\u{feff}\u{e0041}", r"\u200b\ufeff\udb40\udc41"),
            ("\"\\/", r#"\"\\/"#),
        ] {
            let line = String::from_utf8(to_line(&json!({ "s": text })).unwrap()).unwrap();
            assert_eq!(line, format!("{{\"s\":\"{written}\"}}\n"));
        }
    }

    #[test]
    fn strings_are_capped_at_a_character() {
        let line = |text: String| -> serde_json::Value { serde_json::from_slice(&to_line(&text).unwrap()).unwrap() };
        let full = "x".repeat(STRING_LIMIT);
        assert_eq!(line(full.clone()), json!(full));
        assert_eq!(line(format!("{full}yz")), json!(format!("{full}…[2 bytes cut]")));
        assert_eq!(line(format!("{full}\n\n")), json!(format!("{full}…[2 bytes cut]")));
        let split = format!("{}é\ny", "x".repeat(STRING_LIMIT - 1));
        assert_eq!(line(split), json!(format!("{}…[4 bytes cut]", "x".repeat(STRING_LIMIT - 1))));
    }

    #[test]
    fn a_line_is_one_line_and_bounded() {
        let long: Vec<String> = vec!["x".repeat(STRING_LIMIT); LINE_LIMIT / STRING_LIMIT];
        assert!(matches!(to_line(&long), Err(LineError::TooLong)));
        let raw = RawValue::from_string("{\n}".to_owned()).unwrap();
        assert!(matches!(to_line(&raw), Err(LineError::Value(_))));
    }

    proptest! {
        #[test]
        fn every_short_string_comes_back(text in "\\PC{0,40}", any in any::<String>()) {
            for text in [text, any] {
                let line = String::from_utf8(to_line(&text).unwrap()).unwrap();
                prop_assert_eq!(line.matches('\n').count(), 1);
                prop_assert!(!line.trim_end().chars().any(|character| character.is_control() || is_risky(character)));
                prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
            }
        }
    }
}
