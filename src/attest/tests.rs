//! Forms of one statement: what is written is read back, and nothing else is read.

use proptest::prelude::*;

use super::*;
use crate::canonical;

const SIGNER: KeyId = KeyId::from_bytes([7; 32]);

fn envelope(statement: Statement) -> Envelope {
    Envelope::new(statement, [9; 64]).unwrap()
}

#[test]
fn pre_authentication_encoding_is_that_of_dsse() {
    // The example of the DSSE protocol document.
    let bytes = pae("http://example.com/HelloWorld", b"hello world");
    assert_eq!(bytes, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
}

#[test]
fn a_statement_is_canonical_json() {
    for statement in [sample::create(SIGNER), sample::update(SIGNER)] {
        let bytes = statement.encode().unwrap();
        assert_eq!(canonical::encode(&canonical::parse(&bytes).unwrap()), bytes);
        assert_eq!(Statement::parse(&bytes), Ok(statement));
    }
}

#[test]
fn subject_names_say_what_the_object_is() {
    let mut statement = sample::create(SIGNER);
    assert_eq!(statement.subject_name(), "apps/v1/Deployment/shop/checkout-frontend");
    statement.predicate.name = ObjectName::Generated("job-".into());
    assert_eq!(statement.subject_name(), "apps/v1/Deployment/shop/job-*");
    statement.predicate.kind = Kind { group: String::new(), version: "v1".into(), kind: "Namespace".into() };
    statement.predicate.namespace.clear();
    statement.predicate.name = ObjectName::Given("shop".into());
    assert_eq!(statement.subject_name(), "v1/Namespace//shop");
}

#[test]
fn other_json_is_refused() {
    let bytes = sample::create(SIGNER).encode().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let edits: [(&str, &str); 28] = [
        ("Statement/v1", "Statement/v0.1"),
        ("attestation/v1", "attestation/v2"),
        ("\"schemaVersion\":1", "\"schemaVersion\":2"),
        ("\"schemaVersion\":1", "\"schemaVersion\":1.0"),
        ("\"schemaVersion\":1,", ""),
        ("\"dryRun\":false", "\"dryRun\":null"),
        ("\"dryRun\":false", "\"dryRun\": false"),
        ("\"dryRun\":false", "\"dryRun\":false,\"extra\":1"),
        ("\"dryRun\":false", "\"dryRun\":false,\"dryRun\":false"),
        ("\"CREATE\"", "\"create\""),
        ("\"Enforce\"", "\"Ignore\""),
        ("\"Allow\"", "\"RequireApproval\""),
        ("\"mode\":\"Once\"", "\"mode\":\"Repeatable\""),
        ("\"generation\":3", "\"generation\":-3"),
        ("\"generation\":3", "\"generation\":9007199254740992"),
        ("\"generateName\":null", "\"generateName\":\"x\""),
        ("\"name\":\"checkout-frontend\"", "\"name\":null"),
        ("shop/checkout-frontend", "shop/checkout"),
        ("writProjectionV1", "sha256"),
        (":40:15.123Z", ":40:15.1230Z"),
        (":40:15.123Z", ":40:15.123+00:00"),
        ("\"signer\":\"07", "\"signer\":\"0"),
        ("\"reason\":\"TicketApproved\"", "\"reason\":\"\\u0054icketApproved\""),
        ("\"rule\":\"ticket-approved\"", "\"rule\":null"),
        ("\"oldObject\":null", "\"oldObject\":{}"),
        ("\"storeId\":", "\"storeID\":"),
        ("{\"_type\"", " {\"_type\""),
        ("sha256:", "SHA256:"),
    ];
    let time = text.find("\"issuedAt\":\"").unwrap();
    let text = text.replace(&text[time + 25..time + 37], ":40:15.123Z\"");
    assert!(Statement::parse(text.as_bytes()).is_err(), "issued later than admitBefore");
    let text = String::from_utf8(sample::create(SIGNER).encode().unwrap()).unwrap();
    for (from, to) in edits {
        let from = if from.starts_with(":40") { &text[time + 25..time + 36] } else { from };
        let edited = text.replacen(from, to, 1);
        assert_ne!(edited, text, "{from}");
        let error = Statement::parse(edited.as_bytes()).unwrap_err();
        assert_eq!(error.reason(), "AttestationMalformed", "{to}");
    }
}

#[test]
fn rules_hold_before_anything_is_written() {
    type Edit = fn(&mut Predicate);
    let edits: [(&str, Edit); 13] = [
        ("issuedAt", |p| p.issued_at = crate::time::Timestamp::from_millis(-1)),
        ("year 9999", |p| {
            p.issued_at = crate::time::Timestamp::from_millis(253_402_300_799_999);
            p.admit_before = crate::time::Timestamp::from_millis(253_402_300_800_000);
        }),
        ("not after", |p| p.admit_before = p.issued_at),
        ("more than 120 s", |p| p.admit_before = p.issued_at.plus(MAX_VALIDITY + std::time::Duration::from_millis(1))),
        ("`subtrees`", |p| p.subtrees = (0..65).map(|n| (n.to_string(), SubtreeTag::from_bytes([0; 4]))).collect()),
        ("no decision", |p| p.decisions.clear()),
        ("`decisions`", |p| p.decisions = vec![p.decisions[0].clone(); 65]),
        ("2^53", |p| p.decisions[0].binding.generation = 1 << 53),
        ("policy `digest`", |p| p.decisions[0].policy.digest = None),
        ("`rule`", |p| p.decisions[0].rule = None),
        ("`signals`", |p| p.decisions[0].signals = None),
        ("`replay`", |p| p.decisions[0].replay = None),
        ("`replay`", |p| p.decisions[0].replay = Some(Replay::Once { fingerprint: None })),
    ];
    for (expected, edit) in edits {
        let mut statement = sample::create(SIGNER);
        edit(&mut statement.predicate);
        let Err(AttestationError::Rule(rule)) = statement.encode() else { panic!("{expected}: no rule broken") };
        assert!(rule.contains(expected), "{rule}");
        assert_eq!(Envelope::new(statement, [0; 64]), Err(AttestationError::Rule(rule)));
    }
}

#[test]
fn the_longest_statement_fits_every_form() {
    let mut statement = sample::create(SIGNER);
    let room = MAX_STATEMENT_BYTES - statement.encode().unwrap().len();
    statement.predicate.store_id.push_str(&"x".repeat(room));
    let envelope = envelope(statement.clone());
    assert_eq!(envelope.payload().len(), MAX_STATEMENT_BYTES);
    let four = envelope.to_json().len() + (MAX_SIGNATURES - 1) * (64 + 88 + r#",{"keyid":"","sig":""}"#.len());
    assert!(four <= MAX_ENVELOPE_BYTES, "{four}");
    assert_eq!(Envelope::parse(envelope.to_json().as_bytes()).as_ref(), Ok(&envelope));
    assert!(envelope.to_compact().unwrap().len() <= MAX_COMPACT_BYTES);

    statement.predicate.store_id.push('x');
    assert_eq!(statement.encode().unwrap_err().reason(), "AttestationTooLarge");
    let long = " ".repeat(MAX_ENVELOPE_BYTES + 1);
    assert_eq!(Envelope::parse(long.as_bytes()).unwrap_err().reason(), "AttestationTooLarge");
    assert_eq!(Statement::parse(long.as_bytes()).unwrap_err().reason(), "AttestationTooLarge");
    assert_eq!(Compact::parse(&"A".repeat(MAX_COMPACT_BYTES + 1)).unwrap_err().reason(), "AttestationTooLarge");
}

#[test]
fn an_envelope_may_be_laid_out_otherwise_and_no_more() {
    let envelope = envelope(sample::create(SIGNER));
    let json = envelope.to_json();
    let spaced = json.replace("\":", "\" : ").replace(",\"", ",\n  \"");
    assert_eq!(Envelope::parse(spaced.as_bytes()).as_ref(), Ok(&envelope));
    let one = &json[json.find("[{").unwrap() + 1..json.find("}]").unwrap() + 1];
    let other = |byte: &str| one.replacen("\"keyid\":\"07", &format!("\"keyid\":\"{byte}"), 1);
    let more = |count: u8| (0..count).map(|n| format!(",{}", other(&format!("1{n}")))).collect::<String>();
    let with = |more: &str| json.replace("}]", &format!("}}{more}]"));
    assert_eq!(Envelope::parse(with(&more(3)).as_bytes()).unwrap().unverified_signatures().len(), 4);
    for wrong in [
        with(&more(4)),
        with(&format!(",{one}")),
        json.replace(one, ""),
        json.replace("in-toto+json", "in-toto"),
        json.replace("\"sig\":", "\"cert\":\"\",\"sig\":"),
        json.replace("{\"payload\"", "{\"extra\":1,\"payload\""),
        json.replacen("\"payload\":\"eyJ", "\"payload\":\"\\u0065yJ", 1).replacen("eyJ", "eyK", 1),
        json.replace("==\"", "\""),
        json.replace("==\"", "=\""),
        json.replace("\"keyid\":\"07", "\"keyid\":\"0G"),
        json.replacen("CQkJ", "CQkJCQkJ", 1),
        format!("{json}{json}"),
        "[]".into(),
        String::new(),
    ] {
        assert_ne!(wrong, json);
        assert_eq!(Envelope::parse(wrong.as_bytes()).unwrap_err().reason(), "AttestationMalformed", "{wrong}");
    }
}

#[test]
fn the_compact_form_is_compact() {
    // One decision with realistic names: the aim is 800 characters.
    let length = envelope(sample::create(SIGNER)).to_compact().unwrap().len();
    assert!(length <= 800, "{length}");
}

#[test]
fn decision_bytes_leave_out_what_differs_between_replicas() {
    let one = sample::create(SIGNER);
    let mut same = one.clone();
    same.predicate.execution_id = ExecutionId::from_bytes([1; 16]);
    same.predicate.issued_at = same.predicate.issued_at.plus(std::time::Duration::from_secs(1));
    same.predicate.admit_before = same.predicate.admit_before.plus(std::time::Duration::from_secs(1));
    same.predicate.runtime = crate::digest::Digest::plain(b"other replica");
    same.predicate.signer = KeyId::from_bytes([8; 32]);
    assert_eq!(same.decision_digest(), one.decision_digest());
    let edits: [fn(&mut Statement); 8] = [
        |s| s.subject = crate::digest::Digest::plain(b""),
        |s| s.predicate.user.uid.clear(),
        |s| s.predicate.dry_run = true,
        |s| s.predicate.name = ObjectName::Given("other".into()),
        |s| s.predicate.namespace.clear(),
        |s| s.predicate.decisions[0].reason.clear(),
        |s| s.predicate.decisions[0].signals = None,
        |s| s.predicate.decisions[0].policy.digest = None,
    ];
    for edit in edits {
        let mut other = one.clone();
        edit(&mut other);
        assert_ne!(other.decision_digest(), one.decision_digest());
    }
}

#[test]
fn user_digests_sort_groups() {
    let digest = |groups: &[&str], extra: &[(&str, &[&str])]| {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        User::digest_of(&owned(groups), &extra.iter().map(|(key, values)| ((*key).to_owned(), owned(values))).collect())
    };
    let extra: &[(&str, &[&str])] = &[("scopes", &["b", "a"])];
    assert_eq!(digest(&["b", "a"], extra), digest(&["a", "b"], extra));
    let plain = crate::digest::Digest::of(
        crate::digest::Domain::UserInfo,
        br#"{"extra":{"scopes":["b","a"]},"groups":["a","b"]}"#,
    );
    assert_eq!(digest(&["b", "a"], extra), plain);
    for (groups, extra) in [
        (&["a"][..], extra),
        (&["a", "b", "b"], extra),
        (&["a", "b"], &[]),
        (&["a", "b"], &[("scopes", &["a", "b"])]),
        (&["ab"], extra),
    ] {
        assert_ne!(digest(groups, extra), plain, "{groups:?} {extra:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_form_comes_back(statement in sample::any(SIGNER)) {
        let bytes = statement.encode().unwrap();
        prop_assert_eq!(&canonical::encode(&canonical::parse(&bytes).unwrap()), &bytes);
        prop_assert_eq!(Statement::parse(&bytes), Ok(statement.clone()));
        let envelope = envelope(statement);
        prop_assert_eq!(Envelope::parse(envelope.to_json().as_bytes()), Ok(envelope.clone()));
        let compact = Compact::parse(&envelope.to_compact().unwrap()).unwrap();
        prop_assert_eq!(compact.expand(SIGNER), Ok(envelope));
    }

    /// Whatever bytes follow a good head: either refused, or exactly what the statement they stand for is written as.
    #[test]
    fn one_encoding_for_each_value(body in prop::collection::vec(proptest::num::u8::ANY, 0..900), cut in 0..700_usize) {
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let mut bytes = engine.decode(envelope(sample::update(SIGNER)).to_compact().unwrap()).unwrap();
        bytes.truncate(73 + cut);
        bytes.extend(body);
        let text = engine.encode(bytes);
        if let Ok(envelope) = Compact::parse(&text).unwrap().expand(SIGNER) {
            prop_assert_eq!(envelope.to_compact().unwrap(), text);
        }
    }
}
