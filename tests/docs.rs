//! What the documents say: links lead somewhere, policies compile, and commands exist.
#![expect(clippy::unwrap_used, reason = "a document that cannot be read fails the test")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every document, with its path.
fn documents() -> Vec<(PathBuf, String)> {
    let mut open: Vec<PathBuf> = ["docs", "manifests"].map(|folder| Path::new(ROOT).join(folder)).into();
    let mut files: Vec<PathBuf> = fs::read_dir(ROOT).unwrap().map(|entry| entry.unwrap().path()).collect();
    while let Some(folder) = open.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { open.push(path) } else { files.push(path) }
        }
    }
    files.retain(|path| path.extension().is_some_and(|end| end == "md"));
    files.sort();
    assert!(files.len() > 15, "{files:?}");
    files.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let open = format!("```{language}\n");
    text.split(&open).skip(1).filter_map(|rest| Some(rest.split_once("\n```")?.0.to_owned())).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for (path, text) in documents() {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target) {
            let file = target.split('#').next().unwrap_or_default();
            if target.contains("://") || file.is_empty() {
                continue;
            }
            if !path.parent().unwrap().join(file).exists() {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn policies_in_documents_compile() {
    let mut count = 0;
    for (path, text) in documents() {
        for block in blocks(&text, "yaml").iter().filter(|block| block.contains("apiVersion: writ.dev/")) {
            let set = writ::cli::read_policies(block);
            assert!(set.is_ok(), "{}: {}", path.display(), set.unwrap_err());
            assert!(!set.unwrap().bounds().is_empty(), "{}: a policy without a binding", path.display());
            count += 1;
        }
    }
    assert!(count > 0);
}

#[test]
fn commands_exist() {
    let makefile = fs::read_to_string(Path::new(ROOT).join("Makefile")).unwrap();
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter_map(|line| line.split_once(':'))
        .flat_map(|(names, _)| names.split_whitespace())
        .collect();
    let reference = fs::read_to_string(Path::new(ROOT).join("docs/cli.md")).unwrap();
    let mut unknown = Vec::new();
    for (path, text) in documents() {
        let spans = text.split('`').skip(1).step_by(2).map(str::to_owned);
        let lines = blocks(&text, "console").into_iter().flat_map(|block| {
            block.lines().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect::<Vec<_>>()
        });
        for command in spans.chain(lines) {
            let mut words = command.split_whitespace().filter(|word| !word.contains('='));
            let known = match (words.next(), words.next()) {
                (Some("make"), Some(target)) => targets.contains(target),
                (Some("writ"), Some(name)) if name.chars().all(|letter| letter.is_ascii_lowercase()) => {
                    // `hook` is what the chart runs; it is not for people.
                    name == "hook" || reference.contains(&format!("writ {name}"))
                }
                _ => true,
            };
            if !known {
                unknown.push(format!("{}: {command}", path.display()));
            }
        }
    }
    assert_eq!(unknown, Vec::<String>::new());
}
