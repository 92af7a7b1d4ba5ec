//! The command line from outside: every transcript beside this file is run, and what the program writes is compared.
//!
//! A transcript is text. A line `--- WORD …` begins a part, which ends where the next begins:
//! `--- file NAME` writes a file, `--- run writ …` runs the program in the folder of these files; `--- stdin`,
//! `--- stdout`, `--- stderr`, `--- exit CODE` and `--- left NAME` (a file afterwards) say what goes in and must come
//! out. Without them nothing goes in, nothing comes out, and the code is 0. `[..]` in a line stands for anything,
//! a line `[...]` for any lines.
//! `TRANSCRIPTS=update cargo test --test cli` writes down what came out instead; read the difference before you commit.
//!
//! Every JSON answer is checked against its published schema.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod attested;
#[cfg(feature = "cluster")]
mod claims;
mod run;
mod schema;
mod transcript;

use std::{fs, path::Path};

use transcript::Transcript;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli"))
}

#[test]
fn transcripts() {
    let update = std::env::var_os("TRANSCRIPTS").is_some_and(|value| value == "update");
    let mut files: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "txt"));
    files.sort();
    assert!(!files.is_empty());
    let mut failures = Vec::new();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let mut transcript = Transcript::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        if transcript.needs_cluster && cfg!(not(feature = "cluster")) {
            continue;
        }
        failures.extend(run::run(&mut transcript, update).into_iter().map(|failure| format!("{name}: {failure}")));
        if update {
            fs::write(&path, transcript.to_text()).unwrap();
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Each command is shown where it says yes and where it says no, or cannot say.
#[test]
fn every_command_is_accepted_and_rejected() {
    let mut seen = std::collections::BTreeMap::<String, std::collections::BTreeSet<i32>>::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "txt") {
            let transcript = Transcript::parse(&fs::read_to_string(&path).unwrap()).unwrap();
            for run in &transcript.runs {
                seen.entry(run.arguments.get(1).cloned().unwrap_or_default()).or_default().insert(run.exit);
            }
        }
    }
    for command in ["evaluate", "test", "cel", "canonical", "verify", "keygen", "completion"] {
        let codes = seen.get(command).unwrap_or_else(|| panic!("no transcript of `{command}`"));
        assert!(codes.contains(&0) && codes.len() > 1, "{command}: {codes:?}");
    }
}

/// What stands in the repository as test cases is what the schema describes.
#[test]
fn the_examples_fit_the_schema_of_test_cases() {
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests");
    let mut checked = 0;
    for entry in fs::read_dir(manifests).unwrap() {
        let path = entry.unwrap().path().join("tests.yaml");
        if path.exists() {
            let output = run::writ(&["canonical", path.to_str().unwrap()], b"", folder());
            let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(schema::check("test-cases", &value), Ok(()), "{}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 3);
}

/// A reader that goes away early changes no answer, and nothing is said about it.
#[test]
fn a_closed_pipe_is_no_error() {
    use std::process::Stdio;
    let program = env!("CARGO_BIN_EXE_writ");
    for (arguments, code) in
        [(&["cel", "[1]"][..], 0), (&["cel", "1 +"], 1), (&["completion", "bash"], 0), (&["--help"], 0)]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = std::process::Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::from(writer))
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

/// A disk that is full is.
#[test]
fn a_full_disk_is_an_error() {
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_writ"))
        .args(["cel", "1"])
        .stdin(std::process::Stdio::null())
        .stdout(full)
        .stderr(std::process::Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: standard output cannot be written: "));
}

/// The offline build knows no Kubernetes client and no async runtime.
#[test]
fn the_offline_build_is_small() {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--no-default-features", "--edges", "normal", "--prefix", "none", "--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let names: std::collections::BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains("writ") && names.contains("ed25519-dalek"));
    for name in ["kube", "k8s-openapi", "tokio", "hyper", "rustls", "redb", "futures", "schemars"] {
        assert!(!names.contains(name), "the offline build depends on {name}");
    }
}
