use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::ServerName,
};

use super::{
    super::tls::{ServingCertificate, unix_time},
    *,
};

const DAY: Duration = Duration::from_secs(86_400);

fn now() -> Timestamp {
    "2026-11-24T12:00:00.250Z".parse().unwrap()
}

fn verifies(authority: &Issued, leaf: &Issued, name: &str, at: Timestamp) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(certificates(authority.certificate.as_bytes()).unwrap().remove(0)).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(std::sync::Arc::new(roots), provider).build().unwrap();
    let chain = certificates(leaf.certificate.as_bytes()).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], unix_time(at)).is_ok()
}

#[test]
fn what_is_issued_is_accepted_for_its_names_and_time_only() {
    let ca = authority("writ", DAY * 3650, now()).unwrap();
    let names = ["writ.writ.svc".to_owned(), "10.0.0.7".to_owned()];
    let leaf = issue(ca.certificate.as_bytes(), ca.key.as_bytes(), &names, DAY * 30, now()).unwrap();
    for (name, at, accepted) in [
        ("writ.writ.svc", now(), true),
        ("10.0.0.7", now(), true),
        ("writ.writ.svc", now().minus(BACKDATED), true),
        ("writ.writ.svc", now().minus(BACKDATED * 2), false),
        ("writ.writ.svc", now().plus(DAY * 29), true),
        ("writ.writ.svc", now().plus(DAY * 31), false),
        ("other.writ.svc", now(), false),
        ("10.0.0.8", now(), false),
    ] {
        assert_eq!(verifies(&ca, &leaf, name, at), accepted, "{name} at {at}");
    }
    let other = authority("writ", DAY, now()).unwrap();
    assert!(!verifies(&other, &leaf, "writ.writ.svc", now()));
}

#[test]
fn a_serving_certificate_cannot_issue() {
    let ca = authority("writ", DAY, now()).unwrap();
    let names = ["a.b".to_owned()];
    let leaf = issue(ca.certificate.as_bytes(), ca.key.as_bytes(), &names, DAY, now()).unwrap();
    let below = issue(leaf.certificate.as_bytes(), leaf.key.as_bytes(), &names, DAY, now()).map(|mut below| {
        below.certificate.push_str(&leaf.certificate);
        below
    });
    assert!(below.is_err() || !verifies(&ca, &below.unwrap(), "a.b", now()));
}

#[test]
fn a_serving_certificate_does_not_outlive_its_authority() {
    let ca = authority("writ", DAY, now()).unwrap();
    let names = ["a.b".to_owned()];
    let leaf = issue(ca.certificate.as_bytes(), ca.key.as_bytes(), &names, DAY * 30, now()).unwrap();
    let serving = ServingCertificate::new(leaf.pair(), now()).unwrap();
    assert!(serving.not_after() <= now().plus(DAY), "{serving:?}");
    for late in [now().plus(DAY * 2), now().minus(DAY)] {
        let error = issue(ca.certificate.as_bytes(), ca.key.as_bytes(), &names, DAY, late).err();
        assert!(matches!(error, Some(IssueError::AuthorityExpired)), "{error:?}");
    }
}

#[test]
fn a_fault_of_the_authority_is_named() {
    let (ca, other) = (authority("writ", DAY, now()).unwrap(), authority("writ", DAY, now()).unwrap());
    let names = ["a.b".to_owned()];
    let cases = [
        (ca.certificate.as_str(), other.key.as_str(), &names[..], "is not the key of its certificate"),
        (ca.certificate.as_str(), "", &names[..], "is not the key"),
        ("", ca.key.as_str(), &names[..], "cannot be read"),
        (ca.key.as_str(), ca.key.as_str(), &names[..], "cannot be read"),
        (ca.certificate.as_str(), ca.key.as_str(), &[], "at least one DNS name"),
        (ca.certificate.as_str(), ca.key.as_str(), &["bücher.example".to_owned()], "cannot be made"),
    ];
    for (certificate, key, names, message) in cases {
        let error = issue(certificate.as_bytes(), key.as_bytes(), names, DAY, now()).err().unwrap().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn a_pair_that_cannot_serve_is_refused() {
    let ca = authority("writ", DAY * 60, now()).unwrap();
    let names = ["a.b".to_owned()];
    let make = || issue(ca.certificate.as_bytes(), ca.key.as_bytes(), &names, DAY * 30, now()).unwrap();
    let (leaf, other) = (make(), make());
    let (certificates, key) = (leaf.certificate.as_bytes(), leaf.key.as_bytes());
    let serving = ServingCertificate::new(leaf.pair(), now()).unwrap();
    for (pair, at, message) in [
        (Pair { certificates, key: other.key.as_bytes() }, now(), "do not go together"),
        (Pair { certificates, key: b"" }, now(), "no private key"),
        (Pair { certificates, key: certificates }, now(), "no private key"),
        (Pair { certificates: key, key }, now(), "no certificate"),
        (Pair { certificates: &certificates[..certificates.len() / 2], key }, now(), "no certificate"),
        (leaf.pair(), now().plus(DAY * 31), "valid from 2026-11-24T11:55:00.000Z to 2026-12-24T12:00:00.000Z only"),
        (leaf.pair(), now().minus(DAY), "valid from"),
    ] {
        let error = serving.replace(pair, at).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    assert_eq!(serving.not_after().to_string(), "2026-12-24T12:00:00.000Z");
    assert_eq!(serving.renewal_due().to_string(), "2026-12-14T11:58:20.000Z");
    assert!(!serving.is_nearly_expired(now().plus(DAY * 30 - Duration::from_secs(3700))));
    assert!(serving.is_nearly_expired(now().plus(DAY * 30 - Duration::from_secs(3500))));
}
