//! Threats 1 to 4, 31, 66 and 67, as far as one statement and one request show them.

use std::time::Duration;

use super::*;
use crate::{
    attest::{Kind, MAX_SIGNATURES, ObjectName, OldObject, Operation, SubtreeTag, sample},
    digest::Digest,
    keyring::KeyringEntry,
    sign::Signer,
};

const SKEW: Duration = Duration::from_secs(5);

fn signer(seed: u8) -> Signer {
    Signer::from_seed(&[seed; 32]).unwrap()
}

fn keyring(seeds: &[u8]) -> Keyring {
    Keyring::new(seeds.iter().map(|seed| KeyringEntry::always(signer(*seed).public_key().clone()))).unwrap()
}

fn statement() -> Statement {
    sample::create(signer(1).key_id())
}

#[test]
fn time_is_checked_at_admission_and_only_there() {
    let (keyring, statement) = (keyring(&[1]), statement());
    let compact = signer(1).sign(statement.clone()).unwrap();
    let (issued, until) = (statement.predicate.issued_at, statement.predicate.admit_before);
    let millisecond = Duration::from_millis(1);
    for (now, reason) in [
        (issued, None),
        (issued.minus(SKEW), None),
        (issued.minus(SKEW).minus(millisecond), Some("AttestationNotYetValid")),
        (until.minus(millisecond), None),
        (until, Some("AttestationExpired")),
        (until.plus(SKEW), Some("AttestationExpired")),
    ] {
        let result = Verifier::at(&keyring, now, SKEW).verify_compact(compact.compact());
        assert_eq!(result.as_ref().err().map(VerifyError::reason), reason, "{now}");
        if let Ok(verified) = result {
            assert_eq!(verified.signing_time(), SigningTime::Checked);
        }
    }
    let verified = Verifier::offline(&keyring).verify_compact(compact.compact()).unwrap();
    assert_eq!(verified.signing_time().to_string(), "signing time is self-asserted");
}

#[test]
fn only_active_keys_of_the_keyring_count() {
    let statement = statement();
    let issued = statement.predicate.issued_at;
    let compact = signer(1).sign(statement).unwrap();
    let window = |not_before, not_after| {
        Keyring::new([KeyringEntry { key: signer(1).public_key().clone(), not_before, not_after }]).unwrap()
    };
    let millisecond = Duration::from_millis(1);
    for (keyring, reason) in [
        (keyring(&[1]), None),
        (keyring(&[1, 2]), None),
        (keyring(&[2]), Some("KeyUnknown")),
        (window(Some(issued), Some(issued)), None),
        (window(Some(issued.plus(millisecond)), None), Some("KeyInactive")),
        (window(None, Some(issued.minus(millisecond))), Some("KeyInactive")),
    ] {
        for verifier in [Verifier::offline(&keyring), Verifier::at(&keyring, issued, SKEW)] {
            let results =
                [verifier.verify_compact(compact.compact()), verifier.verify_envelope(compact.envelope().clone())];
            for result in results {
                assert_eq!(result.as_ref().err().map(VerifyError::reason), reason);
            }
        }
    }
}

#[test]
fn a_signature_by_another_key_does_not_count() {
    let keyring = keyring(&[1, 2]);
    // Another key of the keyring signs what names the first as its signer.
    let other = signer(2).sign(sample::create(signer(2).key_id())).unwrap();
    let signature = other.envelope().unverified_signatures()[0].bytes;
    let forged = Envelope::new(statement(), signature).unwrap();
    let result = Verifier::offline(&keyring).verify_envelope(forged.clone());
    assert_eq!(result, Err(VerifyError::SignatureInvalid(signer(1).key_id())));
    let result = Verifier::offline(&keyring).verify_compact(&forged.to_compact().unwrap());
    assert_eq!(result, Err(VerifyError::SignatureInvalid(signer(1).key_id())));
    // And under its own name.
    let json = forged.to_json().replace(&signer(1).key_id().to_string(), &signer(2).key_id().to_string());
    let result = Verifier::offline(&keyring).verify_envelope(Envelope::parse(json.as_bytes()).unwrap());
    assert_eq!(result, Err(VerifyError::SignatureInvalid(signer(1).key_id())));
}

#[test]
fn further_signatures_must_hold_where_the_key_is_known() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let signed = signer(1).sign(statement()).unwrap();
    let message = signed.envelope().pae();
    let key = ed25519_dalek::SigningKey::from_bytes(&[2; 32]);
    let good = ed25519_dalek::Signer::sign(&key, &message).to_bytes();
    let with = |bytes: [u8; 64]| {
        let more = format!(r#",{{"keyid":"{}","sig":"{}"}}]"#, signer(2).key_id(), STANDARD.encode(bytes));
        Envelope::parse(signed.envelope().to_json().replace(']', &more).as_bytes()).unwrap()
    };
    for (seeds, bytes, accepted) in
        [(&[1, 2][..], good, true), (&[1, 2], [0; 64], false), (&[1], [0; 64], true), (&[2], good, false)]
    {
        let result = Verifier::offline(&keyring(seeds)).verify_envelope(with(bytes));
        assert_eq!(result.is_ok(), accepted, "{seeds:?}");
    }
    // The compact form carries the signer's signature alone.
    assert_eq!(with(good).to_compact().as_deref(), Ok(signed.compact()));
    const { assert!(MAX_SIGNATURES >= 2) };
}

/// Threat 4: each single-bit edit of the text, whatever it breaks.
#[test]
fn every_bit_flip_of_a_compact_form_is_refused() {
    let keyring = keyring(&[1, 2]);
    let verifier = Verifier::offline(&keyring);
    for statement in [statement(), sample::update(signer(1).key_id())] {
        let text = signer(1).sign(statement).unwrap().compact().to_owned();
        let mut flips = 0;
        for index in 0..text.len() {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[index] ^= 1 << bit;
                flips += 1;
                // What is no UTF-8 cannot be an annotation at all.
                let Ok(flipped) = String::from_utf8(bytes) else { continue };
                assert!(verifier.verify_compact(&flipped).is_err(), "bit {bit} of byte {index}");
            }
        }
        assert_eq!(flips, text.len() * 8);
    }
}

#[test]
fn every_bit_flip_of_an_envelope_is_refused() {
    let keyring = keyring(&[1, 2]);
    let verifier = Verifier::offline(&keyring);
    let json = signer(1).sign(statement()).unwrap().envelope().to_json();
    for index in 0..json.len() {
        for bit in 0..8 {
            let mut bytes = json.clone().into_bytes();
            bytes[index] ^= 1 << bit;
            let accepted = Envelope::parse(&bytes).is_ok_and(|envelope| verifier.verify_envelope(envelope).is_ok());
            assert!(!accepted, "bit {bit} of byte {index}");
        }
    }
}

#[test]
fn every_cut_is_refused() {
    let keyring = keyring(&[1]);
    let verifier = Verifier::offline(&keyring);
    let signed = signer(1).sign(statement()).unwrap();
    for length in 0..signed.compact().len() {
        assert!(verifier.verify_compact(&signed.compact()[..length]).is_err(), "{length}");
    }
    let json = signed.envelope().to_json();
    for length in 0..json.len() {
        assert!(Envelope::parse(&json.as_bytes()[..length]).is_err(), "{length}");
    }
    for more in ["A", "AA", "AAAA", "=", "\n", " "] {
        assert!(verifier.verify_compact(&format!("{}{more}", signed.compact())).is_err(), "{more:?}");
        assert!(verifier.verify_compact(&format!("{more}{}", signed.compact())).is_err(), "{more:?}");
    }
}

fn expected(statement: &Statement) -> Expected {
    let predicate = statement.predicate.clone();
    let (name, generate_name) = match predicate.name {
        ObjectName::Given(name) => (name, String::new()),
        ObjectName::Generated(prefix) => (format!("{prefix}x7k2p"), prefix),
    };
    Expected {
        cluster_id: predicate.cluster_id,
        store_id: predicate.store_id,
        user: predicate.user,
        operation: predicate.operation,
        resource: predicate.resource,
        request_resource: predicate.request_resource,
        kind: predicate.kind,
        sub_resource: predicate.sub_resource,
        namespace: predicate.namespace,
        name,
        generate_name,
        old_object: predicate.old_object,
        dry_run: predicate.dry_run,
        projection: predicate.projection,
    }
}

fn verified(statement: Statement) -> Verified<Statement> {
    let keyring = keyring(&[1]);
    let signed = signer(1).sign(statement).unwrap();
    Verifier::offline(&keyring).verify_compact(signed.compact()).unwrap()
}

fn old_object() -> OldObject {
    OldObject { uid: "u".into(), resource_version: "7".into(), digest: Digest::plain(b"old") }
}

/// Threats 1 to 3: an attestation says yes to one request only.
#[test]
fn each_binding_has_its_reason() {
    type Edit = fn(&mut Expected);
    let edits: [(&str, Edit); 26] = [
        ("", |_| ()),
        ("ClusterMismatch", |e| e.cluster_id.push('x')),
        ("StoreMismatch", |e| e.store_id.clear()),
        ("UserMismatch", |e| e.user.username.push('x')),
        ("UserMismatch", |e| e.user.uid.clear()),
        ("UserMismatch", |e| e.user.digest = Digest::plain(b"other groups")),
        ("OperationMismatch", |e| e.operation = Operation::Create),
        ("OperationMismatch", |e| e.operation = Operation::Delete),
        ("ResourceMismatch", |e| e.resource.group.clear()),
        ("ResourceMismatch", |e| e.resource.version = "v2".into()),
        ("ResourceMismatch", |e| e.resource.resource = "statefulsets".into()),
        ("RequestResourceMismatch", |e| e.request_resource.group.clear()),
        ("RequestResourceMismatch", |e| e.request_resource.version = "v2".into()),
        ("RequestResourceMismatch", |e| e.request_resource.resource = "scales".into()),
        ("KindMismatch", |e| e.kind = Kind { kind: "StatefulSet".into(), ..e.kind.clone() }),
        ("SubresourceMismatch", |e| e.sub_resource = "status".into()),
        ("NamespaceMismatch", |e| e.namespace = "shop2".into()),
        ("NamespaceMismatch", |e| e.namespace.clear()),
        ("NameMismatch", |e| e.name.push('x')),
        ("OldObjectMismatch", |e| e.old_object = None),
        ("OldObjectMismatch", |e| e.old_object.as_mut().unwrap().uid.clear()),
        ("OldObjectMismatch", |e| e.old_object.as_mut().unwrap().resource_version = "8".into()),
        ("OldObjectMismatch", |e| e.old_object.as_mut().unwrap().digest = Digest::plain(b"")),
        ("DryRunMismatch", |e| e.dry_run = true),
        ("ProjectionMismatch", |e| e.projection = "k8s-1.36/v1".into()),
        // A given name is the object's name, whatever generateName is left in it.
        ("", |e| e.generate_name = "checkout-".into()),
    ];
    let mut statement = statement();
    statement.predicate.operation = Operation::Update;
    statement.predicate.old_object = Some(old_object());
    let verified = verified(statement);
    for (reason, edit) in edits {
        let mut expected = expected(&verified);
        edit(&mut expected);
        let result = check_binding(&verified, &expected);
        assert_eq!(result.err().map_or("", Mismatch::reason), reason, "{expected:?}");
        if let Ok(bound) = result {
            assert_eq!(bound.statement(), &verified);
        }
    }
}

#[test]
fn a_creation_is_no_update() {
    let verified = verified(statement());
    let mut expected = expected(&verified);
    expected.old_object = Some(old_object());
    assert_eq!(check_binding(&verified, &expected).unwrap_err(), Mismatch::OldObject);
}

#[test]
fn a_dry_run_is_never_used_for_real() {
    let mut statement = statement();
    statement.predicate.dry_run = true;
    let verified = verified(statement);
    let mut expected = expected(&verified);
    assert!(check_binding(&verified, &expected).is_ok());
    expected.dry_run = false;
    assert_eq!(check_binding(&verified, &expected).unwrap_err(), Mismatch::DryRun);
}

#[test]
fn generated_names_are_bound_by_what_they_are_made_from() {
    let long = "x".repeat(70);
    let base = &long[..58];
    for (prefix, generate_name, name, holds) in [
        ("job-", "job-", "job-x7k2p", true),
        ("job-", "job-", "job-", false),
        ("job-", "job-", "job-x7k2", false),
        ("job-", "job-", "job-x7k2pp", false),
        ("job-", "job-", "jobs-x7k2", false),
        ("job-", "", "job-x7k2p", false),
        ("job-", "other-", "job-x7k2p", false),
        (&long, &long, &format!("{base}x7k2p"), true),
        (&long, &long, &format!("{long}x7k2p"), false),
    ] {
        let mut statement = statement();
        statement.predicate.name = ObjectName::Generated(prefix.into());
        let verified = verified(statement);
        let mut expected = expected(&verified);
        expected.generate_name = generate_name.into();
        expected.name = name.into();
        let result = check_binding(&verified, &expected);
        assert_eq!(result.err(), (!holds).then_some(Mismatch::Name), "{prefix} {generate_name} {name}");
    }
    let mut statement = statement();
    statement.predicate.name = ObjectName::Generated("job-".into());
    statement.predicate.operation = Operation::Update;
    let verified = verified(statement);
    assert_eq!(check_binding(&verified, &expected(&verified)).unwrap_err(), Mismatch::Name);
}

#[test]
fn what_changed_is_named() {
    let verified = verified(statement());
    let tags = verified.predicate.subtrees.clone();
    assert_eq!(check_object(&verified, &verified.subject, &tags), Ok(()));
    // The digest decides, not the tags.
    assert_eq!(check_object(&verified, &verified.subject, &[].into()), Ok(()));
    let other = Digest::plain(b"other");
    let mut now = tags.clone();
    now.insert("spec".into(), SubtreeTag::from_bytes([0; 4]));
    now.insert("data\u{202e}\n".into(), SubtreeTag::from_bytes([0; 4]));
    now.remove("kind");
    let error = check_object(&verified, &other, &now).unwrap_err();
    assert_eq!(error.reason(), "ObjectChanged");
    let shown = "the object is not the one that was attested: it differs in `data\\u{202e}\\n`, `kind`, `spec`";
    assert_eq!(error.to_string(), shown);
    let error = check_object(&verified, &other, &tags).unwrap_err();
    assert_eq!(error.to_string(), "the object is not the one that was attested");
    let many = (0..60).map(|n| (format!("{n:02}{}", "x".repeat(100)), SubtreeTag::from_bytes([1; 4]))).collect();
    let shown = check_object(&verified, &other, &many).unwrap_err().to_string();
    assert!(shown.len() < 700 && shown.ends_with(" and 56 more"), "{shown}");
}
