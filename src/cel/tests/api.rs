//! What others build on: environments, activations, references, positions, types and conversions.

use std::cell::RefCell;

use super::render::render;
use crate::{
    canonical,
    cel::{
        Activation, Bindings, CompileErrorKind, Environment, EvaluationError, EvaluationErrorKind, Fuel, List, Map,
        Position, Program, Sizes, Slot, Timestamp, Type, Value, compile,
    },
};

/// The environment of a policy, in small.
fn environment() -> Environment {
    let user = Type::object("User", [("username", Type::String), ("groups", Type::list(Type::String))]);
    Environment::new()
        .variable("object", Type::Dyn)
        .group("request", [("operation", Type::String), ("userInfo", user), ("time", Type::Timestamp)])
        .group("signals", [("ticket", Type::String), ("count", Type::Int)])
        .group("variables", [("image", Type::Dyn), ("all", Type::list(Type::String))])
}

fn compiled(source: &str) -> Program {
    compile(source, &environment(), None).expect(source)
}

fn refused(source: &str, expected: Option<Type>) -> Vec<(u32, u32, String)> {
    let errors = compile(source, &environment(), expected).expect_err(source);
    errors.issues().iter().map(|e| (e.position.line, e.position.column, e.kind.to_string())).collect()
}

#[test]
fn errors_have_positions_and_say_what_is_wrong() {
    let cases = [
        ("1 +", 1, 4, "found the end instead of an expression"),
        ("true &&\n  nope", 2, 3, "undeclared reference to `nope`"),
        ("'é' + nope", 1, 7, "undeclared reference to `nope`"),
        ("signals.tickt == 'x'", 1, 8, "undefined field `tickt` of `signals`: did you mean `ticket`?"),
        ("has(signals.tickt)", 1, 4, "undefined field `tickt` of `signals`: did you mean `ticket`?"),
        ("request.userInfo.name", 1, 17, "undefined field `name` of `User`"),
        ("signals.count == 'x'", 1, 15, "found no matching overload for `_==_` applied to `(int, string)`"),
        ("signals.ticket.starts('a')", 1, 22, "undeclared function `starts`: did you mean `startsWith`?"),
        (
            "signals.ticket.startsWith(1)",
            1,
            26,
            "found no matching overload for `startsWith` applied to `string.(int)`",
        ),
        ("signals", 1, 1, "`signals` is not a value: read one of its fields"),
        ("signals == 1", 1, 1, "`signals` is not a value: read one of its fields"),
        ("signals.count.all(x, true)", 1, 8, "type `int` cannot be iterated over: use a list or a map"),
        ("signals.count.x", 1, 14, "type `int` does not support field selection"),
        ("package.name", 1, 1, "`package` is a reserved word: choose another name"),
        ("'a'.matches('(')", 1, 13, "invalid regular expression: the syntax is not that of RE2"),
        ("timestamp('soon')", 1, 11, "type conversion error from `string` to `timestamp`"),
        ("Pod{}", 1, 4, "messages cannot be constructed: use a map literal, `{'field': value}`"),
        ("[1].map(x.y, 1)", 1, 10, "argument must be a simple name"),
        ("true || 'a'", 1, 9, "expected type `bool` but found `string`"),
        ("9223372036854775808", 1, 1, "the int literal does not fit 64 bits"),
        (r"'\q'", 1, 1, "invalid escape"),
    ];
    for (source, line, column, message) in cases {
        let found = refused(source, None);
        let (found_line, found_column, text) = found.first().unwrap();
        assert_eq!((*found_line, *found_column), (line, column), "{source}: {found:?}");
        assert!(text.starts_with(message), "{source}: {text}");
    }
}

#[test]
fn every_error_is_reported_in_the_order_of_the_source() {
    let found = refused("a + signals.b + 1 / true", None);
    let columns: Vec<u32> = found.iter().map(|(_, column, _)| *column).collect();
    assert_eq!(columns, [1, 12, 19]);
}

#[test]
fn the_expected_type_is_held_by_the_compiler_or_by_evaluation() {
    assert_eq!(refused("1", Some(Type::Bool)), [(1, 1, "expected type `bool` but found `int`".to_owned())]);
    let strings = Type::list(Type::String);
    assert_eq!(refused("[1]", Some(strings.clone())).len(), 1);
    let env = environment();
    let input = canonical::parse(br#"{"yes":true,"list":["a","b"],"mixed":["a",1]}"#).unwrap();
    let mut bindings = Bindings::new();
    bindings.set(env.slot("object").unwrap(), &input);
    let cases = [
        ("object.yes", Type::Bool, Ok("true")),
        ("object.list", Type::Bool, Err("list")),
        ("object.list", strings.clone(), Ok(r#"["a", "b"]"#)),
        ("object.mixed", strings.clone(), Err("list")),
        ("object.yes", strings, Err("bool")),
        ("optional.of(object.mixed)", Type::optional(Type::list(Type::Int)), Err("optional_type")),
    ];
    for (source, expected, wanted) in cases {
        let program = compile(source, &env, Some(expected.clone())).unwrap();
        let found = program.evaluate(&bindings, &mut Fuel::new(1_000)).map(|value| render(&value));
        match wanted {
            Ok(wanted) => assert_eq!(found.unwrap(), wanted),
            Err(found_type) => {
                assert_eq!(found.unwrap_err().kind, EvaluationErrorKind::WrongType { expected, found: found_type });
            }
        }
    }
}

#[test]
fn references_are_the_constant_paths_from_variables() {
    let cases: &[(&str, &[&str])] = &[
        ("object.metadata.uid", &["object.metadata.uid"]),
        ("object['metadata'].?labels[?'a']", &["object.metadata.labels.a"]),
        ("object.a[0].b", &["object.a.0.b"]),
        ("object.a[object.b].c", &["object.a", "object.b"]),
        ("has(object.a.b) ? object.c : 'x'", &["object.a.b", "object.c"]),
        ("object", &["object"]),
        ("object == object.a", &["object", "object.a"]),
        ("(object.a == 1 ? object.b : object.c).d", &["object.a", "object.b", "object.c"]),
        ("object.list.all(c, c.name == signals.ticket)", &["object.list", "signals.ticket"]),
        ("variables.image.name + request.userInfo.username", &["request.userInfo.username", "variables.image.name"]),
        ("has(signals.ticket)", &["signals.ticket"]),
        ("[1].map(object, object)", &[]),
        ("[1].map(object, .object.a)", &["object.a"]),
        ("[object.a][0].b", &["object.a"]),
    ];
    for (source, wanted) in cases {
        let found: Vec<String> = compiled(source).references().iter().map(ToString::to_string).collect();
        assert_eq!(found, *wanted, "{source}");
    }
    let program = compiled("object.metadata");
    let path = program.references().first().unwrap();
    assert!(path.overlaps(&["object", "metadata", "uid"]) && path.overlaps(&["object"]));
    assert!(!path.overlaps(&["object", "spec"]));
    assert_eq!(path.steps().collect::<Vec<_>>(), ["object", "metadata"]);
}

/// Variables that are programs themselves, evaluated when they are first read.
struct Lazy<'a> {
    base: Bindings<'a>,
    programs: Vec<(Slot, &'a Program)>,
    done: RefCell<Vec<(Slot, Result<Value<'a>, EvaluationError>)>>,
}

impl<'a> Activation<'a> for Lazy<'a> {
    fn resolve(&self, slot: Slot, fuel: &mut Fuel) -> Result<Value<'a>, EvaluationError> {
        if let Some((_, known)) = self.done.borrow().iter().find(|(done, _)| *done == slot) {
            return known.clone();
        }
        let Some((_, program)) = self.programs.iter().find(|(known, _)| *known == slot) else {
            return self.base.resolve(slot, fuel);
        };
        let value = fuel.apart(|fuel| program.evaluate(self, fuel));
        self.done.borrow_mut().push((slot, value.clone()));
        value
    }
}

#[test]
fn variables_are_evaluated_lazily_once_and_apart() {
    let mut env = Environment::new().variable("object", Type::Dyn);
    let mut programs = Vec::new();
    for (name, source) in
        [("first", "object.list.map(x, x + 1)"), ("second", "variables.first.size() * 10"), ("broken", "1 / 0")]
    {
        let program = compile(source, &env, None).unwrap();
        env = env.field("variables", name, program.output().clone());
        programs.push((env.field_slot("variables", name).unwrap(), program));
    }
    let input = canonical::parse(br#"{"list":[1,2,3]}"#).unwrap();
    let evaluate = |source: &str, fuel: &mut Fuel| {
        let program = compile(source, &env, None).unwrap();
        let mut base = Bindings::new();
        base.set(env.slot("object").unwrap(), &input);
        let programs = programs.iter().map(|(slot, program)| (*slot, program)).collect();
        let activation = Lazy { base, programs, done: RefCell::default() };
        let outcome = program.evaluate(&activation, fuel).map(|value| render(&value)).map_err(|error| error.kind);
        (outcome, activation.done.borrow().len())
    };
    let mut fuel = Fuel::new(1_000);
    assert_eq!(evaluate("variables.second + variables.second", &mut fuel), (Ok("60".to_owned()), 2));
    // The list costs 2 + 3 × (12 + 2) + 1, the second variable 2 + 1 + 1, and the expression 2 + 2 + 1.
    assert_eq!((fuel.total_cost(), fuel.cost()), (45 + 4 + 5, 5));
    assert_eq!(evaluate("variables.broken == 1 || true", &mut Fuel::new(100)), (Ok("true".to_owned()), 1));
    assert_eq!(evaluate("variables.broken", &mut Fuel::new(100)).0, Err(EvaluationErrorKind::DivideByZero));
    assert_eq!(evaluate("has(variables.first)", &mut Fuel::new(100)), (Ok("true".to_owned()), 1));
    let exceeded = EvaluationErrorKind::CostExceeded { limit: 20 };
    assert_eq!(evaluate("variables.second > 1 || true", &mut Fuel::new(20)).0, Err(exceeded));
}

#[test]
fn a_slot_without_a_value_is_an_error_that_can_be_absorbed() {
    let outcome = |source: &str| compiled(source).evaluate(&Bindings::new(), &mut Fuel::new(100)).map(|v| render(&v));
    let missing = |name: &str| EvaluationErrorKind::MissingVariable(name.to_owned());
    assert_eq!(outcome("object.a").unwrap_err().kind, missing("object"));
    assert_eq!(outcome("signals.ticket").unwrap_err().kind, missing("signals.ticket"));
    for (source, wanted) in [
        ("object.a || true", "true"),
        ("has(signals.ticket)", "false"),
        ("signals.?ticket", "optional.none()"),
        ("signals.?ticket.orValue('none')", r#""none""#),
        ("signals.?count.optMap(c, c + 1).hasValue()", "false"),
        ("request.?userInfo.username.hasValue()", "false"),
    ] {
        assert_eq!(outcome(source).unwrap(), wanted);
    }
    assert_eq!(outcome("has(object.a)").unwrap_err().kind, missing("object"));
}

#[test]
fn evaluation_errors_have_positions_and_show_no_data() {
    let env = environment();
    let input = canonical::parse(br#"{"name":"hunter2","key":"s3cret","list":[1],"map":{"a":1}}"#).unwrap();
    let mut bindings = Bindings::new();
    bindings.set(env.slot("object").unwrap(), &input);
    let cases = [
        ("object.nope", 1, 7, "no such key: `nope`"),
        ("object.map[object.key]", 1, 11, "no such key"),
        ("object.map['b']", 1, 11, "no such key: `b`"),
        ("object.list[7]", 1, 12, "index out of range"),
        ("true\n && int(object.name) == 1", 2, 8, "type conversion error from `string` to `int`"),
        ("object.name + 1", 1, 13, "no such overload: `_+_`(string, int)"),
        ("object.name.matches(object.key + '(')", 1, 20, "invalid regular expression: the syntax is not that of RE2"),
        ("{object.key: 1}.transformMapEntry(k, v, {k: v}).y", 1, 48, "no such key: `y`"),
        ("timestamp(object.name)", 1, 10, "type conversion error from `string` to `timestamp`"),
        ("object.name.substring(9)", 1, 22, "index out of range"),
        ("object.name ? 1 : 2", 1, 13, "no such overload: `_?_:_`(string)"),
    ];
    for (source, line, column, message) in cases {
        let error =
            compile(source, &env, None).expect(source).evaluate(&bindings, &mut Fuel::new(100_000)).unwrap_err();
        let Position { line: found_line, column: found_column, .. } = error.position;
        assert_eq!((found_line, found_column, error.kind.to_string().as_str()), (line, column, message), "{source}");
        assert!(!error.to_string().contains("hunter2") && !error.to_string().contains("s3cret"));
    }
}

#[test]
fn values_convert_to_json_where_json_has_them() {
    let cases = [
        ("{'b': dyn([1, 2]), 'a': dyn({'c': null})}", Ok(r#"{"a":{"c":null},"b":[1,2]}"#)),
        ("[1.5, 2.0]", Ok("[1.5,2]")),
        ("18446744073709551615u", Ok("18446744073709551615")),
        ("timestamp('2026-01-31T12:00:00.5+01:00')", Ok(r#""2026-01-31T11:00:00.5Z""#)),
        ("duration('90m')", Ok(r#""5400s""#)),
        ("object", Ok(r#"{"k":[true]}"#)),
        ("[object.k]", Ok("[[true]]")),
        ("b'a'", Err("bytes")),
        ("int", Err("type")),
        ("optional.of(1)", Err("optional_type")),
        ("1.0 / 0.0", Err("double")),
        ("{1: 2}", Err("map")),
        ("[{'a': b'x'}]", Err("bytes")),
    ];
    let env = environment();
    let input = canonical::parse(br#"{"k":[true]}"#).unwrap();
    let mut bindings = Bindings::new();
    bindings.set(env.slot("object").unwrap(), &input);
    for (source, wanted) in cases {
        let program = compile(source, &env, None).unwrap();
        let value = program.evaluate(&bindings, &mut Fuel::new(1_000)).unwrap();
        let found = value.to_canonical().map(|json| String::from_utf8(canonical::encode(&json)).unwrap());
        assert_eq!(found, wanted.map(str::to_owned).map_err(EvaluationErrorKind::NotJson), "{source}");
    }
}

#[test]
fn values_of_a_caller_may_be_bound() {
    let env = Environment::new().variable("list", Type::list(Type::Timestamp)).variable("map", Type::Dyn);
    let mut bindings = Bindings::new();
    let times = [3, 1, 2].map(|seconds| Value::Timestamp(Timestamp::new(seconds, 0).unwrap()));
    bindings.set(env.slot("list").unwrap(), Value::List(List::new(times.into()).unwrap()));
    let entries = vec![(crate::cel::Key::of(&Value::from("k")).unwrap(), Value::from(true))];
    bindings.set(env.slot("map").unwrap(), Value::Map(Map::new(entries).unwrap()));
    let program = compile("list.max() > timestamp(2) && map.k", &env, Some(Type::Bool)).unwrap();
    assert_eq!(program.evaluate(&bindings, &mut Fuel::new(100)).unwrap().as_bool(), Some(true));
}

#[test]
fn declaring_more_moves_no_slot() {
    let small = environment();
    let program = compile("signals.count + 1", &small, None).unwrap();
    let large = small.field("signals", "more", Type::Bool).variable("params", Type::Dyn);
    let mut bindings = Bindings::new();
    bindings.set(large.field_slot("signals", "count").unwrap(), 41);
    assert_eq!(render(&program.evaluate(&bindings, &mut Fuel::new(10)).unwrap()), "42");
    assert_eq!(large.name(large.field_slot("signals", "more").unwrap()), "signals.more");
    assert_eq!((large.slot("signals"), large.field_slot("object", "x")), (None, None));
    assert_eq!(large.slots(), 10);
}

#[test]
fn the_worst_cost_grows_with_the_sizes_that_are_assumed() {
    let worst = |source: &str, text: u64, elements: u64| {
        let env = environment().sizes(Sizes { text, elements });
        compile(source, &env, None).unwrap().worst_case_cost()
    };
    let cases = [
        ("1 + 2", 0, 0, 1),
        ("object.list.all(x, x.a == 1)", 10, 10, 2 + 10 * (3 + 2 + 1) + 3),
        ("object.list.all(x, x.a == 1)", 10, 100, 2 + 100 * (3 + 2 + 1) + 3),
        ("object.list.all(x, x.all(y, y == 1))", 10, 10, 2 + 10 * (3 + 1 + 10 * (3 + 1 + 1) + 3) + 3),
        ("signals.ticket.contains('0123456789')", 200, 10, 2 + 20),
        ("true ? signals.ticket.upperAscii() : 'a'", 200, 10, 2 + 20),
        ("'literal'.contains('a')", 1_000_000, 1_000_000, 1),
    ];
    for (source, text, elements, wanted) in cases {
        assert_eq!(worst(source, text, elements), wanted, "{source}");
    }
    let nested = format!("object.list{}true{}", ".all(x, object.list".repeat(20), ")".repeat(20));
    let nested = nested.replace("object.listtrue", "true");
    assert_eq!(worst(&nested, 1_000_000, 1_000_000), u64::MAX);
}

#[test]
fn programs_are_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(&compiled("object.a"));
    shared(&environment());
    fn sent<T: Send>(_: T) {}
    sent(Value::from(1));
}

#[test]
fn sources_that_do_not_fit_say_so() {
    let kind = |source: &str| compile(source, &environment(), None).unwrap_err().issues()[0].kind.clone();
    assert!(matches!(kind("(1 + 2"), CompileErrorKind::Syntax(_)));
    assert!(matches!(kind("'a"), CompileErrorKind::Syntax(_)));
    assert!(matches!(kind("1u ; 2"), CompileErrorKind::Syntax(_)));
    assert!(matches!(kind(""), CompileErrorKind::Syntax(_)));
}
