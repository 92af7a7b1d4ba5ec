//! Constants: literals, lists and maps of constants, and conversions of one.

use super::{
    super::{
        check::{Issue, Meaning},
        fuel::Fuel,
        library::CONVERSIONS,
        syntax::ast::{Kind, NodeId},
        value::{Blob, Key, List, Map, Value},
    },
    Lowering, invalid, text,
};

/// What computing constants may cost while an expression is compiled.
pub(super) const FUEL: u64 = 100_000;

impl Lowering<'_> {
    /// The value of a node that is constant; as in cel-go, those that are cost nothing.
    ///
    /// Lists, maps and conversions nest, and nesting is bounded.
    pub(super) fn constant(&self, id: NodeId) -> Result<Option<Value<'static>>, Issue> {
        Ok(match self.kind(id) {
            Kind::Null => Some(Value::Null),
            Kind::Bool(value) => Some(Value::Bool(*value)),
            Kind::Int(value) => Some(Value::Int(*value)),
            Kind::Uint(value) => Some(Value::Uint(*value)),
            Kind::Double(value) => Some(Value::Double(*value)),
            Kind::String(value) => Some(text(value)),
            Kind::Bytes(value) => Some(Value::Bytes(Blob::Owned(value.clone()))),
            Kind::Ident { .. } | Kind::Select { .. } => match self.checked.meaning(id) {
                Meaning::TypeName(name) => Some(Value::Type(name)),
                _ => None,
            },
            Kind::List(elements) => {
                let mut items = Vec::with_capacity(elements.len());
                for element in elements {
                    match self.constant(element.value)? {
                        Some(value) if !element.optional => items.push(value),
                        _ => return Ok(None),
                    }
                }
                Some(Value::list(items).map_err(|kind| invalid(self.checked.ast.offset(id), kind.to_string()))?)
            }
            Kind::Map(entries) => {
                let mut items = Vec::with_capacity(entries.len());
                for entry in entries {
                    match (self.constant(entry.key)?, self.constant(entry.value)?) {
                        (Some(key), Some(value)) if !entry.optional => items.push((key, value)),
                        _ => return Ok(None),
                    }
                }
                let refused = |kind: super::super::error::EvaluationErrorKind| {
                    invalid(self.checked.ast.offset(id), kind.to_string())
                };
                let entries: Result<Vec<_>, _> =
                    items.into_iter().map(|(key, value)| Ok((Key::of(&key)?, value))).collect();
                Some(Value::Map(entries.and_then(Map::new).map_err(refused)?))
            }
            // Nothing is in an empty list, and cel-go does not look at what might be.
            Kind::Call { function, .. } if function.as_ref() == "@in" => {
                self.constant_set(id)?.filter(List::is_empty).map(|_| Value::Bool(false))
            }
            Kind::Call { function, target: None, arguments } if CONVERSIONS.contains(&function.as_ref()) => {
                let [argument] = arguments.as_ref() else { return Ok(None) };
                match self.constant(*argument)? {
                    Some(value) => match self.convert(id, *argument, value) {
                        Err(_) if !self.env.is_strict() => None,
                        converted => Some(converted?),
                    },
                    None => None,
                }
            }
            _ => None,
        })
    }

    fn convert(&self, id: NodeId, argument: NodeId, value: Value<'static>) -> Result<Value<'static>, Issue> {
        let offset = self.checked.ast.offset(argument);
        let Meaning::Call { function, overloads, .. } = self.checked.meaning(id) else {
            return Err(invalid(offset, "not a call".to_owned()));
        };
        let fitting = overloads.iter().find(|overload| overload.accepts(std::slice::from_ref(&value)));
        let mut fuel = Fuel::new(FUEL);
        let result = fitting
            .ok_or_else(|| format!("{}() does not take a value of type `{}`", function.name, value.type_name()))
            .and_then(|overload| (overload.apply)(&mut fuel, std::slice::from_ref(&value)).map_err(|e| e.to_string()));
        result.map_err(|message| invalid(offset, message))
    }
}
