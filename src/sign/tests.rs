use super::*;
use crate::{
    attest::{self, sample},
    keyring::{Keyring, KeyringEntry},
    verify::Verifier,
};

/// RFC 8410 section 10.3: PKCS#8 without a public key.
const RFC8410_V1: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";
/// RFC 8410 section 10.1: the public key of both.
const RFC8410_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";

#[test]
fn the_keys_of_the_rfc() {
    let signer = Signer::from_pkcs8_pem(RFC8410_V1).unwrap();
    assert_eq!(signer.public_key().to_pem(), RFC8410_PUBLIC);
    assert_eq!(signer.to_pkcs8_pem().as_str(), RFC8410_V1);
    assert_eq!(signer.key_id(), attest::KeyId::of_spki(&signer.public_key().to_der()));
    assert_eq!(format!("{signer:?}"), format!("Signer({})", signer.key_id()));
    let crlf = RFC8410_V1.replace('\n', "\r\n");
    assert_eq!(Signer::from_pkcs8_pem(&crlf).unwrap().key_id(), signer.key_id());
}

/// The seed of the RFC's key with its public key (version 2 of PKCS#8), with one of its bits flipped where `flip`.
fn version_2(flip: u8) -> String {
    let seed = Signer::from_pkcs8_pem(RFC8410_V1).unwrap();
    let mut der = vec![0x30, 0x51, 0x02, 0x01, 0x01, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    der.extend(seed.key.as_bytes());
    der.extend([0x81, 0x21, 0x00]);
    der.extend(seed.key.verifying_key().as_bytes());
    *der.last_mut().unwrap() ^= flip;
    let base64 = STANDARD.encode(der);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

#[test]
fn a_public_key_inside_must_be_the_private_keys() {
    assert_eq!(Signer::from_pkcs8_pem(&version_2(0)).unwrap().public_key().to_pem(), RFC8410_PUBLIC);
    assert_eq!(Signer::from_pkcs8_pem(&version_2(1)).unwrap_err(), SignError::PrivateKey);
}

#[test]
fn other_files_are_refused() {
    for wrong in [
        "",
        RFC8410_PUBLIC,
        &RFC8410_V1.replace("PRIVATE", "EC PRIVATE"),
        &RFC8410_V1.replace("MC4CAQAwBQYDK2Vw", "MC4CAQAwBQYDK2Vu"),
        &RFC8410_V1[..60],
    ] {
        assert_eq!(Signer::from_pkcs8_pem(wrong).unwrap_err(), SignError::PrivateKey, "{wrong}");
    }
}

#[test]
fn what_is_signed_is_verified_in_each_form() {
    let signer = Signer::from_seed(&[1; 32]).unwrap();
    let keyring = Keyring::new([KeyringEntry::always(signer.public_key().clone())]).unwrap();
    for statement in [sample::create(signer.key_id()), sample::update(signer.key_id())] {
        let signed = signer.sign(statement.clone()).unwrap();
        assert_eq!(signer.sign(statement.clone()).as_ref(), Ok(&signed), "deterministic");
        assert_eq!(signed.statement(), &statement);
        let verifier = Verifier::offline(&keyring);
        assert_eq!(*verifier.verify_compact(signed.compact()).unwrap(), statement);
        assert_eq!(*verifier.expand(signed.compact()).unwrap(), *signed.envelope());
        assert_eq!(*verifier.verify_envelope(signed.envelope().clone()).unwrap(), statement);
    }
}

#[test]
fn nothing_else_is_signed() {
    let signer = Signer::from_seed(&[1; 32]).unwrap();
    let other = Signer::from_seed(&[2; 32]).unwrap().key_id();
    assert_eq!(signer.sign(sample::create(other)), Err(SignError::OtherSigner(other)));
    let mut statement = sample::create(signer.key_id());
    statement.predicate.decisions.clear();
    assert!(matches!(signer.sign(statement), Err(SignError::Attestation(AttestationError::Rule(_)))));
}
