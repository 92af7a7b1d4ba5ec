use super::*;
use crate::canonical::parse;

fn declare(text: &str) -> Result<Declaration, DeclarationError> {
    let mut json: serde_json::Value = serde_json::from_str(text).unwrap();
    json["name"] = "x".into();
    Declaration::of_parameter(&serde_json::from_value(json).unwrap())
}

/// (declaration, value, JSON form of what is read or the error)
const CASES: &[(&str, &str, Result<&str, &str>)] = &[
    (r#"{"type":"Boolean"}"#, "true", Ok("true")),
    (r#"{"type":"Boolean"}"#, "1", Err("is not of type Boolean")),
    (r#"{"type":"Boolean"}"#, r#""true""#, Err("is not of type Boolean")),
    (r#"{"type":"Integer","minimum":1,"maximum":5}"#, "1.0", Ok("1")),
    (r#"{"type":"Integer","minimum":1,"maximum":5}"#, "5", Ok("5")),
    (r#"{"type":"Integer","minimum":1,"maximum":5}"#, "0", Err("is below the minimum of 1")),
    (r#"{"type":"Integer","minimum":1,"maximum":5}"#, "6", Err("is above the maximum of 5")),
    (r#"{"type":"Integer"}"#, "1.5", Err("is not of type Integer")),
    (r#"{"type":"Integer"}"#, "18446744073709551615", Err("is not of type Integer")),
    (r#"{"type":"String"}"#, "null", Err("is not of type String")),
    (r#"{"type":"String","enum":["a","b"]}"#, r#""b""#, Ok(r#""b""#)),
    (r#"{"type":"String","enum":["a","b"]}"#, r#""B""#, Err("is not one of the allowed values: a, b")),
    (r#"{"type":"String","maxLength":2}"#, r#""éé""#, Ok(r#""éé""#)),
    (r#"{"type":"String","maxLength":2}"#, r#""abc""#, Err("is longer than 2 characters")),
    // A pattern covers the whole string, whatever its alternatives or flags.
    (r#"{"type":"String","pattern":"CHG-[0-9]+"}"#, r#""CHG-12""#, Ok(r#""CHG-12""#)),
    (r#"{"type":"String","pattern":"CHG-[0-9]+"}"#, r#""xCHG-12""#, Err("does not match the pattern `CHG-[0-9]+`")),
    (r#"{"type":"String","pattern":"a|b"}"#, r#""ab""#, Err("does not match the pattern `a|b`")),
    (r#"{"type":"String","pattern":"a"}"#, r#""a\n""#, Err("does not match the pattern `a`")),
    (r#"{"type":"String","pattern":"(?m)^a$"}"#, r#""a\nb""#, Err("does not match the pattern `(?m)^a$`")),
    (r#"{"type":"StringList","maxItems":2,"enum":["a"]}"#, r#"["a","a"]"#, Ok(r#"["a","a"]"#)),
    (r#"{"type":"StringList","maxItems":2}"#, r#"["a","b","c"]"#, Err("has more than 2 items")),
    (r#"{"type":"StringList"}"#, r#"["a",1]"#, Err("is not of type StringList")),
    (r#"{"type":"StringMap","maxLength":1}"#, r#"{"b":"2","a":"1"}"#, Ok(r#"{"a":"1","b":"2"}"#)),
    (r#"{"type":"StringMap","maxLength":1}"#, r#"{"bb":"2"}"#, Err("is longer than 1 characters")),
    (r#"{"type":"Timestamp"}"#, r#""2026-11-24T01:00:00+01:00""#, Ok(r#""2026-11-24T00:00:00Z""#)),
    (r#"{"type":"Timestamp"}"#, r#""today""#, Err("is not of type Timestamp")),
    (r#"{"type":"Quantity"}"#, r#""1.50Gi""#, Ok(r#""1536Mi""#)),
    (r#"{"type":"Quantity"}"#, r#""1000m""#, Ok(r#""1""#)),
    (r#"{"type":"Quantity"}"#, r#""62.5Ki""#, Ok(r#""64k""#)),
    (r#"{"type":"Quantity"}"#, r#""64k""#, Ok(r#""64k""#)),
    (r#"{"type":"Quantity"}"#, r#""1000E""#, Ok(r#""1e21""#)),
    (r#"{"type":"Quantity"}"#, r#""1,5""#, Err("is not of type Quantity")),
    (r#"{"type":"Quantity"}"#, "1", Err("is not of type Quantity")),
];

#[test]
fn values_are_checked_against_their_declaration() {
    for (declaration, value, expected) in CASES {
        let read = declare(declaration).unwrap().read(&parse(value.as_bytes()).unwrap());
        let read =
            read.map(|value| serde_json::to_string(&value.to_value()).unwrap()).map_err(|error| error.to_string());
        assert_eq!(read.as_deref().map_err(String::as_str), *expected, "{declaration} {value}");
    }
}

#[test]
fn impossible_declarations_are_refused() {
    for (declaration, field) in [
        (r#"{"type":"Boolean","enum":["true"]}"#, "enum"),
        (r#"{"type":"String","minimum":1}"#, "minimum"),
        (r#"{"type":"String","maxItems":1}"#, "maxItems"),
        (r#"{"type":"Integer","maxLength":1}"#, "maxLength"),
        (r#"{"type":"Integer","pattern":"a"}"#, "pattern"),
        (r#"{"type":"Integer","minimum":2,"maximum":1}"#, "minimum"),
        (r#"{"type":"String","pattern":"("}"#, "pattern"),
        (r#"{"type":"String","pattern":"a)|(?:b"}"#, "pattern"),
        (r#"{"type":"String","pattern":"((a{100}){100}){100}"}"#, "pattern"),
        (r#"{"type":"String","maxLength":4097}"#, "maxLength"),
        (r#"{"type":"StringList","maxItems":257}"#, "maxItems"),
    ] {
        assert_eq!(declare(declaration).map(|_| ()).unwrap_err().field, field, "{declaration}");
    }
}

#[test]
fn limits_hold_where_nothing_is_declared() {
    let text = format!("\"{}\"", "x".repeat(MAX_LENGTH + 1));
    let value = parse(text.as_bytes()).unwrap();
    assert_eq!(declare(r#"{"type":"String"}"#).unwrap().read(&value), Err(SignalError::MaxLength(MAX_LENGTH)));
    let items: Value<'_> = (0..=MAX_ITEMS).map(|_| Value::from("x")).collect();
    assert_eq!(declare(r#"{"type":"StringList"}"#).unwrap().read(&items), Err(SignalError::MaxItems(MAX_ITEMS)));
}
