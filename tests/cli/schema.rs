//! As much of JSON Schema (draft 2020-12) as the published schemas use. An unknown keyword fails the test.

use std::path::Path;

use serde_json::Value;

/// Checks an answer against the schema of its `kind`.
pub(crate) fn check_answer(answer: &Value) -> Result<(), String> {
    let kind = answer.get("kind").and_then(Value::as_str).ok_or("the answer has no `kind`")?;
    let mut name = String::new();
    for character in kind.chars() {
        if character.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.extend(character.to_lowercase());
    }
    check(&name, answer)
}

/// Checks a value against `docs/schema/<name>.json`.
pub(crate) fn check(name: &str, value: &Value) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schema/{name}.json"));
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let root: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let validator = Validator { root: &root };
    validator.value(&root, value, "")?;
    validator.known(&[&root], value, "")
}

struct Validator<'s> {
    root: &'s Value,
}

impl Validator<'_> {
    fn value(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let Value::Object(keywords) = schema else {
            return if schema == &Value::Bool(true) { Ok(()) } else { Err(format!("{at}: nothing is allowed here")) };
        };
        for (keyword, rule) in keywords {
            self.keyword(keyword, rule, schema, value, at)?;
        }
        Ok(())
    }

    /// Programs are told to expect further fields; this program has none that no schema describes.
    fn known(&self, schemas: &[&Value], value: &Value, at: &str) -> Result<(), String> {
        let schemas: Vec<&Value> = schemas.iter().flat_map(|schema| self.alternatives(schema)).collect();
        match value {
            Value::Object(members) => members.iter().try_for_each(|(name, member)| {
                let describing: Vec<&Value> = schemas
                    .iter()
                    .filter_map(|schema| {
                        let own = schema.get("properties").and_then(|properties| properties.get(name));
                        own.or_else(|| schema.get("additionalProperties"))
                    })
                    .collect();
                let open = schemas.iter().any(|schema| is_open(schema)) || describing.contains(&&Value::Bool(true));
                match describing.as_slice() {
                    [] if open => Ok(()),
                    [] => Err(format!("{at}/{name} is described nowhere")),
                    _ if open => Ok(()),
                    describing => self.known(describing, member, &format!("{at}/{name}")),
                }
            }),
            Value::Array(items) => {
                let describing: Vec<&Value> = schemas.iter().filter_map(|schema| schema.get("items")).collect();
                items
                    .iter()
                    .enumerate()
                    .try_for_each(|(index, item)| self.known(&describing, item, &format!("{at}/{index}")))
            }
            _ => Ok(()),
        }
    }

    /// A schema, what it refers to and what it is made of.
    fn alternatives<'v>(&'v self, schema: &'v Value) -> Vec<&'v Value> {
        let mut all = vec![schema];
        if let Some(pointer) = schema.get("$ref").and_then(Value::as_str).and_then(|pointer| pointer.strip_prefix('#'))
        {
            all.extend(self.alternatives(self.root.pointer(pointer).unwrap()));
        }
        for keyword in ["anyOf", "oneOf", "allOf"] {
            let parts = schema.get(keyword).and_then(Value::as_array).into_iter().flatten();
            all.extend(parts.flat_map(|part| self.alternatives(part)));
        }
        all
    }

    fn keyword(&self, keyword: &str, rule: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let fail = |what: String| Err(format!("{at}: {what}"));
        match keyword {
            "$schema" | "$defs" | "title" | "description" | "default" | "format" => Ok(()),
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                self.value(self.root.pointer(pointer).unwrap(), value, at)
            }
            "const" if rule != value => fail(format!("is {value} instead of {rule}")),
            "enum" if !rule.as_array().unwrap().contains(value) => fail(format!("{value} is none of {rule}")),
            "const" | "enum" => Ok(()),
            "type" => {
                let types = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                let fits = types.iter().any(|one| is_type(one.as_str().unwrap(), value));
                if fits { Ok(()) } else { fail(format!("{value} is not of type {rule}")) }
            }
            "minimum" | "maximum" => {
                let Some(number) = value.as_f64() else { return Ok(()) };
                let limit = rule.as_f64().unwrap();
                let fits = if keyword == "minimum" { number >= limit } else { number <= limit };
                if fits { Ok(()) } else { fail(format!("{value} is beyond the {keyword} {rule}")) }
            }
            "minItems" => {
                let count = value.as_array().map_or(u64::MAX, |items| items.len() as u64);
                if count >= rule.as_u64().unwrap() { Ok(()) } else { fail("has too few items".to_owned()) }
            }
            "required" => {
                let Value::Object(members) = value else { return Ok(()) };
                let missing =
                    rule.as_array().unwrap().iter().find(|name| !members.contains_key(name.as_str().unwrap()));
                missing.map_or(Ok(()), |name| fail(format!("{name} is missing")))
            }
            "properties" => {
                let Value::Object(members) = value else { return Ok(()) };
                rule.as_object().unwrap().iter().try_for_each(|(name, schema)| {
                    members.get(name).map_or(Ok(()), |member| self.value(schema, member, &format!("{at}/{name}")))
                })
            }
            "additionalProperties" => {
                let Value::Object(members) = value else { return Ok(()) };
                let known = schema.get("properties").and_then(Value::as_object);
                let unknown = members.iter().filter(|(name, _)| !known.is_some_and(|known| known.contains_key(*name)));
                let mut unknown = unknown;
                unknown.try_for_each(|(name, member)| self.value(rule, member, &format!("{at}/{name}")))
            }
            "items" => {
                let Value::Array(items) = value else { return Ok(()) };
                items.iter().enumerate().try_for_each(|(index, item)| self.value(rule, item, &format!("{at}/{index}")))
            }
            "anyOf" | "oneOf" => {
                let tried: Vec<_> =
                    rule.as_array().unwrap().iter().map(|schema| self.value(schema, value, at)).collect();
                let fitting = tried.iter().filter(|result| result.is_ok()).count();
                let enough = if keyword == "oneOf" { fitting == 1 } else { fitting > 0 };
                if enough { Ok(()) } else { fail(format!("{fitting} of {keyword} fit: {tried:?}")) }
            }
            other => panic!("the validator does not know the keyword `{other}`"),
        }
    }
}

/// A schema that says nothing.
fn is_open(schema: &Value) -> bool {
    *schema == Value::Bool(true)
        || schema.as_object().is_some_and(|keywords| keywords.keys().all(|key| key == "description"))
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the validator does not know the type `{other}`"),
    }
}

#[test]
fn the_validator_refuses() {
    let good = serde_json::json!({"apiVersion": "writ.dev/v1alpha1", "kind": "KeygenResult", "keyId": "k", "privateKeyFile": "a", "publicKeyFile": "b", "publicKey": "c"});
    assert_eq!(check_answer(&good), Ok(()));
    for (member, value) in
        [("apiVersion", "v1".into()), ("kind", "CelResult".into()), ("keyId", 1.into()), ("keyId", Value::Null)]
    {
        let mut bad = good.clone();
        bad[member] = value;
        assert!(check_answer(&bad).is_err(), "{member}");
    }
    let mut more = good.clone();
    more["secret"] = "x".into();
    assert!(check_answer(&more).is_err());
    let mut short = good;
    short.as_object_mut().unwrap().remove("publicKey");
    assert!(check_answer(&short).is_err());
}
