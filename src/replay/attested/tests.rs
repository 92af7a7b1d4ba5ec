use super::*;
use crate::attest::{Statement, sample};
use crate::keyring::KeyringEntry;
use crate::replay::record::{Operation, Resource};
use crate::sign::Signer;

fn signer() -> Signer {
    Signer::from_seed(&[9; 32]).unwrap()
}

fn statement() -> Statement {
    sample::create(signer().key_id())
}

fn target() -> Target {
    Target {
        operation: Operation::Create,
        resource: Resource { group: "apps".into(), version: "v1beta2".into(), resource: "deployments".into() },
        subresource: String::new(),
        namespace: "shop".into(),
        name: "checkout-frontend".into(),
        old: None,
        uid: None,
    }
}

/// What is read from an object that carries `statement` under `key`.
fn read(statement: Statement, key: &str) -> Option<Carried> {
    let keyring = Keyring::new([KeyringEntry::always(signer().public_key().clone())]).unwrap();
    let sample = self::statement().predicate;
    let read = attested(Arc::new(keyring), sample.cluster_id, sample.store_id);
    let text = signer().sign(statement).unwrap().compact().to_owned();
    read(&target(), &BTreeMap::from([(key.to_owned(), text)]))
}

const KEY: &str = "attestation.writ.dev/deployments.apps";

#[test]
fn what_was_signed_for_the_object_counts() {
    let carried = read(statement(), KEY).unwrap();
    let predicate = statement().predicate;
    let Some(Replay::Once { fingerprint: Some(fingerprint) }) = predicate.decisions[0].replay else { panic!("once") };
    assert_eq!(
        carried,
        Carried {
            fingerprints: vec![fingerprint],
            operation: Operation::Create,
            old: None,
            execution_id: predicate.execution_id.to_string(),
            user: predicate.user.username,
        }
    );
}

#[test]
fn what_was_signed_for_something_else_does_not() {
    let change = |change: fn(&mut Predicate)| {
        let mut statement = statement();
        change(&mut statement.predicate);
        statement
    };
    for (what, statement) in [
        ("another cluster", change(|predicate| predicate.cluster_id.push('x'))),
        ("another store", change(|predicate| predicate.store_id.push('x'))),
        ("a dry run", change(|predicate| predicate.dry_run = true)),
        ("another name", change(|predicate| predicate.name = ObjectName::Given("other".into()))),
        ("another namespace", change(|predicate| predicate.namespace.push('x'))),
        ("another kind", change(|predicate| predicate.resource.resource = "daemonsets".into())),
        ("another group", change(|predicate| predicate.resource.group = "extensions".into())),
        ("a subresource", change(|predicate| predicate.sub_resource = "scale".into())),
    ] {
        assert_eq!(read(statement, KEY), None, "{what}");
    }
    assert_eq!(read(statement(), "attestation.writ.dev/pods"), None, "a key of another kind");
    let shadow = read(change(|predicate| predicate.decisions[0].binding.mode = Mode::Audit), KEY);
    assert_eq!(shadow.map(|carried| carried.fingerprints), Some(vec![]), "a policy in shadow");
}

#[test]
fn what_nobody_signed_does_not() {
    let keyring = Keyring::new([KeyringEntry::always(Signer::from_seed(&[8; 32]).unwrap().public_key().clone())]);
    let sample = statement().predicate;
    let read = attested(Arc::new(keyring.unwrap()), sample.cluster_id, sample.store_id);
    let text = signer().sign(statement()).unwrap().compact().to_owned();
    for text in [text, String::new(), "AQ".into()] {
        assert_eq!(read(&target(), &BTreeMap::from([(KEY.to_owned(), text)])), None);
    }
    assert_eq!(read(&target(), &BTreeMap::new()), None);
}
