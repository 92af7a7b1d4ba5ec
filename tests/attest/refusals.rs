//! `verify.json`: texts with the reason for which each is refused, and a few that are accepted.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};
use ed25519_dalek::{Signer as _, SigningKey};
use serde::{Deserialize, Serialize};
use writ::{
    attest::{Envelope, PAYLOAD_TYPE, Statement, pae},
    time::Timestamp,
    verify::{Verifier, VerifyError},
};

use crate::vectors::{compare, keyring, read, signed, signer, statement};

/// Where the body of the compact form begins.
const BODY: usize = 73;
const SKEW: std::time::Duration = std::time::Duration::from_secs(5);

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Case {
    what: String,
    form: String,
    /// When it is checked, with a tolerance of five seconds; without: offline.
    now: Option<Timestamp>,
    /// The reason code; `null` where it is accepted.
    reason: Option<String>,
    text: String,
}

fn case(form: &str, what: &str, text: String, reason: &str) -> Case {
    let reason = (!reason.is_empty()).then(|| reason.to_owned());
    Case { what: what.into(), form: form.into(), now: None, reason, text }
}

fn compact(what: &str, bytes: &[u8], reason: &str) -> Case {
    case("compact", what, URL_SAFE_NO_PAD.encode(bytes), reason)
}

/// `bytes` with the only occurrence of `from` replaced.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let found: Vec<usize> = (0..bytes.len()).filter(|index| bytes[*index..].starts_with(from)).collect();
    let [index] = found[..] else { panic!("{from:?} occurs {} times", found.len()) };
    [&bytes[..index], to, &bytes[index + from.len()..]].concat()
}

fn flipped(bytes: &[u8], index: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[index] ^= 1;
    bytes
}

fn bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// Texts that are no canonical base64url, or cut, or of another version.
fn malformed_texts() -> Vec<Case> {
    const MALFORMED: &str = "AttestationMalformed";
    let text = read("create.compact.txt");
    let good = bytes(&text);
    let last = text.len() - 1;
    // The last character carries unused bits in this vector.
    assert_ne!(text.len() % 4, 0);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.find(&text[last..]).unwrap() + 1;
    vec![
        case("compact", "nothing", String::new(), MALFORMED),
        case("compact", "padding", URL_SAFE.encode(&good), MALFORMED),
        case("compact", "the other alphabet", text.replace('-', "+").replace('_', "/"), MALFORMED),
        case("compact", "a line break at the end", format!("{text}\n"), MALFORMED),
        case("compact", "unused bits set", format!("{}{}", &text[..last], &alphabet[next..=next]), MALFORMED),
        compact("version 0", &[&[0], &good[1..]].concat(), MALFORMED),
        compact("version 2", &[&[2], &good[1..]].concat(), MALFORMED),
        compact("head alone", &good[..BODY], MALFORMED),
        compact("less than a head", &good[..BODY - 1], MALFORMED),
        compact("one byte less", &good[..good.len() - 1], MALFORMED),
        compact("one byte more", &[&good[..], &[0]].concat(), MALFORMED),
    ]
}

/// Bodies whose every value is readable and the signed one, in an encoding that is not the only one.
fn second_encodings() -> Vec<Case> {
    const MALFORMED: &str = "AttestationMalformed";
    let good = bytes(&read("create.compact.txt"));
    let uuid = b"2f7b1c6e-3a4d-4c59-9b1e-7d2f8a6c5e10";
    let tag = |name: &str| *statement("create").predicate.subtrees[name].as_bytes();
    let api_version = [&[77][..], &tag("apiVersion")].concat();
    let kind = [&[81][..], &tag("kind")].concat();
    vec![
        compact("an unknown flag", &[&good[..BODY], &[good[BODY] | 0x80], &good[BODY + 1..]].concat(), MALFORMED),
        compact(
            "a number with a padding byte",
            &[&good[..=BODY], &[0x82, 0x00], &good[BODY + 2..]].concat(),
            MALFORMED,
        ),
        compact("a UUID as text", &[&good[..=BODY], &[0x90, 0x01], uuid, &good[BODY + 18..]].concat(), MALFORMED),
        compact("a word as text", &replaced(&good, &[5, 1, 9], b"\x10apps\x01\x09"), MALFORMED),
        compact(
            "the requested resource, though it is the same",
            &replaced(&[&good[..BODY], &[good[BODY] | 8], &good[BODY + 1..]].concat(), &[5, 1, 9], &[5, 1, 9, 5, 1, 9]),
            MALFORMED,
        ),
        compact(
            "subtrees in another order",
            &replaced(&good, &[&api_version[..], &kind].concat(), &[&kind[..], &api_version].concat()),
            MALFORMED,
        ),
        compact("a subtree twice", &replaced(&good, &kind, &api_version), MALFORMED),
        compact(
            "a prefix as text",
            &replaced(&good, &[3, 25], &[&[0xbc, 1][..], b"system:serviceaccount:"].concat()),
            MALFORMED,
        ),
        compact("mode 3", &replaced(&good, &[1, 0x30, 0x0f], &[1, 0x33, 0x0f]), MALFORMED),
        compact("outcome 2", &replaced(&good, &[1, 0x30, 0x0f], &[1, 0x38, 0x0f]), MALFORMED),
        compact("replay 4", &replaced(&good, &[1, 0x30, 0x0f], &[1, 0x70, 0x0f]), MALFORMED),
        compact("an unknown flag of a decision", &replaced(&good, &[1, 0x30, 0x0f], &[1, 0x30, 0x1f]), MALFORMED),
        compact("a decision that is not there", &replaced(&good, &[1, 0x30, 0x0f], &[2, 0x30, 0x0f]), MALFORMED),
        compact("no decision", &replaced(&good, &[1, 0x30, 0x0f], &[0]), MALFORMED),
    ]
}

fn bad_signatures() -> Vec<Case> {
    const INVALID: &str = "SignatureInvalid";
    let good = bytes(&read("create.compact.txt"));
    let with = |signature: &[u8]| [&good[..9], signature, &good[BODY..]].concat();
    let other = SigningKey::from_bytes(b"writ test key 2 - never trust it").sign(&signed("create").envelope().pae());
    let subject = *statement("create").subject.as_bytes();
    let place = (0..good.len()).find(|index| good[*index..].starts_with(&subject)).unwrap();
    // The neutral element as R and 0 as S: holds for every message under a key of small order.
    let neutral = [&[1][..], &[0; 63]].concat();
    vec![
        compact("a bit of R", &flipped(&good, 9), INVALID),
        compact("a bit of S", &flipped(&good, 41), INVALID),
        compact(
            "S plus the order of the group",
            &with(&[&good[9..41], &plus_order(&good[41..BODY])].concat()),
            INVALID,
        ),
        compact("zero", &with(&[0; 64]), INVALID),
        compact("R of small order", &with(&neutral), INVALID),
        compact("signed by another key of the keyring", &with(&other.to_bytes()), INVALID),
        compact("a bit of the subject's digest", &flipped(&good, place), INVALID),
        compact("a bit of the execution id", &flipped(&good, BODY + 1 + 17 + 17), INVALID),
        compact("a bit of the signer", &flipped(&good, 1), "KeyUnknown"),
    ]
}

/// The little-endian scalar plus the order of the group (RFC 8032 section 5.1).
fn plus_order(scalar: &[u8]) -> Vec<u8> {
    let order = *b"\xed\xd3\xf5\x5c\x1a\x63\x12\x58\xd6\x9c\xf7\xa2\xde\xf9\xde\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10";
    let mut carry = 0;
    let sum = scalar.iter().zip(order).map(|(a, b)| {
        let digit = u16::from(*a) + u16::from(b) + carry;
        carry = digit >> 8;
        digit.to_le_bytes()[0]
    });
    sum.collect()
}

fn keys_and_times() -> Vec<Case> {
    let by = |number: u8, issued_at: &str| {
        let (signer, mut statement) = (signer(number), statement("create"));
        statement.predicate.signer = signer.key_id();
        statement.predicate.issued_at = issued_at.parse().unwrap();
        statement.predicate.admit_before = statement.predicate.issued_at.plus(std::time::Duration::from_secs(40));
        signer.sign(statement).unwrap().compact().to_owned()
    };
    let at = |now: &str, what: &str, reason: &str| Case {
        now: Some(now.parse().unwrap()),
        ..case("compact", what, read("create.compact.txt"), reason)
    };
    let november = "2026-11-24T23:33:35.123Z";
    vec![
        case("compact", "a key that the keyring has not", by(3, november), "KeyUnknown"),
        case("compact", "a key after its last moment", by(2, "2026-07-01T00:00:00Z"), "KeyInactive"),
        case("compact", "a key at its last moment", by(2, "2026-06-30T23:59:59.999Z"), ""),
        case("compact", "a key at its first moment", by(2, "2026-01-01T00:00:00Z"), ""),
        case("compact", "a key before its first moment", by(2, "2025-12-31T23:59:59.999Z"), "KeyInactive"),
        at(november, "at the moment of issue", ""),
        at("2026-11-24T23:33:30.123Z", "before the issue, within the tolerance", ""),
        at("2026-11-24T23:33:30.122Z", "before the issue", "AttestationNotYetValid"),
        at("2026-11-24T23:34:15.122Z", "in the last millisecond", ""),
        at("2026-11-24T23:34:15.123Z", "after the last moment", "AttestationExpired"),
    ]
}

/// An envelope around any payload, truly signed by test key 1.
fn envelope_of(payload: &[u8]) -> String {
    let key = SigningKey::from_bytes(b"writ test key 1 - never trust it");
    let signature = STANDARD.encode(key.sign(&pae(PAYLOAD_TYPE, payload)).to_bytes());
    let (payload, id) = (STANDARD.encode(payload), signer(1).key_id());
    format!(
        r#"{{"payload":"{payload}","payloadType":"{PAYLOAD_TYPE}","signatures":[{{"keyid":"{id}","sig":"{signature}"}}]}}"#
    )
}

/// Statements that are signed, and still none of ours.
fn signed_payloads() -> Vec<Case> {
    let text = read("create.statement.json");
    let edits = [
        ("a space", "\"dryRun\":false", "\"dryRun\": false"),
        ("a member twice", "\"dryRun\":false", "\"dryRun\":false,\"dryRun\":false"),
        ("an unknown member", "\"dryRun\":false", "\"dryRun\":false,\"extra\":null"),
        ("a missing member", "\"dryRun\":false,", ""),
        ("a number in another form", "\"generation\":3", "\"generation\":3.0"),
        ("an escape that is not needed", "\"shop\"", "\"\\u0073hop\""),
        ("another digest algorithm", "writProjectionV1", "sha256"),
        ("two digests", "{\"writProjectionV1\"", "{\"sha256\":\"00\",\"writProjectionV1\""),
        ("another predicate type", "writ.dev/attestation/v1", "writ.dev/attestation/v2"),
        ("another statement type", "Statement/v1", "Statement/v0.1"),
        ("another schema version", "\"schemaVersion\":1", "\"schemaVersion\":2"),
        ("an outcome that is not known", "\"Allow\"", "\"RequireApproval\""),
        ("a subject that the predicate does not describe", "Deployment/shop/", "Deployment/shop2/"),
        ("an allowed decision without a rule", "\"ticket-approved\"", "null"),
        ("a validity that is too long", "\"admitBefore\":\"2026-11-24T23:34", "\"admitBefore\":\"2026-11-24T23:36"),
        ("an upper-case digest", "\"runtime\":\"sha256:", "\"runtime\":\"SHA256:"),
    ];
    let mut cases: Vec<Case> = edits
        .into_iter()
        .map(|(what, from, to)| {
            let edited = text.replacen(from, to, 1);
            assert_ne!(edited, text, "{what}");
            case("envelope", what, envelope_of(edited.as_bytes()), "AttestationMalformed")
        })
        .collect();
    cases.push(case("envelope", "the statement as it is", envelope_of(text.as_bytes()), ""));
    cases.push(case("envelope", "no JSON", envelope_of(b"\xff"), "AttestationMalformed"));
    cases
}

fn envelopes() -> Vec<Case> {
    const MALFORMED: &str = "AttestationMalformed";
    let good = read("create.envelope.json");
    let one = &good[good.find("[{").unwrap() + 1..good.find("}]").unwrap() + 1];
    let key_2 = SigningKey::from_bytes(b"writ test key 2 - never trust it");
    let second = STANDARD.encode(key_2.sign(&signed("create").envelope().pae()).to_bytes());
    let by = |id: String, signature: &str| format!(r#",{{"keyid":"{id}","sig":"{signature}"}}"#);
    let with = |more: &str| good.replace("}]", &format!("}}{more}]"));
    let zero = STANDARD.encode([0; 64]);
    let unknown = |count: usize| (0..count).map(|n| by(format!("{n:064x}"), &zero)).collect::<String>();
    let id = signer(1).key_id().to_string();
    vec![
        case("envelope", "laid out with spaces", good.replace("\":", "\": ").replace(",\"", ",\n\""), ""),
        case("envelope", "a second signature that holds", with(&by(signer(2).key_id().to_string(), &second)), ""),
        case(
            "envelope",
            "a second signature by a known key that does not hold",
            with(&by(signer(2).key_id().to_string(), &zero)),
            "SignatureInvalid",
        ),
        case("envelope", "three signatures by unknown keys", with(&unknown(3)), ""),
        case("envelope", "five signatures", with(&unknown(4)), MALFORMED),
        case("envelope", "no signature", good.replace(one, ""), MALFORMED),
        case("envelope", "the same signature twice", with(&format!(",{one}")), MALFORMED),
        case("envelope", "none by the signer", good.replace(&id, &"0".repeat(64)), "SignatureInvalid"),
        case("envelope", "a key id in capitals", good.replace(&id, &id.to_uppercase()), MALFORMED),
        case("envelope", "another payload type", good.replace("in-toto+json", "in-toto"), MALFORMED),
        case("envelope", "an unknown member", good.replace("{\"payload\"", "{\"extra\":0,\"payload\""), MALFORMED),
        case("envelope", "a member twice", good.replace("{\"payload\"", "{\"payload\":\"\",\"payload\""), MALFORMED),
        case("envelope", "no padding", good.replace("==\"}", "\"}"), MALFORMED),
        case(
            "envelope",
            "the URL alphabet",
            good.replace(&second_alphabet(one), &second_alphabet(one).replace('+', "-").replace('/', "_")),
            MALFORMED,
        ),
        case("envelope", "two envelopes", format!("{good}{good}"), MALFORMED),
        case("envelope", "cut", good[..good.len() - 1].to_owned(), MALFORMED),
    ]
}

/// The signature's base64, which has a character that only the standard alphabet has.
fn second_alphabet(signature: &str) -> String {
    let text = signature.split('"').nth(7).unwrap().to_owned();
    assert!(text.contains(['+', '/']), "{text}");
    text
}

fn verify(case: &Case) -> Result<(), VerifyError> {
    let keyring = keyring();
    let verifier = match case.now {
        Some(now) => Verifier::at(&keyring, now, SKEW),
        None => Verifier::offline(&keyring),
    };
    match case.form.as_str() {
        "compact" => verifier.verify_compact(&case.text).map(drop),
        "envelope" => verifier.verify_envelope(Envelope::parse(case.text.as_bytes())?).map(drop),
        other => panic!("form {other}"),
    }
}

#[test]
fn each_text_has_its_reason() {
    let cases: Vec<Case> = serde_json::from_str(&read("verify.json")).unwrap();
    for case in &cases {
        let reason = verify(case).err().map(|error| error.reason());
        assert_eq!(reason, case.reason.as_deref(), "{}: {}", case.form, case.what);
    }
}

#[test]
fn the_texts_are_as_committed() {
    let all =
        [malformed_texts(), second_encodings(), bad_signatures(), keys_and_times(), signed_payloads(), envelopes()];
    let all: Vec<Case> = all.into_iter().flatten().collect();
    compare([("verify.json".to_owned(), serde_json::to_string_pretty(&all).unwrap() + "\n")]);
}

#[test]
fn errors_do_not_echo_the_text() {
    let secret = "Hunter2-Hunter2-Hunter2-Hunter2";
    let keyring = keyring();
    for text in [secret.to_owned(), secret.repeat(9), URL_SAFE_NO_PAD.encode(secret.repeat(9))] {
        let error = Verifier::offline(&keyring).verify_compact(&text).unwrap_err().to_string();
        assert!(!error.contains("Hunter2"), "{error}");
    }
    let statement = read("create.statement.json").replace("\"dryRun\"", &format!("\"{secret}\""));
    for text in [envelope_of(statement.as_bytes()), format!("{{\"{secret}\":1}}"), format!("\"{secret}\"")] {
        let error = Envelope::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(!error.contains("Hunter2"), "{error}");
    }
    assert!(Statement::parse(secret.as_bytes()).is_err());
}
