//! The clauses of a format: `%s`, `%.2f` and so on.

use super::super::super::types::Type;

/// What a clause writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) enum Verb {
    /// `%s`
    Text,
    /// `%d`
    Decimal,
    /// `%f`
    Fixed,
    /// `%e`
    Scientific,
    /// `%b`
    Binary,
    /// `%x`
    Hex,
    /// `%X`
    UpperHex,
    /// `%o`
    Octal,
}

/// A clause with its precision, of which only two verbs make use.
#[derive(Clone, Copy, Debug)]
pub(in crate::cel) struct Clause {
    pub(in crate::cel) verb: Verb,
    pub(super) precision: Option<u64>,
}

impl Clause {
    /// The clause that `text` starts with, after its percent sign, and what follows it.
    ///
    /// # Errors
    /// Why there is none.
    pub(in crate::cel) fn parse(text: &str) -> Result<(Self, &str), &'static str> {
        let mut precision = None;
        let mut rest = text;
        if let Some(after) = text.strip_prefix('.') {
            rest = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
            let digits = after.strip_suffix(rest).unwrap_or_default();
            // As a signed number of 64 bits.
            let number: i64 = digits.parse().map_err(|_| "the precision is not a number")?;
            precision = u64::try_from(number).ok();
        }
        let mut characters = rest.chars();
        let verb = match characters.next() {
            Some('s') => Verb::Text,
            Some('d') => Verb::Decimal,
            Some('f') => Verb::Fixed,
            Some('e') => Verb::Scientific,
            Some('b') => Verb::Binary,
            Some('x') => Verb::Hex,
            Some('X') => Verb::UpperHex,
            Some('o') => Verb::Octal,
            Some(_) => {
                return Err(
                    "unrecognized formatting clause: use one of %s %d %f %e %b %x %X %o, or %% for a percent sign",
                );
            }
            None => return Err("unexpected end of the format"),
        };
        Ok((Self { verb, precision }, characters.as_str()))
    }
}

impl Verb {
    /// Whether a value of type `of` may turn out to be one that the clause writes.
    pub(in crate::cel) fn takes(self, of: &Type) -> bool {
        let is_integer = matches!(of, Type::Int | Type::Uint);
        match (self, of) {
            (_, Type::Dyn) => true,
            (Self::Text, of) => !matches!(of, Type::Opaque(_) | Type::Optional(_) | Type::Object(_)),
            (Self::Fixed | Self::Scientific, of) => matches!(of, Type::Double | Type::String),
            (Self::Binary, Type::Bool) | (Self::Hex | Self::UpperHex, Type::String | Type::Bytes) => true,
            (Self::Decimal | Self::Binary | Self::Octal | Self::Hex | Self::UpperHex, _) => is_integer,
        }
    }
}

/// A part of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) enum Piece<'t> {
    /// Text that is written as it is.
    Text(&'t str),
    /// What follows the percent sign of a clause: to be parsed, and the rest to be given to [`Pieces::resume`].
    Clause(&'t str),
}

/// The parts of a format, in order.
#[derive(Clone, Copy, Debug)]
pub(in crate::cel) struct Pieces<'t> {
    rest: &'t str,
}

impl<'t> Pieces<'t> {
    pub(in crate::cel) fn new(format: &'t str) -> Self {
        Self { rest: format }
    }

    /// Goes on with `rest`.
    pub(in crate::cel) fn resume(&mut self, rest: &'t str) {
        self.rest = rest;
    }
}

impl<'t> Iterator for Pieces<'t> {
    type Item = Piece<'t>;

    fn next(&mut self) -> Option<Piece<'t>> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.find('%').unwrap_or(self.rest.len());
        let (text, after) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        if !text.is_empty() {
            self.rest = after;
            return Some(Piece::Text(text));
        }
        let clause = after.strip_prefix('%').unwrap_or(after);
        Some(match clause.strip_prefix('%') {
            Some(rest) => {
                self.rest = rest;
                Piece::Text("%")
            }
            None => {
                self.rest = "";
                Piece::Clause(clause)
            }
        })
    }
}
