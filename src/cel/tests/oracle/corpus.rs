//! Expressions that others wrote: the test tables of the API server's CEL libraries, and published admission policies.

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
};

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    Tally, admission, compare,
    process::{Group, Named},
    shown,
};
use crate::cel::library;

/// One line of the corpus.
#[derive(Deserialize)]
struct Text {
    kind: String,
    #[serde(default)]
    variables: Vec<Named>,
    expressions: Vec<Named>,
    #[serde(default)]
    objects: Vec<Json>,
}

impl Text {
    fn texts(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().chain(&self.expressions).map(|named| named.expression.as_str())
    }

    /// Why what it says is not compared, by its text alone.
    fn outside(&self) -> Option<&'static str> {
        self.texts().find_map(outside)
    }
}

/// What only Kyverno has.
const KYVERNO: &[&str] = &[
    "resource.",
    "image(",
    "image.",
    "images",
    "globalContext",
    "http.",
    "json.",
    "yaml.",
    "verifyImage",
    "verifyAttestation",
    "attestors",
    "attestations",
    "parseServiceAccount",
    "exceptions",
    "generator",
    "isImage",
    "listObj",
    "md5(",
];

/// What comes with a library: a name of it, and what its expressions say. It comes into scope by itself.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("quantity", &["quantity(", "isQuantity("]),
    ("ip", &["ip(", "isIP(", "ip.isCanonical("]),
    ("cidr", &["cidr(", "isCIDR("]),
    ("url", &["url(", "isURL("]),
    ("semver", &["semver(", "isSemver("]),
    ("format.named", &["format."]),
    ("format", &[".format("]),
    ("sets.contains", &["sets."]),
    ("jsonpatch.escapeKey", &["jsonpatch."]),
];

fn outside(text: &str) -> Option<&'static str> {
    if KYVERNO.iter().any(|part| text.contains(part)) {
        return Some("what only Kyverno has");
    }
    if text.contains("authorizer") {
        return Some("the authorizer, which asks the API server");
    }
    let is_missing = |(name, parts): &&(&str, &[&str])| {
        library::function(name).is_none() && parts.iter().any(|part| text.contains(part))
    };
    LIBRARIES.iter().find(is_missing).map(|_| "libraries that are not there yet")
}

fn corpus() -> Vec<Text> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cel-corpus/corpus.sh");
    let run = Command::new(script).stderr(Stdio::inherit()).output().unwrap();
    assert!(run.status.success(), "{script} failed, see above");
    let text = std::fs::read_to_string(String::from_utf8(run.stdout).unwrap().trim()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn expressions(named: &[Named]) -> Vec<String> {
    named.iter().map(|named| named.expression.clone()).collect()
}

fn report(what: &str, tally: &mut Tally, skipped: &BTreeMap<&str, usize>) {
    println!(
        "{what}: {} answers compared, {} refused, {} failed, {} vary in the API server; skipped {skipped:?}; named {:?}",
        tally.count, tally.refused, tally.failed, tally.varying, tally.named
    );
    assert!(tally.unnamed.is_empty(), "{} differences:\n{}", tally.unnamed.len(), shown(&mut tally.unnamed));
}

#[test]
fn the_api_servers_own_tables_are_what_it_makes_of_them() {
    let (mut groups, mut skipped) = (Vec::new(), BTreeMap::new());
    for text in corpus().iter().filter(|text| text.kind == "table") {
        let mut expressions = expressions(&text.expressions);
        expressions.retain(|expression| match outside(expression) {
            Some(why) => {
                *skipped.entry(why).or_default() += 1;
                false
            }
            None => true,
        });
        groups.push(Group { expressions, ..Group::default() });
    }
    let mut tally = Tally::default();
    compare(&groups, &mut tally);
    report("tables", &mut tally, &skipped);
    assert!(tally.count + skipped.values().sum::<usize>() > 250);
}

/// The objects that a policy is tried on: those beside it, and one with hardly anything in it.
fn samples(text: &Text) -> Vec<(Json, bool)> {
    let small = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "x", "namespace": "default" } });
    let mut samples: Vec<(Json, bool)> = text.objects.iter().map(|object| (object.clone(), false)).collect();
    samples.extend([(small.clone(), false), (text.objects.first().cloned().unwrap_or(small), true)]);
    samples
}

#[test]
fn published_policies_are_what_the_api_server_makes_of_them() {
    let (mut groups, mut skipped, mut compared) = (Vec::new(), BTreeMap::new(), 0);
    for text in corpus().iter().filter(|text| text.kind != "table") {
        if let Some(why) = text.outside() {
            *skipped.entry(why).or_default() += 1;
            continue;
        }
        compared += 1;
        for (object, old) in samples(text) {
            let mut expressions = expressions(&text.expressions);
            expressions.extend(self::expressions(&text.variables));
            groups.push(Group {
                input: admission::inputs(&object, old),
                variables: Some(text.variables.clone()),
                expressions,
                ..Group::default()
            });
        }
    }
    let mut tally = Tally::default();
    compare(&groups, &mut tally);
    println!("{compared} policies are compared");
    report("policies", &mut tally, &skipped);
    assert!(compared + skipped.get("libraries that are not there yet").unwrap_or(&0) >= 150, "{compared} policies");
}
