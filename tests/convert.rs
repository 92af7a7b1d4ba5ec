//! What `writ convert` makes of a ValidatingAdmissionPolicy decides as the original does on a real API server.

#[path = "harness/harness.rs"]
mod harness;

#[path = "convert/published.rs"]
mod published;
#[path = "convert/vectors.rs"]
mod vectors;

use std::process::Command;

use anyhow::Result;

/// Runs the program: exit code, standard output, standard error.
fn writ(arguments: &[&str]) -> Result<(i32, String, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_writ")).args(arguments).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr)))
}
