//! Threat 66: other people's tools accept our envelopes, and a second verifier, written in another language from
//! `docs/attestation.md` alone, says of every vector and of 10,000 mutants what ours says.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at what is wrong")]

#[path = "interop/mutants.rs"]
mod mutants;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

#[test]
fn others_say_the_same() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants.jsonl");
    fs::write(&file, mutants::lines(10_000)).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/run.sh");
    let run = Command::new(script).arg(&file).stdin(Stdio::null()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    println!("{out}");
    assert!(run.status.success(), "{out}{err}");
    assert!(out.contains("10000 mutants: the second verifier says the same of each"), "{out}");
}
