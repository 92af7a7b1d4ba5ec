//! What of the CEL project's tests the language of policies does not have, and what it is known to do differently.

use super::Case;
use crate::cel::library;

/// Functions of sections that Kubernetes does not offer.
const SECTIONS: &[(&str, &str)] = &[
    ("bindings_ext", "the extension `cel.bind`"),
    ("block_ext", "the extension `cel.block`"),
    ("encoders_ext", "the extension `base64`"),
    ("math_ext", "the extension `math`"),
    ("proto2_ext", "messages of protocol buffers"),
    ("enums", "enums of protocol buffers"),
];

/// The parts of a case's text that say that it is about messages.
const MESSAGES: &[&str] = &[
    "TestAllTypes",
    "google.expr.",
    "google.rpc.",
    "google.protobuf.",
    "type.googleapis.com/",
    "enumValue",
    "\"wrapper\"",
];

/// Why a case is outside of what Kubernetes offers, by its text alone: never by what the engine makes of it.
pub(super) fn outside(case: &Case) -> Option<&'static str> {
    if let Some((_, why)) = SECTIONS.iter().find(|(section, _)| case.sections.iter().any(|name| name == section)) {
        return Some(why);
    }
    // The two messages that are types of the language.
    let text = case.case.to_string();
    let text = ["google.protobuf.Timestamp", "google.protobuf.Duration"].map(|known| (known, "")).iter().fold(
        text,
        |text, (known, with)| {
            let text = text.replace(&format!("type.googleapis.com/{known}"), with);
            text.replace(known, with)
        },
    );
    if MESSAGES.iter().any(|part| text.contains(part)) {
        return Some("messages of protocol buffers");
    }
    let declares = |what: &str| case.declarations().any(|declared| declared.get(what).is_some());
    let dotted = |name: &str| name.contains('.');
    if declares("function") {
        return Some("functions that the case declares");
    }
    if case.case.get("container").is_some() || case.declared_names().any(dotted) {
        return Some("containers and names with dots");
    }
    if text.contains("typeParam") {
        return Some("variables whose type is a parameter");
    }
    let unchecked = case.is("disableCheck");
    if unchecked && UNDECLARED.iter().any(|name| case.sections.iter().any(|section| section == name)) {
        return Some("names that nothing declares, evaluated without a check");
    }
    // The suites beside the specification's own are for a parser and a checker without extensions.
    let is_bare = !case.sections.iter().any(|suite| suite == "conformance");
    if is_bare && case.error.as_ref().is_some_and(|error| BARE.iter().any(|part| error.contains(part))) {
        return Some("refusals of what Kubernetes has: extensions, numbers of two types compared, deeper nesting");
    }
    if is_bare && OWN.contains(&case.expression()) {
        return Some("variables and functions that the suite does not declare");
    }
    // Comes into scope by itself.
    if library::function("format").is_none() && case.expression().contains(".format(") {
        return Some("`format`, which is not there yet");
    }
    None
}

/// The sections with cases that name what nothing declares.
const UNDECLARED: &[&str] = &["receiver_function_names", "variables", "functions"];

/// What a checker without extensions says of them.
const BARE: &[&str] = &[
    "undeclared reference",
    "unsupported syntax",
    "recursion",
    "applied to '(int, double)'",
    "applied to '(int, uint)'",
];

/// The cases of the checker's suite that name what the package does not declare.
const OWN: &[&str] = &["is", "ii", "iu", "iz", "id", "ix", "ib", "fg_s()", "is.fi_s_s()", "1 + ii"];

const EXPONENT: &str = "the second version of the strings extension writes doubles as a locale does";
const INTEGERS: &str = "the second version of the strings extension writes integers alone as such";
const PARTS: &str = "the second version of the strings extension writes the parts of lists and maps as literals";

/// Where the API server differs from the specification too, and policies follow it: the expression, and how, as the oracle
/// confirms of each.
pub(super) const AS_THE_API_SERVER: &[(&str, &str)] = &[
    ("{3.3:15.15, 1.0: 5}[1.0]", "a double may be a key"),
    ("{true:1,false:2,true:3}[true]", "of equal keys of a constant map the last one counts"),
    ("{0: 1, 0u: 2}[0.0]", "of equal keys of a constant map the last one counts; keys of two types are refused"),
    ("{'null_key': dyn(null)}.?null_key.invalid.hasValue()", "an optional field of what has no fields is absent"),
    ("{true: dyn(0)}[?true].absent.hasValue()", "an optional field of what has no fields is absent"),
    ("'tacocat'.indexOf('a', 30) == -1", "nothing is found past the end"),
    ("'tacocat'.lastIndexOf('a', 30) == -1", "nothing is found past the end"),
    ("x.getMilliseconds()", "the whole duration is counted, not the part below a second"),
    ("[optional.of(1), null][0]", "an optional and null in one list are refused"),
    ("\"%.6e\".format([1052.032911275])", EXPONENT),
    ("\"%e\".format([2.71828])", EXPONENT),
    ("\"%e\".format([dyn(2.71828)])", EXPONENT),
    ("str_var.format([1052.032911275])", EXPONENT),
    ("\"%e\".format([double(\"NaN\")])", EXPONENT),
    ("\"%e\".format([double(\"Infinity\")])", EXPONENT),
    ("\"%e\".format([double(\"-Infinity\")])", EXPONENT),
    ("\"%f\".format([double(\"Infinity\")])", EXPONENT),
    ("\"%f\".format([double(\"-Infinity\")])", EXPONENT),
    ("\"%d\".format([double(\"NaN\")])", INTEGERS),
    ("\"%d\".format([double(\"Infinity\")])", INTEGERS),
    ("\"%d\".format([double(\"-Infinity\")])", INTEGERS),
    ("\"%s\".format([[\"abc\", 3.14, null, [9, 8, 7, 6], timestamp(\"2023-02-03T23:31:20Z\")]])", PARTS),
    (
        "\"%s\".format([{\"key1\": b\"xyz\", \"key5\": null, \"key2\": duration(\"2h\"), \"key4\": true, \"key3\": 2.71828}])",
        PARTS,
    ),
    ("\"%s\".format([{1: \"value1\", uint(2): \"value2\", true: double(\"NaN\")}])", PARTS),
    ("\"%s\".format([[double(\"NaN\"), double(\"Infinity\"), double(\"-Infinity\")]])", PARTS),
    ("\"%s\".format([dyn([6, 4.2, \"a string\"])])", PARTS),
    ("\"%s\".format([{\"strKey\":\"x\", 6:duration(\"422s\"), true:42}])", PARTS),
];

const ZONE: &str = "names of the time zone database are refused: its contents change, and so would decisions";

/// The variables that expressions of the table read: type and value.
pub(super) const INPUTS: &[(&str, &str, &str)] = &[("x", "duration", "123.321s"), ("str_var", "string", "%.6e")];

/// What passes neither here nor follows the API server: the expression, and why.
pub(super) const MISSES: &[(&str, &str)] = &[
    ("timestamp('2009-02-13T23:31:30Z').getDate('Australia/Sydney')", ZONE),
    ("timestamp('2009-02-13T23:31:30Z').getDayOfMonth('US/Central')", ZONE),
    ("timestamp('2009-02-13T02:00:00Z').getDayOfMonth('America/St_Johns')", ZONE),
    ("timestamp('2009-02-13T23:31:30Z').getDayOfYear('US/Central')", ZONE),
    ("timestamp('2009-02-13T23:31:30Z').getMinutes('Asia/Kathmandu')", ZONE),
];
