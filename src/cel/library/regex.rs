//! Regular expressions: `matches` of the standard library, `find` and `findAll` of Kubernetes.
//!
//! Patterns have the syntax of RE2, which [`translate`] turns into that of the `regex` crate; both match in time
//! linear in the text. A constant pattern is compiled with the expression, and then a faulty one is a compile error.

mod translate;

use ::regex::{Regex, RegexBuilder};
use translate::Translation;

use super::{
    super::{
        error::EvaluationErrorKind,
        fuel::Fuel,
        limits::{MAX_COMPUTED_REGEX_PROGRAM_BYTES, MAX_REGEX_BYTES, MAX_REGEX_PROGRAM_BYTES},
        types::Type,
        value::{Text, Value},
    },
    Cost, Declarations, Size, no_such_overload,
};

type Outcome<'a> = Result<Value<'a>, EvaluationErrorKind>;

pub(super) fn declare(into: &mut Declarations) {
    use Type::{Bool, Int, String};
    into.function("matches").singleton().global([String, String], Bool, Cost::Match, matches).method(
        [String, String],
        Bool,
        Cost::Match,
        matches,
    );
    into.function("find").sized(Size::Target).undecided(Cost::Match).method(
        [String, String],
        String,
        Cost::Match,
        find,
    );
    into.function("findAll")
        .sized(Size::Split)
        .undecided(Cost::Match)
        .method([String, String], Type::list(String), Cost::Match, find_all)
        .method([String, String, Int], Type::list(String), Cost::Match, find_all);
    describe(into);
}

fn describe(into: &mut Declarations) {
    into.function("matches")
        .about("Whether a pattern of RE2 is found anywhere in a string: anchor it with `^` and `$`.")
        .example("'web-1'.matches('^[a-z]+-[0-9]+$')", "true")
        .example("matches('abc', 'b')", "true");
    into.function("find")
        .about("The first part of a string that a pattern fits; the empty string where there is none.")
        .example("'a 123 b'.find('[0-9]+')", "'123'")
        .example("'abc'.find('[0-9]+')", "''");
    into.function("findAll")
        .about("Every part of a string that a pattern fits, or as many as given.")
        .example("'1 22 333'.findAll('[0-9]+')", "['1', '22', '333']")
        .example("'1 22 333'.findAll('[0-9]+', 2)", "['1', '22']");
}

/// Patterns of no more states are matched in one pass over the text: the automaton that is made of them on the way, of
/// up to two to the power of so many states, fits its cache.
const SMALL_STATES: u64 = 8;

/// A function that takes a pattern as its second argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) enum RegexFunction {
    Matches,
    Find,
    FindAll,
}

impl RegexFunction {
    pub(in crate::cel) fn named(name: &str) -> Option<Self> {
        match name {
            "matches" => Some(Self::Matches),
            "find" => Some(Self::Find),
            "findAll" => Some(Self::FindAll),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Matches => "matches",
            Self::Find => "find",
            Self::FindAll => "findAll",
        }
    }
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(in crate::cel) struct Pattern {
    regex: Regex,
    /// The length of the pattern in characters, which is part of its cost.
    characters: u64,
    /// What each byte of a text is worth, in units of work.
    byte_work: u64,
}

impl Pattern {
    /// Compiles a literal.
    ///
    /// # Errors
    /// What is wrong with it; the text never shows the pattern.
    pub(in crate::cel) fn literal(pattern: &str) -> Result<Self, &'static str> {
        Self::compile(pattern, &Self::translate(pattern)?, MAX_REGEX_PROGRAM_BYTES)
    }

    fn translate(pattern: &str) -> Result<Translation, &'static str> {
        if pattern.len() > MAX_REGEX_BYTES {
            return Err("the pattern is longer than 1024 bytes");
        }
        translate::translate(pattern)
    }

    fn compile(pattern: &str, translation: &Translation, limit: usize) -> Result<Self, &'static str> {
        let regex = RegexBuilder::new(&translation.pattern)
            .size_limit(limit)
            .dfa_size_limit(MAX_REGEX_PROGRAM_BYTES)
            .build()
            .map_err(|error| match error {
                ::regex::Error::CompiledTooBig(_) => "the pattern needs too much memory",
                _ => "the syntax is not that of RE2",
            })?;
        let byte_work = if translation.states > SMALL_STATES { translation.states } else { 0 };
        Ok(Self { regex, characters: pattern.chars().count() as u64, byte_work })
    }

    pub(in crate::cel) fn characters(&self) -> u64 {
        self.characters
    }

    /// Applies `function` to a text; `limit` is the third argument of `findAll`.
    pub(in crate::cel) fn apply<'a>(
        &self,
        fuel: &mut Fuel,
        function: RegexFunction,
        text: &Value<'a>,
        limit: Option<&Value<'a>>,
    ) -> Outcome<'a> {
        let Value::String(text) = text else {
            return Err(no_such_overload(function.name(), std::slice::from_ref(text)));
        };
        self.search(fuel, text.len())?;
        Ok(match (function, limit) {
            (RegexFunction::Matches, _) => Value::Bool(self.regex.is_match(text)),
            (RegexFunction::Find, _) => {
                let found = self.regex.find(text);
                match found {
                    Some(found) => Value::String(text.slice(fuel, found.start(), found.end())?),
                    None => Value::from(""),
                }
            }
            (RegexFunction::FindAll, None) => self.all(fuel, text, usize::MAX)?,
            (RegexFunction::FindAll, Some(Value::Int(limit))) => {
                self.all(fuel, text, usize::try_from(*limit).unwrap_or(usize::MAX))?
            }
            (RegexFunction::FindAll, Some(other)) => {
                return Err(no_such_overload("findAll", std::slice::from_ref(other)));
            }
        })
    }

    /// Pays for a search through `bytes` bytes. Matching takes time linear in the text, but where the automaton of a
    /// pattern is large each byte may take time for each of its states.
    fn search(&self, fuel: &mut Fuel, bytes: usize) -> Result<(), EvaluationErrorKind> {
        fuel.scan(bytes)?;
        fuel.toil((bytes as u64).saturating_mul(self.byte_work))
    }

    fn all<'a>(&self, fuel: &mut Fuel, text: &Text<'a>, limit: usize) -> Outcome<'a> {
        let mut found = Vec::new();
        for part in self.regex.find_iter(text).take(limit) {
            // The search for each may have looked at all of the rest.
            self.search(fuel, text.len() - part.start())?;
            fuel.elements(1)?;
            found.push(Value::String(text.slice(fuel, part.start(), part.end())?));
        }
        Value::list(found)
    }
}

/// The work of compiling a pattern that the expression computes: for each of its bytes, and once for classes of many
/// characters.
const COMPILE_WORK: usize = 500;
const WIDE_WORK: u64 = 40_000;

fn computed<'a>(fuel: &mut Fuel, function: RegexFunction, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [text, Value::String(pattern), rest @ ..] = arguments else {
        return Err(no_such_overload(function.name(), arguments));
    };
    fuel.toil(((pattern.len().min(MAX_REGEX_BYTES) + 1) * COMPILE_WORK) as u64)?;
    let translation = Pattern::translate(pattern).map_err(EvaluationErrorKind::InvalidRegex)?;
    if translation.wide {
        fuel.toil(WIDE_WORK)?;
    }
    let pattern = Pattern::compile(pattern, &translation, MAX_COMPUTED_REGEX_PROGRAM_BYTES)
        .map_err(EvaluationErrorKind::InvalidRegex)?;
    pattern.apply(fuel, function, text, rest.first())
}

fn matches<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    computed(fuel, RegexFunction::Matches, arguments)
}

fn find<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    computed(fuel, RegexFunction::Find, arguments)
}

fn find_all<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    computed(fuel, RegexFunction::FindAll, arguments)
}
