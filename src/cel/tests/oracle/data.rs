//! The variables of the questions, and values for them.

use serde_json::{Map, Value as Json, json};

use super::random::Random;
use crate::cel::Type;

/// The typed variables; `object` beside them is `dyn`.
pub(super) const VARIABLES: &[(&str, &str)] = &[
    ("b", "bool"),
    ("i", "int"),
    ("u", "uint"),
    ("f", "double"),
    ("s", "string"),
    ("t", "timestamp"),
    ("d", "duration"),
    ("l", "list(int)"),
    ("ls", "list(string)"),
    ("lf", "list(double)"),
    ("ll", "list(list(int))"),
    ("lt", "list(dyn)"),
    ("m", "map(string,int)"),
    ("ml", "map(string,list(string))"),
    ("md", "map(string,dyn)"),
];

/// Paths into `object`, and what is there in most data.
pub(super) const PATHS: &[(&str, Type)] = &[
    ("object.kind", Type::String),
    ("object.metadata.name", Type::String),
    ("object.metadata.labels.app", Type::String),
    ("object.metadata.labels['a.b/c']", Type::String),
    ("object.spec.replicas", Type::Int),
    ("object.spec.ratio", Type::Double),
    ("object.spec.flag", Type::Bool),
    ("object.spec.nothing", Type::Null),
    ("object.spec.containers[0].name", Type::String),
    ("object.spec.containers[0].ports[0]", Type::Int),
    ("object.spec.absent", Type::Int),
    ("object.spec.containers[7].name", Type::String),
];

/// Paths to lists and maps, whose parts are `dyn`.
pub(super) const LISTS: &[&str] = &[
    "object.spec.containers",
    "object.spec.numbers",
    "object.spec.numbers",
    "object.spec.names",
    "object.spec.names",
    "object.spec.names",
    "object.spec.mixed",
    "object.spec.empty",
];
pub(super) const MAPS: &[&str] = &["object.metadata.labels", "object.spec.one", "object.metadata", "object"];

const TEXTS: &[&str] = &["", "a", "abc", "web", "é😀", "a,b", "10", "1.2.3", "10.0.0.1", "500m", "prod-eu", "A B"];

fn text(random: &mut Random) -> Json {
    json!(*random.pick(TEXTS))
}

fn number(random: &mut Random) -> i64 {
    if random.chance(90) {
        return i64::try_from(random.below(5)).unwrap();
    }
    *random.pick(&[10, -1, -7, 1_000, i64::MAX, i64::MIN, 9_007_199_254_740_993])
}

fn float(random: &mut Random) -> f64 {
    *random.pick(&[0.5, 1.5, -2.25, 0.1, 1e300, 3.75])
}

fn list(random: &mut Random, of: fn(&mut Random) -> Json) -> Json {
    Json::Array((0..random.below(5)).map(|_| of(random)).collect())
}

fn map(random: &mut Random, of: fn(&mut Random) -> Json) -> Json {
    // Mostly of one entry: the order of more is the oracle's whim.
    let size = if random.chance(80) { 1 } else { random.below(4) };
    let keys = ["k", "a", "app", "é"];
    let entries = keys.iter().take(size).map(|key| ((*key).to_owned(), of(random)));
    Json::Object(entries.collect::<Map<_, _>>())
}

fn any(random: &mut Random) -> Json {
    if random.chance(40) {
        return json!(number(random));
    }
    match random.below(8) {
        0 => Json::Null,
        1 => json!(random.chance(50)),
        2 => json!(float(random)),
        3 => json!([number(random)]),
        4 => json!({ "k": number(random) }),
        5 => text(random),
        _ => json!(number(random)),
    }
}

fn container(random: &mut Random) -> Json {
    let ports = list(random, |random| json!(random.below(9_000)));
    json!({ "name": text(random), "image": "r.example/app:1", "ports": ports })
}

/// Values for all variables.
pub(super) fn inputs(random: &mut Random) -> Map<String, Json> {
    let whole = |random: &mut Random| json!(number(random));
    let inner = |random: &mut Random| list(random, |random| json!(number(random)));
    let object = json!({
        "kind": "Deployment",
        "metadata": { "name": text(random), "labels": { "app": text(random), "a.b/c": text(random) } },
        "spec": {
            "replicas": number(random),
            "ratio": float(random),
            "flag": random.chance(50),
            "nothing": null,
            "containers": [container(random), container(random)],
            "numbers": list(random, whole),
            "names": list(random, text),
            "mixed": list(random, any),
            "empty": [],
            "one": map(random, any),
        },
    });
    let Json::Object(inputs) = json!({
        "object": object,
        "b": random.chance(50),
        "i": number(random),
        "u": random.below(100),
        "f": float(random),
        "s": text(random),
        "t": "2026-02-03T04:05:06.789Z",
        "d": *random.pick(&["90s", "-1.5h", "0s", "1h2m3.000000004s"]),
        "l": list(random, whole),
        "ls": list(random, text),
        "lf": list(random, |random| json!(float(random))),
        "ll": list(random, inner),
        "lt": list(random, any),
        "m": map(random, whole),
        "ml": map(random, |random| list(random, text)),
        "md": map(random, any),
    }) else {
        panic!("not an object")
    };
    inputs
}
