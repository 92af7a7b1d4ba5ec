//! The bombs: what would take for ever, or all of memory, or the stack.

use super::render::render;
use crate::{
    canonical,
    cel::{
        Bindings, CompileErrorKind, Environment, EvaluationErrorKind, Fuel, Program, Type, compile,
        limits::{
            MAX_ERRORS, MAX_NESTING, MAX_NODES, MAX_PATTERNS, MAX_REGEX_BYTES, MAX_SOURCE_BYTES, MAX_TYPE_NODES,
            MAX_VALUE_DEPTH,
        },
    },
};

fn environment() -> Environment {
    Environment::new().variable("object", Type::Dyn)
}

fn refused(source: &str) -> CompileErrorKind {
    compile(source, &environment(), None).expect_err(source).issues()[0].kind.clone()
}

fn compiled(source: &str) -> Program {
    compile(source, &environment(), None).unwrap_or_else(|errors| panic!("{errors}: {source:.60}"))
}

/// Evaluates over an object with a list of ten numbers and a text of ten letters, on the default budget.
fn evaluate(source: &str, fuel: &mut Fuel) -> Result<String, EvaluationErrorKind> {
    let input = canonical::parse(br#"{"list":[0,1,2,3,4,5,6,7,8,9],"text":"aaaaaaaaaa"}"#).unwrap();
    let env = environment();
    let mut bindings = Bindings::new();
    bindings.set(env.slot("object").unwrap(), &input);
    compiled(source).evaluate(&bindings, fuel).map(|value| render(&value)).map_err(|error| error.kind)
}

/// `head`, `count` times `middle`, `tail`.
fn chain(head: &str, middle: &str, count: usize, tail: &str) -> String {
    format!("{head}{}{tail}", middle.repeat(count))
}

/// `count` times `open`, `inner`, `count` times `close`.
fn nest(open: &str, inner: &str, close: &str, count: usize) -> String {
    format!("{}{inner}{}", open.repeat(count), close.repeat(count))
}

#[test]
fn sources_are_bounded() {
    let fits = format!("'{}'", "a".repeat(MAX_SOURCE_BYTES - 2));
    compiled(&fits);
    let long = format!("{fits} ");
    assert_eq!(refused(&long), CompileErrorKind::TooLong { bytes: long.len(), limit: MAX_SOURCE_BYTES });
    // A node for each constant and each operator.
    let fits = chain("1", "+1", (MAX_NODES - 1) / 2, "");
    assert!(fits.len() <= MAX_SOURCE_BYTES);
    compiled(&fits);
    assert_eq!(refused(&chain("1", "+1", MAX_NODES / 2, "")), CompileErrorKind::TooLarge);
}

#[test]
fn nesting_is_bounded() {
    let forms: &[(&str, &str, &str)] = &[
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("{1:", "1", "}"),
        ("[1].map(x,", "1", ")"),
        ("int(", "1", ")"),
        ("true?1:", "1", ""),
        ("[1][", "0", "]"),
        ("optional.of(", "1", ")"),
    ];
    for (open, inner, close) in forms {
        compiled(&nest(open, inner, close, MAX_NESTING - 1));
        let deep = refused(&nest(open, inner, close, MAX_NESTING));
        assert_eq!(deep, CompileErrorKind::TooDeep { limit: MAX_NESTING }, "{open}");
        assert_eq!(refused(&nest(open, "", "", 2_000 / open.len())), CompileErrorKind::TooDeep { limit: MAX_NESTING });
    }
}

/// Compiles and evaluates on half of the stack that a thread has, and without optimization.
fn on_a_small_stack(source: String) -> Result<String, EvaluationErrorKind> {
    let work = move || evaluate(&source, &mut Fuel::new(Fuel::PER_EXPRESSION));
    std::thread::Builder::new().stack_size(1_024 * 1_024).spawn(work).unwrap().join().unwrap()
}

#[test]
fn chains_do_not_grow_the_stack() {
    // The first is the addition of 3 kB that overflows the stack of other engines.
    let chains = [
        chain("1", "+1", 1_500, ""),
        chain("'a'", "+'a'", 1_000, ""),
        chain("true", "&&true", 1_000, ""),
        chain("false", "||false", 1_000, ""),
        chain("object", ".a", 2_000, " || true"),
        chain("object", ".?a", 2_000, ".hasValue()"),
        chain("object", "[0]", 2_000, " || true"),
        chain("'a'", ".trim()", 900, ""),
        chain("[1]", ".map(x,x)", 600, ""),
        chain("([1]", "+[1]", 1_000, ").size()"),
        chain("true", "==true", 1_000, ""),
        chain("", "!", 4_000, "true"),
        chain("1", " in[]", 1_600, ""),
        chain("(1 in[])", "==true in[]", 700, ""),
        chain("", "-", 4_000, "1"),
        chain("optional.of(1)", ".optMap(x,x)", 8, ""),
        chain("[object]", ".filter(k,true).map(k,[k])", 100, ".size()"),
        nest("[", "1", "]", MAX_NESTING - 1),
        nest("[1].map(x,", "x", ")", MAX_NESTING - 1),
    ];
    for source in chains {
        let name = source.chars().take(40).collect::<String>();
        let outcome = on_a_small_stack(source);
        assert!(!matches!(outcome, Err(EvaluationErrorKind::Internal(_))), "{name}: {outcome:?}");
    }
}

/// Asks something of a URL of 32 KB, 90,000 times.
fn long_url(start: &str, question: &str) -> String {
    let text = "lists.range(2000).map(x, 'aaaaaaaaaaaaaaaa').join()";
    format!("[url('{start}' + {text})].all(u, lists.range(90000).all(x, {question}))")
}

#[test]
fn what_multiplies_ends_by_fuel() {
    let ten = "[0,1,2,3,4,5,6,7,8,9]";
    let bombs = [
        nest("object.list.all(x, ", "true", ")", 20),
        // A few hundred bytes that build 10^6 lists, and half a gigabyte elsewhere.
        nest("[0,1,2,3,4,5,6,7,8,9].map(x, ", "[x,x,x,x]", ")", 6),
        nest("[0,1,2,3,4,5,6,7,8,9].map(x, ", ten, ")", 6),
        chain("[dyn('aaaaaaaaaa')]", ".map(x,x+x)", 60, ".size()"),
        chain("[dyn([1,2,3,4])]", ".map(x,x+x)", 60, ".size()"),
        chain("[object.text]", ".map(x,x+x)", 60, ".size()"),
        chain("[object.text]", ".map(x,x.replace('a','aaaaaaaaaa'))", 30, ".size()"),
        chain("[object.text]", ".map(x,[x,x,x,x].join(x))", 30, ".size()"),
        chain("optional.of(1)", ".optMap(x,x)", 60, ""),
        "lists.range(1000000).size()".to_owned(),
        "lists.range(99999).map(x, lists.range(99999)).size()".to_owned(),
        "lists.range(10000).all(x, lists.range(10000) == lists.range(10000))".to_owned(),
        "lists.range(10000).distinct()".to_owned(),
        chain("[dyn({'a':1})]", ".map(x,dyn({'a':x,'b':x}))", 40, ".all(x, x == x)"),
        nest(&format!("{ten}.all(x, "), "'aaaa'.matches('a' + string(x)) || true", ")", 4),
        long_url("/", "u == u"),
        long_url("http://", "u.getPort() == ''"),
        "lists.range(2000).all(x, sets.contains(lists.range(2000), lists.range(2000)))".to_owned(),
        format!("lists.range(80000).all(x, {})", chain("true", " && true", 500, "")),
        chain("[object.text]", ".map(x,'%s%s%s%s%s'.format([x,x,x,x,x]))", 40, ".size()"),
        chain("[object.list]", ".map(x,[x,x,x,x])", 20, ".map(x, '%s'.format([x])).size()"),
        format!("lists.range(9999).map(x, '{}'.format([{}1.0])).size()", "%.65535e".repeat(100), "1.0,".repeat(99)),
        "quantity('1e999999999').add(quantity('1n')).isInteger()".to_owned(),
        "quantity('123456789012345678901e999999999').sub(1).isInteger()".to_owned(),
    ];
    for source in bombs {
        assert!(source.len() <= MAX_SOURCE_BYTES);
        let mut fuel = Fuel::new(Fuel::PER_EXPRESSION);
        let outcome = evaluate(&source, &mut fuel);
        let name = source.chars().take(60).collect::<String>();
        let ended =
            matches!(outcome, Err(EvaluationErrorKind::CostExceeded { .. } | EvaluationErrorKind::WorkExceeded { .. }));
        assert!(ended, "{name}: {:?} cost {} work {}", outcome.map(|text| text.len()), fuel.cost(), fuel.work());
    }
}

#[test]
fn powers_of_ten_are_counted_and_not_written_out() {
    // Numbers of a billion digits: the API server writes out some of them, and takes minutes.
    for (source, value) in [
        ("quantity('1e999999999').isGreaterThan(quantity('1e999999998'))", "true"),
        ("quantity('123456789012345678901e999999999').compareTo(quantity('-1'))", "1"),
        ("quantity('123456789012345678901e999999999') == quantity('1234567890123456789010e999999998')", "true"),
        ("quantity('123456789012345678901e999999999').asApproximateFloat()", "double(+Inf)"),
        ("quantity('123456789012345678901e-999999999')", "quantity(\"1e-9\")"),
        ("quantity('0e2147483647').asInteger()", "0"),
        ("quantity('1e2147483648')", "quantity(\"1e-9\")"),
        ("sign(quantity('1e999999999').add(quantity('1e999999998')))", "1"),
    ] {
        let mut fuel = Fuel::new(Fuel::PER_EXPRESSION);
        assert_eq!(evaluate(source, &mut fuel), Ok(value.to_owned()), "{source}");
        assert!(fuel.work() < 200, "{source}: {}", fuel.work());
    }
}

#[test]
fn a_budget_is_spent_to_its_last_unit() {
    let source = "object.list.map(x, x + 1)";
    let mut fuel = Fuel::new(Fuel::PER_EXPRESSION);
    evaluate(source, &mut fuel).unwrap();
    let (cost, work) = (fuel.cost(), fuel.work());
    assert!(evaluate(source, &mut Fuel::with_work(cost, work)).is_ok());
    let short = evaluate(source, &mut Fuel::with_work(cost - 1, work));
    assert_eq!(short, Err(EvaluationErrorKind::CostExceeded { limit: cost - 1 }));
    let short = evaluate(source, &mut Fuel::with_work(cost, work - 1));
    assert_eq!(short, Err(EvaluationErrorKind::WorkExceeded { limit: work - 1 }));
    // Two evaluations share one budget.
    let mut fuel = Fuel::with_work(2 * cost, 2 * work);
    assert!(evaluate(source, &mut fuel).is_ok() && evaluate(source, &mut fuel).is_ok());
    assert!(evaluate("1 + 1", &mut fuel).is_err());
}

#[test]
fn exhaustion_is_never_absorbed() {
    for source in
        ["object.list.all(x, x > 0) || true", "[1].exists(x, 1 + 1 + 1 > 1) || true", "false && 1 + 1 == 3 || true"]
    {
        let (cost, work) = {
            let mut fuel = Fuel::new(1_000);
            evaluate(source, &mut fuel).unwrap();
            (fuel.cost(), fuel.work())
        };
        for limit in 0..cost {
            let outcome = evaluate(source, &mut Fuel::with_work(limit, work));
            assert_eq!(outcome, Err(EvaluationErrorKind::CostExceeded { limit }));
        }
        for limit in 0..work {
            let outcome = evaluate(source, &mut Fuel::with_work(cost, limit));
            assert_eq!(outcome, Err(EvaluationErrorKind::WorkExceeded { limit }));
        }
    }
}

#[test]
fn types_and_the_time_to_check_them_are_bounded() {
    // A type that doubles with each step.
    let doubling = |count| chain("[1]", ".map(x,{x:x})", count, "");
    assert!(compile(&doubling(5), &environment(), None).is_ok());
    const { assert!(MAX_TYPE_NODES < 1 << 8) };
    assert_eq!(refused(&doubling(8)), CompileErrorKind::TooLarge);
    assert_eq!(refused(&doubling(300)), CompileErrorKind::TooLarge);
    // Parameters that stand for one another.
    let open = chain("[]", ".map(x,[x,x])", 100, "");
    assert!(matches!(compile(&open, &environment(), None), Ok(_) | Err(_)));
    let same = nest("[[] == ", "[]", "]", 40);
    assert!(matches!(compile(&same, &environment(), None), Ok(_) | Err(_)));
}

#[test]
fn errors_are_bounded() {
    let many = chain("a", "+a", 200, "");
    let errors = compile(&many, &environment(), None).unwrap_err();
    assert_eq!(errors.issues().len(), MAX_ERRORS);
}

#[test]
fn values_nest_no_deeper_than_their_limit() {
    let deepen = |count: usize| chain("[dyn([1])]", ".map(x,dyn([x]))", count, "[0]");
    assert!(evaluate(&deepen(usize::from(MAX_VALUE_DEPTH) - 2), &mut Fuel::new(Fuel::PER_EXPRESSION)).is_ok());
    let deep = evaluate(&deepen(usize::from(MAX_VALUE_DEPTH)), &mut Fuel::new(Fuel::PER_EXPRESSION));
    assert_eq!(deep, Err(EvaluationErrorKind::ValueTooDeep));
    let optional = chain("[dyn(optional.of(1))]", ".map(x,dyn(optional.of(x)))", usize::from(MAX_VALUE_DEPTH), "[0]");
    assert_eq!(evaluate(&optional, &mut Fuel::new(Fuel::PER_EXPRESSION)), Err(EvaluationErrorKind::ValueTooDeep));
}

#[test]
fn patterns_are_bounded() {
    let pattern = |length: usize| format!("'a'.matches('{}')", "a".repeat(length));
    compiled(&pattern(MAX_REGEX_BYTES));
    let refusal = "invalid regular expression: the pattern is longer than 1024 bytes";
    assert_eq!(refused(&pattern(MAX_REGEX_BYTES + 1)), CompileErrorKind::InvalidConstant(refusal.to_owned()));
    let refusal = "invalid regular expression: the pattern needs too much memory";
    for pattern in ["(a{1000}){1000}", r"\\pL{1000}", "(((a{30}){30}){30}){30}"] {
        let kind = refused(&format!("'a'.matches('{pattern}')"));
        assert_eq!(kind, CompileErrorKind::InvalidConstant(refusal.to_owned()), "{pattern}");
    }
    let refusal = "invalid regular expression: invalid number of repetitions";
    for pattern in ["a{4294967295}", "a{99999999999}", "a{99999999999,}", "a{1,99999999999}"] {
        let kind = refused(&format!("'a'.matches('{pattern}')"));
        assert_eq!(kind, CompileErrorKind::InvalidConstant(refusal.to_owned()), "{pattern}");
    }
    let different = |count: usize| (0..count).map(|n| format!("'a'.matches('{n}')")).collect::<Vec<_>>().join("||");
    compiled(&different(MAX_PATTERNS));
    let refusal = "more than 32 regular expressions: use variables";
    assert_eq!(refused(&different(MAX_PATTERNS + 1)), CompileErrorKind::InvalidConstant(refusal.to_owned()));
    compiled(&["'a'.matches('b')"; 100].join("||"));
    let mut fuel = Fuel::new(Fuel::PER_EXPRESSION);
    let outcome = evaluate("object.text.matches('(a{1000}){1000}' + '')", &mut fuel);
    assert!(matches!(outcome, Err(EvaluationErrorKind::InvalidRegex(_))));
}
