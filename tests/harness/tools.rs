//! Where the third-party programs are: `tests/cluster/tools.sh` knows, and builds what is missing.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// The paths of programs, in the order asked for. The first use on a machine builds them, with progress on stderr.
pub(crate) fn paths(programs: &[&str]) -> Result<Vec<PathBuf>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/tools.sh");
    let output = Command::new(script).arg("path").args(programs).stderr(Stdio::inherit()).output().context(script)?;
    ensure!(output.status.success(), "`tests/cluster/tools.sh path {}` failed, see above", programs.join(" "));
    Ok(String::from_utf8(output.stdout)?.lines().map(PathBuf::from).collect())
}

/// The path of one program.
pub(crate) fn path(program: &str) -> Result<PathBuf> {
    paths(&[program])?.pop().with_context(|| format!("`tests/cluster/tools.sh` does not say where `{program}` is"))
}

/// Where what was built once for all clones on this machine is kept.
pub(crate) fn cache() -> Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    Ok(cache.or_else(home).context("set HOME or XDG_CACHE_HOME: what is built is kept there")?.join("writ"))
}
