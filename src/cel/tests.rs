use super::*;
use crate::canonical;

fn environment() -> Environment {
    Environment::new().variable("object", Type::Dyn).variable("x", Type::Dyn)
}

fn run(source: &str, json: &str) -> (String, u64) {
    let env = environment();
    let program = match compile(source, &env, None) {
        Ok(program) => program,
        Err(errors) => return (format!("compile: {errors}"), 0),
    };
    let input = canonical::parse(json.as_bytes()).unwrap();
    let mut bindings = Bindings::new();
    bindings.set(env.slot("object").unwrap(), &input);
    bindings.set(env.slot("x").unwrap(), 3);
    let mut fuel = Fuel::new(Fuel::PER_EXPRESSION);
    let shown = match program.evaluate(&bindings, &mut fuel) {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("error: {error}"),
    };
    (shown, fuel.cost())
}

#[test]
fn smoke() {
    let json = r#"{"spec":{"containers":[{"name":"a","image":"r/a:1"},{"name":"b","image":"r/b:2"}],"replicas":3},"metadata":{"labels":{"app":"x"}}}"#;
    for source in [
        "1 + 2 * 3 == 7",
        "object.spec.containers.all(c, c.image.startsWith('r/'))",
        "object.spec.containers.exists(c, c.name == 'b')",
        "object.spec.containers.map(c, c.name)",
        "object.spec.containers.filter(c, c.name == 'b').size()",
        "object.spec.?missing.orValue(5)",
        "object.?metadata.?labels['app'].optMap(l, l + 'y')",
        "has(object.spec.replicas) && !has(object.spec.nope)",
        "object.nope || true",
        "object.nope",
        "{'a': 1, ?'b': optional.none(), 'c': 2}",
        "object.metadata.labels.transformMap(k, v, v + k)",
        "[3,1,2].sortBy(e, -e)",
        "'a,b,c'.split(',').join('-')",
        "timestamp('2026-01-31T12:00:00Z').getFullYear()",
        "duration('1h30m') > duration('1h')",
        "string(1e6)",
        "x in [1,2,3]",
        "size(",
        "nope + 1",
        "true ? 1 : 'a'",
        "'abc'.matches('^a.c$')",
        "1/0",
        "9223372036854775807 + 1",
    ] {
        let (shown, cost) = run(source, json);
        println!("{source}\n    {shown}   cost {cost}");
    }
}
