//! What is fuzzed: one function for each parser. It returns for any input, and asserts what holds for it.
//!
//! `fuzz_targets/` gives them to libFuzzer; `tests/fuzz.rs` drives them on the stable toolchain.

mod language;

use writ::{
    admission::parse_review,
    attest::{Compact, Envelope, KeyId, MAX_COMPACT_BYTES, MAX_ENVELOPE_BYTES, MAX_SIGNATURES},
    canonical::{self, MAX_DEPTH, encode},
    cel::{
        Bindings, Environment, EvaluationErrorKind, Fuel, Program, Quantity, Type, compile,
        limits::{MAX_ERRORS, MAX_SOURCE_BYTES},
    },
    cli::read_policies,
    decide::{Change, Concerned},
    evaluate::Verdict,
    keyring::{Keyring, MAX_KEYS},
    replay::{Record, record::MAX_RECORD},
    time::Timestamp,
};

pub(crate) use language::{cel_grammar, cel_outline, cel_texts};

/// A function that takes any bytes.
pub(crate) type Target = fn(&[u8]);

/// All of them, by the names of their corpora.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("canonical", canonical_json),
    ("cel_compile", cel_compile),
    ("cel_evaluate", cel_evaluate),
    ("cel_grammar", cel_grammar),
    ("cel_outline", cel_outline),
    ("cel_texts", cel_texts),
    ("compact", compact),
    ("envelope", envelope),
    ("policy", policy),
    ("quantity", quantity),
    ("review", review),
    ("keyring", keyring),
    ("record", record),
];

/// Canonical JSON: reading what was written gives the same, and only JSON is read.
pub(crate) fn canonical_json(data: &[u8]) {
    let Ok(value) = canonical::parse(data) else { return };
    let bytes = encode(&value);
    let again = canonical::parse(&bytes).expect("what is written can be read");
    assert_eq!(again, value, "read back");
    assert_eq!(encode(&again), bytes, "written again");
    assert!(depth(&value) <= MAX_DEPTH, "the limit of depth");
    assert!(serde_json::from_slice::<serde_json::Value>(data).is_ok(), "others take it for JSON too");
}

fn depth(value: &canonical::Value<'_>) -> usize {
    match value {
        canonical::Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        canonical::Value::Object(object) => 1 + object.iter().map(|(_, value)| depth(value)).max().unwrap_or_default(),
        _ => 0,
    }
}

fn environment() -> Environment {
    Environment::new()
        .variable("object", Type::Dyn)
        .group("signals", [("s", Type::String), ("n", Type::Int), ("l", Type::list(Type::String))])
}

/// Lexer, parser and checker: bounded, the same each time, and every error has a place in the source.
pub(crate) fn cel_compile(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else { return };
    let environment = environment();
    match compile(source, &environment, None) {
        Ok(program) => {
            assert!(source.len() <= MAX_SOURCE_BYTES, "the limit of the source");
            let again = compile(source, &environment, None).expect("it compiled before");
            assert_eq!(again.worst_case_cost(), program.worst_case_cost(), "the same estimate");
            assert_eq!(again.references(), program.references(), "the same program");
        }
        Err(errors) => {
            assert!((1..=MAX_ERRORS).contains(&errors.issues().len()), "the limit of errors");
            for issue in errors.issues() {
                assert!(source.is_char_boundary(issue.position.offset as usize), "a place in the source: {issue}");
            }
        }
    }
}

/// What one evaluation may cost here.
const COST: u64 = 20_000;

/// The evaluator: a line with an expression, then an object as JSON. Ends within its fuel, and the same way each time.
pub(crate) fn cel_evaluate(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (source, object) = text.split_once('\n').unwrap_or((text, "{}"));
    let Ok(program) = compile(source, &environment(), None) else { return };
    let first = evaluate(&program, object);
    assert_eq!(first, evaluate(&program, object), "the same each time");
}

fn evaluate(program: &Program, object: &str) -> (String, u64) {
    let object = canonical::parse(object.as_bytes()).unwrap_or(canonical::Value::Null);
    let environment = environment();
    let mut bindings = Bindings::new();
    if let Some(slot) = environment.slot("object") {
        bindings.set(slot, &object);
    }
    if let Some(slot) = environment.field_slot("signals", "n") {
        bindings.set(slot, 7);
    }
    let mut fuel = Fuel::new(COST);
    let outcome = program.evaluate(&bindings, &mut fuel);
    match &outcome {
        Ok(_) => assert!(fuel.cost() <= COST, "a value within the fuel"),
        Err(error) => {
            assert!(!matches!(error.kind, EvaluationErrorKind::Internal(_)), "no fault of our own: {error}");
            assert!(fuel.cost() <= COST || matches!(error.kind, EvaluationErrorKind::CostExceeded { .. }), "{error}");
        }
    }
    let told = outcome.map_or_else(|error| error.to_string(), |value| format!("{value:?}"));
    (told, fuel.cost())
}

/// The compact attestation: one text for one statement, and the way to the envelope and back.
pub(crate) fn compact(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(parsed) = Compact::parse(text) else { return };
    assert!(text.len() <= MAX_COMPACT_BYTES, "the limit of the compact form");
    let signer = KeyId::first_of(parsed.unverified_signer());
    let Ok(envelope) = parsed.expand(signer) else { return };
    assert_eq!(envelope.to_compact().as_deref(), Ok(text), "there and back");
    let json = envelope.to_json();
    assert_eq!(Envelope::parse(json.as_bytes()), Ok(envelope), "through the standard form");
}

/// The DSSE envelope: one form, and the way to the compact form and back.
pub(crate) fn envelope(data: &[u8]) {
    let Ok(parsed) = Envelope::parse(data) else { return };
    assert!(data.len() <= MAX_ENVELOPE_BYTES, "the limit of the envelope");
    assert!((1..=MAX_SIGNATURES).contains(&parsed.unverified_signatures().len()), "the limit of signatures");
    let again = Envelope::parse(parsed.to_json().as_bytes());
    assert_eq!(again.as_ref(), Ok(&parsed), "read back");
    let Ok(text) = parsed.to_compact() else { return };
    let signer = parsed.unverified_statement().predicate.signer;
    let expanded =
        Compact::parse(&text).and_then(|compact| compact.expand(signer)).expect("what is written can be read");
    assert_eq!(expanded.unverified_statement(), parsed.unverified_statement(), "there and back");
}

/// Manifests of policies and bindings, from text to a decision: the same each time.
pub(crate) fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(set) = read_policies(text) else { return };
    let again = read_policies(text).expect("it compiled before");
    assert_eq!(set.digest(), again.digest(), "the same content");
    let request = parse_review(REVIEW).expect("the sample is a review");
    let object = request.object_text().and_then(|text| canonical::parse(text).ok());
    let change = Change::new(&request, object.as_ref(), None);
    let input = change.input(None, None, Timestamp::from_millis(1_795_564_800_000));
    for bound in Concerned::of(&set, &request).about(&change) {
        let first = change.by_binding(bound, &input).1;
        assert_eq!(first, change.by_binding(bound, &input).1, "the same decision");
        assert!(!matches!(&first, Verdict::Decided(decision) if decision.reason() == "InternalError"), "{first:?}");
    }
}

const REVIEW: &[u8] = br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE","name":"web","namespace":"shop","kind":{"group":"apps","version":"v1","kind":"Deployment"},"resource":{"group":"apps","version":"v1","resource":"deployments"},"userInfo":{"username":"ann","groups":["dev"]},"object":{"metadata":{"name":"web","namespace":"shop","annotations":{"ticket":"CHG-1"}},"spec":{"replicas":3,"containers":[{"image":"r/a"}]}}}}"#;

/// The AdmissionReview, and what is made of its objects.
pub(crate) fn review(data: &[u8]) {
    let Ok(request) = parse_review(data) else { return };
    let object = request.object_text().map(canonical::parse).transpose();
    let old = request.old_object_text().map(canonical::parse).transpose();
    let (Ok(object), Ok(old)) = (object, old) else { return };
    let change = Change::new(&request, object.as_ref(), old.as_ref());
    // A claim is for a named object, and an attestation is on one that is written.
    assert!(!change.names_one_object() || !change.name().is_empty(), "one object has a name");
    assert!(!change.carries_attestation() || request.sub_resource.is_empty(), "attestations are on main resources");
    let _ = change.input(None, None, Timestamp::from_millis(0));
    let _ = change.own_labels();
}

/// Keyrings, as JSON or PEM.
pub(crate) fn keyring(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(keyring) = Keyring::parse(text) else { return };
    assert!((1..=MAX_KEYS).contains(&keyring.iter().len()), "the limit of keys");
    let again = Keyring::parse(&keyring.to_json()).expect("what is written can be read");
    assert_eq!(again, keyring, "read back");
    for entry in keyring.iter() {
        assert!(keyring.find(&entry.key.id()).is_ok(), "each key is found");
    }
}

/// Records of claims.
pub(crate) fn record(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(parsed) = Record::from_json(text) else { return };
    assert!(text.len() <= MAX_RECORD, "the limit of a record");
    let written = parsed.to_json();
    if written.len() <= MAX_RECORD {
        assert_eq!(Record::from_json(&written), Ok(parsed), "read back");
    }
}

/// Quantities: a stable text reads back as itself.
pub(crate) fn quantity(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(parsed) = Quantity::parse(text) else { return };
    assert!(parsed.canonical().len() <= text.len() + 32, "no zeros are written out");
    let Some(stable) = parsed.stable() else { return };
    let again = Quantity::parse(&stable).expect("what is written can be read");
    assert_eq!(again.stable(), Some(stable), "read back");
}
