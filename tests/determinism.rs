//! The same inputs give the same bytes in any process: ten processes evaluate the same expressions, decide the same
//! requests by the same policies and record these decisions, and say the same to the last byte.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that fails stops here, and its environment says which of the processes it is"
)]

#[cfg(feature = "cluster")]
#[path = "determinism/recorded.rs"]
mod recorded;

use std::{fmt::Write, fs, path::Path, process::Command};

use writ::{
    admission::parse_review,
    canonical,
    cel::{Bindings, Environment, Fuel, Type, compile},
    cli::read_policies,
    decide::{Change, Concerned},
    evaluate::Verdict,
    time::Timestamp,
};

/// Tells a process to answer and nothing else.
const ASKED: &str = "WRIT_ANSWER";
const PROCESSES: usize = 10;
/// Every so many expressions of the vectors are evaluated.
const STEP: usize = 5;

/// What an order, a hash or an address could show in.
const EXPRESSIONS: &[&str] = &[
    "object.metadata.labels",
    "object.metadata.labels.map(k, k + object.metadata.labels[k])",
    "object.metadata.labels.transformMapEntry(k, v, {v: k})",
    "object.metadata.labels.transformList(k, v, v).sort()",
    "{'z': 1, 'a': {'é': 2, 'b': 3}, 'm': object.metadata.labels}",
    "[{2: 1, 1u: 2, true: 3, 'x': 4}, object.metadata.labels].map(m, m.map(k, k))",
    "'%s'.format([[object.metadata.labels, {'b': 1, 'a': 2}]])",
    "url('http://a/?z=1&a=2&z=3').getQuery()",
    "['b', 'a', 'c', 'a'].sortBy(x, x == 'a' ? 0 : 1)",
    "object.metadata.labels.exists(k, object.nothing[k] == 1)",
    "object.metadata.labels.all(k, 1 / 0 == 1)",
    "lists.range(1000).all(x, lists.range(1000).all(y, x + y >= 0))",
    "lists.range(500000).map(x, string(x)).size()",
    "sets.equivalent(object.metadata.labels.map(k, k), ['a', 'b'])",
    "[1.5, 2.0, 0.1 + 0.2, 1e300 * 1e10].map(x, string(x))",
    "'a1b2'.findAll('[0-9]')",
];

const OBJECT: &str = r#"{"metadata":{"name":"web","namespace":"shop","labels":{"zone":"b","app":"a","é":"x","😀":"y","A":"z","1":"0"},
"annotations":{"change.example.com/ticket":"CHG-1"}},"spec":{"replicas":3}}"#;

const REVIEW: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE","name":"web","namespace":"production",
"kind":{"group":"apps","version":"v1","kind":"Deployment"},"resource":{"group":"apps","version":"v1","resource":"deployments"},
"userInfo":{"username":"ann","groups":["dev","admins"]},"object":OBJECT}}"#;

/// What the recorded decisions come to.
#[cfg(feature = "cluster")]
const EVIDENCE: [&str; 6] =
    ["Deny SignalInvalid", "Allow Few", "Deny TooMany", "Allow MemoryWithinBounds", "Allow Ticketed", "Deny Replayed"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder whose names end so, in order.
fn files(folder: &str, end: &str) -> Vec<String> {
    let mut open = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.to_string_lossy().ends_with(end) {
            found.push(path);
        }
    }
    found.sort();
    found.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// Every value or error, with cost and work.
fn expressions(into: &mut String) {
    let object = canonical::parse(OBJECT.as_bytes()).unwrap();
    let environment = Environment::new().variable("object", Type::Dyn);
    let mut bindings = Bindings::new();
    bindings.set(environment.slot("object").unwrap(), &object);
    let vectors = files("tests/vectors/cel", ".json");
    let vectors = vectors.iter().flat_map(|text| {
        let file: serde_json::Value = serde_json::from_str(text).unwrap();
        let cases = file["cases"].as_array().cloned().unwrap_or_default();
        cases.iter().filter_map(|case| Some(case["expression"].as_str()?.to_owned())).collect::<Vec<_>>()
    });
    let all = EXPRESSIONS.iter().map(|text| (*text).to_owned()).chain(vectors.step_by(STEP));
    for source in all {
        match compile(&source, &environment, None) {
            Err(errors) => writeln!(into, "{source}: {errors}").unwrap(),
            Ok(program) => {
                let mut fuel = Fuel::new(Fuel::PER_EXPRESSION);
                let outcome = program.evaluate(&bindings, &mut fuel);
                let told = outcome.map_or_else(|error| error.to_string(), |value| format!("{value:?}"));
                let (cost, work, worst) = (fuel.cost(), fuel.work(), program.worst_case_cost());
                writeln!(into, "{source}: {told} {cost} {work} {worst}").unwrap();
            }
        }
    }
}

/// Every decision with the bytes that evidence and attestations have of it.
fn decisions(into: &mut String) {
    let review = REVIEW.replace("OBJECT", OBJECT);
    let request = parse_review(review.as_bytes()).unwrap();
    let object = canonical::parse(request.object_text().unwrap()).unwrap();
    let change = Change::new(&request, Some(&object), None);
    let input = change.input(None, None, Timestamp::from_millis(1_795_564_800_000));
    let manifests = files("manifests", "policy.yaml").into_iter().chain(files("manifests", "binding.yaml"));
    let set = read_policies(&manifests.collect::<Vec<_>>().join("\n---\n")).unwrap();
    writeln!(into, "{}", set.digest()).unwrap();
    let concerned = Concerned::of(&set, &request);
    let mut decided = 0;
    for bound in concerned.about(&change) {
        let (policy, verdict) = change.by_binding(bound, &input);
        writeln!(into, "{} {:?} {verdict:?}", bound.binding.name, policy.map(|policy| policy.digest())).unwrap();
        if let Verdict::Decided(decision) = verdict {
            let bytes = canonical::encode(&decision.signals_value());
            writeln!(into, "{} {}", String::from_utf8_lossy(&bytes), decision.signals_digest()).unwrap();
            decided += 1;
        }
    }
    assert!(decided >= 3, "only {decided} of the examples decide");
}

/// The line of evidence of a decision of each kind.
#[cfg(feature = "cluster")]
fn evidence(into: &mut String) {
    let manifests = files("manifests", "policy.yaml").into_iter().chain(files("manifests", "binding.yaml"));
    let policies = manifests.chain(files("tests/determinism", "policies.yaml")).collect::<Vec<_>>().join("\n---\n");
    let lines = recorded::lines(read_policies(&policies).unwrap(), &REVIEW.replace("OBJECT", OBJECT));
    let outcome = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        format!("{} {}", line["outcome"].as_str().unwrap(), line["reason"].as_str().unwrap())
    };
    let outcomes: Vec<String> = lines.lines().map(outcome).collect();
    assert_eq!(outcomes, EVIDENCE, "{lines}");
    into.push_str(&lines);
}

fn answer() -> String {
    let mut told = String::new();
    expressions(&mut told);
    decisions(&mut told);
    #[cfg(feature = "cluster")]
    evidence(&mut told);
    told
}

/// What one of the processes does; otherwise it is no test.
#[test]
fn one_process() {
    if let Ok(path) = std::env::var(ASKED) {
        fs::write(path, answer()).unwrap();
    }
}

#[test]
fn ten_processes_say_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let processes: Vec<_> = (0..PROCESSES)
        .map(|number| {
            let path = folder.path().join(number.to_string());
            let mut command = Command::new(std::env::current_exe().unwrap());
            // The environment is another one for each.
            command.args(["--exact", "one_process"]).env(ASKED, &path).env("NOISE", "x".repeat(number * 100));
            command.stdout(std::process::Stdio::null());
            (path, command.spawn().unwrap())
        })
        .collect();
    let mut first: Option<String> = None;
    for (path, mut process) in processes {
        assert!(process.wait().unwrap().success());
        let told = fs::read_to_string(path).unwrap();
        assert!(told.lines().count() > 500, "{}", told.lines().count());
        let known = first.get_or_insert_with(|| told.clone());
        let difference = known.lines().zip(told.lines()).find(|(a, b)| a != b);
        assert_eq!(difference, None);
        assert_eq!(known.len(), told.len());
    }
}
