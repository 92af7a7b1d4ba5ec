//! Each statement in each of its forms, byte for byte.

use writ::{
    attest::{Envelope, KeyId, Statement},
    verify::Verifier,
};

use crate::vectors::{STATEMENTS, compare, keyring, read, signed, signer, statement};

#[test]
fn every_form_is_as_committed() {
    let forms = STATEMENTS.into_iter().flat_map(|name| {
        let signed = signed(name);
        let envelope = signed.envelope();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        [
            (format!("{name}.statement.json"), text(envelope.payload())),
            (format!("{name}.pae"), text(&envelope.pae())),
            (format!("{name}.compact.txt"), signed.compact().to_owned()),
            (format!("{name}.envelope.json"), envelope.to_json()),
            (format!("{name}.decision.txt"), signed.statement().decision_digest().to_string()),
        ]
    });
    compare(forms);
}

#[test]
fn every_committed_form_is_accepted() {
    let keyring = keyring();
    let verifier = Verifier::offline(&keyring);
    for name in STATEMENTS {
        let statement = statement(name);
        assert_eq!(*verifier.verify_compact(&read(&format!("{name}.compact.txt"))).unwrap(), statement, "{name}");
        let envelope = Envelope::parse(read(&format!("{name}.envelope.json")).as_bytes()).unwrap();
        assert_eq!(*verifier.verify_envelope(envelope.clone()).unwrap(), statement, "{name}");
        assert_eq!(*verifier.expand(&read(&format!("{name}.compact.txt"))).unwrap(), envelope, "{name}");
        assert_eq!(Statement::parse(envelope.payload()), Ok(statement), "{name}");
    }
}

#[test]
fn the_keyring_names_its_keys() {
    let keyring = keyring();
    let ids: Vec<KeyId> = keyring.iter().map(|entry| entry.key.id()).collect();
    let mut expected = [signer(1).key_id(), signer(2).key_id()];
    expected.sort();
    assert_eq!(ids, expected);
}

#[test]
fn one_decision_with_realistic_names_stays_small() {
    let length = read("create.compact.txt").len();
    assert!(length <= 800, "{length} characters");
}

#[test]
fn private_keys_are_written_as_others_write_them() {
    // The files were written by the Python package `cryptography`.
    for number in 1..=3 {
        assert_eq!(signer(number).to_pkcs8_pem().as_str(), read(&format!("test-key-{number}.pem")));
    }
}
