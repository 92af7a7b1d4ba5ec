use proptest::prelude::*;

use super::*;
use crate::digest::Domain;

pub(crate) fn record() -> Record {
    Record {
        fingerprint: Digest::of(Domain::Fingerprint, b"ticket"),
        policy: PolicyVersion { id: "ticket".into(), version: "v2".into(), digest: Digest::plain(b"policy") },
        target: update("17"),
        request_uid: "request-1".into(),
        object_uid: "uid-1".into(),
        rc: Some(ResourceVersion("20".into())),
        conversion_webhook: false,
        execution_id: "execution-1".into(),
        user: "alice".into(),
        allowed_at: Timestamp::from_millis(1_000_000),
        deadline: Timestamp::from_millis(1_040_500),
        window_end: Timestamp::from_millis(3_601_000_000),
        state: State::Reserved,
    }
}

pub(crate) fn update(resource_version: &str) -> Target {
    Target {
        operation: Operation::Update,
        resource: Resource { group: "apps".into(), version: "v1".into(), resource: "deployments".into() },
        subresource: String::new(),
        namespace: "shop".into(),
        name: "web".into(),
        old: Some(Version { uid: "uid-1".into(), resource_version: ResourceVersion(resource_version.into()) }),
        uid: None,
    }
}

#[test]
fn the_written_form_is_this() {
    let record = record();
    let json = record.to_json();
    let start = format!(
        r#"{{"format":1,"fingerprint":"{}","policy":{{"id":"ticket","version":"v2","digest":"{}"}},"#,
        record.fingerprint, record.policy.digest
    );
    assert!(json.starts_with(&start), "{json}");
    let fields = r#""target":{"operation":"UPDATE","resource":{"group":"apps","version":"v1","resource":"deployments"},"namespace":"shop","name":"web","old":{"uid":"uid-1","resourceVersion":"17"}},"requestUid":"request-1","objectUid":"uid-1","rc":"20","executionId":"execution-1","user":"alice","allowedAt":"1970-01-01T00:16:40.000Z","deadline":"1970-01-01T00:17:20.500Z","windowEnd":"1970-02-11T16:16:40.000Z","state":"Reserved"}"#;
    assert!(json.ends_with(fields), "{json}");
}

#[test]
fn only_the_strict_form_is_read() {
    let json = record().to_json();
    assert_eq!(Record::from_json(&json), Ok(record()));
    for (what, wrong) in [
        ("another format", json.replace(r#""format":1"#, r#""format":2"#)),
        ("an unknown field", json.replacen('{', r#"{"extra":1,"#, 1)),
        ("an unknown field inside", json.replace(r#""group":"apps""#, r#""group":"apps","kind":"x""#)),
        ("a field twice", json.replacen('{', r#"{"user":"bob","#, 1)),
        ("an unknown state", json.replace(r#""state":"Reserved""#, r#""state":"Forgotten""#)),
        ("completed by nothing", json.replace(r#""state":"Reserved""#, r#""state":"Completed""#)),
        ("reserved by something", json.replace(r#""Reserved""#, r#""Reserved","completedBy":"Final""#)),
        ("no name", json.replace(r#""name":"web","#, "")),
        ("an empty name", json.replace(r#""name":"web""#, r#""name":"""#)),
        ("an old version of a new object", json.replace("UPDATE", "CREATE")),
        ("a uid of an update", json.replace(r#""name":"web""#, r#""name":"web","uid":"u""#)),
        ("no revision", json.replace(r#""rc":"20","#, "")),
        ("upper-case digest", json.replace("sha256:", "SHA256:")),
        ("something after it", format!("{json} x")),
        ("cut", json[..json.len() - 1].to_owned()),
        ("nothing", String::new()),
        ("too long", json.replace("alice", &"a".repeat(MAX_RECORD))),
    ] {
        assert!(Record::from_json(&wrong).is_err(), "{what}: {wrong}");
    }
}

#[test]
fn which_changes_are_the_same() {
    let delete = |uid: &str| Target { operation: Operation::Delete, old: None, uid: Some(uid.into()), ..update("17") };
    let bare = |operation| Target { operation, old: None, ..update("17") };
    let other_version = |mut target: Target| {
        target.resource.version = "v1beta1".into();
        target
    };
    for (what, a, b, same) in [
        ("one update", update("17"), update("17"), true),
        ("over another state", update("17"), update("18"), false),
        ("of another name", update("17"), Target { name: "api".into(), ..update("17") }, false),
        ("one deletion", delete("u"), delete("u"), true),
        ("by another API version", delete("u"), other_version(delete("u")), true),
        ("of another object", delete("u"), delete("v"), false),
        ("without uid", delete(""), delete(""), false),
        ("a deletion and an update", delete("u"), update("17"), false),
        ("two creations", bare(Operation::Create), bare(Operation::Create), false),
        ("two connections", bare(Operation::Connect), bare(Operation::Connect), false),
    ] {
        assert_eq!(a.is_same_change(&b), same, "{what}");
        assert_eq!(b.is_same_change(&a), same, "{what}, the other way round");
    }
}

#[test]
fn only_decimal_resource_versions_have_an_order() {
    let version = |text: &str| ResourceVersion(text.into());
    for (a, b, ordered) in [
        ("9", "10", true),
        ("10", "10", true),
        ("10", "9", false),
        ("a", "b", false),
        ("", "1", false),
        ("+1", "2", false),
        ("01", "2", false),
        ("1", "99999999999999999999999", false),
    ] {
        assert_eq!(version(a).is_at_or_before(&version(b)), ordered, "{a} {b}");
    }
}

#[test]
fn nothing_is_forgotten_early() {
    let of = |state| Record { state, ..record() }.kept_until();
    assert_eq!(of(State::Reserved), None);
    assert_eq!(of(State::Completed(Settled::Successor)), Some(record().window_end));
    assert_eq!(of(State::Released), Some(record().deadline.plus(RELEASED_KEPT)));
    let short = Record { window_end: Timestamp::from_millis(0), state: State::Completed(Settled::Final), ..record() };
    assert_eq!(short.kept_until(), Some(short.deadline));
}

#[test]
fn a_store_id_has_one_spelling() {
    let text = "000102030405060708090a0b0c0d0eff";
    assert_eq!(text.parse::<StoreId>().map(|id| id.to_string()).as_deref(), Ok(text));
    for wrong in ["", "0", &text.to_uppercase(), &format!("{text}0"), &text.replace("ff", "+f")] {
        assert_eq!(wrong.parse::<StoreId>(), Err(StoreIdError), "{wrong}");
    }
}

#[test]
fn text_is_cut_between_characters() {
    assert_eq!((cut("añb", 2), cut("añb", 3), cut("añb", 9)), ("a", "añ", "añb"));
}

proptest! {
    #[test]
    fn what_is_written_is_read(user in ".{0,64}", name in ".{1,64}", uid in ".{0,40}", millis in 0_i64..4_000_000_000_000) {
        for state in [State::Reserved, State::Released, State::Completed(Settled::HistoryGone)] {
            let mut record = Record { user: user.clone(), request_uid: uid.clone(), state, ..record() };
            record.target.name.clone_from(&name);
            record.window_end = Timestamp::from_millis(millis);
            prop_assert_eq!(Record::from_json(&record.to_json()), Ok(record));
        }
    }
}
