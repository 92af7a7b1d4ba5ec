//! Regular expressions: `matches` of the standard library, `find` and `findAll` of Kubernetes.
//!
//! Patterns have the syntax of RE2, which [`translate`] turns into that of the `regex` crate; both match in time
//! linear in the text. A constant pattern is compiled with the expression, and then a faulty one is a compile error.

mod translate;

use ::regex::{Regex, RegexBuilder};

use super::{
    super::{
        error::EvaluationErrorKind,
        fuel::Fuel,
        limits::{MAX_REGEX_BYTES, MAX_REGEX_PROGRAM_BYTES},
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
}

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
}

impl Pattern {
    /// Compiles `pattern`.
    ///
    /// # Errors
    /// What is wrong with it; the text never shows the pattern.
    pub(in crate::cel) fn new(pattern: &str) -> Result<Self, &'static str> {
        if pattern.len() > MAX_REGEX_BYTES {
            return Err("the pattern is longer than 1024 bytes");
        }
        let translated = translate::translate(pattern)?;
        let regex = RegexBuilder::new(&translated)
            .size_limit(MAX_REGEX_PROGRAM_BYTES)
            .dfa_size_limit(MAX_REGEX_PROGRAM_BYTES)
            .build()
            .map_err(|error| match error {
                ::regex::Error::CompiledTooBig(_) => "the pattern needs too much memory",
                _ => "the syntax is not that of RE2",
            })?;
        Ok(Self { regex, characters: pattern.chars().count() as u64 })
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
        // The worst case of a search is the product of both; what it usually costs is a pass over the text.
        fuel.scan(text.len())?;
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

    fn all<'a>(&self, fuel: &mut Fuel, text: &Text<'a>, limit: usize) -> Outcome<'a> {
        let mut found = Vec::new();
        for part in self.regex.find_iter(text).take(limit) {
            fuel.elements(1)?;
            found.push(Value::String(text.slice(fuel, part.start(), part.end())?));
        }
        Value::list(found)
    }
}

/// The work of compiling a pattern that the expression computes, for each of its bytes and in any case.
const COMPILE_WORK: usize = 500;

fn computed<'a>(fuel: &mut Fuel, function: RegexFunction, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [text, Value::String(pattern), rest @ ..] = arguments else {
        return Err(no_such_overload(function.name(), arguments));
    };
    fuel.toil(((pattern.len().min(MAX_REGEX_BYTES) + 1) * COMPILE_WORK) as u64)?;
    let pattern = Pattern::new(pattern).map_err(EvaluationErrorKind::InvalidRegex)?;
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
