//! The oracle: the API server's own CEL, in a process of its own.

use std::{
    io::Write,
    process::{Command, Stdio},
    thread,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::cel::tests::vectors::Expected;

/// A variable of a policy, or an expression with the field that it stands in.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(in crate::cel::tests) struct Named {
    pub(super) name: String,
    pub(super) expression: String,
}

/// Expressions over the same inputs.
#[derive(Clone, Debug, Default)]
pub(in crate::cel::tests) struct Group {
    pub(in crate::cel::tests) types: Map<String, Json>,
    pub(in crate::cel::tests) input: Map<String, Json>,
    /// Those of an admission policy; its environment is the API server's for these.
    pub(in crate::cel::tests) variables: Option<Vec<Named>>,
    pub(in crate::cel::tests) expressions: Vec<String>,
}

/// What the API server makes of an expression.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    pub(super) expected: Expected,
    /// Where the errors of the compiler are, in the order of the source.
    #[serde(default)]
    pub(super) positions: Vec<String>,
    /// Whether the text is not of the grammar; where it is wrong then depends on how a parser recovers.
    #[serde(default)]
    pub(super) syntax: bool,
    #[serde(default)]
    pub(super) varies: bool,
    pub(super) message: Option<String>,
}

/// The program that `tests/cluster/tools.sh` builds once per machine.
fn program() -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/tools.sh");
    let output = Command::new(script).args(["path", "cel-oracle"]).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{script} failed, see above");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The answers to all expressions, in order; each is evaluated `runs` times.
pub(super) fn ask(groups: &[Group], runs: usize) -> Vec<Answer> {
    let mut oracle =
        Command::new(program()).arg("answers").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = String::new();
    for group in groups {
        let shared = json!({ "types": group.types, "input": group.input, "variables": group.variables });
        lines.push_str(&shared.to_string());
        lines.push('\n');
        for expression in &group.expressions {
            lines.push_str(&json!({ "expression": expression, "runs": runs }).to_string());
            lines.push('\n');
        }
    }
    let mut stdin = oracle.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = oracle.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "the oracle failed");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}
