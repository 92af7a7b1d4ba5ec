//! The language beyond compile and evaluate: outlines, the libraries that parse texts, and expressions that a grammar makes.

use std::sync::LazyLock;

use writ::cel::{Bindings, Environment, EvaluationErrorKind, Fuel, Program, Type, compile, conjuncts, outline, reads};

use super::evaluate;

/// What is made of an expression without evaluating it: every part is a part of the source, and of its whole.
pub(crate) fn cel_outline(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else { return };
    let parts = outline(source);
    assert_eq!(parts.is_ok(), conjuncts(source).is_ok(), "both parse, or none");
    assert_eq!(parts.is_ok(), reads(source, "object").is_ok(), "both parse, or none");
    let Ok(parts) = parts else { return };
    let inside = |range: &std::ops::Range<usize>| {
        assert!(source.get(range.clone()).is_some_and(|text| !text.is_empty()), "{range:?} is a part of the source");
    };
    let mut depth = 0;
    for (index, part) in parts.iter().enumerate() {
        inside(&part.text);
        assert!(part.depth <= depth + 1 && (index == 0) == (part.depth == 0), "one whole, and no depth left out");
        depth = part.depth;
        if let Some(each) = &part.each {
            inside(&each.range);
            inside(&each.body);
        }
        part.only_if.iter().for_each(|(condition, _)| inside(condition));
        // A part parses by itself.
        assert!(outline(source.get(part.text.clone()).unwrap_or_default()).is_ok(), "{:?}", part.text);
    }
    for range in reads(source, "object").unwrap_or_default() {
        assert!(source.get(range).is_some_and(|text| text.contains("object")), "the variable is read there");
    }
}

/// (whether the text `t` is one, the value, something that asks all of it)
#[rustfmt::skip]
const READERS: &[(&str, &str, &str)] = &[
    ("isURL(t)", "url(t)", "[url(t).getScheme(), url(t).getHost(), url(t).getHostname(), url(t).getPort(), url(t).getEscapedPath()].size() == 5 && url(t).getQuery().size() >= 0 && url(t) == url(t)"),
    ("isIP(t)", "ip(t)", "ip(string(ip(t))) == ip(t) && ip.isCanonical(string(ip(t))) && ip(t).family() in [4, 6]"),
    ("isCIDR(t)", "cidr(t)", "cidr(t).containsIP(cidr(t).masked().ip()) && cidr(t).containsCIDR(cidr(t)) && cidr(t).prefixLength() >= 0"),
    ("isQuantity(t)", "quantity(t)", "quantity(t).compareTo(quantity(t)) == 0 && quantity(t) == quantity(t) && sign(quantity(t)) in [-1, 0, 1]"),
    ("isSemver(t)", "semver(t)", "semver(t).compareTo(semver(t)) == 0 && semver(t) == semver(t)"),
    ("isSemver(t, true)", "semver(t, true)", "!semver(t, true).isLessThan(semver(t, true))"),
];

/// What takes any text and fails on some.
#[rustfmt::skip]
const TAKERS: &[&str] = &[
    "timestamp(t)", "duration(t)", "int(t)", "uint(t)", "double(t)", "bool(t)", "t.format([1, 'a', 1.5, [t]])",
    "format.dns1123Label().validate(t)", "format.dns1123Subdomain().validate(t)", "format.uri().validate(t)",
    "format.uuid().validate(t)", "format.byte().validate(t)", "format.date().validate(t)", "format.datetime().validate(t)",
    "format.qualifiedName().validate(t)", "format.labelValue().validate(t)", "'aab'.matches(t)", "'aab'.findAll(t)",
    "strings.quote(t)", "t.split(t) == ['', '']", "'%s'.format([{t: t}])",
];

type Readers = (Environment, Vec<[Program; 3]>, Vec<Program>);

static PROGRAMS: LazyLock<Readers> = LazyLock::new(|| {
    let environment = Environment::new().variable("t", Type::String);
    let compiled =
        |source: &&str| compile(source, &environment, None).unwrap_or_else(|error| panic!("{source}: {error}"));
    let readers = READERS.iter().map(|(is, make, ask)| [is, make, ask].map(compiled)).collect();
    let takers = TAKERS.iter().map(compiled).collect();
    (environment, readers, takers)
});

/// The libraries that read texts: what says that a text can be read agrees with what reads it.
pub(crate) fn cel_texts(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (environment, readers, takers) = &*PROGRAMS;
    let mut bindings = Bindings::new();
    if let Some(slot) = environment.slot("t") {
        bindings.set(slot, text);
    }
    let ask = |program: &Program| -> Result<Option<bool>, EvaluationErrorKind> {
        let outcome = program.evaluate(&bindings, &mut Fuel::new(Fuel::PER_EXPRESSION));
        let outcome = outcome.map(|value| value.as_bool()).map_err(|error| error.kind);
        assert!(!matches!(outcome, Err(EvaluationErrorKind::Internal(_))), "{}: {outcome:?}", program.source());
        outcome
    };
    for [is, make, whole] in readers {
        let fatal =
            |outcome: &Result<_, EvaluationErrorKind>| outcome.as_ref().is_err_and(EvaluationErrorKind::is_fatal);
        let (said, made) = (ask(is), ask(make));
        if fatal(&said) || fatal(&made) {
            continue;
        }
        // As in the API server `isURL` does not look at the fragment.
        let passes = is.source() == "isURL(t)" && said == Ok(Some(true));
        assert!(passes || said == Ok(Some(made.is_ok())), "{} of {text:?}: {said:?} {made:?}", is.source());
        if made.is_ok() {
            // An error is one of the text's parts, for example an escape that is no UTF-8.
            assert_ne!(ask(whole), Ok(Some(false)), "{} of {text:?}", whole.source());
        }
    }
    for taker in takers {
        let _ = ask(taker);
    }
}

/// Expressions that a grammar makes of the bytes: nearly all of them parse, and many have types that fit.
pub(crate) fn cel_grammar(data: &[u8]) {
    let mut choices = Choices { left: data, depth: 0 };
    let mut source = String::new();
    choices.expression(&mut source);
    let object = r#"{"list":[3,1,2,1.5,"a",null],"text":"aé","map":{"k":[1],"l":{"m":true}},"n":7}"#;
    super::cel_compile(source.as_bytes());
    cel_outline(source.as_bytes());
    let Ok(program) = compile(&source, &super::environment(), None) else { return };
    assert_eq!(evaluate(&program, object), evaluate(&program, object), "the same each time: {source}");
}

struct Choices<'d> {
    left: &'d [u8],
    depth: usize,
}

#[rustfmt::skip]
const ATOMS: &[&str] = &[
    "1", "0", "-1", "2u", "1.5", "9223372036854775807", "''", "'a'", "'é1'", "b'a'", "true", "false", "null", "[]", "{}",
    "object", "object.list", "object.map", "object.text", "object.n", "object.?none", "signals.n", "x", "y",
    "optional.none()", "duration('1s')", "timestamp(0)", "quantity('1Ki')", "ip('::1')", "url('http://a/?b=c')",
    "semver('1.2.3')", "lists.range(5)", "object.list[0]", "object.map[?'k']", "has(object.map.l)",
];

/// `_` stands for an expression.
#[rustfmt::skip]
const FORMS: &[&str] = &[
    "(_)", "_ + _", "_ - _", "_ * _", "_ / _", "_ % _", "_ == _", "_ != _", "_ < _", "_ >= _", "_ && _", "_ || _", "_ ? _ : _",
    "!(_)", "-(_)", "_ in _", "[_, _]", "[_, ?_]", "{_: _}", "{'a': _, ?'b': _}", "(_)[_]", "(_)[?_]", "(_).all(x, _)",
    "(_).exists(x, _)", "(_).existsOne(x, y, _)", "(_).map(x, _)", "(_).map(x, _, _)", "(_).filter(y, _)",
    "(_).transformMap(x, y, _)", "(_).transformList(x, y, _)", "(_).transformMapEntry(x, y, {_: _})", "(_).sortBy(x, _)",
    "(_).optMap(x, _)", "(_).orValue(_)", "optional.of(_)", "size(_)", "string(_)", "int(_)", "dyn(_)", "type(_)", "double(_)",
    "(_).sort()", "(_).distinct()", "(_).flatten()", "(_).reverse()", "(_).min()", "(_).sum()", "(_).indexOf(_)",
    "(_).slice(_, _)", "(_).join(_)", "(_).split(_)", "(_).replace(_, _)", "(_).substring(_)", "(_).matches(_)", "(_).format([_, _])",
    "sets.contains(_, _)", "sets.equivalent(_, _)", "(_).contains(_)", "(_).startsWith(_)", "bytes(_)", "(_).findAll(_)",
    "'%s'.format([_])", "(_).a", "has((_).a)", "optional.ofNonZeroValue(_)", "(_).first()", "(_).value()", "strings.quote(_)",
];

impl Choices<'_> {
    fn of(&mut self, table: &'static [&'static str]) -> &'static str {
        let byte = self.left.split_off_first().copied().unwrap_or_default();
        table.get(usize::from(byte) % table.len()).copied().unwrap_or_default()
    }

    fn expression(&mut self, into: &mut String) {
        let ends =
            self.left.is_empty() || self.depth > 6 || self.left.split_off_first().is_some_and(|byte| byte % 4 == 0);
        if ends {
            into.push_str(self.of(ATOMS));
            return;
        }
        self.depth += 1;
        let mut pieces = self.of(FORMS).split('_');
        into.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            self.expression(into);
            into.push_str(piece);
        }
        self.depth -= 1;
    }
}
