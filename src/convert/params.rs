//! Parameters: an object of the cluster becomes values of the binding, or a literal of the policy.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    api::{Parameter, SignalType},
    canonical::{Number, Value},
    cel,
};

/// The variable that stands for parameters which a policy of Writ cannot declare.
pub(super) const VARIABLE: &str = "params_";

/// What became of the parameters of one binding.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Params {
    /// There are none.
    None,
    /// Declared parameters with their values.
    Declared(Vec<Parameter>, BTreeMap<String, serde_json::Value>),
    /// An expression that yields the whole object.
    Literal(String),
}

/// The parameters that expressions read from `object`.
pub(super) fn of(object: &Value<'_>, expressions: &[&str]) -> Params {
    match fields(expressions).and_then(|fields| declared(object, &fields)) {
        Some((parameters, values)) => Params::Declared(parameters, values),
        None => Params::Literal(literal(object)),
    }
}

/// The fields of `params` that are read, where nothing else of it is.
fn fields(expressions: &[&str]) -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for source in expressions {
        for range in cel::reads(source, "params").ok()? {
            let rest = source.get(range.end..)?;
            let rest = rest.strip_prefix('.').filter(|rest| !rest.starts_with('?'))?;
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let is_call = rest.get(name.len()..).is_some_and(|rest| rest.starts_with('('));
            if name.is_empty() || is_call {
                return None;
            }
            found.insert(name);
        }
    }
    Some(found)
}

fn declared(
    object: &Value<'_>,
    fields: &BTreeSet<String>,
) -> Option<(Vec<Parameter>, BTreeMap<String, serde_json::Value>)> {
    let mut parameters = Vec::new();
    let mut values = BTreeMap::new();
    for name in fields {
        let value = object.member(name)?;
        let value_type = type_of(value)?;
        parameters.push(Parameter {
            name: name.clone(),
            value_type,
            allowed: Vec::new(),
            minimum: None,
            maximum: None,
            max_length: None,
            pattern: None,
            max_items: None,
        });
        values.insert(name.clone(), serde_json::from_slice(&crate::canonical::encode(value)).ok()?);
    }
    Some((parameters, values))
}

/// The type that a parameter of this value has; none for what no parameter can be.
fn type_of(value: &Value<'_>) -> Option<SignalType> {
    let is_text = |value: &Value<'_>| matches!(value, Value::String(_));
    Some(match value {
        Value::Bool(_) => SignalType::Boolean,
        Value::Number(Number::Int(_)) => SignalType::Integer,
        Value::String(_) => SignalType::String,
        Value::Array(items) if items.iter().all(is_text) => SignalType::StringList,
        Value::Object(object) if object.iter().all(|(_, value)| is_text(value)) => SignalType::StringMap,
        _ => return None,
    })
}

/// A value as an expression whose type the checker does not know, as it does not know that of an object's fields.
fn literal(value: &Value<'_>) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(literal).collect();
            format!("dyn([{}])", items.join(", "))
        }
        Value::Object(object) => {
            let entry =
                |(key, value): (&str, &Value<'_>)| format!("{}: {}", cel::Value::from(key).literal(), literal(value));
            let entries: Vec<String> = object.iter().map(entry).collect();
            format!("dyn({{{}}})", entries.join(", "))
        }
        scalar => format!("dyn({})", cel::Value::from(scalar).literal()),
    }
}

/// The expression with `variables.params_` in the place of `params`.
pub(super) fn redirect(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut from = 0;
    for range in cel::reads(source, "params").unwrap_or_default() {
        out.push_str(source.get(from..range.start).unwrap_or_default());
        out.push_str("variables.");
        out.push_str(VARIABLE);
        from = range.end;
    }
    out.push_str(source.get(from..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_values_are_declared_and_others_are_literals() {
        let object = Value::from(serde_json::json!({
            "data": {"max": "3"}, "spec": {"images": [{"name": "a"}], "rate": 0.5}, "count": 2, "names": ["a"], "on": true
        }));
        for (expressions, wanted) in [
            (vec!["params.data.max == 'x' && params.count > 1"], "declared count data"),
            (vec!["has(params.on) && params.names.exists(params, params == 'a')"], "declared names on"),
            (vec!["params.spec.rate > 0.1"], "literal"),
            (vec!["params.missing == 1"], "literal"),
            (vec!["params.?data.hasValue()"], "literal"),
            (vec!["params == null"], "literal"),
            (vec!["params['data'].max == '1'"], "literal"),
            (vec!["object.params == 1"], "declared"),
        ] {
            let found = match of(&object, &expressions) {
                Params::Declared(parameters, _) => {
                    let names: Vec<_> = parameters.iter().map(|parameter| parameter.name.as_str()).collect();
                    format!("declared {}", names.join(" ")).trim_end().to_owned()
                }
                Params::Literal(_) => "literal".to_owned(),
                Params::None => "none".to_owned(),
            };
            assert_eq!(found, wanted, "{expressions:?}");
        }
    }

    #[test]
    fn a_literal_is_the_object() {
        let object = Value::from(serde_json::json!({"a": [1, "x\n", null, {"b.c": 1.5}], "d": {}}));
        let program = cel::compile(&literal(&object), &cel::Environment::new(), None).unwrap();
        let value = program.evaluate(&cel::Bindings::new(), &mut cel::Fuel::new(1_000)).unwrap();
        assert_eq!(value.to_canonical().unwrap(), object);
    }

    #[test]
    fn only_reads_of_params_are_redirected() {
        let source = "has(params.a) && x.map(params, params + 1) == [params] // params";
        let wanted = "has(variables.params_.a) && x.map(params, params + 1) == [variables.params_] // params";
        assert_eq!(redirect(source), wanted);
    }
}
