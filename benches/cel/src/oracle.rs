use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// The API server's CEL, in a process of its own that measures itself.
pub(crate) struct Oracle {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Oracle {
    pub(crate) fn start(program: &str) -> Result<Self> {
        let mut child = Command::new(program)
            .arg("bench")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("`{program}` cannot be started"))?;
        let to = child.stdin.take().context("piped")?;
        let from = BufReader::new(child.stdout.take().context("piped")?);
        Ok(Self { child, to, from })
    }

    /// Nanoseconds an evaluation.
    pub(crate) fn measure(&mut self, expression: &str, object: &Value, span: Duration) -> Result<f64> {
        let question =
            json!({"expression": expression, "input": {"object": object}, "milliseconds": span.as_millis() as u64});
        writeln!(self.to, "{question}")?;
        self.to.flush()?;
        let mut answer = String::new();
        self.from.read_line(&mut answer)?;
        answer.trim().parse().with_context(|| format!("the oracle answered `{}`", answer.trim()))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
