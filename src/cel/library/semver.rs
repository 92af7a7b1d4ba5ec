//! Semantic versions (`kubernetes.Semver` in version 1): what github.com/blang/semver/v4 reads, after
//! <https://semver.org>.

use std::{cmp::Ordering, fmt};

use super::{
    super::{
        error::EvaluationErrorKind,
        fuel::Fuel,
        types::Type,
        value::{Foreign, Opaque, Value},
    },
    Cost, Declarations, no_such_overload,
};

type Outcome<'a> = Result<Value<'a>, EvaluationErrorKind>;

/// The name of the type.
const NAME: &str = "kubernetes.Semver";

pub(super) fn declare(into: &mut Declarations) {
    let version = Type::Opaque(NAME);
    let one = [version.clone()];
    let two = [version.clone(), version.clone()];
    let lenient = [Type::String, Type::Bool];
    into.function("semver")
        .about("The version that a text says; with `true` also a short one, or one with a `v` or leading zeros.")
        .example("semver('1.2.3').minor()", "2")
        .example("semver('v1.02', true).compareTo(semver('1.2.0'))", "0")
        .global([Type::String], version.clone(), Cost::Scan(0), from_text)
        .global(lenient.clone(), version, Cost::Scan(0), from_text);
    into.function("isSemver")
        .about("Whether `semver` takes a text.")
        .example("isSemver('1.2.3-rc.1')", "true")
        .example("isSemver('v1.2')", "false")
        .example("isSemver('v1.2', true)", "true")
        .global([Type::String], Type::Bool, Cost::Scan(0), is_version)
        .global(lenient, Type::Bool, Cost::Scan(0), is_version);
    into.function("isGreaterThan").example("semver('1.10.0').isGreaterThan(semver('1.9.0'))", "true").method(
        two.clone(),
        Type::Bool,
        Cost::Unit,
        is_greater_than,
    );
    into.function("isLessThan").example("semver('1.0.0-rc.1').isLessThan(semver('1.0.0'))", "true").method(
        two.clone(),
        Type::Bool,
        Cost::Unit,
        is_less_than,
    );
    into.function("compareTo").example("semver('1.0.0+a').compareTo(semver('1.0.0+b'))", "0").method(
        two,
        Type::Int,
        Cost::Unit,
        compare_to,
    );
    into.function("major").about("The first number of a version.").example("semver('1.2.3').major()", "1").method(
        one.clone(),
        Type::Int,
        Cost::Unit,
        major,
    );
    into.function("minor").about("The second number of a version.").example("semver('1.2.3').minor()", "2").method(
        one.clone(),
        Type::Int,
        Cost::Unit,
        minor,
    );
    into.function("patch").about("The third number of a version.").example("semver('1.2.3').patch()", "3").method(
        one,
        Type::Int,
        Cost::Unit,
        patch,
    );
}

/// A version; what was built is no part of its order.
#[derive(Clone, Debug)]
struct Version {
    numbers: [u64; 3],
    before: Vec<Label>,
    build: Vec<String>,
}

/// A part of what stands before a release; numbers come before texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Number(u64),
    Text(String),
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let (first, rest) = text.split_once('.')?;
        let (second, rest) = rest.split_once('.')?;
        let (rest, build) = rest.split_once('+').map_or((rest, None), |(rest, build)| (rest, Some(build)));
        let (third, before) = rest.split_once('-').map_or((rest, None), |(third, before)| (third, Some(before)));
        let build = build.map_or(Some(Vec::new()), |build| build.split('.').map(label).collect());
        Some(Self {
            numbers: [number(first)?, number(second)?, number(third)?],
            before: before.map_or(Some(Vec::new()), |before| before.split('.').map(Label::parse).collect())?,
            build: build?,
        })
    }

    /// As a text that may be short, start with a `v` and have leading zeros.
    fn parse_leniently(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let mut parts: Vec<String> = text.splitn(3, '.').map(without_zeros).collect();
        if parts.len() < 3 && parts.last().is_some_and(|last| last.contains(['+', '-'])) {
            return None;
        }
        parts.resize(3, "0".to_owned());
        Self::parse(&parts.join("."))
    }

    fn order(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.before.is_empty(), other.before.is_empty()) {
            (false, false) => self.before.cmp(&other.before),
            // A release comes after everything before it.
            (mine, theirs) => mine.cmp(&theirs),
        })
    }
}

/// A number without leading zeros.
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() < 2 || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

fn label(text: &str) -> Option<String> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    plain.then(|| text.to_owned())
}

/// A part without leading zeros, but with a digit.
fn without_zeros(part: &str) -> String {
    if part.len() < 2 {
        return part.to_owned();
    }
    let rest = part.trim_start_matches('0');
    if rest.starts_with(|first: char| first.is_ascii_digit()) { rest.to_owned() } else { format!("0{rest}") }
}

impl Label {
    fn parse(text: &str) -> Option<Self> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return number(text).map(Self::Number);
        }
        label(text).map(Self::Text)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        for (index, label) in self.before.iter().enumerate() {
            write!(f, "{}{label}", if index == 0 { '-' } else { '.' })?;
        }
        for (index, label) in self.build.iter().enumerate() {
            write!(f, "{}{label}", if index == 0 { '+' } else { '.' })?;
        }
        Ok(())
    }
}

impl Foreign for Version {
    fn type_name(&self) -> &'static str {
        NAME
    }

    fn literal(&self) -> String {
        format!("semver(\"{self}\")")
    }

    fn equals(&self, other: &Opaque) -> bool {
        other.get::<Self>().is_some_and(|other| self.order(other) == Ordering::Equal)
    }

    fn bytes(&self) -> usize {
        self.before.iter().map(|label| if let Label::Text(text) = label { text.len() } else { 8 }).sum()
    }
}

/// What `semver` and `isSemver` read.
fn read<'a>(
    fuel: &mut Fuel,
    name: &'static str,
    arguments: &[Value<'a>],
) -> Result<Option<Version>, EvaluationErrorKind> {
    let (text, lenient) = match arguments {
        [Value::String(text)] => (text, false),
        [Value::String(text), Value::Bool(lenient)] => (text, *lenient),
        _ => return Err(no_such_overload(name, arguments)),
    };
    // Read once; every label becomes a value of its own.
    fuel.scan(text.len())?;
    fuel.elements(text.bytes().filter(|byte| *byte == b'.').count())?;
    fuel.copy(text.len().saturating_mul(2))?;
    Ok(if lenient { Version::parse_leniently(text) } else { Version::parse(text) })
}

fn from_text<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let reason = "a version is three numbers with optional labels, for example 1.2.3-rc.1+build";
    let refused = EvaluationErrorKind::InvalidArgument { function: "semver", reason };
    read(fuel, "semver", arguments)?.map(Value::opaque).ok_or(refused)
}

fn is_version<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(read(fuel, "isSemver", arguments)?.is_some()))
}

fn ordered(fuel: &mut Fuel, name: &'static str, arguments: &[Value<'_>]) -> Result<Ordering, EvaluationErrorKind> {
    let [first, second] = arguments else { return Err(no_such_overload(name, arguments)) };
    let (first, second): (&Version, &Version) =
        first.as_opaque().zip(second.as_opaque()).ok_or_else(|| no_such_overload(name, arguments))?;
    fuel.scan(first.bytes().min(second.bytes()))?;
    Ok(first.order(second))
}

fn is_greater_than<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(ordered(fuel, "isGreaterThan", arguments)? == Ordering::Greater))
}

fn is_less_than<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(ordered(fuel, "isLessThan", arguments)? == Ordering::Less))
}

fn compare_to<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Int(ordered(fuel, "compareTo", arguments)? as i64))
}

/// One of the three numbers; as in the API server, one past the largest integer is negative.
fn part<'a>(name: &'static str, arguments: &[Value<'a>], which: impl Fn([u64; 3]) -> u64) -> Outcome<'a> {
    let [value] = arguments else { return Err(no_such_overload(name, arguments)) };
    let version: &Version = value.as_opaque().ok_or_else(|| no_such_overload(name, arguments))?;
    Ok(Value::Int(which(version.numbers).cast_signed()))
}

fn major<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    part("major", arguments, |[major, _, _]| major)
}

fn minor<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    part("minor", arguments, |[_, minor, _]| minor)
}

fn patch<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    part("patch", arguments, |[_, _, patch]| patch)
}
