//! The program as a container image, from the Containerfile that the repository ships.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use anyhow::{Result, ensure};

use super::harness::build_archive;

/// The image's name in the node.
pub(crate) const REPOSITORY: &str = "writ.dev/writ";
pub(crate) const TAG: &str = "test";

const REPOSITORY_ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// An archive of the image, made once per run from the sources as they are.
pub(crate) fn archive() -> Result<PathBuf> {
    static ARCHIVE: LazyLock<Result<PathBuf>> = LazyLock::new(build);
    ARCHIVE.as_ref().cloned().map_err(|error| anyhow::anyhow!("{error:#}"))
}

fn build() -> Result<PathBuf> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let status = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--quiet", "--bin", "writ", "--target", &target])
        .current_dir(REPOSITORY_ROOT)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .status()?;
    ensure!(status.success(), "the static program could not be built, see above");
    // A context of its own, with the program and nothing else.
    let context = tempfile::tempdir()?;
    fs::copy(Path::new(REPOSITORY_ROOT).join("target").join(&target).join("debug/writ"), context.path().join("writ"))?;
    let archive = Path::new(REPOSITORY_ROOT).join("target/writ-test-image.tar");
    let containerfile = Path::new(REPOSITORY_ROOT).join("Containerfile");
    build_archive(&containerfile, context.path(), "writ", &format!("{REPOSITORY}:{TAG}"), &archive)?;
    Ok(archive)
}
