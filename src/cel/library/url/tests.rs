use proptest::prelude::*;

use super::parse::{Url, fault};
use crate::cel::{Bindings, Environment, EvaluationErrorKind, Fuel, Type, Value, compile};

/// Pieces of URLs, to be put together at random.
const PIECES: &[&str] = &[
    "http",
    "HTTPS",
    "ftp",
    "mailto",
    ":",
    "/",
    "//",
    "///",
    "?",
    "#",
    "@",
    "[",
    "]",
    "[::1]",
    "%",
    "%25",
    "%41",
    "%2f",
    "%zz",
    "%C3%A9",
    "%ff",
    "é",
    "😀",
    "&",
    "=",
    ";",
    "+",
    "a",
    "b",
    ":80",
    ".",
    "..",
    "*",
    " ",
    "\"",
    "\\",
    "\n",
    "u:p@",
    "fe80::1%25en0",
    "1.2.3.4",
    "<",
    "^",
    "{",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        prop::collection::vec(prop::sample::select(PIECES), 0..12).prop_map(|pieces| pieces.concat()),
        prop::collection::vec(prop::sample::select(PIECES), 0..8).prop_map(|pieces| format!("/{}", pieces.concat())),
        prop::collection::vec(prop::sample::select(PIECES), 0..8)
            .prop_map(|pieces| format!("http://{}", pieces.concat())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_is_read_reads_back(text in text()) {
        let Ok(url) = Url::parse(&text) else { return Ok(()) };
        prop_assert_eq!(fault(&text), None);
        prop_assert!(url.path.is_ascii() && !url.path.contains(['?', '#', ' ']), "{:?}", url);
        prop_assert!(!url.scheme.contains(char::is_uppercase), "{:?}", url);
        let (host, port) = url.host_and_port();
        prop_assert!(host.len() + port.len() <= url.host.len() && port.iter().all(u8::is_ascii_digit), "{:?}", url);
        // The normal form is one: reading it again changes nothing, where it is a URL at all. Go writes a path that
        // begins with two slashes as it is, and would read a host there.
        if let Ok(again) = Url::parse(&url.text) && !url.text.starts_with("//") {
            prop_assert_eq!(again.text, url.text);
        }
    }

    #[test]
    fn whatever_the_text_the_functions_end(text in text()) {
        let env = Environment::new().variable("s", Type::String);
        let mut bindings = Bindings::new();
        bindings.set(env.slot("s").unwrap(), text.as_str());
        for source in [
            "isURL(s) || isIP(s) || isCIDR(s)",
            "url(s).getHost() + url(s).getHostname() + url(s).getPort() + url(s).getScheme()",
            "url(s).getQuery().size() <= s.size()",
            "url(s).getEscapedPath().size() <= 12 * s.size()",
            "ip.isCanonical(s) == (string(ip(s)) == s)",
            "cidr(s).containsIP(cidr(s).ip()) && cidr(s).containsCIDR(cidr(s).masked())",
        ] {
            let program = compile(source, &env, None).unwrap();
            match program.evaluate(&bindings, &mut Fuel::new(Fuel::PER_EXPRESSION)) {
                Ok(Value::Bool(false)) if !source.starts_with("is") => prop_assert!(false, "{} of {:?}", source, text),
                Ok(_) => {}
                Err(error) => {
                    prop_assert!(matches!(error.kind, EvaluationErrorKind::InvalidArgument { .. }), "{}", error);
                    prop_assert!(!error.to_string().contains(&text) || text.len() < 4, "{}", error);
                }
            }
        }
    }
}

/// A run of a long query within the work that its cost brings.
#[test]
fn many_parameters_are_none() {
    let env = Environment::new().variable("s", Type::String);
    let program = compile("url(s).getQuery().size()", &env, None).unwrap();
    for (parameters, read) in [(10_000, 1), (10_001, 0)] {
        let text = format!("/?{}", vec!["a=1"; parameters].join("&"));
        let mut bindings = Bindings::new();
        bindings.set(env.slot("s").unwrap(), text.as_str());
        let value = program.evaluate(&bindings, &mut Fuel::new(Fuel::PER_EXPRESSION)).unwrap();
        assert!(matches!(value, Value::Int(size) if size == read), "{parameters}: {value:?}");
    }
}
