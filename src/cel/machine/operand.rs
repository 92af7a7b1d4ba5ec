//! Paths, indexes and the parts of literals.

use super::{
    super::value::{TWO_63, Text},
    EvaluationErrorKind, Fuel, Key, Machine, Map, Step, StepKey, Value,
};
use crate::canonical;

/// A part of a literal; an absent optional is no part.
fn part(value: Value<'_>, optional: bool) -> Option<Value<'_>> {
    match value {
        Value::Optional(present) if optional => present.map(|present| present.value().clone()),
        value => Some(value),
    }
}

/// The elements of a list literal, some of which are optional.
pub(super) fn parts<'a>(items: Vec<Value<'a>>, optional: &[bool]) -> Vec<Value<'a>> {
    items.into_iter().zip(optional).filter_map(|(item, optional)| part(item, *optional)).collect()
}

/// The entries of a map literal, from its keys and values in turn; an absent one takes away what stood under its key
/// before it.
pub(super) fn entries<'a>(
    fuel: &mut Fuel,
    parts: Vec<Value<'a>>,
    optional: Option<&[bool]>,
) -> Result<Vec<(Key<'a>, Value<'a>)>, EvaluationErrorKind> {
    let mut entries = Vec::with_capacity(parts.len() / 2);
    let mut parts = parts.into_iter();
    let mut optional = optional.unwrap_or_default().iter();
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        let key = Key::of(&key)?;
        match part(value, optional.next() == Some(&true)) {
            Some(value) => entries.push((key, value)),
            None => {
                for _ in &entries {
                    fuel.toil(1)?;
                    fuel.copy(key.text().len())?;
                }
                entries.retain(|(known, _)| *known != key);
            }
        }
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
    (value.abs() < TWO_63 && index as f64 == value).then_some(index)
}

/// Where names lead.
enum Reached<'a> {
    Json(&'a canonical::Value<'a>),
    Object(&'a canonical::Object<'a>),
    Presence(bool),
}

impl<'a> From<Reached<'a>> for Value<'a> {
    fn from(reached: Reached<'a>) -> Self {
        match reached {
            Reached::Json(json) => Self::from(json),
            Reached::Object(object) => Self::Map(Map::Json(object)),
            Reached::Presence(found) => Self::Bool(found),
        }
    }
}

/// Follows names through objects of the input, as far as that goes; says what remains.
#[inline]
fn descend<'a, 's>(
    fuel: &mut Fuel,
    mut object: &'a canonical::Object<'a>,
    steps: &'s [Step],
) -> Result<(Reached<'a>, &'s [Step]), EvaluationErrorKind> {
    let mut rest = steps;
    while let Some((Step { key: StepKey::Name(name), optional: false, test }, after)) = rest.split_first() {
        fuel.spend(1)?;
        fuel.search(name, object.len())?;
        rest = after;
        match object.member(name) {
            found if *test => return Ok((Reached::Presence(found.is_some()), rest)),
            Some(canonical::Value::Object(inner)) => object = inner,
            Some(other) => return Ok((Reached::Json(other), rest)),
            None => return Err(no_such_key(fuel, name)),
        }
    }
    Ok((Reached::Object(object), rest))
}

impl<'a> Machine<'a, '_> {
    /// Makes an error of an optional part of a literal that is no optional.
    pub(super) fn check_optional(&mut self) -> Result<(), EvaluationErrorKind> {
        let Some(part) = self.stack.top().filter(|part| !matches!(part, Value::Optional(_))) else { return Ok(()) };
        let arguments = part.type_name().to_owned();
        self.replace(1, Err(EvaluationErrorKind::NoSuchOverload { function: "optional element", arguments }))
    }

    fn steps(&self, from: u32, count: u32) -> Result<&'a [Step], EvaluationErrorKind> {
        let from = from as usize;
        self.code.steps.get(from..from + count as usize).ok_or_else(super::broken)
    }

    /// Follows constant steps from the top of the stack.
    pub(super) fn follow(&mut self, from: u32, count: u32, inner: bool) -> Result<(), EvaluationErrorKind> {
        let steps = self.steps(from, count)?;
        let Some(start) = self.stack.top() else { return Ok(()) };
        let result = walk(self.fuel, start, steps, inner);
        self.replace(1, result)
    }

    /// Pushes what constant steps from a macro's variable lead to.
    pub(super) fn follow_local(
        &mut self,
        (frame, second): (u16, bool),
        (from, count): (u32, u32),
        inner: bool,
    ) -> Result<(), EvaluationErrorKind> {
        let steps = self.steps(from, count)?;
        let frame = self.frames.get(usize::from(frame)).ok_or_else(super::broken)?;
        let result = match frame.variable(second) {
            Value::Map(Map::Json(object)) => match descend(self.fuel, object, steps) {
                Ok((Reached::Json(json), [])) => {
                    self.stack.push_json(json);
                    return Ok(());
                }
                Ok((Reached::Presence(found), [])) => {
                    self.stack.push_bool(found);
                    return Ok(());
                }
                Ok((Reached::Object(object), [])) => {
                    self.stack.push_object(object);
                    return Ok(());
                }
                Ok((reached, rest)) => walk_on(self.fuel, reached.into(), rest, false, inner),
                Err(kind) => Err(kind),
            },
            other => walk(self.fuel, other, steps, inner),
        };
        let outcome = self.settle(result)?;
        self.push(outcome);
        Ok(())
    }

    /// Pops an index and follows it from the top of the stack.
    pub(super) fn index(&mut self, optional: bool, inner: bool) -> Result<(), EvaluationErrorKind> {
        let Some([target, index]) = self.stack.operands(2) else { return self.index_on_errors(optional) };
        // Nothing follows from an absent optional: that was jumped over.
        let (target, optional) = match target {
            Value::Optional(Some(present)) => (present.value(), true),
            target => (target, optional),
        };
        if !optional {
            self.fuel.spend(1)?;
        }
        let result = match find(self.fuel, target, index, optional, None) {
            Ok(Found::Value(value)) if optional => {
                self.fuel.spend(1)?;
                self.fuel.elements(1)?;
                Value::present(value)
            }
            Ok(Found::Value(value)) => Ok(found(value, inner)),
            Ok(Found::Absent) => Ok(Value::Optional(None)),
            Err(kind) => Err(kind),
        };
        self.replace(2, result)
    }

    /// The same where the index is an error; one that is the target was jumped over.
    #[cold]
    fn index_on_errors(&mut self, optional: bool) -> Result<(), EvaluationErrorKind> {
        let (index, target) = (self.pop(), self.pop());
        if !optional && !matches!(target, Ok(Value::Optional(_))) {
            self.fuel.spend(1)?;
        }
        self.push(index);
        Ok(())
    }
}

/// Follows constant steps. Once one is optional, or the start is, so are all after it, and the result is an optional.
fn walk<'a>(fuel: &mut Fuel, start: &Value<'a>, steps: &[Step], inner: bool) -> Result<Value<'a>, EvaluationErrorKind> {
    match start {
        Value::Map(Map::Json(object)) => match descend(fuel, object, steps)? {
            (reached, []) => Ok(reached.into()),
            (reached, rest) => walk_on(fuel, reached.into(), rest, false, inner),
        },
        Value::Optional(None) => Ok(absent(steps)),
        Value::Optional(Some(present)) => walk_on(fuel, present.value().clone(), steps, true, inner),
        other => walk_on(fuel, other.clone(), steps, false, inner),
    }
}

fn walk_on<'a>(
    fuel: &mut Fuel,
    mut value: Value<'a>,
    steps: &[Step],
    mut optional: bool,
    inner: bool,
) -> Result<Value<'a>, EvaluationErrorKind> {
    for step in steps {
        optional |= step.optional;
        if !optional {
            fuel.spend(1)?;
        }
        match take(fuel, &value, &step.key, optional || step.test)? {
            Found::Absent if step.test => return Ok(Value::Bool(false)),
            Found::Absent => return Ok(absent(steps)),
            Found::Value(found) => {
                if optional {
                    fuel.spend(1)?;
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
    fuel.elements(1)?;
    Value::present(value)
}

/// What a path found, or a stand-in where steps follow: in cel-go no step leads into an optional that is inside.
fn found(value: Value<'_>, inner: bool) -> Value<'_> {
    if inner && matches!(value, Value::Optional(_)) { Value::Null } else { value }
}

/// What a path gives that leads nowhere: `none`, or `false` where presence is asked for.
fn absent<'a>(steps: &[Step]) -> Value<'a> {
    if steps.last().is_some_and(|step| step.test) { Value::Bool(false) } else { Value::Optional(None) }
}
