//! Threat 31: vectors of Ed25519's edges. A signature counts only where every verifier agrees that it does.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at what is wrong")]

use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, de::DeserializeOwned};
use writ::keyring::{KeyringError, PublicKey};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/ed25519");

fn read<T: DeserializeOwned>(file: &str) -> Vec<T> {
    let text = std::fs::read_to_string(format!("{DIRECTORY}/{file}")).unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_json::from_str(&text).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    assert!(rest.is_empty(), "{text}");
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.iter().map(byte).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wycheproof {
    tc_id: u32,
    pk: String,
    msg: String,
    sig: String,
    result: String,
}

#[test]
fn wycheproof() {
    let cases: Vec<Wycheproof> = read("wycheproof.json");
    assert_eq!(cases.len(), 151);
    for case in cases {
        let key = PublicKey::from_bytes(&hex(&case.pk).try_into().unwrap()).unwrap();
        // A signature of another length is refused before it comes to a key.
        let signature: Result<[u8; 64], _> = hex(&case.sig).try_into();
        let accepted = signature.is_ok_and(|signature| key.verifies(&hex(&case.msg), &signature));
        assert_eq!(accepted, case.result == "valid", "tcId {}", case.tc_id);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LowOrder {
    a: String,
    r: String,
    s: String,
    m: String,
    flags: Vec<String>,
}

impl LowOrder {
    fn has_any(&self, flags: &[&str]) -> bool {
        self.flags.iter().any(|flag| flags.contains(&flag.as_str()))
    }

    fn key(&self) -> [u8; 32] {
        hex(&self.a).try_into().unwrap()
    }

    fn signature(&self) -> [u8; 64] {
        [hex(&self.r), hex(&self.s)].concat().try_into().unwrap()
    }
}

#[test]
fn no_key_with_a_part_of_low_order_is_taken() {
    let cases: Vec<LowOrder> = read("low-order.json");
    assert_eq!(cases.len(), 768);
    let (mut taken, mut accepted) = (0, 0);
    for case in &cases {
        let key = PublicKey::from_bytes(&case.key());
        let weak = case.has_any(&["LowOrderA", "LowOrderComponentA", "NonCanonicalA"]);
        assert_eq!(key.is_err(), weak, "{} {:?}", case.a, case.flags);
        match key {
            Err(error) => assert_eq!(error, KeyringError::WeakKey),
            Ok(key) => {
                taken += 1;
                let verifies = key.verifies(case.m.as_bytes(), &case.signature());
                assert_eq!(verifies, case.flags.is_empty(), "{} {:?}", case.m, case.flags);
                accepted += usize::from(verifies);
            }
        }
    }
    assert!(accepted > 0 && taken > accepted, "{taken} keys, {accepted} signatures: the vectors show too little");
}

/// Beneath: what the library's strict check does where it is handed such keys all the same.
#[test]
fn the_strict_check_is_strict() {
    for case in read::<LowOrder>("low-order.json") {
        let refused = case.has_any(&["LowOrderA", "LowOrderR", "NonCanonicalR", "LowOrderResidue"]);
        let key = VerifyingKey::from_bytes(&case.key()).unwrap();
        let signature = Signature::from_bytes(&case.signature());
        let accepted = key.verify_strict(case.m.as_bytes(), &signature).is_ok();
        assert_eq!(accepted, !refused, "{} {:?}", case.m, case.flags);
    }
}
