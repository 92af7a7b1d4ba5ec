//! Reading the vectors, and comparing them with what is written now.

use std::{fs, path::Path};

use writ::{
    attest::Statement,
    keyring::Keyring,
    sign::{Signed, Signer},
};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/attest");

/// The statements of the accepting vectors.
pub(crate) const STATEMENTS: [&str; 6] = ["any-text", "cluster-scoped", "create", "generated", "scale", "update"];

pub(crate) fn read(file: &str) -> String {
    fs::read_to_string(Path::new(DIRECTORY).join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Test keys 1 and 2 are in the vectors' keyring, 3 is not.
pub(crate) fn signer(number: u8) -> Signer {
    Signer::from_pkcs8_pem(&read(&format!("test-key-{number}.pem"))).unwrap()
}

pub(crate) fn keyring() -> Keyring {
    Keyring::parse(&read("keyring.json")).unwrap()
}

pub(crate) fn statement(name: &str) -> Statement {
    Statement::parse(read(&format!("{name}.statement.json")).as_bytes()).unwrap()
}

pub(crate) fn signed(name: &str) -> Signed {
    signer(1).sign(statement(name)).unwrap()
}

/// The committed files must be what is written now. Where the format was meant to change, copy the files that the
/// message names.
pub(crate) fn compare(files: impl IntoIterator<Item = (String, String)>) {
    let now = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut differ = Vec::new();
    for (file, text) in files {
        if fs::read_to_string(Path::new(DIRECTORY).join(&file)).ok().as_ref() != Some(&text) {
            fs::write(now.join(&file), text).unwrap();
            differ.push(file);
        }
    }
    assert!(
        differ.is_empty(),
        "{differ:?} in tests/vectors/attest differ from what is written now, in {}",
        now.display()
    );
}
