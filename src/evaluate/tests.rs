use std::collections::BTreeMap;

use super::*;
use crate::{admission::parse_review, api::PolicySpec, canonical::parse, policy::compile, time::Timestamp};

const TIME: &str = "2026-11-24T12:00:00Z";

/// Decides by a policy with these parts: (`YAML` of everything but id, version and match, object, old object).
fn decide(parts: &str, object: &str, old: &str) -> Verdict {
    ask(parts, object, old, evaluate)
}

/// Asks something of a policy with these parts, its parameters and a request.
fn ask<T>(parts: &str, object: &str, old: &str, of: impl Fn(&Policy, &Value<'_>, &Input<'_>) -> T) -> T {
    let rules = "matchConstraints: {resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], resources: ['*'], operations: ['*']}]}";
    let yaml = format!("id: p\nversion: v1\n{rules}\nreplay: {{mode: Repeatable}}\n{}", with_params(parts));
    let spec: PolicySpec = serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    let policy = compile("p.v1", &spec).unwrap_or_else(|errors| panic!("{errors:?}\n{yaml}"));
    let operation = match (object, old) {
        ("null", _) => "DELETE",
        (_, "null") => "CREATE",
        _ => "UPDATE",
    };
    let review = format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","kind":{{"group":"apps","version":"v1","kind":"Deployment"}},
        "resource":{{"group":"apps","version":"v1","resource":"deployments"}},"name":"web","namespace":"shop","operation":"{operation}",
        "userInfo":{{"username":"ann","groups":["dev"],"extra":{{"k":["v"]}}}},"dryRun":false}}}}"#
    );
    let request = parse_review(review.as_bytes()).unwrap();
    let (object, old) = (parse(object.as_bytes()).unwrap(), parse(old.as_bytes()).unwrap());
    let present = |value: &'_ Value<'_>| *value != Value::Null;
    let params = Value::from(serde_json::json!({"limit": 5, "since": "2026-01-01T00:00:00Z"}));
    let mut input = Input::new(&request, None, TIME.parse::<Timestamp>().unwrap());
    input.object = Some(&object).filter(|value| present(value));
    input.old_object = Some(&old).filter(|value| present(value));
    input.deletes = deletes(&request, input.object, input.old_object);
    of(&policy, &params, &input)
}

/// Every policy here declares the parameters that are given.
fn with_params(parts: &str) -> String {
    if parts.contains("params:") { parts.to_owned() } else { format!("{PARAMS}\n{parts}") }
}

/// `Outcome rule Reason`, or `Skipped`.
fn told(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Skipped => "Skipped".to_owned(),
        Verdict::Decided(decision) => {
            format!("{} {} {}", decision.outcome.as_str(), decision.rule().unwrap_or("-"), decision.reason())
        }
    }
}

const PARAMS: &str = "params: [{name: limit, type: Integer}, {name: since, type: Timestamp}]";

/// (parts, object, old object, what is decided)
const CASES: &[(&str, &str, &str, &str)] = &[
    // The first rule that matches decides; nothing is allowed by default.
    ("rules: [{name: a, outcome: Allow, reason: A}]", "{}", "null", "Allow a A"),
    ("rules: [{name: a, when: 'false', outcome: Allow, reason: A}]", "{}", "null", "Deny - NoRuleMatched"),
    (
        "rules: [{name: a, when: 'false', outcome: Allow, reason: A}, {name: b, outcome: Deny, reason: B}]",
        "{}",
        "null",
        "Deny b B",
    ),
    (
        "rules: [{name: a, when: '1 == 1', outcome: Deny, reason: A}, {name: b, outcome: Allow, reason: B}]",
        "{}",
        "null",
        "Deny a A",
    ),
    // Match conditions: any false skips, whatever stands before it; else an error denies.
    (
        "matchConditions: [{name: c, expression: 'has(object.x)'}]\nrules: [{name: a, outcome: Deny, reason: A}]",
        "{}",
        "null",
        "Skipped",
    ),
    (
        "matchConditions: [{name: c, expression: 'object.x == 1'}]\nrules: [{name: a, outcome: Allow, reason: A}]",
        "{}",
        "null",
        "Deny - EvaluationError",
    ),
    (
        "matchConditions: [{name: c, expression: 'object.x == 1'}, {name: d, expression: 'false'}]\nrules: [{name: a, outcome: Allow, reason: A}]",
        "{}",
        "null",
        "Skipped",
    ),
    // Signals: missing is not wrong, wrong is not missing, and a default hides no error.
    (
        "signals: [{name: s, type: String, expression: 'object[?''x'']'}]\nrules: [{name: a, outcome: Allow, reason: A}]",
        "{}",
        "null",
        "Deny - SignalMissing",
    ),
    (
        "signals: [{name: s, type: String, expression: 'object[?''x''].orValue(''d'')'}]\nrules: [{name: a, when: 'signals.s == ''d''', outcome: Allow, reason: A}]",
        "{}",
        "null",
        "Allow a A",
    ),
    (
        "signals: [{name: s, type: String, expression: 'object.x'}]\nrules: [{name: a, outcome: Allow, reason: A}]",
        "{}",
        "null",
        "Deny - EvaluationError",
    ),
    (
        "signals: [{name: s, type: String, expression: 'object[?''y''].orValue(object.typo.deep)'}]\nrules: [{name: a, outcome: Allow, reason: A}]",
        "{}",
        "null",
        "Deny - EvaluationError",
    ),
    (
        "signals: [{name: s, type: String, expression: 'object.x'}]\nrules: [{name: a, outcome: Allow, reason: A}]",
        r#"{"x":1}"#,
        "null",
        "Deny - SignalInvalid",
    ),
    (
        "signals: [{name: s, type: Integer, expression: 'object.x', maximum: 3}]\nrules: [{name: a, outcome: Allow, reason: A}]",
        r#"{"x":4}"#,
        "null",
        "Deny - SignalInvalid",
    ),
    (
        "signals: [{name: s, type: Integer, expression: 'object.x', maximum: 3}]\nrules: [{name: a, outcome: Allow, reason: A}]",
        r#"{"x":3.0}"#,
        "null",
        "Allow a A",
    ),
    (
        "signals: [{name: s, type: StringList, expression: 'object.x.map(c, c.image)'}]\nrules: [{name: a, when: 'signals.s.all(i, i.startsWith(''r/''))', outcome: Allow, reason: A}]",
        r#"{"x":[{"image":"r/a"},{"image":"r/b"}]}"#,
        "null",
        "Allow a A",
    ),
    (
        "signals: [{name: s, type: StringMap, expression: 'object.x'}]\nrules: [{name: a, when: 'signals.s.k == ''v''', outcome: Allow, reason: A}]",
        r#"{"x":{"k":"v"}}"#,
        "null",
        "Allow a A",
    ),
    (
        "signals: [{name: s, type: StringMap, expression: 'object.x'}]\nrules: [{name: a, outcome: Allow, reason: A}]",
        r#"{"x":{"k":1}}"#,
        "null",
        "Deny - SignalInvalid",
    ),
    (
        "signals: [{name: s, type: Timestamp, expression: 'timestamp(object.x)'}]\nrules: [{name: a, when: 'signals.s < timestamp(''2027-01-01T00:00:00Z'')', outcome: Allow, reason: A}]",
        r#"{"x":"2026-06-01T00:00:00Z"}"#,
        "null",
        "Allow a A",
    ),
    // The request, its time, its user; the old object; parameters with their types; variables.
    (
        "signals: [{name: s, type: Timestamp, expression: 'request.time'}]\nrules: [{name: a, when: 'signals.s == timestamp(''2026-11-24T12:00:00Z'')', outcome: Allow, reason: A}]",
        "{}",
        "null",
        "Allow a A",
    ),
    (
        "signals: [{name: s, type: Boolean, expression: 'request.userInfo.username == ''ann'' && ''dev'' in request.userInfo.groups && request.userInfo.extra[''k''][0] == ''v'''}]\nrules: [{name: a, when: 'signals.s', outcome: Allow, reason: A}]",
        "{}",
        "null",
        "Allow a A",
    ),
    (
        "signals: [{name: s, type: Boolean, expression: 'object.r - oldObject.r > 1'}]\nrules: [{name: a, when: 'signals.s', outcome: Allow, reason: A}]",
        r#"{"r":5}"#,
        r#"{"r":3}"#,
        "Allow a A",
    ),
    (
        "params: [{name: limit, type: Integer}, {name: since, type: Timestamp}]\nsignals: [{name: s, type: Boolean, expression: 'object.r <= params.limit && request.time > params.since'}]\nrules: [{name: a, when: 'signals.s && params.limit == 5', outcome: Allow, reason: A}]",
        r#"{"r":5}"#,
        "null",
        "Allow a A",
    ),
    (
        "variables: [{name: v, expression: 'object.r'}, {name: w, expression: 'variables.v + 1'}]\nsignals: [{name: s, type: Integer, expression: 'variables.w'}]\nrules: [{name: a, when: 'signals.s == 6', outcome: Allow, reason: A}]",
        r#"{"r":5}"#,
        "null",
        "Allow a A",
    ),
    // A variable that nobody reads costs nothing and cannot fail.
    (
        "variables: [{name: v, expression: 'object.typo'}]\nrules: [{name: a, outcome: Allow, reason: A}]",
        "{}",
        "null",
        "Allow a A",
    ),
    (
        "variables: [{name: v, expression: 'object.typo'}]\nsignals: [{name: s, type: String, expression: 'variables.v'}]\nrules: [{name: a, outcome: Allow, reason: A}]",
        "{}",
        "null",
        "Deny - EvaluationError",
    ),
    // Deletes, in each form.
    (
        "signals: [{name: s, type: Boolean, expression: 'change.deletes'}]\nrules: [{name: a, when: 'signals.s', outcome: Deny, reason: Deletes}, {name: b, outcome: Allow, reason: B}]",
        "null",
        "{}",
        "Deny a Deletes",
    ),
    (
        "signals: [{name: s, type: Boolean, expression: 'change.deletes'}]\nrules: [{name: a, when: 'signals.s', outcome: Deny, reason: Deletes}, {name: b, outcome: Allow, reason: B}]",
        "{}",
        r#"{"metadata":{"deletionTimestamp":"t","finalizers":["f"]}}"#,
        "Deny a Deletes",
    ),
    (
        "signals: [{name: s, type: Boolean, expression: 'change.deletes'}]\nrules: [{name: a, when: 'signals.s', outcome: Deny, reason: Deletes}, {name: b, outcome: Allow, reason: B}]",
        "{}",
        r#"{"metadata":{"finalizers":["f"]}}"#,
        "Allow b B",
    ),
    (
        "signals: [{name: s, type: Boolean, expression: 'change.deletes'}]\nrules: [{name: a, when: 'signals.s', outcome: Deny, reason: Deletes}, {name: b, outcome: Allow, reason: B}]",
        r#"{"metadata":{"ownerReferences":[{"uid":"1"}]}}"#,
        r#"{"metadata":{}}"#,
        "Deny a Deletes",
    ),
    (
        "signals: [{name: s, type: Boolean, expression: 'change.deletes'}]\nrules: [{name: a, when: 'signals.s', outcome: Deny, reason: Deletes}, {name: b, outcome: Allow, reason: B}]",
        r#"{"metadata":{"ownerReferences":[{"uid":"1"}]}}"#,
        r#"{"metadata":{"ownerReferences":[{"uid":"1"}]}}"#,
        "Allow b B",
    ),
    // Past the budget the decision is a denial.
    (
        "signals: [{name: s, type: Boolean, expression: 'object.x.all(a, object.x.all(b, object.x.all(c, object.x.all(d, a + b + c + d > 0))))'}]\nrules: [{name: a, outcome: Allow, reason: A}]",
        r#"{"x":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32]}"#,
        "null",
        "Deny - CostExceeded",
    ),
];

#[test]
fn decisions() {
    for (parts, object, old, expected) in CASES {
        assert_eq!(told(&decide(parts, object, old)), *expected, "{parts}\n{object}\n{old}");
        // The same inputs give the same decision, to the last byte.
        assert_eq!(decide(parts, object, old), decide(parts, object, old));
    }
}

fn decision(parts: &str, object: &str) -> Decision {
    match decide(parts, object, "null") {
        Verdict::Decided(decision) => *decision,
        Verdict::Skipped => panic!("skipped"),
    }
}

#[test]
fn messages() {
    for (rule, message) in [
        ("message: 'ask for a ticket'", "ask for a ticket"),
        ("messageExpression: '''max '' + string(params.limit) + '' not '' + string(object.r)'", "max 5 not 7"),
        ("message: fallback, messageExpression: 'object.typo'", "fallback"),
        ("message: fallback, messageExpression: '''  '''", "fallback"),
    ] {
        let made = decision(&format!("rules: [{{name: a, outcome: Deny, reason: A, {rule}}}]"), r#"{"r":7}"#);
        assert_eq!(made.message, message, "{rule}");
    }
    assert_eq!(decision("rules: [{name: a, outcome: Deny, reason: A}]", "{}").message, "rule `a` denies it");
    let long = decision(
        "rules: [{name: a, outcome: Deny, reason: A, messageExpression: 'object.m'}]",
        &format!(r#"{{"m":"{}"}}"#, "é".repeat(5000)),
    );
    assert_eq!(long.message.chars().count(), MAX_MESSAGE);
}

#[test]
fn later_denials_that_also_match_are_listed() {
    let rules = "rules: [{name: a, when: '1 > 0', outcome: Deny, reason: A}, {name: b, when: 'false', outcome: Deny, reason: B}, {name: c, when: '2 > 1', outcome: Allow, reason: C}, {name: d, outcome: Deny, reason: D}]";
    assert_eq!(decision(rules, "{}").also, [("d".to_owned(), "D".to_owned())]);
}

#[test]
fn only_an_allowed_once_has_a_fingerprint() {
    let parts = |outcome: &str, replay: &str| {
        format!(
            "signals: [{{name: t, type: String, expression: 'object.t'}}]\nrules: [{{name: a, outcome: {outcome}, reason: A}}]\nreplay: {replay}"
        )
    };
    let with = |outcome: &str, replay: &str| {
        let rules = "matchConstraints: {resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], resources: ['*'], operations: ['*']}]}";
        let spec: PolicySpec =
            serde_saphyr::from_str(&format!("id: p\nversion: v1\n{rules}\n{}", parts(outcome, replay))).unwrap();
        let policy = compile("p.v1", &spec).unwrap();
        let text = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","kind":{"version":"v1","kind":"X"},"resource":{"version":"v1","resource":"xs"},"operation":"CREATE"}}"#;
        let request = parse_review(text.as_bytes()).unwrap();
        let object = parse(br#"{"t":"CHG-1"}"#).unwrap();
        let params = Value::Null;
        let mut input = Input::new(&request, None, Timestamp::from_millis(0));
        input.object = Some(&object);
        match evaluate(&policy, &params, &input) {
            Verdict::Decided(decision) => decision.fingerprint,
            Verdict::Skipped => None,
        }
    };
    let once = "{mode: Once, key: [t], window: 1h}";
    let expected = fingerprint(
        "p",
        &["t".to_owned()],
        &BTreeMap::from([("t".to_owned(), SignalValue::String("CHG-1".to_owned()))]),
    );
    assert_eq!(with("Allow", once), expected);
    assert_eq!(with("Deny", once), None);
    assert_eq!(with("Allow", "{mode: Repeatable}"), None);
}

/// Each part on a line: what it belongs to, then its depth by indentation, the element, the text and the outcome.
fn explained(parts: &str, object: &str) -> Vec<String> {
    let explanations = ask(parts, object, "null", explain);
    let line = |of: &Explanation, part: &Explained| {
        let (indent, element) = ("  ".repeat(part.depth), &part.element);
        let outcome = part.outcome.as_ref().map_or_else(|error| format!("! {error}"), |value| format!("= {value}"));
        format!("{} {}: {indent}[{element}] {} {outcome} ({})", of.kind, of.name, part.text, part.cost)
    };
    explanations.iter().flat_map(|of| of.parts.iter().map(move |part| line(of, part))).collect()
}

#[test]
fn what_is_explained_is_what_was_evaluated() {
    let parts = r#"
variables: [{name: unused, expression: '1'}, {name: all, expression: 'object.items'}]
matchConditions: [{name: here, expression: 'has(object.items)'}]
signals:
- {name: big, type: StringList, expression: 'variables.all.filter(i, i.size > 1).map(i, i.name)'}
- {name: kind, type: String, expression: 'has(object.kind) ? object.kind : "none"'}
rules:
- {name: none, when: 'signals.big == []', outcome: Allow, reason: A}
- {name: some, when: 'size(signals.big) > params.limit || "b" in signals.big', outcome: Deny, reason: B}
- {name: later, when: 'signals.kind == "x"', outcome: Allow, reason: C}
"#;
    let found = explained(parts, r#"{"items": [{"name": "a", "size": 1}, {"name": "b", "size": 2}]}"#);
    assert_eq!(
        found,
        [
            "matchCondition here: [] has(object.items) = true (1)",
            r#"variable all: [] object.items = [{"name": "a", "size": 1}, {"name": "b", "size": 2}] (2)"#,
            r#"signal big: [] variables.all.filter(i, i.size > 1).map(i, i.name) = ["b"] (37)"#,
            r#"signal big:   [i = {"name": "b", "size": 2}] i.name = "b" (2)"#,
            r#"signal big:   [] variables.all.filter(i, i.size > 1) = [{"name": "b", "size": 2}] (22)"#,
            r#"signal big:     [i = {"name": "a", "size": 1}] i.size > 1 = false (3)"#,
            r#"signal big:     [i = {"name": "b", "size": 2}] i.size > 1 = true (3)"#,
            r#"signal big:     [] variables.all = [{"name": "a", "size": 1}, {"name": "b", "size": 2}] (2)"#,
            r#"signal kind: [] has(object.kind) ? object.kind : "none" = "none" (1)"#,
            "signal kind:   [] has(object.kind) = false (1)",
            "rule none: [] signals.big == [] = false (2)",
            r#"rule none:   [] signals.big = ["b"] (2)"#,
            r#"rule some: [] size(signals.big) > params.limit || "b" in signals.big = true (9)"#,
            "rule some:   [] size(signals.big) > params.limit = false (6)",
            "rule some:     [] size(signals.big) = 1 (3)",
            r#"rule some:       [] signals.big = ["b"] (2)"#,
            "rule some:     [] params.limit = 5 (2)",
            r#"rule some:   [] "b" in signals.big = true (3)"#,
            r#"rule some:     [] signals.big = ["b"] (2)"#,
        ]
    );
}

#[test]
fn what_is_made_of_the_data_of_a_secret_is_masked() {
    let parts = r#"
variables: [{name: keys, expression: 'object.data.map(k, k)'}, {name: name, expression: 'object.metadata.name'}]
signals:
- {name: first, type: String, expression: 'variables.keys[0] + variables.name'}
- {name: app, type: String, expression: 'object.metadata.annotations["app"]'}
- {name: long, type: Boolean, expression: 'object.data.exists(k, object.data[k].size() > 2)'}
- {name: notes, type: Integer, expression: 'size(object.metadata.annotations)'}
rules:
- {name: some, when: 'signals.long && signals.first == signals.app', outcome: Allow, reason: A}
"#;
    let body = r#""metadata": {"name": "n", "annotations": {"app": "web"}}, "data": {"password": "aHVudGVyMg=="}"#;
    let of = |kind: &str| explained(parts, &format!(r#"{{"apiVersion": "v1", "kind": "{kind}", {body}}}"#));
    assert_eq!(
        of("Secret"),
        [
            "variable keys: [] object.data.map(k, k) = masked: data of a Secret (16)",
            "variable keys:   [k = masked: data of a Secret] k = masked: data of a Secret (1)",
            "variable keys:   [] object.data = masked: data of a Secret (2)",
            r#"variable name: [] object.metadata.name = "n" (3)"#,
            r#"signal first: [] variables.keys[0] + variables.name = "passwordn" (6)"#,
            "signal first:   [] variables.keys[0] = masked: data of a Secret (3)",
            r#"signal first:   [] variables.name = "n" (2)"#,
            r#"signal app: [] object.metadata.annotations["app"] = "web" (4)"#,
            "signal long: [] object.data.exists(k, object.data[k].size() > 2) = true (12)",
            "signal long:   [k = masked: data of a Secret] object.data[k].size() > 2 = true (5)",
            "signal long:   [] object.data = masked: data of a Secret (2)",
            "signal notes: [] size(object.metadata.annotations) = 1 (4)",
            "signal notes:   [] object.metadata.annotations = masked: data of a Secret (3)",
            "rule some: [] signals.long && signals.first == signals.app = false (7)",
            "rule some:   [] signals.long = true (2)",
            "rule some:   [] signals.first == signals.app = false (5)",
            r#"rule some:     [] signals.first = "passwordn" (2)"#,
            r#"rule some:     [] signals.app = "web" (2)"#,
        ]
    );
    let open = of("ConfigMap");
    assert!(open.iter().all(|line| !line.contains("masked")), "{open:#?}");
}

#[test]
fn what_stopped_the_decision_is_explained_last() {
    let parts = "signals: [{name: a, type: Integer, expression: 'object.a / object.b'}, {name: b, type: Integer, expression: '1'}]\nrules: [{name: r, when: 'signals.a > 1', outcome: Allow, reason: R}]";
    let found = explained(parts, r#"{"a": 1, "b": 0}"#);
    assert_eq!(found.first().unwrap(), "signal a: [] object.a / object.b ! divide by zero (5)");
    assert!(found.iter().all(|line| !line.starts_with("rule")), "{found:?}");
    let skipped =
        "matchConditions: [{name: no, expression: 'object.a > 5'}]\nrules: [{name: r, outcome: Allow, reason: R}]";
    assert_eq!(
        explained(skipped, r#"{"a": 1}"#),
        ["matchCondition no: [] object.a > 5 = false (3)", "matchCondition no:   [] object.a = 1 (2)",]
    );
}

/// An expression that is true, and costs about so many times 100,000 units.
fn worth(times: usize) -> String {
    let ten = "object.x.all(a, object.x.all(b, object.x.all(c, object.x.all(d, a == 0))))";
    vec![ten; times].join(" && ")
}

/// Decides by a policy with these parts over ten zeros.
fn spend(parts: &str) -> Decision {
    decision(parts, r#"{"x":[0,0,0,0,0,0,0,0,0,0]}"#)
}

#[test]
fn each_expression_has_a_limit_within_the_budget_of_the_decision() {
    let allow = "rules: [{name: a, outcome: Allow, reason: A}]";
    let signal =
        |index: usize, expression: &str| format!("  - {{name: s{index}, type: Boolean, expression: '{expression}'}}\n");
    let signals = |count: usize, expression: &str| -> String {
        let all: String = (0..count).map(|index| signal(index, expression)).collect();
        format!("signals:\n{all}{allow}")
    };
    let one = spend(&signals(1, &worth(1))).cost;
    assert!((50_000..100_000).contains(&one), "{one}");
    let fits = usize::try_from(1_000_000 / one).unwrap();

    // One expression up to its limit, and not above it, whatever is left of the budget.
    let made = spend(&signals(1, &worth(fits)));
    assert_eq!((made.reason(), made.cost <= 1_000_000), ("A", true));
    let made = spend(&signals(1, &worth(fits + 1)));
    assert_eq!(made.reason(), "CostExceeded");
    assert!(made.message.contains("the cost limit of 1000000 is exceeded"), "{}", made.message);

    // Several of them cost more than one may, and no more than the budget.
    let half = fits / 2;
    let made = spend(&signals(4, &worth(half)));
    assert_eq!((made.reason(), made.cost > 1_000_000), ("A", true), "{}", made.message);
    let made = spend(&signals(30, &worth(half)));
    assert_eq!(made.reason(), "CostExceeded");
    assert!(
        made.message.contains("limit of 10000000 is exceeded") || made.message.contains("limit of 20000000"),
        "{}",
        made.message
    );
}

#[test]
fn a_variable_has_a_limit_of_its_own_and_counts_once() {
    let policy = |variable: &str, signal: &str| {
        let declared = format!(
            "variables: [{{name: v, expression: '{variable}'}}]\nsignals: [{{name: s, type: Boolean, expression: '{signal}'}}]"
        );
        spend(&format!("{declared}\nrules: [{{name: a, outcome: Allow, reason: A}}]"))
    };
    let one = policy(&worth(1), "true").cost;
    assert_eq!(one, 0, "nobody reads it");
    let one = policy(&worth(1), "variables.v").cost;
    let fits = usize::try_from(1_000_000 / one).unwrap();
    // Read twice, evaluated once.
    let twice = policy(&worth(1), "variables.v && variables.v").cost;
    assert!(twice < one + 10, "{one} {twice}");
    // Neither is above its own limit, though the two together are.
    let made = policy(&worth(fits - 1), &format!("variables.v && {}", worth(fits - 1)));
    assert_eq!((made.reason(), made.cost > 1_000_000), ("A", true), "{}", made.message);
    // Above it nothing absorbs the error.
    let made = policy(&worth(fits + 1), "variables.v || true");
    assert_eq!(made.reason(), "CostExceeded");
}
