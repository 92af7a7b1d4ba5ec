//! Rules of the architecture that no compiler checks: the direction of imports, the purity of the core, files that
//! nobody names, and length.

#![expect(clippy::unwrap_used, reason = "a file that cannot be read fails the test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Modules in the order of their dependencies; a module uses only those before it. Edges never import each other, but
/// `cli` wires everything together.
const LAYERS: &[&str] = &[
    "canonical",
    "digest",
    "time",
    "api",
    "admission", // pure values
    "cel",
    "signal",
    "binding",
    "policy",
    "policy_set",
    "projection",
    "fingerprint",
    "evaluate",
    "decide",
    "convert", // pure decision
    "attest",
    "keyring",
    "verify",
    "sign", // evidence
    "replay",
    "ledger", // state
    "clock",
    "metrics",
    "telemetry",
    "shutdown",
    "runtime", // runtime
    "webhook",
    "controller", // edges
    "cli",
];

/// The last pure module of the list.
const LAST_PURE: &str = "sign";

/// What the pure core never names.
const IMPURE: &[&str] = &[
    "kube::",
    "k8s_openapi",
    "tokio",
    "hyper",
    "futures::",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "getrandom",
    "HashMap",
    "HashSet",
    "println!",
    "eprintln!",
];

/// Where the pure core may name something impure after all: only as attributes of the API types.
const EXCEPTIONS: &[(&str, &str)] = &[("api/", "kube::")];

/// The longest file, in lines.
const MAX_LINES: usize = 600;

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut files = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path, text));
        }
    }
    files.sort();
    files
}

/// The path below `src`, and the module of the library that it belongs to.
fn module(path: &Path) -> (String, String) {
    let below = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let text = below.to_str().unwrap().to_owned();
    let module = text.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
    (text, module)
}

/// The code without comments and without test modules of their own files.
fn code(text: &str) -> String {
    let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
    lines.map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path.ends_with("/sample.rs")
}

#[test]
fn modules_use_only_those_before_them() {
    let rank: BTreeMap<&str, usize> = LAYERS.iter().enumerate().map(|(rank, name)| (*name, rank)).collect();
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let (path, own) = module(&path);
        if is_test(&path) || matches!(own.as_str(), "lib" | "main") {
            continue;
        }
        let Some(own_rank) = rank.get(own.as_str()) else {
            wrong.push(format!("{path}: module `{own}` is in no layer"));
            continue;
        };
        let code = code(&text);
        for (name, other_rank) in &rank {
            let names = code.contains(&format!("crate::{name}::")) || imports(&code).contains(*name);
            let edges = own == "controller" && *name == "webhook";
            if names && *name != own && (other_rank > own_rank || edges) {
                wrong.push(format!("{path} uses `{name}`, which comes after it"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// The first segments of what `use crate::…` and `use crate::{…}` name.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for part in code.split("use crate::").skip(1) {
        let statement = part.split(';').next().unwrap_or_default();
        let (mut depth, mut item) = (0, String::new());
        // A group's items are those at depth one; a single path is an item of its own at depth zero.
        let top = usize::from(statement.starts_with('{'));
        for character in statement.chars() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == top => item.clear(),
                c if depth == top => item.push(c),
                _ => {}
            }
            let first = item.trim().split("::").next().unwrap_or_default();
            if item.trim().contains("::") || matches!(character, ',' | '}') {
                found.insert(first.to_owned());
            }
        }
        found.insert(item.trim().split("::").next().unwrap_or_default().to_owned());
    }
    found.retain(|word| LAYERS.contains(&word.as_str()));
    found
}

#[test]
fn the_core_is_pure() {
    let pure: Vec<&str> = LAYERS.iter().take_while(|name| **name != "replay").copied().collect();
    assert_eq!(pure.last(), Some(&LAST_PURE));
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let (path, own) = module(&path);
        if is_test(&path) || !pure.contains(&own.as_str()) {
            continue;
        }
        let code = code(&text);
        for word in IMPURE.iter().filter(|word| code.contains(**word)) {
            if !EXCEPTIONS.iter().any(|(place, excepted)| path.starts_with(place) && excepted == word) {
                wrong.push(format!("{path} names `{word}`"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn verify_never_imports_sign() {
    for (path, text) in sources("src") {
        let (path, own) = module(&path);
        if own == "verify" && !is_test(&path) {
            assert!(!code(&text).contains("sign::"), "{path}");
        }
    }
}

#[test]
fn files_are_short_and_named() {
    let mut wrong = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for (path, text) in sources(folder) {
            let shown = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
            if text.lines().count() > MAX_LINES {
                wrong.push(format!("{shown} has {} lines: it is two ideas", text.lines().count()));
            }
            if shown.ends_with("/mod.rs") {
                wrong.push(format!("{shown}: modules are `x.rs` and `x/`"));
            }
        }
    }
    let all: Vec<(PathBuf, String)> = sources("src");
    for (path, _) in &all {
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if matches!(stem.as_str(), "lib" | "main") {
            continue;
        }
        let named = all.iter().any(|(_, text)| text.contains(&format!("mod {stem};")));
        if !named {
            wrong.push(format!("{}: no module names it", path.display()));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn nothing_is_left_unfinished() {
    let words = ["todo!(", "unimplemented!(", "#[ignore", "FIXME", "HACK"].map(String::from);
    for folder in ["src", "tests"] {
        for (path, text) in sources(folder) {
            if path.ends_with("tests/tidy.rs") {
                continue;
            }
            for word in &words {
                assert!(!text.contains(word.as_str()), "{}: {word}", path.display());
            }
        }
    }
}

#[test]
fn every_test_that_the_coverage_names_exists() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/coverage.md")).unwrap();
    let all: String = ["src", "tests"].iter().flat_map(|folder| sources(folder)).map(|(_, text)| text).collect();
    let quoted = page.split('`').skip(1).step_by(2);
    let names = quoted.filter(|word| word.contains('_') && !word.contains(['/', '.', ' ']));
    let missing: Vec<&str> = names.filter(|name| !all.contains(&format!("fn {name}("))).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

/// The parts of a decision name their reasons as words; each must be one of the API's, or it would be told as a fault.
#[test]
fn every_reason_word_is_a_reason_of_the_api() {
    let known: BTreeSet<&str> = writ::api::Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let mut missing = Vec::new();
    for (path, text) in sources("src") {
        let (path, _) = module(&path);
        let reasons = ["verify", "attest/error.rs", "keyring.rs", "replay/outcome.rs"];
        if is_test(&path) || !reasons.iter().any(|start| path.starts_with(start)) {
            continue;
        }
        for word in text.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let is_word = word.starts_with(|first: char| first.is_ascii_uppercase())
                && word.chars().all(|c| c.is_ascii_alphanumeric())
                && word.chars().any(|c| c.is_ascii_lowercase());
            if is_word && word != "Claimed" && !known.contains(word) {
                missing.push(format!("{path}: {word}"));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}
