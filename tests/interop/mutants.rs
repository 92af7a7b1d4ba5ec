//! Mutants of the accepting vectors, by a fixed sequence of pseudo-random numbers, each with what our verifier says.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use writ::{
    attest::{Envelope, PAYLOAD_TYPE, Statement, pae},
    keyring::Keyring,
    time::Timestamp,
    verify::{Verified, Verifier, VerifyError},
};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/attest");
const NAMES: [&str; 6] = ["any-text", "cluster-scoped", "create", "generated", "scale", "update"];
const SEED: &[u8; 32] = b"writ test key 1 - never trust it";

fn read(file: &str) -> String {
    std::fs::read_to_string(format!("{VECTORS}/{file}")).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

struct Mutant {
    form: &'static str,
    text: String,
    /// Whether test key 1 truly signed it: then it may be accepted as something else than it was.
    signed: bool,
}

/// `count` cases, one JSON object a line.
///
/// # Panics
/// Where a mutant that nobody signed is accepted as anything but the original.
pub(crate) fn lines(count: usize) -> String {
    let keyring = Keyring::parse(&read("keyring.json")).unwrap();
    let mut random = Random(20_261_124);
    let mut lines = String::new();
    for index in 0..count {
        let name = *random.pick(&NAMES);
        let mutant = match index % 5 {
            0 => compact_text(name, &mut random),
            1 | 2 => compact_bytes(name, &mut random),
            3 => envelope_text(name, &mut random),
            _ => signed_statement(name, &mut random),
        };
        let now = [None, None, Some("2026-11-24T23:33:40.000Z"), Some("2026-11-24T23:50:00.000Z")][random.below(4)];
        let result = verify(&keyring, &mutant, now);
        if let Ok(statement) = &result {
            let original = read(&format!("{name}.statement.json"));
            assert!(mutant.signed || statement.encode().unwrap() == original.as_bytes(), "accepted: {}", mutant.text);
        }
        let reason = result.err().map(|error| error.reason());
        lines += &json!({"form": mutant.form, "text": mutant.text, "now": now, "reason": reason}).to_string();
        lines.push('\n');
    }
    lines
}

fn verify(keyring: &Keyring, mutant: &Mutant, now: Option<&str>) -> Result<Verified<Statement>, VerifyError> {
    let now: Option<Timestamp> = now.map(|text| text.parse().unwrap());
    let verifier =
        now.map_or(Verifier::offline(keyring), |now| Verifier::at(keyring, now, std::time::Duration::from_secs(5)));
    match mutant.form {
        "compact" => verifier.verify_compact(&mutant.text),
        _ => verifier.verify_envelope(Envelope::parse(mutant.text.as_bytes())?),
    }
}

fn compact_text(name: &str, random: &mut Random) -> Mutant {
    let other = read(&format!("{}.compact.txt", random.pick(&NAMES)));
    let mut bytes = read(&format!("{name}.compact.txt")).into_bytes();
    mutate(&mut bytes, other.as_bytes(), b"A-_=+/ \n0z", random);
    Mutant { form: "compact", text: String::from_utf8_lossy(&bytes).into_owned(), signed: false }
}

fn compact_bytes(name: &str, random: &mut Random) -> Mutant {
    let other = URL_SAFE_NO_PAD.decode(read(&format!("{}.compact.txt", random.pick(&NAMES)))).unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(read(&format!("{name}.compact.txt"))).unwrap();
    // Most of them behind the head, whose every edit is a bad signature or an unknown key.
    let head = if random.below(8) == 0 { 0 } else { 73 };
    let mut body = bytes.split_off(head);
    for _ in 0..=random.below(3) {
        mutate(&mut body, &other, &[0, 1, 2, 3, 4, 0x0f, 0x3f, 0x7f, 0x80, 0x81, 0xff], random);
    }
    bytes.extend(body);
    Mutant { form: "compact", text: URL_SAFE_NO_PAD.encode(bytes), signed: false }
}

fn envelope_text(name: &str, random: &mut Random) -> Mutant {
    let other = read(&format!("{}.envelope.json", random.pick(&NAMES)));
    let mut bytes = read(&format!("{name}.envelope.json")).into_bytes();
    mutate(&mut bytes, other.as_bytes(), b" \n\t{}[],:\"\\=A0e", random);
    Mutant { form: "envelope", text: String::from_utf8_lossy(&bytes).into_owned(), signed: false }
}

/// A statement of which one member is gone, new, or another, truly signed.
fn signed_statement(name: &str, random: &mut Random) -> Mutant {
    let mut value: Value = serde_json::from_str(&read(&format!("{name}.statement.json"))).unwrap();
    for _ in 0..=random.below(2) {
        edit(&mut value, random);
    }
    let mut payload =
        if random.below(12) == 0 { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
    if random.below(12) == 0 {
        mutate(&mut payload, b"", b" \"\\{}[],:0eE.-", random);
    }
    let key = SigningKey::from_bytes(SEED);
    let sig = STANDARD.encode(key.sign(&pae(PAYLOAD_TYPE, &payload)).to_bytes());
    let keyid = serde_json::from_str::<Value>(&read("create.statement.json")).unwrap()["predicate"]["signer"].clone();
    let signatures = json!([{"keyid": keyid, "sig": sig}]);
    let envelope = json!({"payload": STANDARD.encode(payload), "payloadType": PAYLOAD_TYPE, "signatures": signatures});
    Mutant { form: "envelope", text: envelope.to_string(), signed: true }
}

/// Walks to a random place, and changes what stands there.
fn edit(value: &mut Value, random: &mut Random) {
    let stop = random.below(4) == 0;
    match value {
        Value::Object(map) if !map.is_empty() => {
            let names: Vec<String> = map.keys().cloned().collect();
            let name = random.pick(&names).clone();
            if !stop {
                return edit(&mut map[&name], random);
            }
            match random.below(3) {
                0 => drop(map.remove(&name)),
                1 => drop(map.insert("extra".to_owned(), json!(null))),
                _ => map[&name] = replacement(random),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let index = random.below(items.len());
            if !stop {
                return edit(&mut items[index], random);
            }
            let copy = items[index].clone();
            items.push(copy);
        }
        Value::String(text) if !stop => {
            let mut bytes = std::mem::take(text).into_bytes();
            mutate(&mut bytes, b"sha256:", b"0aAfFz 9:-", random);
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
        other => *other = replacement(random),
    }
}

fn replacement(random: &mut Random) -> Value {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(9_007_199_254_740_992_u64),
        json!(u64::MAX),
        json!(""),
        json!("Allow"),
        json!("Deny"),
        json!("Once"),
        json!("Repeatable"),
        json!("Audit"),
        json!("UPDATE"),
        json!("2026-11-24T23:33:36.000Z"),
        json!("2026-11-24T23:33:36Z"),
        json!("\u{1f600}\u{7f}\u{1}"),
        json!({}),
        json!([]),
        json!({"fingerprint": null, "mode": "Repeatable"}),
        json!(digest),
    ];
    random.pick(&values).clone()
}

/// One edit: a bit, a byte of `special`, a cut, a repetition, or a piece of `other`.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], special: &[u8], random: &mut Random) {
    let (at, length) = (random.below(bytes.len()), 1 + random.below(12));
    let end = bytes.len().min(at + length);
    let from = random.below(other.len());
    let piece = other[from..other.len().min(from + length)].to_vec();
    let byte = *random.pick(special);
    match random.below(8) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
        1 if !bytes.is_empty() => bytes[at] = byte,
        2 => bytes.insert(at, byte),
        3 => drop(bytes.drain(at..end)),
        4 => drop(bytes.splice(at..at, piece)),
        5 => drop(bytes.splice(at..end, piece)),
        6 => bytes.truncate(at),
        _ => {
            let copy = bytes[at..end].to_vec();
            drop(bytes.splice(at..at, copy));
        }
    }
}
