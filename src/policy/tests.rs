use super::*;
use crate::api::PolicySpec;

/// A policy with every part, to be changed by the cases below.
const BASE: &str = r"
id: change-ticket
version: v1
matchConstraints:
  resourceRules: [{apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: [CREATE, UPDATE]}]
params: [{name: prefix, type: String, maxLength: 16}]
variables: [{name: notes, expression: 'object.metadata.?annotations.orValue({})'}]
signals:
- {name: ticket, type: String, expression: 'variables.notes[?''ticket'']', pattern: 'CHG-[0-9]+'}
- {name: target, type: String, expression: 'object.metadata.name'}
rules:
- {name: ticketed, when: 'signals.ticket.startsWith(params.prefix)', outcome: Allow, reason: Ticketed}
replay: {mode: Once, key: [ticket, target], window: 720h}
";

fn spec(yaml: &str) -> PolicySpec {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

fn errors(yaml: &str) -> Vec<String> {
    compile("change-ticket.v1", &spec(yaml)).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn a_policy_with_every_part_compiles() {
    let policy = compile("change-ticket.v1", &spec(BASE)).unwrap();
    assert_eq!((policy.id(), policy.version()), ("change-ticket", "v1"));
    let key = vec!["target".to_owned(), "ticket".to_owned()];
    assert_eq!(*policy.replay(), CompiledReplay::Once { key, window: Duration::from_secs(720 * 3600) });
}

/// (text of the base, its replacement, the errors that follow)
const REJECT: &[(&str, &str, &[&str])] = &[
    (
        "id: change-ticket",
        "id: Change",
        &[
            "spec.id: is a DNS label of at most 40 characters: lower-case letters, digits and `-`",
            "metadata.name: must be `Change.v1`, after spec.id and spec.version",
        ],
    ),
    (
        "version: v1",
        "version: v1-",
        &[
            "spec.version: has at most 40 lower-case letters, digits, `-` and `.`, as in `v3` or `1.4.0`",
            "metadata.name: must be `change-ticket.v1-`, after spec.id and spec.version",
        ],
    ),
    (
        "resources: [deployments]",
        "resources: [Deployments]",
        &[
            "spec.matchConstraints.resourceRules[0].resources[0]: a resource is written in lower case and plural, as in `deployments` or `deployments/scale`, or `*`",
        ],
    ),
    (
        "operations: [CREATE, UPDATE]",
        "operations: [CREATE, '*']",
        &["spec.matchConstraints.resourceRules[0].operations: name CREATE, UPDATE, DELETE or CONNECT, or `*` alone"],
    ),
    (
        "apiGroups: [apps]",
        "apiGroups: []",
        &["spec.matchConstraints.resourceRules[0].apiGroups: at least one is needed; `*` is all of them"],
    ),
    (
        "type: String, maxLength: 16",
        "type: Boolean, maxLength: 16",
        &[
            "spec.params[0].maxLength: a value of type Boolean has no such constraint: remove it",
            "spec.rules[0].when at 1:26: found no matching overload for `startsWith` applied to `string.(bool)`",
        ],
    ),
    (
        "name: notes,",
        "name: in,",
        &[
            "spec.variables[0].name: `in` is a reserved word of CEL: choose another name",
            "spec.signals[0].expression at 1:10: ",
        ],
    ),
    (
        "variables.notes[",
        "variables.nodes[",
        &["spec.signals[0].expression at 1:10: undefined field `nodes` of `variables`"],
    ),
    ("'object.metadata.name'}", "'object.metadata.name +'}", &["spec.signals[1].expression at 1:23: "]),
    (
        "'object.metadata.name'}",
        "'size(object.metadata)'}",
        &["spec.signals[1].expression: yields int, but the signal is declared as String"],
    ),
    (
        "'object.metadata.name'}",
        "'request.uid'}",
        &["spec.signals[1].expression at 1:8: undefined field `uid` of `Request`"],
    ),
    (
        "signals.ticket.startsWith",
        "signals.tickets.startsWith",
        &["spec.rules[0].when at 1:8: undefined field `tickets` of `Signals`"],
    ),
    (
        "'signals.ticket.startsWith(params.prefix)'",
        "'signals.ticket'",
        &["spec.rules[0].when at 1:8: expected type `bool` but found `string`"],
    ),
    (
        "'signals.ticket.startsWith(params.prefix)'",
        "'object.x'",
        &["spec.rules[0].when at 1:1: undeclared reference to `object`"],
    ),
    ("reason: Ticketed", "reason: ticketed", &["spec.rules[0].reason: is one CamelCase word, as in `TicketMissing`"]),
    (
        "- {name: ticketed, when: 'signals.ticket.startsWith(params.prefix)', outcome: Allow, reason: Ticketed}",
        "- {name: a, outcome: Deny, reason: A}\n- {name: b, outcome: Allow, reason: B}",
        &["spec.rules[1]: is never reached: rule `a` before it always matches"],
    ),
    (
        "- {name: ticketed, when: 'signals.ticket.startsWith(params.prefix)', outcome: Allow, reason: Ticketed}",
        "- {name: a, when: 'true', outcome: Deny, reason: A}\n- {name: a, outcome: Allow, reason: B}",
        &[
            "spec.rules[1].name: `a` is declared twice",
            "spec.rules[1]: is never reached: rule `a` before it always matches",
        ],
    ),
    (
        "reason: Ticketed}",
        "reason: Ticketed, messageExpression: '1'}",
        &["spec.rules[0].messageExpression at 1:1: expected type `string` but found `int`"],
    ),
    (
        "key: [ticket, target]",
        "key: []",
        &["spec.replay.key: mode `Once` needs the names of the signals that identify the authority"],
    ),
    ("key: [ticket, target]", "key: [ticket, ticket]", &["spec.replay.key[1]: `ticket` is named twice"]),
    ("key: [ticket, target]", "key: [number]", &["spec.replay.key[0]: no signal is called `number`"]),
    (
        "{name: target, type: String, expression: 'object.metadata.name'}",
        "{name: target, type: Quantity, expression: 'quantity(object.spec.size)'}",
        &["spec.replay.key[1]: signal `target` is a Quantity, which has several texts: key by an Integer or a String"],
    ),
    ("window: 720h", "window: 9601h", &["spec.replay.window: is longer than 400 days"]),
    (
        "window: 720h",
        "window: 30d",
        &["spec.replay.window: a duration is written as in `720h`, `30m` or `1h30m` (units h, m, s, in this order)"],
    ),
    (
        "mode: Once, key: [ticket, target], window: 720h",
        "mode: Repeatable, window: 1h",
        &["spec.replay.window: mode `Repeatable` has no window: remove it, or use mode `Once`"],
    ),
    // A key that the server sets would be another authority for every attempt, however it is read.
    (
        "'object.metadata.name'}",
        "'string(object.metadata.uid)'}",
        &[
            "spec.replay.key[1]: signal `target` reads `object.metadata.uid`, which the server sets: every attempt would be another authority",
        ],
    ),
    (
        "'object.metadata.name'}",
        "'string(oldObject.metadata.generation)'}",
        &[
            "spec.replay.key[1]: signal `target` reads `object.metadata.generation`, which the server sets: every attempt would be another authority",
        ],
    ),
    (
        "'object.metadata.name'}",
        "'object[''metadata''][''uid'']'}",
        &[
            "spec.replay.key[1]: signal `target` reads `object.metadata.uid`, which the server sets: every attempt would be another authority",
        ],
    ),
    (
        "'object.metadata.name'}",
        "'object.metadata[request.name]'}",
        &[
            "spec.replay.key[1]: signal `target` reads `object.metadata` as a whole, and in it `object.metadata.uid`, which the server sets: every attempt would be another authority",
        ],
    ),
    (
        "'object.metadata.name'}",
        "'string(request.time)'}",
        &[
            "spec.replay.key[1]: signal `target` reads `request.time`, which the server sets: every attempt would be another authority",
        ],
    ),
    (
        "object.metadata.?annotations.orValue({})",
        "object.metadata",
        &[
            "spec.replay.key[0]: signal `ticket` reads `object.metadata` as a whole, and in it `object.metadata.uid`, which the server sets: every attempt would be another authority",
        ],
    ),
    (
        "resources: [deployments]",
        "resources: [deployments/scale]",
        &[
            "spec.matchConstraints.resourceRules[0].resources[0]: mode `Once` cannot bind a CREATE or UPDATE of a subresource to one object: match it with DELETE or CONNECT only, or in a `Repeatable` policy",
        ],
    ),
    (
        "resources: [deployments]",
        "resources: ['*/*']",
        &[
            "spec.matchConstraints.resourceRules[0].resources[0]: mode `Once` cannot bind a CREATE or UPDATE of a subresource to one object: match it with DELETE or CONNECT only, or in a `Repeatable` policy",
        ],
    ),
];

#[test]
fn errors_name_field_position_and_remedy() {
    let mut wrong = String::new();
    for (from, to, expected) in REJECT {
        assert!(BASE.contains(from), "{from}");
        let found = errors(&BASE.replace(from, to));
        let agree =
            found.len() == expected.len() && found.iter().zip(*expected).all(|(found, start)| found.starts_with(start));
        if !agree {
            wrong.push_str(&format!("{from} -> {to}\n  found    {found:#?}\n  expected {expected:#?}\n"));
        }
    }
    assert_eq!(wrong, "");
}

#[test]
fn unknown_fields_are_refused() {
    for yaml in [
        format!("{BASE}default: x\n"),
        BASE.replace("type: String, maxLength", "type: String, sensitive: true, maxLength"),
        BASE.replace("outcome: Allow", "outcome: RequireApproval"),
    ] {
        assert!(serde_saphyr::from_str::<PolicySpec>(&yaml).is_err(), "{yaml}");
    }
}

/// INVARIANT: the digest of a published version never changes, whatever a later release adds to the schema.
#[test]
fn the_digest_is_pinned() {
    let digest = compile("change-ticket.v1", &spec(BASE)).unwrap().digest().to_string();
    assert_eq!(digest, PINNED);
}

const PINNED: &str = "sha256:d7e528d8d05d7a8d1e32e80422f13a822542cee9b87d53616eeb4f2a9bcbe49a";

#[test]
fn the_digest_ignores_what_is_empty_and_nothing_else() {
    let digest = |yaml: &str| super::digest(&spec(yaml));
    assert_eq!(digest(BASE), digest(&format!("{BASE}matchConditions: []\n")));
    assert_ne!(digest(BASE), digest(&BASE.replace("apiGroups: [apps]", "apiGroups: [apps, '']")));
    assert_ne!(digest(BASE), digest(&BASE.replace("[ticket, target]", "[target, ticket]")));
    assert_ne!(digest(BASE), digest(&BASE.replace("'object.metadata.name'", "'object.metadata.name '")));
}

#[test]
fn resources_match_as_in_webhook_configurations() {
    for (pattern, resource, subresource, expected) in [
        ("pods", "pods", "", true),
        ("pods", "pods", "status", false),
        ("pods", "services", "", false),
        ("pods/status", "pods", "status", true),
        ("pods/status", "pods", "", false),
        ("pods/*", "pods", "exec", true),
        ("pods/*", "pods", "", false),
        ("*", "pods", "", true),
        ("*", "pods", "exec", false),
        ("*/*", "pods", "", true),
        ("*/*", "pods", "exec", true),
        ("*/scale", "deployments", "scale", true),
        ("*/scale", "deployments", "status", false),
    ] {
        let matched = ResourcePattern::parse(pattern).unwrap().matches(resource, subresource);
        assert_eq!(matched, expected, "{pattern} {resource}/{subresource}");
    }
    for wrong in ["", "Pods", "pods/", "pods/Exec", "po ds", "*s"] {
        assert!(ResourcePattern::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn rules_that_never_decide_are_told_of() {
    const RULE: &str =
        "- {name: ticketed, when: 'signals.ticket.startsWith(params.prefix)', outcome: Allow, reason: Ticketed}";
    let notes = |rules: &[(&str, &str)]| {
        let rule =
            |(name, when): &(&str, &str)| format!("- {{name: {name}, when: {when:?}, outcome: Deny, reason: R}}\n");
        let rules: String = rules.iter().map(rule).collect();
        compile("change-ticket.v1", &spec(&BASE.replace(RULE, &rules))).unwrap().warnings()
    };
    let never_decides = |rule: &str, index: usize, by: &str| {
        format!("spec.rules[{index}].when: rule `{rule}` never decides: rule `{by}` before it matches whenever it does")
    };
    let (empty, web, both) =
        ("signals.ticket == ''", "signals.target == 'web'", "signals.target=='web' && (signals.ticket == '')");
    let nothing: Vec<String> = Vec::new();
    assert_eq!(notes(&[("a", both), ("b", empty), ("c", web)]), nothing);
    assert_eq!(notes(&[("a", empty), ("b", web), ("c", both)]), [never_decides("c", 2, "a")]);
    assert_eq!(notes(&[("a", web), ("b", "signals.target  == 'web' // again")]), [never_decides("b", 1, "a")]);
    assert_eq!(notes(&[("a", "signals.target == 'web' || signals.ticket == ''"), ("b", web)]), nothing);
    assert_eq!(
        notes(&[("a", "1 > 2 && 'x' in ['x']"), ("b", web)]),
        ["spec.rules[0].when: rule `a` never matches: its condition is always false"]
    );
    assert_eq!(notes(&[("a", "1 < 2"), ("b", web)]), [never_decides("b", 1, "a")]);
}

#[test]
fn an_expression_that_could_cost_too_much_is_named() {
    let warnings = |expression: &str| {
        let from = "'object.metadata.name'}";
        compile("change-ticket.v1", &spec(&BASE.replace(from, &format!("{expression:?}}}")))).unwrap().warnings()
    };
    assert_eq!(warnings("object.metadata.name"), Vec::<String>::new());
    let found = warnings("string(object.a.all(x, object.a.all(y, object.a.all(z, x == y))))");
    let [one, all] = found.as_slice() else { panic!("{found:?}") };
    assert!(one.starts_with("spec.signals[1].expression: the largest objects could cost "), "{one}");
    assert!(one.contains("over the limit of 1000000 per expression"), "{one}");
    assert!(all.contains("over the limit of 10000000 per decision"), "{all}");
}
