use std::{borrow::Cow, fmt};

use super::{Number, Object, Value};

/// The deepest nesting of arrays and objects that is accepted. Kubernetes' own objects stay below 30.
pub const MAX_DEPTH: usize = 64;

/// Why a text is not acceptable JSON, and where. Never shows the input itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// Where, in bytes from the start. For a duplicate key: where its object ends.
    pub offset: usize,
}

/// The ways in which a text is not acceptable JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseErrorKind {
    /// Not UTF-8 (RFC 8259 section 8.1).
    InvalidUtf8,
    /// The text ends inside a value.
    UnexpectedEnd,
    /// A character that cannot stand there; a byte order mark is one.
    UnexpectedCharacter,
    /// Something follows the value.
    TrailingCharacters,
    /// An object has a key twice, after escapes are resolved.
    DuplicateKey,
    /// A `\u` escape that is half of a surrogate pair.
    LoneSurrogate,
    /// A control character below U+0020 inside a string.
    ControlCharacter,
    /// An escape that JSON does not have.
    InvalidEscape,
    /// Not a number of JSON's grammar.
    InvalidNumber,
    /// An integer outside `i64::MIN..=u64::MAX`, or a double that is not finite.
    NumberOutOfRange,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
}

impl fmt::Display for ParseErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidUtf8 => "invalid UTF-8",
            Self::UnexpectedEnd => "unexpected end",
            Self::UnexpectedCharacter => "unexpected character",
            Self::TrailingCharacters => "trailing characters",
            Self::DuplicateKey => "duplicate key",
            Self::LoneSurrogate => "lone surrogate",
            Self::ControlCharacter => "unescaped control character",
            Self::InvalidEscape => "invalid escape",
            Self::InvalidNumber => "invalid number",
            Self::NumberOutOfRange => "number out of range",
            Self::TooDeep => "nested too deep",
        })
    }
}

/// Reads exactly one JSON value (RFC 8259), strictly: no duplicate keys, lone surrogates, numbers out of range or
/// nesting beyond [`MAX_DEPTH`]. Strings without escapes borrow from `text`.
///
/// # Errors
/// [`ParseError`] names what is wrong and where, without the input.
pub fn parse(text: &[u8]) -> Result<Value<'_>, ParseError> {
    let text = std::str::from_utf8(text)
        .map_err(|error| ParseError { kind: ParseErrorKind::InvalidUtf8, offset: error.valid_up_to() })?;
    let mut parser = Parser { text, bytes: text.as_bytes(), at: 0 };
    parser.skip_whitespace();
    let value = parser.value(0)?;
    parser.skip_whitespace();
    if parser.at < text.len() {
        return parser.fail(ParseErrorKind::TrailingCharacters);
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn fail<T>(&self, kind: ParseErrorKind) -> Result<T, ParseError> {
        Err(ParseError { kind, offset: self.at })
    }

    fn unexpected<T>(&self) -> Result<T, ParseError> {
        let kind = if self.at < self.bytes.len() {
            ParseErrorKind::UnexpectedCharacter
        } else {
            ParseErrorKind::UnexpectedEnd
        };
        self.fail(kind)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), ParseError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        self.unexpected()
    }

    fn literal(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, ParseError> {
        for byte in word.bytes() {
            self.expect(byte)?;
        }
        Ok(value)
    }

    // Recursion is bounded by MAX_DEPTH, not by the input.
    fn value(&mut self, depth: usize) -> Result<Value<'a>, ParseError> {
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.string().map(Value::String),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            _ => self.unexpected(),
        }
    }

    fn open(&mut self, depth: usize) -> Result<(), ParseError> {
        if depth > MAX_DEPTH {
            return self.fail(ParseErrorKind::TooDeep);
        }
        self.at += 1;
        self.skip_whitespace();
        Ok(())
    }

    /// After an element: `true` when another follows, `false` when `close` ended the container.
    fn another(&mut self, close: u8) -> Result<bool, ParseError> {
        self.skip_whitespace();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.skip_whitespace();
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => self.unexpected(),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value<'a>, ParseError> {
        self.open(depth)?;
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            if !self.another(b']')? {
                return Ok(Value::Array(items));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, ParseError> {
        self.open(depth)?;
        let mut entries = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(Object::default()));
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.unexpected();
            }
            let key = self.string()?;
            self.skip_whitespace();
            self.expect(b':')?;
            self.skip_whitespace();
            entries.push((key, self.value(depth)?));
            if !self.another(b'}')? {
                break;
            }
        }
        let Ok(object) = Object::from_entries(entries) else {
            return self.fail(ParseErrorKind::DuplicateKey);
        };
        Ok(Value::Object(object))
    }

    /// The text from `start` up to here. Both ends are at ASCII bytes, so the slice always exists.
    fn slice(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn string(&mut self) -> Result<Cow<'a, str>, ParseError> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let text = self.slice(start);
                    self.at += 1;
                    return Ok(Cow::Borrowed(text));
                }
                Some(b'\\') => return self.escaped(start).map(Cow::Owned),
                Some(0..=0x1f) => return self.fail(ParseErrorKind::ControlCharacter),
                Some(_) => self.at += 1,
                None => return self.unexpected(),
            }
        }
    }

    /// The rest of a string, from its first escape on.
    fn escaped(&mut self, start: usize) -> Result<String, ParseError> {
        let mut text = self.slice(start).to_owned();
        let mut run = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    text.push_str(self.slice(run));
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    text.push_str(self.slice(run));
                    self.at += 1;
                    text.push(self.escape()?);
                    run = self.at;
                }
                Some(0..=0x1f) => return self.fail(ParseErrorKind::ControlCharacter),
                Some(_) => self.at += 1,
                None => return self.unexpected(),
            }
        }
    }

    fn escape(&mut self) -> Result<char, ParseError> {
        let character = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            Some(_) => return self.fail(ParseErrorKind::InvalidEscape),
            None => return self.unexpected(),
        };
        self.at += 1;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char, ParseError> {
        let high = self.code_unit()?;
        if let Some(character) = char::from_u32(high) {
            return Ok(character);
        }
        // INVARIANT: not a scalar value and at most 0xffff, so a surrogate; only a high one followed by a low one pairs.
        if high >= 0xdc00 || self.peek() != Some(b'\\') || self.bytes.get(self.at + 1) != Some(&b'u') {
            return self.fail(ParseErrorKind::LoneSurrogate);
        }
        self.at += 1;
        let low = self.code_unit()?;
        if !(0xdc00..=0xdfff).contains(&low) {
            return self.fail(ParseErrorKind::LoneSurrogate);
        }
        let scalar = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        char::from_u32(scalar).map_or_else(|| self.fail(ParseErrorKind::LoneSurrogate), Ok)
    }

    /// Four hexadecimal digits after `u`.
    fn code_unit(&mut self) -> Result<u32, ParseError> {
        self.at += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let Some(byte) = self.peek() else { return self.unexpected() };
            let Some(digit) = char::from(byte).to_digit(16) else { return self.fail(ParseErrorKind::InvalidEscape) };
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }

    fn digits(&mut self) -> Result<(), ParseError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return self.fail(ParseErrorKind::InvalidNumber);
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Number, ParseError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return self.fail(ParseErrorKind::InvalidNumber);
            }
        } else {
            self.digits()?;
        }
        let mut integer = true;
        if self.peek() == Some(b'.') {
            integer = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            integer = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = self.slice(start);
        let number = if integer {
            text.parse::<i64>()
                .map(Number::Int)
                .or_else(|_| text.parse().map(Number::from_u64))
                .ok()
                .or_else(|| large(text))
        } else {
            text.parse().ok().and_then(Number::from_f64)
        };
        number.map_or_else(|| Err(ParseError { kind: ParseErrorKind::NumberOutOfRange, offset: start }), Ok)
    }
}

/// An integer beyond 64 bits, only in the one form that a double has: any other would be rounded, and two values would
/// share bytes.
fn large(text: &str) -> Option<Number> {
    let number = text.parse().ok().and_then(Number::from_f64)?;
    (super::encode(&Value::Number(number)) == text.as_bytes()).then_some(number)
}
