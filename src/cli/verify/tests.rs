use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::{
    attest::{self, ObjectName, SubtreeTag, sample},
    canonical::{self, Object, Value, encode},
    projection::{Plan, annotation_key},
    sign::{Signed, Signer},
};

const OBJECT: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop","labels":{"app":"web"},"annotations":{"ticket":"CHG-1"}},"spec":{"replicas":2,"selector":{"matchLabels":{"app":"web"}},"template":{"spec":{"containers":[{"name":"web","image":"web:1","ports":[{"containerPort":80}]}]}}}}"#;
const KEY: &str = "attestation.writ.dev/deployments.apps";

fn object() -> Value<'static> {
    canonical::parse(OBJECT.as_bytes()).unwrap().into_owned()
}

fn plan(object: &Value<'_>) -> Plan {
    Plan::new(&crate::cli::case::kind_of(object), &annotation_key("deployments", "apps"), true)
}

/// Signing and checking keys costs much without optimization.
static SIGNED: LazyLock<Signed> = LazyLock::new(|| signed(|_| {}));
static GIVEN: LazyLock<Given> = LazyLock::new(given);

fn given() -> Given {
    let key = Signer::from_seed(&[7; 32]).unwrap().public_key().clone();
    let keyring = Keyring::new([KeyringEntry::always(key)]).unwrap();
    Given { keyring, cluster_id: None, policies: Vec::new(), resource: None, key_of_cluster: false }
}

/// The object's attestation, changed before it is signed.
fn signed(change: impl FnOnce(&mut attest::Statement)) -> Signed {
    let signer = Signer::from_seed(&[7; 32]).unwrap();
    let projection = plan(&object()).project(&object());
    let mut statement = sample::create(signer.key_id());
    statement.subject = projection.digest;
    statement.predicate.projection = projection.id.to_string();
    statement.predicate.subtrees =
        projection.subtrees.iter().map(|(name, digest)| (name.clone(), SubtreeTag::of(digest))).collect();
    statement.predicate.name = ObjectName::Given("web".to_owned());
    change(&mut statement);
    signer.sign(statement).unwrap()
}

/// The object with its attestation.
fn carrying(text: &str) -> Value<'static> {
    at(object(), &["metadata", "annotations"], KEY, Some(Value::from(text.to_owned())))
}

fn at(value: Value<'static>, path: &[&str], key: &str, new: Option<Value<'static>>) -> Value<'static> {
    let Value::Object(mut object) = value else { panic!("no object") };
    match path.split_first() {
        None => match new {
            Some(new) => object.insert(key.to_owned(), new),
            None => drop(object.remove(key)),
        },
        Some((step, rest)) => {
            let inner = object.remove(step).unwrap_or_else(|| Value::Object(Object::default()));
            object.insert((*step).to_owned(), at(inner, rest, key, new));
        }
    }
    Value::Object(object)
}

fn verified(text: &str, object: Option<&Value<'static>>) -> bool {
    let Ok(subjects) = source::parse("test", text, object) else { return false };
    !subjects.is_empty()
        && VerifyResult::new(subjects.iter().map(|subject| verify(subject, &GIVEN)).collect()).verified()
}

fn text(value: &Value<'_>) -> String {
    String::from_utf8(encode(value)).unwrap()
}

#[test]
fn what_was_signed_is_verified() {
    let signed = &*SIGNED;
    assert!(verified(&text(&carrying(signed.compact())), None));
    assert!(verified(signed.compact(), Some(&object())));
    assert!(verified(&format!("\n{}\n", signed.compact()), None));
    assert!(verified(&signed.envelope().to_json(), Some(&object())));
}

/// Whatever a statement binds: one that is about something else is refused although its signature holds.
#[test]
fn what_is_about_something_else_is_not() {
    type Change = fn(&mut attest::Statement);
    let changes: &[(&str, Change)] = &[
        ("name", |statement| statement.predicate.name = ObjectName::Given("api".into())),
        ("prefix", |statement| statement.predicate.name = ObjectName::Generated("we".into())),
        ("namespace", |statement| statement.predicate.namespace = "attic".into()),
        ("no namespace", |statement| statement.predicate.namespace = String::new()),
        ("group", |statement| statement.predicate.kind.group = "extensions".into()),
        ("version", |statement| statement.predicate.kind.version = "v2".into()),
        ("kind", |statement| statement.predicate.kind.kind = "ReplicaSet".into()),
        ("resource", |statement| statement.predicate.resource.resource = "replicasets".into()),
        ("resource group", |statement| statement.predicate.resource.group = "extensions".into()),
        ("subresource", |statement| statement.predicate.sub_resource = "scale".into()),
        ("operation", |statement| statement.predicate.operation = attest::Operation::Delete),
        ("dry run", |statement| statement.predicate.dry_run = true),
        ("projection", |statement| statement.predicate.projection = "k8s-0.1".into()),
        ("subject", |statement| statement.subject = Digest::plain(b"")),
        ("denied", |statement| statement.predicate.decisions[0].outcome = attest::Outcome::Deny),
    ];
    for (what, change) in changes {
        assert!(!verified(&text(&carrying(signed(change).compact())), None), "{what}");
    }
    let uid = |statement: &mut attest::Statement| {
        statement.predicate.operation = attest::Operation::Update;
        statement.predicate.old_object =
            Some(attest::OldObject { uid: "u-1".into(), resource_version: "1".into(), digest: Digest::plain(b"") });
    };
    let updated = carrying(signed(uid).compact());
    let with_uid = |uid: &str| at(updated.clone(), &["metadata"], "uid", Some(Value::from(uid.to_owned())));
    assert!(verified(&text(&with_uid("u-1")), None));
    assert!(!verified(&text(&with_uid("u-2")), None), "the old object of another life");
}

#[test]
fn a_generated_name_is_the_prefix_and_five_characters() {
    let generated = |statement: &mut attest::Statement| statement.predicate.name = ObjectName::Generated("web-".into());
    let signed = signed(generated);
    for (name, prefix, holds) in [
        ("web-abcde", "web-", true),
        ("web-abcd", "web-", false),
        ("web-abcdef", "web-", false),
        ("api-abcde", "web-", false),
        ("web-abcde", "we", false),
    ] {
        let object = at(carrying(signed.compact()), &["metadata"], "name", Some(Value::from(name)));
        let object = at(object, &["metadata"], "generateName", Some(Value::from(prefix)));
        let report = verify(&Subject::object("test".to_owned(), object), &GIVEN);
        assert_eq!(!report.failures().contains("object: "), holds, "{name} {prefix}: {}", report.failures());
    }
}

/// Copies by controllers: only the key of the object's own resource counts.
#[test]
fn a_key_of_another_resource_says_nothing() {
    let signed = &*SIGNED;
    let own = at(
        object(),
        &["metadata", "annotations"],
        "attestation.writ.dev/replicasets.apps",
        Some(Value::from(signed.compact().to_owned())),
    );
    assert!(!verified(&text(&own), None));
    let both = at(
        carrying(signed.compact()),
        &["metadata", "annotations"],
        "attestation.writ.dev/pods",
        Some(Value::from("x")),
    );
    assert!(verified(&text(&both), None) == (plan(&both).is_same(&both, &object())));
}

/// Bit flips of the compact form, in the alphabet or out of it; those of every byte are tested below this layer.
#[test]
fn no_flipped_bit_is_verified() {
    let signed = &*SIGNED;
    let bytes = signed.compact().as_bytes();
    for index in (0..bytes.len()).step_by(3) {
        for bit in 0..8 {
            let mut flipped = bytes.to_vec();
            flipped[index] ^= 1 << bit;
            if let Ok(flipped) = String::from_utf8(flipped) {
                // White space around the text is no part of it.
                assert!(!verified(&flipped, None) || flipped.trim() == signed.compact(), "bit {bit} of {index}");
            }
        }
    }
}

/// All places of a value, as pairs of a path and a key or index in text.
fn places(value: &Value<'_>, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    found.push(path.clone());
    let members: Vec<(String, &Value<'_>)> = match value {
        Value::Object(object) => object.iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect(),
        _ => Vec::new(),
    };
    for (key, member) in members {
        path.push(key);
        places(member, path, found);
        path.pop();
    }
}

/// The value with what stands at a place replaced, or removed.
fn replaced(value: &Value<'static>, path: &[String], new: Option<&Value<'static>>) -> Option<Value<'static>> {
    let Some((step, rest)) = path.split_first() else { return new.cloned() };
    match value {
        Value::Object(object) => {
            let mut object = object.clone();
            let inner = object.remove(step)?;
            if let Some(inner) = replaced(&inner, rest, new) {
                object.insert(step.clone(), inner);
            }
            Some(Value::Object(object))
        }
        Value::Array(items) => {
            let index: usize = step.parse().ok()?;
            let changed = items
                .iter()
                .enumerate()
                .filter_map(|(at, item)| if at == index { replaced(item, rest, new) } else { Some(item.clone()) });
            Some(Value::Array(changed.collect()))
        }
        other => Some(other.clone()),
    }
}

fn any_value() -> impl Strategy<Value = Option<Value<'static>>> {
    prop_oneof![
        Just(None),
        Just(Some(Value::Null)),
        any::<bool>().prop_map(|value| Some(Value::Bool(value))),
        (0_i64..20).prop_map(|value| Some(Value::from(value))),
        "[a-z:1-3]{0,6}".prop_map(|value| Some(Value::from(value))),
        Just(Some(Value::Array(Vec::new()))),
        Just(Some(Value::Object(Object::default()))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Random damage to any of the three forms: it never panics, and what is still verified says the same.
    #[test]
    fn damage_is_never_verified(form in 0_usize..3, at in any::<prop::sample::Index>(), damage in prop::collection::vec(any::<u8>(), 0..4), cut in 0_usize..4) {
        let signed = &*SIGNED;
        let original = [signed.compact().to_owned(), signed.envelope().to_json(), text(&carrying(signed.compact()))][form].clone();
        let index = at.index(original.len());
        let mut bytes = original.clone().into_bytes();
        bytes.splice(index..(index + cut).min(bytes.len()), damage);
        let damaged = String::from_utf8_lossy(&bytes).into_owned();
        if verified(&damaged, None) {
            let value = |text: &str| canonical::parse(text.as_bytes()).map(Value::into_owned);
            match form {
                0 => prop_assert_eq!(damaged.trim(), original.trim()),
                1 => prop_assert_eq!(value(&damaged), value(&original)),
                _ => {
                    let object = value(&damaged).or_else(|_| source::parse("test", &damaged, None).map(|subjects| subjects[0].object.clone().unwrap())).unwrap();
                    prop_assert!(is_explained(&object), "{}", damaged);
                }
            }
        }
    }

    /// Random edits of the attested object: only what the server owns, and what controllers are known to change.
    #[test]
    fn an_edited_object_is_not_verified(place in any::<prop::sample::Index>(), new in any_value()) {
        let attested = carrying(SIGNED.compact());
        let mut all = Vec::new();
        places(&attested, &mut Vec::new(), &mut all);
        let edited = replaced(&attested, &all[place.index(all.len())], new.as_ref()).unwrap_or_default();
        if verified(&text(&edited), None) {
            prop_assert!(is_explained(&edited), "{}", text(&edited));
        }
    }
}

/// Whether an object is the attested one but for the number of replicas, which the scale subresource changes.
fn is_explained(found: &Value<'static>) -> bool {
    let same = |found: &Value<'static>| {
        let same = plan(found).is_same(found, &object());
        same && found.at(&["metadata", "namespace"]) == object().at(&["metadata", "namespace"])
    };
    let replicas = object().at(&["spec", "replicas"]).cloned();
    same(found)
        || found.at(&["spec"]).is_some_and(|spec| spec.as_object().is_some())
            && same(&at(found.clone(), &["spec"], "replicas", replicas))
}
