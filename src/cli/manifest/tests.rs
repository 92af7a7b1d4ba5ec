use super::*;
use crate::{
    api::{Manifest, PolicySpec},
    canonical::encode,
};

fn values(text: &str) -> Result<Vec<String>, String> {
    let documents = parse("f", text).map_err(|error| error.to_string())?;
    Ok(documents.iter().map(|document| String::from_utf8(encode(&document.value)).unwrap()).collect())
}

#[test]
fn what_is_read() {
    for (text, documents) in [
        ("", &[][..]),
        ("---\n---\n# nothing\n", &[]),
        ("a: 1\n---\nb: 2\n", &[r#"{"a":1}"#, r#"{"b":2}"#]),
        (r#"{"a": 1}"#, &[r#"{"a":1}"#]),
        ("{\"a\": 1}\n{\"b\": 2}\n", &[r#"{"a":1}"#, r#"{"b":2}"#]),
        ("{a: 1}", &[r#"{"a":1}"#]),
        // As kubectl reads YAML.
        ("a: 0644", &[r#"{"a":420}"#]),
        ("a: yes\nb: off\nc: \"yes\"", &[r#"{"a":true,"b":false,"c":"yes"}"#]),
        ("a: 1.0\nb: -0\nc: 1.5\nd: 1_000", &[r#"{"a":1,"b":0,"c":1.5,"d":1000}"#]),
        ("a: 2026-01-01", &[r#"{"a":"2026-01-01"}"#]),
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}", &[r#"{"a":{"b":1},"c":{"b":1,"d":2}}"#]),
        ("8080: x\n", &[r#"{"8080":"x"}"#]),
        ("a:\nb: ~\nc: ''", &[r#"{"a":null,"b":null,"c":""}"#]),
        ("a: |\n  x\n  y\n", &[r#"{"a":"x\ny\n"}"#]),
        // Exact to the last digit.
        ("a: 9223372036854775807\nb: 18446744073709551615", &[r#"{"a":9223372036854775807,"b":18446744073709551615}"#]),
        (r#"{"a":9007199254740993}"#, &[r#"{"a":9007199254740993}"#]),
        // Lists are taken apart.
        ("apiVersion: v1\nkind: List\nitems: [{a: 1}, {b: 2}]", &[r#"{"a":1}"#, r#"{"b":2}"#]),
        (
            "apiVersion: example.org/v1\nkind: List\nitems: []",
            &[r#"{"apiVersion":"example.org/v1","items":[],"kind":"List"}"#],
        ),
    ] {
        assert_eq!(
            values(text).as_deref(),
            Ok(&documents.iter().map(|&json| json.to_owned()).collect::<Vec<_>>()[..]),
            "{text:?}"
        );
    }
}

#[test]
fn what_is_refused() {
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let bomb: String =
        (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| format!("{text}a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1));
    for (text, place) in [
        ("a: 1\na: 2", "f:2:1: "),
        ("1: x\n\"1\": y", "f:"),
        (r#"{"a":1,"a":2}"#, "f:1:14: duplicate key"),
        ("a: {x: 1,\nb", "f:"),
        ("a: 18446744073709551616", "f:1:4: number out of range"),
        ("a: -9223372036854775809", "f:1:4: number out of range"),
        ("a: .inf", "f:1:4: "),
        ("a: 1e17", "f:1:4: number out of range"),
        ("a: 1e999", "f:1:4: "),
        (r#"{"a":18446744073709551616}"#, "f:1:6: number out of range"),
        (r#"{"a":"\ud800"}"#, "f:1:"),
        ("{\"a\":1} trailing", "f:1:9: unexpected text after JSON"),
        ("yes: 1", "f:1:1: a key that is no text"),
        ("? [a]\n: b", "f:"),
        ("a: *nobody", "f:1:4: "),
        ("a: @x", "f:1:4: "),
        (&deep, "f:"),
        (&bomb, "f:"),
    ] {
        let error = values(text).expect_err(text);
        assert!(error.starts_with(place), "{text:?}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn a_fault_has_its_place() {
    let text = "# policies\n---\nkind: Policy\nspec:\n  rules:\n  - name: a\n  - name: b\n    when: x\n";
    let document = &parse("p.yaml", text).unwrap()[0];
    for (path, place) in [
        ("", "p.yaml:3:1"),
        ("spec.rules[1].when", "p.yaml:8:11"),
        ("spec.rules[1].missing.deeper", "p.yaml:7:5"),
        ("spec.rules[7]", "p.yaml:6:5"),
        ("kind", "p.yaml:3:7"),
    ] {
        assert_eq!(document.place(path), place, "{path}");
    }
    let json = "{\"items\": [{\"a\": 1},\n {\"a\": {\"b\": 2}}], \"kind\": \"List\", \"apiVersion\": \"v1\"}";
    assert_eq!(parse("l.json", json).unwrap()[1].place("a.b"), "l.json:2:14");
}

#[test]
fn a_type_error_has_its_path() {
    let policy =
        |spec: &str| format!("apiVersion: writ.dev/v1alpha1\nkind: Policy\nmetadata: {{name: a.v1}}\nspec: {spec}");
    let whole = "{id: a, version: v1, matchConstraints: {resourceRules: []}, rules: [], replay: {mode: Repeatable}}";
    let read = |text: &str| parse("p", text).unwrap()[0].typed::<Manifest<PolicySpec>>();
    assert_eq!(read(&policy(whole)).map(|manifest| manifest.spec.id), Ok("a".to_owned()));
    for (change, error) in [
        (
            ("rules: []", "rules: [{name: 1}]"),
            "p:4:82: spec.rules[0].name: invalid type: integer `1`, expected a string",
        ),
        (("rules: []", "rulez: []"), "p:4:74: spec.rulez: unknown field `rulez`"),
        (
            ("mode: Repeatable", "mode: Twice"),
            "p:4:93: spec.replay.mode: unknown variant `Twice`, expected `Once` or `Repeatable`",
        ),
        (("mode: Repeatable", "mode: {}"), "p:4:93: spec.replay.mode: "),
        (("rules: [], ", ""), "p:4:7: spec: missing field `rules`"),
    ] {
        let text = policy(&whole.replace(change.0, change.1));
        let found = read(&text).unwrap_err().to_string();
        assert!(found.starts_with(error), "{found}\n{error}");
    }
}

/// YAML as people and attackers write it: it is read or refused, and what is read has one canonical form.
#[test]
fn no_text_makes_the_reader_panic() {
    use proptest::prelude::*;
    let pieces = prop::sample::select(vec![
        "a",
        ": ",
        "\n",
        "- ",
        "  ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\"",
        "'",
        "|",
        ">",
        "&x ",
        "*x",
        "!!int ",
        "!x ",
        "---\n",
        "...\n",
        "0644",
        "1e400",
        "-0",
        ".inf",
        "yes",
        "~",
        "<<",
        "? ",
        "#",
        "%",
        "\t",
        "\u{feff}",
        "\\ud800",
        "é",
        "18446744073709551616",
    ]);
    let text = prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat());
    let config = ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(text in text)| {
        if let Ok(documents) = parse("f", &text) {
            for document in documents {
                let bytes = encode(&document.value);
                prop_assert_eq!(crate::canonical::parse(&bytes).map(Value::into_owned), Ok(document.value));
            }
        }
    });
}
