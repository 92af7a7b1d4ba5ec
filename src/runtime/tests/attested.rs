//! The attestation on an object: signed, in time, and about this very request, object and decision.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value as Json, json};

use super::{
    Row, hold,
    rig::{GATE, Given, KEY, NOW, Rig, TICKET, attest, create, signer, statement, update},
    through,
};
use crate::{
    attest::{ObjectName, Outcome, Replay, Statement},
    digest::Digest,
    runtime::{SETTLING, SKEW, VALIDITY},
};

const MILLISECOND: Duration = Duration::from_millis(1);

fn settling(given: &mut Given) {
    given.changed_at = NOW.minus(SETTLING);
}

#[tokio::test]
async fn a_permitted_change_passes() {
    fn scale() -> Json {
        let mut request = update();
        request["subResource"] = json!("scale");
        request
    }
    fn generated() -> Json {
        let mut request = create();
        request["name"] = json!("");
        request["object"]["metadata"]["generateName"] = json!("web-");
        request["object"]["metadata"].as_object_mut().unwrap().remove("name");
        request
    }
    hold(&[
        Row { request: create, first: |_| (), later: |_, _| (), reason: "", says: "" },
        Row { request: update, first: |_| (), later: |_, _| (), reason: "", says: "" },
        // Subresources carry no attestation and need none.
        Row { request: scale, first: |_| (), later: |_, _| (), reason: "", says: "" },
        Row {
            request: generated,
            first: |_| (),
            later: |_, request| request["object"]["metadata"]["name"] = json!("web-x7k2p"),
            reason: "",
            says: "",
        },
        Row {
            request: generated,
            first: |_| (),
            later: |_, request| request["object"]["metadata"]["name"] = json!("other-x7k2p"),
            reason: "NameMismatch",
            says: "",
        },
    ])
    .await;
}

#[tokio::test]
async fn a_denial_gives_the_reason_of_the_rule() {
    fn frozen() -> Json {
        let mut request = create();
        request["object"]["spec"]["tier"] = json!("frozen");
        request
    }
    let told = through(frozen, |_| (), |_, _| ()).await;
    assert_eq!((told.reason, told.word.as_deref()), ("PolicyDenied", Some("Frozen")), "{told:?}");
    let start = "gate.v1, rule `frozen` (Frozen): wait for the thaw [tier=\"frozen\"]";
    assert!(told.message.starts_with(start), "{}", told.message);
    // Before the attestation is looked at, and in shadow not at all.
    let told =
        through(frozen, |_| (), |_, request| request["object"]["metadata"]["annotations"][KEY] = json!("!")).await;
    assert_eq!(told.reason, "PolicyDenied");
    let told = through(frozen, |given| given.bound[0].1 = "mode: Warn".to_owned(), |_, _| ()).await;
    assert_eq!(told.reason, "");
    assert_eq!(told.warnings, ["policy gate (binding b0) would deny (Frozen): wait for the thaw"]);
    let told = through(frozen, |given| given.bound[0].1 = "mode: Audit".to_owned(), |_, _| ()).await;
    assert_eq!((told.reason, told.warnings.len()), ("", 0));
}

/// Every Enforce binding has to allow.
#[tokio::test]
async fn one_denial_of_several_denies() {
    fn open(given: &mut Given) {
        given
            .bound
            .insert(0, (GATE.replace("id: gate", "id: open").replace("== 'frozen'", "== 'never'"), String::new()));
    }
    fn frozen() -> Json {
        let mut request = create();
        request["object"]["spec"]["tier"] = json!("frozen");
        request
    }
    assert_eq!(through(create, open, |_, _| ()).await.reason, "");
    let told = through(frozen, open, |_, _| ()).await;
    assert_eq!(told.word.as_deref(), Some("Frozen"));
    // All that deny are told.
    let both = |given: &mut Given| given.bound.push((GATE.replace("id: gate", "id: last"), String::new()));
    let told = through(frozen, both, |_, _| ()).await;
    assert_eq!(told.causes.len(), 1, "{told:?}");
    assert!(told.causes[0].1.starts_with("last.v1, rule `frozen`"), "{told:?}");
}

#[tokio::test]
async fn without_an_attestation_nothing_is_stored() {
    fn strip(request: &mut Json) {
        request["object"]["metadata"]["annotations"].as_object_mut().unwrap().remove(KEY);
    }
    hold(&[
        Row {
            request: create,
            first: |_| (),
            later: |_, request| strip(request),
            reason: "AttestationMissing",
            says: "mutating webhook did not see",
        },
        Row {
            request: update,
            first: |_| (),
            later: |_, request| strip(request),
            reason: "AttestationMissing",
            says: "",
        },
        // A binding that just came into force: the mutating call did not know it yet.
        Row {
            request: create,
            first: |_| (),
            later: |given, request| {
                strip(request);
                settling(given);
            },
            reason: "PolicySetChanged",
            says: "try again (else: the object carries no attestation",
        },
    ])
    .await;
}

#[tokio::test]
async fn a_signature_has_to_hold_in_time() {
    hold(&[
        Row {
            request: create,
            first: |_| (),
            later: |_, request| request["object"]["metadata"]["annotations"][KEY] = json!("no attestation"),
            reason: "AttestationMalformed",
            says: "",
        },
        Row {
            request: create,
            first: |_| (),
            later: |_, request| {
                // The last characters are those of the signature.
                let text = request["object"]["metadata"]["annotations"][KEY].as_str().unwrap();
                let at = text.len() - 20;
                let other = if &text[at..=at] == "A" { "B" } else { "A" };
                let text = format!("{}{other}{}", &text[..at], &text[at + 1..]);
                request["object"]["metadata"]["annotations"][KEY] = json!(text);
            },
            reason: "SignatureInvalid",
            says: "",
        },
        Row {
            request: create,
            first: |_| (),
            later: |given, _| given.signers = vec![2],
            reason: "KeyUnknown",
            says: "",
        },
        Row { request: create, first: |_| (), later: |given, _| given.signers = vec![2, 1], reason: "", says: "" },
        Row {
            request: create,
            first: |_| (),
            later: |given, _| given.now = NOW.plus(VALIDITY).minus(MILLISECOND),
            reason: "",
            says: "",
        },
        Row {
            request: create,
            first: |_| (),
            later: |given, _| given.now = NOW.plus(VALIDITY),
            reason: "AttestationExpired",
            says: "",
        },
        Row { request: create, first: |_| (), later: |given, _| given.now = NOW.minus(SKEW), reason: "", says: "" },
        Row {
            request: create,
            first: |_| (),
            later: |given, _| {
                given.now = NOW.minus(SKEW).minus(MILLISECOND);
                given.changed_at = given.now.minus(SETTLING).minus(MILLISECOND);
            },
            reason: "AttestationNotYetValid",
            says: "",
        },
    ])
    .await;
}

/// Everything that an attestation binds, each changed alone.
#[tokio::test]
async fn an_attestation_is_for_one_request() {
    type Edit = fn(&mut Given, &mut Json);
    let edits: [(&'static str, Edit); 22] = [
        ("ClusterMismatch", |given, _| given.cluster_id = "other"),
        ("StoreMismatch", |given, _| given.store_id = "02020202020202020202020202020202"),
        ("UserMismatch", |_, request| request["userInfo"]["username"] = json!("bob")),
        ("UserMismatch", |_, request| request["userInfo"]["uid"] = json!("u-bob")),
        ("UserMismatch", |_, request| request["userInfo"]["groups"] = json!(["dev", "ops"])),
        ("UserMismatch", |_, request| request["userInfo"]["extra"] = json!({"scope": ["less"]})),
        ("OperationMismatch", |_, request| {
            request["operation"] = json!("CREATE");
        }),
        ("ResourceMismatch", |_, request| request["resource"]["version"] = json!("v2")),
        ("RequestResourceMismatch", |_, request| request["requestResource"]["version"] = json!("v1beta1")),
        ("RequestResourceMismatch", |_, request| request["requestResource"]["group"] = json!("extensions")),
        ("RequestResourceMismatch", |_, request| request["requestResource"]["resource"] = json!("workloads")),
        ("KindMismatch", |_, request| request["kind"]["kind"] = json!("Workload")),
        ("KindMismatch", |_, request| request["kind"]["version"] = json!("v2")),
        ("NamespaceMismatch", |_, request| request["namespace"] = json!("attic")),
        ("NamespaceMismatch", |_, request| request["namespace"] = json!("")),
        ("NameMismatch", |_, request| request["name"] = json!("other")),
        ("OldObjectMismatch", |_, request| request["oldObject"]["metadata"]["resourceVersion"] = json!("8")),
        ("OldObjectMismatch", |_, request| request["oldObject"]["metadata"]["uid"] = json!("o2")),
        ("OldObjectMismatch", |_, request| request["oldObject"]["spec"]["replicas"] = json!(5)),
        ("DryRunMismatch", |_, request| request["dryRun"] = json!(true)),
        // By a replica that takes the kind's `status` for the user's.
        ("ProjectionMismatch", |given, _| given.kind.status_subresource = false),
        ("", |_, _| ()),
    ];
    for (index, (reason, edit)) in edits.into_iter().enumerate() {
        let told = through(update, |_| (), edit).await;
        assert_eq!(told.reason, reason, "edit {index}: {told:?}");
    }
}

#[tokio::test]
async fn an_attestation_of_a_later_version_is_named() {
    for (projection, says) in [("99s", "by another version of writ"), ("1", "by another table")] {
        let mut request = create();
        let rig = Rig::new(&Given::default());
        rig.mutate(&mut request).await;
        let mut other = statement(&request);
        other.predicate.projection = projection.to_owned();
        attest(&mut request, other);
        let told = rig.validate(&request).await;
        assert_eq!(told.reason, "ProjectionMismatch", "{projection}");
        assert!(told.message.contains(says), "{}", told.message);
    }
}

#[tokio::test]
async fn what_another_webhook_changed_is_named() {
    // By the replica that signed: exactly.
    let (mut request, rig) = (create(), Rig::new(&Given::default()));
    rig.mutate(&mut request).await;
    request["object"]["spec"]["replicas"] = json!(3);
    request["object"]["metadata"]["labels"] = json!({"injected": "yes"});
    let told = rig.validate(&request).await;
    assert_eq!(told.reason, "ObjectChanged");
    let says = "after it was attested (/metadata/labels, /spec/replicas): another mutating webhook";
    assert!(told.message.contains(says), "{}", told.message);
    // By another one: as far as the attestation itself says.
    let told = Rig::new(&Given::default()).validate(&request).await;
    assert_eq!(told.reason, "ObjectChanged");
    assert!(told.message.contains("differs in `metadata`, `spec`"), "{}", told.message);
    // What the server owns is not covered.
    let mut request = create();
    rig.mutate(&mut request).await;
    request["object"]["metadata"]["uid"] = json!("o1");
    request["object"]["metadata"]["managedFields"] = json!([{"manager": "m"}]);
    assert_eq!(rig.validate(&request).await.reason, "");
}

/// A statement by the right key over the right request, but with another decision in it.
#[tokio::test]
async fn the_attested_decision_is_the_one_that_is_made() {
    type Edit = fn(&mut Statement);
    let other_set: [Edit; 10] = [
        |s| s.predicate.decisions[0].binding.name.push('x'),
        |s| s.predicate.decisions[0].binding.uid.push('x'),
        |s| s.predicate.decisions[0].binding.generation += 1,
        |s| s.predicate.decisions[0].binding.digest = Digest::plain(b"other"),
        |s| s.predicate.decisions[0].policy.id.push('x'),
        |s| s.predicate.decisions[0].policy.version.push('x'),
        |s| s.predicate.decisions[0].policy.digest = Some(Digest::plain(b"other")),
        |s| s.predicate.decisions[0].params = Some(Digest::plain(b"other")),
        |s| {
            let more = s.predicate.decisions[0].clone();
            s.predicate.decisions.push(more);
        },
        |s| s.predicate.decisions.clear(),
    ];
    let other_decision: [Edit; 5] = [
        |s| s.predicate.decisions[0].outcome = Outcome::Deny,
        |s| s.predicate.decisions[0].rule = Some("other".to_owned()),
        |s| s.predicate.decisions[0].reason = "Other".to_owned(),
        |s| s.predicate.decisions[0].replay = Some(Replay::Repeatable),
        |s| s.predicate.decisions[0].replay = Some(Replay::Once { fingerprint: Some(Digest::plain(b"other")) }),
    ];
    // Not compared: who decided when, and the values of the signals.
    let the_same: [Edit; 3] = [
        |_| (),
        |s| s.predicate.runtime = Digest::plain(b"other"),
        |s| s.predicate.decisions[0].signals = Some(Digest::plain(b"other")),
    ];
    let edits = other_set.into_iter().map(|edit| (edit, "PolicySetChanged"));
    let edits = edits.chain(other_decision.into_iter().map(|edit| (edit, "DecisionChanged")));
    for (index, (edit, reason)) in edits.chain(the_same.into_iter().map(|edit| (edit, ""))).enumerate() {
        let given = Given { bound: vec![(TICKET.to_owned(), String::new())], ..Given::default() };
        let (mut request, rig) = (create(), Rig::new(&given));
        rig.mutate(&mut request).await;
        let mut other = statement(&request);
        edit(&mut other);
        // A statement without decisions is none.
        if other.predicate.decisions.is_empty() {
            assert!(signer(1).sign(other).is_err());
            continue;
        }
        attest(&mut request, other);
        let told = rig.validate(&request).await;
        assert_eq!(told.reason, reason, "edit {index}: {told:?}");
    }
}

#[tokio::test]
async fn a_policy_set_that_changed_between_the_calls_is_no_denial() {
    hold(&[
        Row {
            request: create,
            first: |_| (),
            later: |given, _| given.bound[0].0 = GATE.replace("version: v1\n", "version: v2\n"),
            reason: "PolicySetChanged",
            says: "the policies changed while the request was decided",
        },
        Row {
            request: create,
            first: |_| (),
            later: |given, _| given.bound[0].0 = GATE.replace("reason: Frozen", "reason: Thaw"),
            reason: "PolicySetChanged",
            says: "",
        },
        Row {
            request: create,
            first: |_| (),
            later: |given, _| given.bound.push((TICKET.to_owned(), String::new())),
            reason: "PolicySetChanged",
            says: "",
        },
        Row {
            request: create,
            first: |given| given.bound.push((TICKET.to_owned(), String::new())),
            later: |given, _| given.bound.truncate(1),
            reason: "PolicySetChanged",
            says: "",
        },
        // A change in shadow decides nothing.
        Row {
            request: create,
            first: |_| (),
            later: |given, _| given.bound.push((TICKET.to_owned(), "mode: Audit".to_owned())),
            reason: "",
            says: "",
        },
    ])
    .await;
}

/// The decision depends on what the attestation does not cover.
#[tokio::test]
async fn a_decision_that_changed_between_the_calls_is_denied() {
    const BY_LABEL: &str = "
id: gate
version: v1
matchConstraints: {resourceRules: [{apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: ['*']}]}
signals: [{name: tier, type: String, expression: \"namespaceObject.metadata.labels[?'tier'].orValue('none')\"}]
rules:
- {name: gold, when: \"signals.tier == 'gold'\", outcome: Allow, reason: Gold}
- {name: fine, outcome: Allow, reason: Fine}
replay: {mode: Repeatable}";
    fn by_label(given: &mut Given) {
        given.bound = vec![(BY_LABEL.to_owned(), String::new())];
    }
    fn gold(given: &mut Given) {
        given.namespace = Some(BTreeMap::from([("tier".to_owned(), "gold".to_owned())]));
    }
    hold(&[
        Row { request: create, first: by_label, later: |_, _| (), reason: "", says: "" },
        Row {
            request: create,
            first: by_label,
            later: |given, _| gold(given),
            reason: "DecisionChanged",
            says: "gets another decision",
        },
        Row {
            request: create,
            first: by_label,
            later: |given, _| {
                gold(given);
                settling(given);
            },
            reason: "PolicySetChanged",
            says: "(else: the final object",
        },
    ])
    .await;
}

/// Both calls decide at the attested time, however late the second comes.
#[tokio::test]
async fn the_time_of_a_decision_is_the_attested_one() {
    fn until_noon(given: &mut Given) {
        // NOW is 2026-11-25T00:00:00Z.
        let rule = "{name: frozen, when: \"signals.at > timestamp('2026-11-25T00:00:00Z')\"";
        let signals = "signals: [{name: at, type: Timestamp, expression: request.time}]";
        let mut policy = GATE.replace("{name: frozen, when: \"signals.tier == 'frozen'\"", rule);
        let start = policy.find("signals: [").unwrap();
        let end = start + policy[start..].find('\n').unwrap();
        policy.replace_range(start..end, signals);
        given.bound = vec![(policy, String::new())];
    }
    hold(&[
        Row {
            request: create,
            first: until_noon,
            later: |given, _| given.now = NOW.plus(Duration::from_secs(20)),
            reason: "",
            says: "",
        },
        Row {
            request: create,
            first: |given| {
                until_noon(given);
                given.now = NOW.plus(Duration::from_secs(20));
            },
            later: |_, _| (),
            reason: "PolicyDenied",
            says: "wait for the thaw",
        },
        // An attestation that does not hold sets no time.
        Row {
            request: create,
            first: until_noon,
            later: |given, _| {
                given.now = NOW.plus(Duration::from_secs(20));
                given.signers = vec![2];
            },
            reason: "PolicyDenied",
            says: "",
        },
    ])
    .await;
}

#[tokio::test]
async fn a_reviewed_version_has_to_be_the_one_in_force() {
    fn reviewed() -> Json {
        let mut request = create();
        request["object"]["metadata"]["annotations"]["request.writ.dev/policy.gate"] = json!("v7");
        request
    }
    let told = through(reviewed, |_| (), |_, _| ()).await;
    assert_eq!(told.reason, "VersionNotInForce");
    assert!(told.message.contains("under version `v7` of policy `gate`, but `v1` is in force"), "{}", told.message);
}

/// A name that the API server is going to make is bound by what it is made from.
#[tokio::test]
async fn a_generated_name_is_attested_as_such() {
    let (mut request, rig) = (create(), Rig::new(&Given::default()));
    request["name"] = json!("");
    request["object"]["metadata"] = json!({"generateName": "web-", "namespace": "shop"});
    rig.mutate(&mut request).await;
    assert_eq!(statement(&request).predicate.name, ObjectName::Generated("web-".to_owned()));
    request["object"]["metadata"]["name"] = json!("web-x7k2p");
    assert_eq!(rig.validate(&request).await.reason, "");
}
