//! The syntax of RE2, as Go's `regexp` reads it, in the syntax of the `regex` crate.
//!
//! One pass over the pattern, without a tree: groups and alternations mean the same in both, so only atoms, classes
//! and repetitions are rewritten. What RE2 does not have is refused here, whatever the crate would make of it:
//! set operations and nested classes, `(?x)`, doubled repetitions, word boundaries such as `\<`. The classes `\d`,
//! `\s`, `\w` and the boundary `\b` are of ASCII alone, as in RE2.

use std::{iter::Peekable, str::Chars};

/// The most repetitions that RE2 accepts.
const MAX_REPEAT: u32 = 1_000;

const DIGIT: &str = "0-9";
const SPACE: &str = r"\t\n\x0C\r ";
const WORD: &str = "0-9A-Za-z_";

const POSIX: &[&str] = &[
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

type Reason = &'static str;

/// What stands before a repetition.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing that can be repeated: the start, an opening parenthesis or a bar.
    Nothing,
    Atom,
    Repetition,
}

/// Rewrites `pattern`.
///
/// # Errors
/// Why it is not of RE2's syntax. Faults of structure, such as an unclosed group, are left to the crate.
pub(super) fn translate(pattern: &str) -> Result<Translation, Reason> {
    let out = String::with_capacity(pattern.len() * 2);
    let states = States::default();
    let mut scanner = Scanner { rest: pattern, out, before: Before::Nothing, wide: false, states };
    while let Some(character) = scanner.take() {
        scanner.step(character)?;
    }
    Ok(Translation { pattern: scanner.out, wide: scanner.wide, states: scanner.states.sum })
}

/// A pattern in the syntax of the crate.
pub(super) struct Translation {
    pub(super) pattern: String,
    /// Whether it has classes of many characters, which take long to compile.
    pub(super) wide: bool,
    /// How many characters and classes it has once repetitions are written out: the states of its automaton.
    pub(super) states: u64,
}

/// Counts states while a pattern is read.
#[derive(Default)]
struct States {
    /// What was counted before each group that is open.
    open: Vec<u64>,
    sum: u64,
    /// The states of the last atom or group.
    last: u64,
}

impl States {
    fn open(&mut self) {
        self.open.push(std::mem::take(&mut self.sum));
    }

    fn close(&mut self) {
        self.last = self.sum.max(1);
        self.sum = self.open.pop().unwrap_or_default().saturating_add(self.last);
    }

    fn atom(&mut self) {
        self.last = 1;
        self.sum = self.sum.saturating_add(1);
    }

    fn repeat(&mut self, times: u32) {
        let more = self.last.saturating_mul(u64::from(times.saturating_sub(1)));
        self.sum = self.sum.saturating_add(more);
        self.last = self.last.saturating_add(more);
    }
}

struct Scanner<'p> {
    rest: &'p str,
    out: String,
    before: Before,
    wide: bool,
    states: States,
}

impl<'p> Scanner<'p> {
    fn take(&mut self) -> Option<char> {
        let character = self.rest.chars().next()?;
        self.skip(character.len_utf8());
        Some(character)
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest.starts_with(text);
        if found {
            self.skip(text.len());
        }
        found
    }

    fn atom(&mut self, translated: &str) {
        self.states.atom();
        self.out.push_str(translated);
        self.before = Before::Atom;
    }

    fn literal(&mut self, character: char) {
        self.states.atom();
        push_literal(&mut self.out, character);
        self.before = Before::Atom;
    }

    fn step(&mut self, character: char) -> Result<(), Reason> {
        match character {
            '(' => self.open()?,
            ')' => {
                self.states.close();
                self.out.push(')');
                self.before = Before::Atom;
            }
            '|' => {
                self.out.push('|');
                self.before = Before::Nothing;
            }
            '.' => {
                self.wide = true;
                self.atom(".");
            }
            '^' => self.atom("(?:^)"),
            '$' => self.atom("(?:$)"),
            '*' | '+' | '?' => self.repeat(character.encode_utf8(&mut [0; 4]))?,
            '{' => match bounds(self.rest) {
                Some((length, times)) => {
                    self.states.repeat(times?);
                    let text = format!("{{{}", self.rest.get(..length).unwrap_or_default());
                    self.skip(length);
                    self.repeat(&text)?;
                }
                None => self.literal('{'),
            },
            '[' => self.class()?,
            '\\' => self.escape()?,
            other => self.literal(other),
        }
        Ok(())
    }

    /// What follows an opening parenthesis: nothing, a name or flags.
    fn open(&mut self) -> Result<(), Reason> {
        self.before = Before::Nothing;
        if !self.eat("?") {
            self.states.open();
            self.out.push('(');
            return Ok(());
        }
        if self.eat("P<") || self.eat("<") {
            let (name, rest) = self.rest.split_once('>').ok_or("a group's name does not end")?;
            let valid = !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
            if !valid {
                return Err("invalid name of a group");
            }
            // RE2 allows names that start with a digit; captures are not used, so the name is left out.
            self.states.open();
            self.out.push('(');
            self.rest = rest;
            return Ok(());
        }
        let end = self.rest.find([':', ')']).ok_or("a group does not end")?;
        let flags = self.rest.get(..end).unwrap_or_default();
        let (on, off) = flags.split_once('-').map_or((flags, None), |(on, off)| (on, Some(off)));
        let known = |flags: &str| flags.chars().all(|flag| matches!(flag, 'i' | 'm' | 's' | 'U'));
        if !known(on) || !known(off.unwrap_or_default()) || off == Some("") {
            return Err("invalid flags of a group");
        }
        self.wide |= on.contains('i');
        let is_group = self.rest.get(end..).is_some_and(|rest| rest.starts_with(':'));
        // RE2 allows a flag to be said twice, and `(?)`.
        let off = off.map_or_else(String::new, |off| format!("-{}", once(off)));
        if is_group {
            self.states.open();
        }
        if is_group || !flags.is_empty() {
            self.out.push_str(&format!("(?{}{off}{}", once(on), if is_group { ':' } else { ')' }));
        }
        self.skip(end + 1);
        Ok(())
    }

    fn repeat(&mut self, operator: &str) -> Result<(), Reason> {
        match self.before {
            Before::Nothing => return Err("a repetition has nothing to repeat"),
            Before::Repetition => return Err("a repetition is repeated"),
            Before::Atom => {}
        }
        self.out.push_str(operator);
        if self.eat("?") {
            self.out.push('?');
        }
        self.before = Before::Repetition;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Reason> {
        let code = self.take().ok_or("a backslash at the end")?;
        match code {
            'A' => self.atom(r"\A"),
            'z' => self.atom(r"\z"),
            'b' => self.atom(r"(?-u:\b)"),
            'B' => self.atom(r"(?-u:\B)"),
            'Q' => {
                let (text, rest) = self.rest.split_once(r"\E").unwrap_or((self.rest, ""));
                self.rest = rest;
                for character in text.chars() {
                    self.literal(character);
                }
            }
            _ => {
                if let Some(class) = self.shorthand(code)? {
                    self.atom(&format!("[{class}]"));
                } else {
                    let character = self.character(code)?;
                    self.literal(character);
                }
            }
        }
        Ok(())
    }

    /// The content of a class for `\d`, `\pL` and their like.
    fn shorthand(&mut self, code: char) -> Result<Option<String>, Reason> {
        self.wide |= matches!(code, 'D' | 'S' | 'W' | 'p' | 'P');
        Ok(Some(match code {
            'd' => DIGIT.to_owned(),
            'D' => format!("[^{DIGIT}]"),
            's' => SPACE.to_owned(),
            'S' => format!("[^{SPACE}]"),
            'w' => WORD.to_owned(),
            'W' => format!("[^{WORD}]"),
            'p' | 'P' => self.property(code == 'P')?,
            _ => return Ok(None),
        }))
    }

    fn property(&mut self, mut negated: bool) -> Result<String, Reason> {
        let mut name = if self.eat("{") {
            let (name, rest) = self.rest.split_once('}').ok_or("a Unicode class does not end")?;
            self.rest = rest;
            name.to_owned()
        } else {
            self.take().ok_or("a Unicode class has no name")?.to_string()
        };
        if let Some(inner) = name.strip_prefix('^') {
            negated = !negated;
            name = inner.to_owned();
        }
        if name.is_empty() || !name.chars().all(|c| c == '_' || c.is_ascii_alphabetic()) {
            return Err("invalid name of a Unicode class");
        }
        Ok(format!(r"\{}{{{name}}}", if negated { 'P' } else { 'p' }))
    }

    /// The character of an escape whose first letter is `code`.
    fn character(&mut self, code: char) -> Result<char, Reason> {
        let value = match code {
            'a' => 0x07,
            'f' => 0x0c,
            'n' => 0x0a,
            'r' => 0x0d,
            't' => 0x09,
            'v' => 0x0b,
            'x' => self.hexadecimal()?,
            '0'..='7' => self.octal(code)?,
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => u32::from(other),
            _ => return Err("invalid escape"),
        };
        char::from_u32(value).ok_or("an escape is no character")
    }

    fn hexadecimal(&mut self) -> Result<u32, Reason> {
        let digits = if self.eat("{") {
            let (digits, rest) = self.rest.split_once('}').ok_or("invalid escape")?;
            self.rest = rest;
            digits
        } else {
            let digits = self.rest.get(..2).ok_or("invalid escape")?;
            self.skip(2);
            digits
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err("invalid escape");
        }
        u32::from_str_radix(digits, 16).map_err(|_| "invalid escape")
    }

    /// Up to three octal digits; a single one other than 0 would be a back reference.
    fn octal(&mut self, first: char) -> Result<u32, Reason> {
        let more: String = self.rest.chars().take(2).take_while(|c| ('0'..='7').contains(c)).collect();
        if first != '0' && more.is_empty() {
            return Err("back references are not supported");
        }
        self.skip(more.len());
        u32::from_str_radix(&format!("{first}{more}"), 8).map_err(|_| "invalid escape")
    }

    fn class(&mut self) -> Result<(), Reason> {
        let mut class = String::from("[");
        if self.eat("^") {
            self.wide = true;
            class.push('^');
        }
        let mut first = true;
        loop {
            if self.rest.starts_with(']') && !first {
                self.skip(1);
                break;
            }
            first = false;
            self.item(&mut class)?;
        }
        class.push(']');
        self.atom(&class);
        Ok(())
    }

    /// One item of a class: a named class, a range or a character.
    fn item(&mut self, class: &mut String) -> Result<(), Reason> {
        if self.rest.starts_with("[:")
            && let Some((name, rest)) = self.rest.get(2..).and_then(|r| r.split_once(":]"))
        {
            let bare = name.strip_prefix('^').unwrap_or(name);
            if !POSIX.contains(&bare) {
                return Err("unknown class of characters");
            }
            class.push_str(&format!("[:{name}:]"));
            self.rest = rest;
            return Ok(());
        }
        let low = match self.class_character(true)? {
            Ok(character) => character,
            Err(shorthand) => {
                class.push_str(&shorthand);
                return Ok(());
            }
        };
        push_literal(class, low);
        let is_range = self.rest.starts_with('-') && !self.rest.starts_with("-]") && self.rest.len() > 1;
        if is_range {
            self.skip(1);
            let high = self.class_character(false)?.map_err(|_| "invalid range of characters")?;
            if high < low {
                return Err("invalid range of characters");
            }
            class.push('-');
            push_literal(class, high);
        }
        Ok(())
    }

    /// A character of a class, or the content of a shorthand where one is allowed.
    fn class_character(&mut self, shorthands: bool) -> Result<Result<char, String>, Reason> {
        let character = self.take().ok_or("a class of characters does not end")?;
        if character != '\\' {
            return Ok(Ok(character));
        }
        let code = self.take().ok_or("a backslash at the end")?;
        if shorthands && let Some(content) = self.shorthand(code)? {
            return Ok(Err(content));
        }
        self.character(code).map(Ok)
    }
}

fn once(flags: &str) -> String {
    flags.chars().enumerate().filter(|(at, flag)| flags.find(*flag) == Some(*at)).map(|(_, flag)| flag).collect()
}

fn push_literal(out: &mut String, character: char) {
    if character.is_ascii() && !character.is_ascii_alphanumeric() {
        out.push_str(&format!(r"\x{{{:x}}}", u32::from(character)));
    } else {
        out.push(character);
    }
}

/// The bounds that `rest` starts with, without their opening brace: their length, and how often they write out what
/// is repeated, where RE2 accepts their size. `None` where it is no repetition and the brace is a literal.
fn bounds(rest: &str) -> Option<(usize, Result<u32, Reason>)> {
    let mut characters = rest.chars().peekable();
    let least = number(&mut characters)?;
    let most = match characters.next()? {
        '}' => Some(least),
        ',' if characters.peek() == Some(&'}') => {
            characters.next();
            None
        }
        ',' => {
            let most = number(&mut characters)?;
            (characters.next()? == '}').then_some(Some(most))?
        }
        _ => return None,
    };
    let length = rest.len() - characters.map(char::len_utf8).sum::<usize>();
    let fits = least <= MAX_REPEAT && most.is_none_or(|most| most <= MAX_REPEAT && least <= most);
    let times = most.unwrap_or(least.saturating_add(1)).max(1);
    Some((length, if fits { Ok(times) } else { Err("invalid number of repetitions") }))
}

/// A decimal number without leading zeros.
fn number(characters: &mut Peekable<Chars<'_>>) -> Option<u32> {
    let mut digits = String::new();
    while let Some(digit) = characters.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some(digits.parse().unwrap_or(u32::MAX))
}
