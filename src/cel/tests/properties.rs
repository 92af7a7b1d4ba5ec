//! Whatever the source and the input: an answer, within fuel, and the same each time.

use proptest::prelude::*;

use super::render::render;
use crate::{
    canonical,
    cel::{Bindings, Environment, EvaluationErrorKind, Fuel, Program, Type, compile},
};

const INPUT: &[u8] = br#"{"s":"text","n":3,"d":0.5,"b":true,"z":null,"l":[1,2,3],"m":{"k":"v","j":[{"x":1}]},"e":[]}"#;

fn environment() -> Environment {
    Environment::new()
        .variable("object", Type::Dyn)
        .group("signals", [("s", Type::String), ("n", Type::Int), ("l", Type::list(Type::String))])
}

/// The result on the given budget, what it cost, and the work that it took.
fn evaluate(program: &Program, cost: u64, work: u64) -> (Result<String, EvaluationErrorKind>, u64, u64) {
    let input = canonical::parse(INPUT).unwrap();
    let env = environment();
    let mut bindings = Bindings::new();
    bindings.set(env.slot("object").unwrap(), &input);
    bindings.set(env.field_slot("signals", "s").unwrap(), "signal");
    bindings.set(env.field_slot("signals", "n").unwrap(), 7);
    let mut fuel = Fuel::with_work(cost, work);
    let outcome = program.evaluate(&bindings, &mut fuel).map(|value| render(&value)).map_err(|error| error.kind);
    (outcome, fuel.cost(), fuel.work())
}

/// Pieces that expressions are made of, to be put together at random.
const PIECES: &[&str] = &[
    "object",
    ".s",
    ".n",
    ".l",
    ".m",
    ".k",
    ".?z",
    "[0]",
    "['k']",
    "[?1]",
    "signals",
    ".none",
    "1",
    "-2",
    "3u",
    "0.5",
    "'a'",
    "b'x'",
    "true",
    "null",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    ",",
    ":",
    "?",
    "+",
    "-",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    ">=",
    "&&",
    "||",
    "!",
    " in ",
    ".all(x, ",
    ".exists(k, v, ",
    ".map(x, ",
    ".filter(x, ",
    "has(",
    "size(",
    "int(",
    "string(",
    "dyn(",
    "optional.of(",
    "optional.none()",
    ".orValue(",
    ".optMap(x, ",
    ".or(",
    ".matches('",
    ".split('",
    ".join('",
    "')",
    ".replace('a', ",
    ".sort()",
    ".sum()",
    ".max()",
    "x",
    "k",
    "v",
    "timestamp(",
    "duration('1h')",
    "'2026-01-01T00:00:00Z'",
    ".getHours()",
    "ip(",
    "cidr(",
    "url(",
    "'::1'",
    "'10.0.0.0/8'",
    "'http://h/?a=b'",
    ".containsIP(",
    ".getQuery()",
    "sets.equivalent(",
    "\n",
    "// c\n",
    "r'\\'",
    "'''",
    "\"",
    "\\",
    "é",
    "😀",
    ".transformMap(k, v, ",
    ".sortBy(x, ",
    "lists.range(",
    ".flatten()",
    "9223372036854775807",
    "1e308",
];

/// Expressions that mostly fit the grammar, and often the types.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "object",
        "object.s",
        "object.n",
        "object.d",
        "object.b",
        "object.z",
        "object.l",
        "object.m",
        "object.m.j[0]",
        "object.none",
        "signals.s",
        "signals.n",
        "1",
        "0",
        "-1",
        "2u",
        "1.5",
        "'a'",
        "''",
        "true",
        "false",
        "null",
        "[]",
        "{}",
        "[1, 2]",
        "['a']",
        "{'k': 1}",
        "b'a'",
        "x",
        "optional.none()",
        "duration('1s')",
        "timestamp(0)",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operator = prop::sample::select(vec!["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "in"]);
        let unary =
            prop::sample::select(vec!["!", "-", "size", "int", "string", "dyn", "type", "double", "optional.of"]);
        let method = prop::sample::select(vec![
            ".size()",
            ".sum()",
            ".max()",
            ".sort()",
            ".k",
            ".?k",
            ".orValue(1)",
            ".hasValue()",
            ".trim()",
            ".flatten()",
            ".distinct()",
            ".reverse()",
            ".join()",
            ".first()",
            ".isSorted()",
            ".unwrapOpt()",
        ]);
        let macros = prop::sample::select(vec!["all", "exists", "exists_one", "map", "filter", "sortBy", "optMap"]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (unary, inner.clone()).prop_map(|(f, a)| format!("{f}({a})")),
            (inner.clone(), method).prop_map(|(a, m)| format!("({a}){m}")),
            (inner.clone(), macros, inner.clone()).prop_map(|(a, m, b)| format!("({a}).{m}(x, {b})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{'a': {a}, 'b': {b}}}")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a}).transformMap(k, x, {b})")),
        ]
    })
}

fn compile_and_evaluate(source: &str) {
    let Ok(program) = compile(source, &environment(), None) else { return };
    let (first, cost, work) = evaluate(&program, Fuel::PER_EXPRESSION, 4_000_000);
    assert!(cost <= Fuel::PER_EXPRESSION || matches!(first, Err(EvaluationErrorKind::CostExceeded { .. })), "{source}");
    assert!(!matches!(first, Err(EvaluationErrorKind::Internal(_))), "{source}: {first:?}");
    // Values, errors and both meters are the same each time, and from another compilation.
    let again = compile(source, &environment(), None).unwrap();
    assert_eq!(evaluate(&again, Fuel::PER_EXPRESSION, 4_000_000), (first.clone(), cost, work), "{source}");
    if matches!(first, Err(EvaluationErrorKind::CostExceeded { .. } | EvaluationErrorKind::WorkExceeded { .. })) {
        return;
    }
    assert_eq!(evaluate(&program, cost, work), (first, cost, work), "{source}");
    if cost > 0 {
        let short = evaluate(&program, cost - 1, work).0;
        assert_eq!(short, Err(EvaluationErrorKind::CostExceeded { limit: cost - 1 }), "{source}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn no_text_makes_the_compiler_fail(source in any::<String>()) {
        compile_and_evaluate(&source);
    }

    #[test]
    fn no_heap_of_pieces_makes_the_engine_fail(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40)) {
        compile_and_evaluate(&pieces.concat());
    }

    #[test]
    fn every_program_ends_within_its_fuel_and_the_same_way(source in expression()) {
        compile_and_evaluate(&source);
    }

    #[test]
    fn every_position_is_inside_the_source(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..20)) {
        let source = pieces.concat();
        if let Err(errors) = compile(&source, &environment(), Some(Type::Bool)) {
            for issue in errors.issues() {
                prop_assert!(issue.position.offset as usize <= source.len());
                prop_assert!(source.is_char_boundary(issue.position.offset as usize), "{}", source);
                prop_assert!(issue.position.line >= 1 && issue.position.column >= 1);
            }
        }
    }
}
