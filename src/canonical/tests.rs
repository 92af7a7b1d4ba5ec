use proptest::prelude::*;

use super::*;

fn canonical(text: &str) -> String {
    String::from_utf8(encode(&parse(text.as_bytes()).expect(text))).unwrap()
}

/// What is accepted, and its one form.
const ACCEPT: &[(&str, &str)] = &[
    ("null", "null"),
    (" [ true , false ] ", "[true,false]"),
    ("{\"b\":1,\"a\":{\"d\":[],\"c\":{}}}", "{\"a\":{\"c\":{},\"d\":[]},\"b\":1}"),
    // Numbers: integers are integers however they are written, and exact over 64 bits.
    ("[1.0,1e0,10e-1,-0,-0.0,0e5]", "[1,1,1,0,0,0]"),
    ("[9223372036854775807,-9223372036854775808]", "[9223372036854775807,-9223372036854775808]"),
    ("[9223372036854775808,18446744073709551615]", "[9223372036854775808,18446744073709551615]"),
    ("[9007199254740993,9007199254740992]", "[9007199254740993,9007199254740992]"),
    ("[1e19,1e20,1e21,1e300]", "[10000000000000000000,100000000000000000000,1e+21,1e+300]"),
    // Beyond 64 bits an integer is a double, and accepted in its one form only.
    ("[46868595013746470000,-46868595013746470000]", "[46868595013746470000,-46868595013746470000]"),
    ("[0.1,1.5e-7,0.000001,123456.789,-2.5,5e-324]", "[0.1,1.5e-7,0.000001,123456.789,-2.5,5e-324]"),
    // Of two shortest forms that are equally close the even one.
    ("[2.62787628173828125,-5e-324,0.51099395751953125]", "[2.6278762817382812,-5e-324,0.5109939575195312]"),
    ("[4.50, 2e-3, 0.000000000000000000000000001]", "[4.5,0.002,1e-27]"),
    // Strings.
    (r#""\u0041\/\b\f\n\r\t\"\\""#, r#""A/\b\f\n\r\t\"\\""#),
    (r#""\u0000\u001f\u007f\u20ac""#, "\"\\u0000\\u001f\u{7f}€\""),
    (r#""\ud83d\ude00""#, "\"😀\""),
    // Keys sort by UTF-16 code units: the emoji (d83d…) before U+FB33.
    ("{\"\u{fb33}\":1,\"😀\":2,\"€\":3,\"\\r\":4,\"1\":5}", "{\"\\r\":4,\"1\":5,\"€\":3,\"😀\":2,\"\u{fb33}\":1}"),
    ("{\"a\":1,\"aa\":2,\"\":3}", "{\"\":3,\"a\":1,\"aa\":2}"),
];

/// What is refused, and why.
const REJECT: &[(&[u8], ParseErrorKind)] = &[
    (b"", ParseErrorKind::UnexpectedEnd),
    (b"[1,]", ParseErrorKind::UnexpectedCharacter),
    (b"{\"a\":1,}", ParseErrorKind::UnexpectedCharacter),
    (b"{a:1}", ParseErrorKind::UnexpectedCharacter),
    (b"{\"a\"", ParseErrorKind::UnexpectedEnd),
    (b"[1 2]", ParseErrorKind::UnexpectedCharacter),
    (b"nul", ParseErrorKind::UnexpectedEnd),
    (b"NaN", ParseErrorKind::UnexpectedCharacter),
    (b"Infinity", ParseErrorKind::UnexpectedCharacter),
    (b"1 1", ParseErrorKind::TrailingCharacters),
    (b"\xef\xbb\xbf1", ParseErrorKind::UnexpectedCharacter),
    (b"\"\xff\"", ParseErrorKind::InvalidUtf8),
    (b"\"\xed\xa0\x80\"", ParseErrorKind::InvalidUtf8),
    (b"\"a\nb\"", ParseErrorKind::ControlCharacter),
    (b"\"\\x\"", ParseErrorKind::InvalidEscape),
    (b"\"\\u12g4\"", ParseErrorKind::InvalidEscape),
    (b"\"\\u12", ParseErrorKind::UnexpectedEnd),
    (b"\"\\ud800\"", ParseErrorKind::LoneSurrogate),
    (b"\"\\udc00\\ud800\"", ParseErrorKind::LoneSurrogate),
    (b"\"\\ud800\\u0041\"", ParseErrorKind::LoneSurrogate),
    (b"\"abc", ParseErrorKind::UnexpectedEnd),
    (b"01", ParseErrorKind::InvalidNumber),
    (b"-", ParseErrorKind::InvalidNumber),
    (b"1.", ParseErrorKind::InvalidNumber),
    (b"1e", ParseErrorKind::InvalidNumber),
    (b".5", ParseErrorKind::UnexpectedCharacter),
    (b"+1", ParseErrorKind::UnexpectedCharacter),
    (b"1e400", ParseErrorKind::NumberOutOfRange),
    (b"18446744073709551616", ParseErrorKind::NumberOutOfRange),
    (b"-9223372036854775809", ParseErrorKind::NumberOutOfRange),
    (b"46868595013746470001", ParseErrorKind::NumberOutOfRange),
    (b"{\"a\":1,\"a\":1}", ParseErrorKind::DuplicateKey),
    (b"{\"a\":1,\"\\u0061\":2}", ParseErrorKind::DuplicateKey),
    (b"[[{\"x\":{\"b\":1,\"a\":2,\"b\":3}}]]", ParseErrorKind::DuplicateKey),
];

#[test]
fn accepts_one_form() {
    for (text, expected) in ACCEPT {
        assert_eq!(canonical(text), *expected, "{text}");
    }
}

#[test]
fn refuses_with_the_reason() {
    for (text, kind) in REJECT {
        assert_eq!(parse(text).map_err(|error| error.kind), Err(*kind), "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn depth_is_bounded_by_the_named_limit() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert_eq!(parse(nested(MAX_DEPTH + 1).as_bytes()).unwrap_err().kind, ParseErrorKind::TooDeep);
    assert_eq!(parse("[".repeat(1_000_000).as_bytes()).unwrap_err().kind, ParseErrorKind::TooDeep);
}

#[test]
fn errors_do_not_echo_the_input() {
    let message = parse(b"{\"password\":hunter2}").unwrap_err().to_string();
    assert_eq!(message, "unexpected character at byte 12");
}

fn any_value() -> impl Strategy<Value = Value<'static>> {
    let number = prop_oneof![
        any::<i64>().prop_map(Number::Int),
        any::<u64>().prop_map(Number::from_u64),
        any::<f64>().prop_filter_map("finite", Number::from_f64),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number.prop_map(Value::Number),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
            prop::collection::vec((any::<String>(), inner), 0..16)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_bytes_read_back_as_the_same_value(value in any_value()) {
        let bytes = encode(&value);
        let read = parse(&bytes).unwrap();
        prop_assert_eq!(&read, &value);
        prop_assert_eq!(encode(&read), bytes);
    }

    #[test]
    fn different_values_never_share_bytes(a in any_value(), b in any_value()) {
        prop_assert_eq!(encode(&a) == encode(&b), a == b);
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn every_member_is_found(keys in prop::collection::btree_set(any::<String>(), 0..40)) {
        let object: Object<'_> = keys.iter().map(|key| (key.clone(), Value::from(key.clone()))).collect();
        for key in &keys {
            prop_assert_eq!(object.member(key).and_then(Value::as_str), Some(key.as_str()));
        }
    }

    /// The oracle rounds integers beyond 2^53, so those are left out here.
    #[test]
    fn agrees_with_an_independent_rfc_8785_encoder(value in any_value()) {
        let text = String::from_utf8(encode(&value)).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assume!(small_integers(&json));
        prop_assert_eq!(serde_json_canonicalizer::to_string(&json).unwrap(), text);
    }
}

fn small_integers(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(number) => {
            !number.is_i64() && !number.is_u64() || number.as_i64().is_some_and(|value| value.unsigned_abs() < 1 << 53)
        }
        serde_json::Value::Array(items) => items.iter().all(small_integers),
        serde_json::Value::Object(map) => map.values().all(small_integers),
        _ => true,
    }
}
