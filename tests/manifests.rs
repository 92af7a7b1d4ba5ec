//! The examples do what they say: each folder's cases pass, every rule decides one, and no published version changed.

use std::process::Command;

#[test]
fn every_case_of_the_examples_passes() -> anyhow::Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_writ"))
        .args(["test", concat!(env!("CARGO_MANIFEST_DIR"), "/manifests"), "--min-coverage", "100"])
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains("not pinned yet"), "pin it with `writ test manifests --update-digests`: {said}");
    Ok(())
}
