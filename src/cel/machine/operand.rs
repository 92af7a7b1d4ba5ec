//! Constants, paths, indexes and the parts of literals.

use super::{
    super::value::{Blob, Text},
    EvaluationErrorKind, Fuel, Key, Machine, Map, Outcome, Step, StepKey, Value,
};
use crate::canonical;

/// A constant of the program, without a count of references for its text.
pub(super) fn borrow<'a>(constant: &'a Value<'static>) -> Value<'a> {
    match constant {
        Value::String(Text::Owned(text)) => Value::String(Text::Borrowed(text)),
        Value::Bytes(Blob::Owned(bytes)) => Value::Bytes(Blob::Borrowed(bytes)),
        other => other.clone(),
    }
}

/// A part of a literal; an absent optional is no part.
pub(super) fn part<'a>(outcome: Outcome<'a>, optional: bool) -> Result<Option<Value<'a>>, EvaluationErrorKind> {
    match (outcome, optional) {
        (Err(error), _) => Err(error.kind),
        (Ok(Value::Optional(present)), true) => Ok(present.map(|present| present.value().clone())),
        (Ok(value), _) => Ok(Some(value)),
    }
}

/// Adds an entry to those of a map literal; an absent one takes away what stood under its key before it.
pub(super) fn entry<'a>(
    mut entries: Vec<(Key<'a>, Value<'a>)>,
    key: Outcome<'a>,
    value: Outcome<'a>,
    optional: bool,
) -> Result<Vec<(Key<'a>, Value<'a>)>, EvaluationErrorKind> {
    let key = Key::of(&key.map_err(|error| error.kind)?)?;
    match part(value, optional)? {
        Some(value) => entries.push((key, value)),
        None => entries.retain(|(known, _)| *known != key),
    }
    Ok(entries)
}

#[cold]
fn no_such_key(fuel: &mut Fuel, name: &str) -> EvaluationErrorKind {
    // The name may be as long as an expression, and the error absorbed as often as a macro goes round.
    fuel.copy(name.len()).err().unwrap_or_else(|| EvaluationErrorKind::NoSuchKey(Some(name.to_owned())))
}

/// What a step finds.
enum Found<'a> {
    Value(Value<'a>),
    Absent,
}

/// Takes one step from `value`; with `test` a step that leads nowhere is absent and no error.
fn take<'a>(fuel: &mut Fuel, value: &Value<'a>, key: &StepKey, test: bool) -> Result<Found<'a>, EvaluationErrorKind> {
    match (value, key) {
        (Value::Map(map), StepKey::Name(name)) => {
            fuel.search(name, map.len())?;
            match map.member(name) {
                Some(found) => Ok(Found::Value(found)),
                None if test => Ok(Found::Absent),
                None => Err(no_such_key(fuel, name)),
            }
        }
        (_, StepKey::Name(name)) => find(fuel, value, &Value::String(Text::Borrowed(name)), test, Some(name)),
        (_, StepKey::Value(key)) => find(fuel, value, key, test, None),
    }
}

/// Finds `key` in `value`, which may be of any type; `name` is the key where the expression names it.
fn find<'a>(
    fuel: &mut Fuel,
    value: &Value<'a>,
    key: &Value<'_>,
    test: bool,
    name: Option<&str>,
) -> Result<Found<'a>, EvaluationErrorKind> {
    if !is_key(key) {
        let arguments = format!("{}, {}", value.type_name(), key.type_name());
        return Err(EvaluationErrorKind::NoSuchOverload { function: "_[_]", arguments });
    }
    let found = match value {
        Value::Map(map) => map.look_up(fuel, key)?,
        Value::List(list) => match list_index(key)? {
            Some(index) => list.element(index),
            None => None,
        },
        _ => None,
    };
    match (found, value) {
        (Some(found), _) => Ok(Found::Value(found)),
        (None, _) if test => Ok(Found::Absent),
        (None, Value::List(_)) => Err(EvaluationErrorKind::IndexOutOfRange),
        (None, _) => Err(name.map_or(EvaluationErrorKind::NoSuchKey(None), |name| no_such_key(fuel, name))),
    }
}

/// Whether anything can be indexed by the value.
pub(in crate::cel) fn is_key(value: &Value<'_>) -> bool {
    matches!(value, Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::String(_))
}

/// The index that a number is; `None` for one that no list has.
fn list_index(key: &Value<'_>) -> Result<Option<usize>, EvaluationErrorKind> {
    let refused =
        || EvaluationErrorKind::NoSuchOverload { function: "_[_]", arguments: format!("list, {}", key.type_name()) };
    match key {
        Value::Int(index) => Ok(usize::try_from(*index).ok()),
        Value::Uint(index) => {
            Ok(Some(usize::try_from(i64::try_from(*index).map_err(|_| refused())?).map_err(|_| refused())?))
        }
        Value::Double(index) => whole(*index).map(|index| usize::try_from(index).ok()).ok_or_else(refused),
        _ => Err(refused()),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "only what converts back is taken")]
fn whole(value: f64) -> Option<i64> {
    let index = value as i64;
    (value.abs() < 9_007_199_254_740_992.0 && index as f64 == value).then_some(index)
}

impl<'a> Machine<'a, '_> {
    /// Makes an error of an optional part of a literal that is no optional.
    pub(super) fn check_optional(&mut self) -> Result<(), EvaluationErrorKind> {
        let part = match self.pop() {
            Ok(other) if !matches!(other, Value::Optional(_)) => {
                let arguments = other.type_name().to_owned();
                self.raise(EvaluationErrorKind::NoSuchOverload { function: "optional element", arguments })?
            }
            part => part,
        };
        self.push(part);
        Ok(())
    }

    /// Follows constant steps from the top of the stack.
    pub(super) fn follow(&mut self, from: u32, count: u32, inner: bool) -> Result<(), EvaluationErrorKind> {
        let (from, count) = (from as usize, count as usize);
        let code = self.code;
        let steps = code.steps.get(from..from + count).ok_or_else(super::broken)?;
        let outcome = match self.pop() {
            Ok(value) => {
                let result = self.walk(value, steps, inner);
                self.settle(result)?
            }
            error => error,
        };
        self.push(outcome);
        Ok(())
    }

    /// Follows names through objects of the input, as far as that goes; says what remains.
    fn descend<'s>(
        &mut self,
        start: Value<'a>,
        steps: &'s [Step],
    ) -> Result<(Value<'a>, &'s [Step]), EvaluationErrorKind> {
        let Value::Map(Map::Json(mut object)) = start else { return Ok((start, steps)) };
        let mut rest = steps;
        while let Some((Step { key: StepKey::Name(name), optional: false, test: false }, after)) = rest.split_first() {
            self.fuel.spend(1)?;
            rest = after;
            self.fuel.search(name, object.len())?;
            match object.member(name) {
                Some(canonical::Value::Object(inner)) => object = inner,
                Some(other) => return Ok((Value::from(other), rest)),
                None => return Err(no_such_key(self.fuel, name)),
            }
        }
        Ok((Value::Map(Map::Json(object)), rest))
    }

    /// Once one step is optional, or the start is, so are all after it, and the result is an optional.
    fn walk(&mut self, start: Value<'a>, steps: &[Step], inner: bool) -> Result<Value<'a>, EvaluationErrorKind> {
        let (mut value, mut optional) = match start {
            Value::Optional(None) => return Ok(absent(steps)),
            Value::Optional(Some(present)) => (present.value().clone(), true),
            other => (other, false),
        };
        let mut rest = steps;
        if !optional {
            (value, rest) = self.descend(value, steps)?;
        }
        for step in rest {
            optional |= step.optional;
            if !optional {
                self.fuel.spend(1)?;
            }
            match take(self.fuel, &value, &step.key, optional || step.test)? {
                Found::Absent if step.test => return Ok(Value::Bool(false)),
                Found::Absent => return Ok(absent(steps)),
                Found::Value(found) => {
                    if optional {
                        self.fuel.spend(1)?;
                    }
                    if step.test {
                        return Ok(Value::Bool(true));
                    }
                    value = found;
                }
            }
        }
        if !optional {
            return Ok(found(value, inner));
        }
        self.fuel.elements(1)?;
        Value::present(value)
    }

    /// Pops an index and follows it from the top of the stack.
    pub(super) fn index(&mut self, optional: bool, inner: bool) -> Result<(), EvaluationErrorKind> {
        let (index, target) = (self.pop(), self.pop());
        let (target, optional) = match target {
            Ok(Value::Optional(None)) => {
                self.push(Ok(Value::Optional(None)));
                return Ok(());
            }
            Ok(Value::Optional(Some(present))) => (present.value().clone(), true),
            Ok(target) => (target, optional),
            error => {
                self.push(error);
                return Ok(());
            }
        };
        if !optional {
            self.fuel.spend(1)?;
        }
        let outcome = match index {
            Err(error) => Err(error),
            Ok(index) => match find(self.fuel, &target, &index, optional, None) {
                Ok(Found::Value(value)) if optional => {
                    self.fuel.spend(1)?;
                    self.fuel.elements(1)?;
                    self.settle(Value::present(value))?
                }
                Ok(Found::Value(value)) => Ok(found(value, inner)),
                Ok(Found::Absent) => Ok(Value::Optional(None)),
                Err(kind) => self.raise(kind)?,
            },
        };
        self.push(outcome);
        Ok(())
    }
}

/// What a path found, or a stand-in where steps follow: in cel-go no step leads into an optional that is inside.
fn found(value: Value<'_>, inner: bool) -> Value<'_> {
    if inner && matches!(value, Value::Optional(_)) { Value::Null } else { value }
}

/// What a path gives that leads nowhere: `none`, or `false` where presence is asked for.
fn absent<'a>(steps: &[Step]) -> Value<'a> {
    if steps.last().is_some_and(|step| step.test) { Value::Bool(false) } else { Value::Optional(None) }
}
