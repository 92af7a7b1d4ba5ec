use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::{
    attested, schema,
    transcript::{Run, Transcript, matches},
};

/// Runs a transcript in a folder of its own; what differs. With `update` it is written down instead.
pub(crate) fn run(transcript: &mut Transcript, update: bool) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    if transcript.needs_attested {
        attested::write(folder.path());
    }
    let mut failures = Vec::new();
    for run in &mut transcript.runs {
        for (name, body) in &run.files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, body).unwrap();
        }
        failures.extend(run_one(run, folder.path(), update));
    }
    failures
}

fn run_one(run: &mut Run, folder: &Path, update: bool) -> Vec<String> {
    let command = run.arguments.join(" ");
    assert_eq!(run.arguments[0], "writ", "{command}");
    let arguments: Vec<&str> = run.arguments[1..].iter().map(String::as_str).collect();
    let output = writ(&arguments, run.stdin.as_bytes(), folder);
    let (code, stdout, stderr) = (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr));
    let mut failures = Vec::new();
    if arguments.windows(2).any(|pair| ["-o", "--output"].contains(&pair[0]) && pair[1] == "json") && code != 2 {
        let value: serde_json::Value =
            serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{command}: {error}"));
        failures
            .extend(schema::check_answer(&value).err().map(|error| format!("`{command}` breaks its schema: {error}")));
    }
    let found =
        |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_else(|_| "(there is no such file)\n".to_owned());
    let left: Vec<(String, String)> = run.left.iter().map(|(name, _)| (name.clone(), ended(found(name)))).collect();
    let parts = [(&mut run.stdout, ended(stdout), "stdout"), (&mut run.stderr, ended(stderr), "stderr")];
    for (expected, found, name) in parts {
        if update && !matches(expected, &found) {
            *expected = found;
        } else if !matches(expected, &found) {
            failures.push(format!("`{command}`: {name} is\n{found}instead of\n{expected}"));
        }
    }
    for ((name, expected), (_, found)) in run.left.iter_mut().zip(left) {
        if update && !matches(expected, &found) {
            *expected = found;
        } else if !matches(expected, &found) {
            failures.push(format!("`{command}`: {name} is\n{found}instead of\n{expected}"));
        }
    }
    if update {
        run.exit = code;
    } else if run.exit != code {
        failures.push(format!("`{command}`: the exit code is {code} instead of {}", run.exit));
    }
    failures
}

/// Runs the program in `folder`.
pub(crate) fn writ(arguments: &[&str], stdin: &[u8], folder: &Path) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_writ"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("NO_COLOR")
        .env("KUBECONFIG", "/nonexistent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The program may end without reading all of it.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Transcripts have whole lines: what does not end in one is shown so.
fn ended(text: String) -> String {
    if text.is_empty() || text.ends_with('\n') { text } else { text + "(no line end)\n" }
}
