use super::super::error::CompileErrorKind;

/// A token and where it starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Token<'s> {
    pub(super) kind: TokenKind,
    pub(super) text: &'s str,
    pub(super) offset: u32,
}

impl Token<'_> {
    /// Where it ends.
    pub(super) fn end(&self) -> u32 {
        // A quoted name starts after one backtick and ends before another.
        let quotes = u32::from(self.kind == TokenKind::QuotedIdent);
        self.offset.saturating_add(u32::try_from(self.text.len()).unwrap_or(u32::MAX)).saturating_add(quotes)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Ident,
    /// A field name in backticks; the text is without them.
    QuotedIdent,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    True,
    False,
    Null,
    In,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    And,
    Or,
    OpenBracket,
    CloseBracket,
    OpenBrace,
    CloseBrace,
    OpenParenthesis,
    CloseParenthesis,
    Dot,
    Comma,
    Minus,
    Not,
    Question,
    Colon,
    Plus,
    Star,
    Slash,
    Percent,
    End,
}

/// A text with one space between its tokens: two spellings of the same expression are the same, but for parentheses.
pub(in crate::cel) fn normal(source: &str) -> String {
    let mut lexer = Lexer::new(source);
    let mut out = String::with_capacity(source.len());
    while let Ok(token) = lexer.next() {
        if token.kind == TokenKind::End {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(token.text);
    }
    out
}

/// Splits a source into tokens, one at a time.
pub(super) struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

type Fault = (u32, CompileErrorKind);

impl<'s> Lexer<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self { source, at: 0 }
    }

    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// The next token; [`TokenKind::End`] for ever once the source is used up.
    pub(super) fn next(&mut self) -> Result<Token<'s>, Fault> {
        self.skip_blank();
        let rest = self.rest();
        let (kind, length) = scan(rest).map_err(|kind| (offset(self.at), kind))?;
        let (skipped, text) = match kind {
            TokenKind::QuotedIdent => (1, rest.get(1..length.saturating_sub(1)).unwrap_or_default()),
            _ => (0, rest.get(..length).unwrap_or_default()),
        };
        let token = Token { kind, text, offset: offset(self.at + skipped) };
        self.at += length;
        Ok(token)
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start_matches(['\t', ' ', '\r', '\n', '\u{c}']).len();
            self.at += blank;
            if !self.rest().starts_with("//") {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The kind and the length in bytes of the token that `rest` starts with.
fn scan(rest: &str) -> Result<(TokenKind, usize), CompileErrorKind> {
    let bytes = rest.as_bytes();
    let Some(first) = bytes.first() else { return Ok((TokenKind::End, 0)) };
    if let Some(found) = string_token(rest) {
        return found;
    }
    match first {
        b'0'..=b'9' => return Ok(number(bytes)),
        b'.' if bytes.get(1).is_some_and(u8::is_ascii_digit) => return Ok(number(bytes)),
        b'A'..=b'Z' | b'a'..=b'z' | b'_' => return Ok(word(rest)),
        b'`' => return quoted(rest),
        _ => {}
    }
    symbol(bytes).ok_or_else(|| {
        let shown: String = rest.chars().take(1).flat_map(char::escape_default).collect();
        CompileErrorKind::Syntax(format!("unexpected character `{shown}`"))
    })
}

fn word(rest: &str) -> (TokenKind, usize) {
    let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let kind = match rest.get(..length).unwrap_or_default() {
        "true" => TokenKind::True,
        "false" => TokenKind::False,
        "null" => TokenKind::Null,
        "in" => TokenKind::In,
        _ => TokenKind::Ident,
    };
    (kind, length)
}

fn quoted(rest: &str) -> Result<(TokenKind, usize), CompileErrorKind> {
    let inner = rest.get(1..).unwrap_or_default();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ' ');
    let length = inner.find(|c| !allowed(c)).unwrap_or(inner.len());
    if length == 0 || !inner.get(length..).is_some_and(|tail| tail.starts_with('`')) {
        let message = "a quoted field name has letters, digits and any of `_.-/ `, and ends with a backtick";
        return Err(CompileErrorKind::Syntax(message.to_owned()));
    }
    Ok((TokenKind::QuotedIdent, length + 2))
}

/// Takes the longest number, as the grammar's lexer does.
fn number(bytes: &[u8]) -> (TokenKind, usize) {
    let digits = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    if byte(0) == b'0' && byte(1) == b'x' {
        let hex = bytes.iter().skip(2).take_while(|b| b.is_ascii_hexdigit()).count();
        if hex > 0 {
            return suffixed(byte(2 + hex), TokenKind::Int, 2 + hex);
        }
    }
    let whole = digits(0);
    let mut length = whole;
    let mut kind = TokenKind::Int;
    if byte(length) == b'.' && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
        kind = TokenKind::Double;
    }
    if matches!(byte(length), b'e' | b'E') {
        let sign = usize::from(matches!(byte(length + 1), b'+' | b'-'));
        let exponent = digits(length + 1 + sign);
        if exponent > 0 {
            length += 1 + sign + exponent;
            kind = TokenKind::Double;
        }
    }
    suffixed(byte(length), kind, length)
}

fn suffixed(next: u8, kind: TokenKind, length: usize) -> (TokenKind, usize) {
    match (kind, next) {
        (TokenKind::Int, b'u' | b'U') => (TokenKind::Uint, length + 1),
        _ => (kind, length),
    }
}

/// A string or bytes token, where `rest` starts with one: `None` where it starts with none.
fn string_token(rest: &str) -> Option<Result<(TokenKind, usize), CompileErrorKind>> {
    let bytes = rest.as_bytes();
    let mut prefix = 0;
    let kind = if matches!(bytes.first(), Some(b'b' | b'B')) {
        prefix += 1;
        TokenKind::Bytes
    } else {
        TokenKind::String
    };
    let raw = matches!(bytes.get(prefix), Some(b'r' | b'R'));
    prefix += usize::from(raw);
    let quote = bytes.get(prefix).copied().filter(|quote| matches!(quote, b'"' | b'\''))?;
    let triple = bytes.get(prefix..prefix + 3).is_some_and(|three| three.iter().all(|b| *b == quote));
    let length = triple
        .then(|| closing(bytes, prefix + 3, quote, raw, true))
        .flatten()
        .or_else(|| closing(bytes, prefix + 1, quote, raw, false));
    let unclosed =
        || CompileErrorKind::Syntax("the string does not end, or has a bad escape before its end".to_owned());
    Some(length.map(|length| (kind, length)).ok_or_else(unclosed))
}

/// The length of the token whose content starts at `from`, once its closing quotes are found.
fn closing(bytes: &[u8], from: usize, quote: u8, raw: bool, triple: bool) -> Option<usize> {
    let mut at = from;
    loop {
        let byte = *bytes.get(at)?;
        if byte == quote {
            if !triple {
                return Some(at + 1);
            }
            if bytes.get(at..at + 3).is_some_and(|three| three.iter().all(|b| *b == quote)) {
                return Some(at + 3);
            }
        } else if !triple && matches!(byte, b'\n' | b'\r') {
            return None;
        }
        at += if byte == b'\\' && !raw { 2 } else { 1 };
    }
}

fn symbol(bytes: &[u8]) -> Option<(TokenKind, usize)> {
    let pair = match bytes.get(..2) {
        Some(b"==") => Some(TokenKind::Equal),
        Some(b"!=") => Some(TokenKind::NotEqual),
        Some(b"<=") => Some(TokenKind::LessEqual),
        Some(b">=") => Some(TokenKind::GreaterEqual),
        Some(b"&&") => Some(TokenKind::And),
        Some(b"||") => Some(TokenKind::Or),
        _ => None,
    };
    if let Some(kind) = pair {
        return Some((kind, 2));
    }
    let kind = match bytes.first()? {
        b'<' => TokenKind::Less,
        b'>' => TokenKind::Greater,
        b'[' => TokenKind::OpenBracket,
        b']' => TokenKind::CloseBracket,
        b'{' => TokenKind::OpenBrace,
        b'}' => TokenKind::CloseBrace,
        b'(' => TokenKind::OpenParenthesis,
        b')' => TokenKind::CloseParenthesis,
        b'.' => TokenKind::Dot,
        b',' => TokenKind::Comma,
        b'-' => TokenKind::Minus,
        b'!' => TokenKind::Not,
        b'?' => TokenKind::Question,
        b':' => TokenKind::Colon,
        b'+' => TokenKind::Plus,
        b'*' => TokenKind::Star,
        b'/' => TokenKind::Slash,
        b'%' => TokenKind::Percent,
        _ => return None,
    };
    Some((kind, 1))
}
