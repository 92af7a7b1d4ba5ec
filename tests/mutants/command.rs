//! Takes each mutation of the table in turn, and sees that the test named for it fails.

mod plan;
mod table;

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use table::{MUTATIONS, Mutation};

/// How long one test may take; one that hangs has not failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a mutant came to.
#[derive(PartialEq, Eq)]
enum Fate {
    Caught,
    Survived,
    Hung,
}

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    match run(root) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(left) => {
            println!("{left} mutants were not caught: name or write the test that must fail");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(root: &Path) -> Result<usize, String> {
    let tree = root.join("target/mutants");
    prepare(root, &tree)?;
    println!("building the program with {} mutations in it", MUTATIONS.len());
    let tests = build(root, &tree)?;
    let named: BTreeSet<&str> = MUTATIONS.iter().map(|mutation| mutation.test).collect();
    let all = Command::new(&tests).arg("--list").output().map_err(|error| error.to_string())?;
    let all = String::from_utf8_lossy(&all.stdout);
    for test in &named {
        // A name that nobody has would run no test, and pass.
        if !all.lines().any(|line| line == format!("{test}: test")) {
            return Err(format!("there is no test `{test}`"));
        }
        if take(&tests, &tree, 0, test)? != Fate::Survived {
            return Err(format!("`{test}` does not pass without a mutation: run it by itself"));
        }
    }
    println!("{} tests pass without a mutation", named.len());
    let mut left = 0;
    for (index, mutation) in MUTATIONS.iter().enumerate() {
        let fate = take(&tests, &tree, index + 1, mutation.test)?;
        left += usize::from(fate != Fate::Caught);
        println!("{}", shown(index + 1, mutation, &fate));
    }
    println!("{} of {} mutants caught", MUTATIONS.len() - left, MUTATIONS.len());
    Ok(left)
}

fn shown(number: usize, mutation: &Mutation, fate: &Fate) -> String {
    let fate = match fate {
        Fate::Caught => "caught  ",
        Fate::Survived => "SURVIVED",
        Fate::Hung => "HUNG    ",
    };
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let instead = if mutation.instead.is_empty() { "nothing" } else { mutation.instead };
    let test = mutation.test.rsplit("::").next().unwrap_or_default();
    format!("{number:3} {fate} {}: {} -> {}  by {test}", mutation.file, one_line(mutation.text), one_line(instead))
}

/// Copies what a build needs, with the mutations in it. A file that stays the same is left alone, so that the next
/// build is quick.
fn prepare(root: &Path, tree: &Path) -> Result<(), String> {
    let instrumented = plan::instrument(&root.join("src")).map_err(|wrong| wrong.join("\n"))?;
    let mut written = BTreeSet::new();
    for part in ["src", "benches", "tests", "crds", "manifests", "charts", "docs"] {
        copy(&root.join(part), &tree.join(part), &mut written)
            .map_err(|error| format!("cannot copy {part}: {error}"))?;
    }
    for file in ["Cargo.toml", "Cargo.lock", "README.md", "rust-toolchain.toml"] {
        let text = fs::read(root.join(file)).map_err(|error| format!("cannot read {file}: {error}"))?;
        put(&tree.join(file), &text).map_err(|error| format!("cannot write {file}: {error}"))?;
    }
    let src = tree.join("src");
    let library = fs::read_to_string(root.join("src/lib.rs")).map_err(|error| error.to_string())?;
    // The branches are not written as a person would.
    let library = library.replacen("#![forbid(unsafe_code)]", "#![forbid(unsafe_code)]\n#![allow(warnings)]", 1);
    let with_module = format!("{library}\nmod mutant;\n");
    let own = [("lib.rs", with_module.as_str()), ("mutant.rs", plan::MODULE)];
    for (file, text) in instrumented.iter().map(|(file, text)| (*file, text.as_str())).chain(own) {
        put(&src.join(file), text.as_bytes()).map_err(|error| format!("cannot write {file}: {error}"))?;
        written.insert(src.join(file));
    }
    remove_others(&src, &written).map_err(|error| format!("cannot clear the copy: {error}"))
}

fn copy(from: &Path, to: &Path, written: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target, written)?;
        } else {
            // Those with mutations in them are written by themselves.
            let own = MUTATIONS.iter().any(|mutation| path.ends_with(Path::new("src").join(mutation.file)));
            if !own && !path.ends_with("src/lib.rs") {
                put(&target, &fs::read(&path)?)?;
            }
            written.insert(target);
        }
    }
    Ok(())
}

fn put(path: &Path, text: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|old| old == text) { Ok(()) } else { fs::write(path, text) }
}

/// Files of an earlier copy that are gone since.
fn remove_others(folder: &Path, written: &BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(&path, written)?;
        } else if !written.contains(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Builds the library's tests, and says where they are. The dependencies are those of the ordinary tests.
fn build(root: &Path, tree: &Path) -> Result<PathBuf, String> {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--locked", "--lib", "--no-run", "--quiet", "--message-format=json-render-diagnostics"])
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", root.join("target"))
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    if !output.status.success() {
        return Err("the program with the mutations in it does not build: each must keep the types".to_owned());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let programs = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut tests = programs.filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from));
    tests.next().ok_or_else(|| "cargo named no test program".to_owned())
}

/// Runs one test under one mutation.
fn take(tests: &Path, tree: &Path, number: usize, test: &str) -> Result<Fate, String> {
    let mut child = Command::new(tests)
        .args(["--exact", test])
        .current_dir(tree)
        .env(plan::VARIABLE, number.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", tests.display()))?;
    let started = Instant::now();
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            // The harness answers 101 for a test that failed; anything else is a fault of its own.
            Some(status) if status.code() == Some(101) => return Ok(Fate::Caught),
            Some(status) if status.success() => return Ok(Fate::Survived),
            Some(status) => return Err(format!("`{test}` under mutation {number} ended with {status}")),
            None if started.elapsed() > PATIENCE => {
                let _ = child.kill();
                let _ = child.wait();
                return Ok(Fate::Hung);
            }
            None => std::thread::park_timeout(Duration::from_millis(5)),
        }
    }
}
