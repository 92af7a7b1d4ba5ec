//! The stack of values. Most values are none that failed, so errors lie beside them: an instruction sees at one glance
//! that its operands are values, and reads them where they are.

use super::{EvaluationError, EvaluationErrorKind, Map, Outcome, Text, Value};
use crate::canonical;

/// Values, some of which stand for errors.
pub(super) struct Stack<'a> {
    values: Vec<Value<'a>>,
    /// The errors, each with the place in `values` that it takes; the highest place last.
    errors: Vec<(usize, Box<EvaluationError>)>,
}

impl<'a> Stack<'a> {
    pub(super) fn new() -> Self {
        Self { values: Vec::with_capacity(8), errors: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    #[inline]
    pub(super) fn push(&mut self, value: Value<'a>) {
        self.values.push(value);
    }

    // Functions of their own, so that a value is written where it stays: what is put together elsewhere and moved is
    // waited for.

    #[inline(never)]
    pub(super) fn push_bool(&mut self, value: bool) {
        self.values.push(Value::Bool(value));
    }

    #[inline(never)]
    pub(super) fn push_text(&mut self, text: &'a str) {
        self.values.push(Value::String(Text::Borrowed(text)));
    }

    #[inline(never)]
    pub(super) fn push_object(&mut self, object: &'a canonical::Object<'a>) {
        self.values.push(Value::Map(Map::Json(object)));
    }

    #[inline(never)]
    pub(super) fn push_json(&mut self, json: &'a canonical::Value<'a>) {
        match json {
            canonical::Value::String(text) => self.push_text(text),
            canonical::Value::Object(object) => self.push_object(object),
            canonical::Value::Bool(value) => self.push_bool(*value),
            other => self.values.push(Value::from(other)),
        }
    }

    /// Pushes a constant of the program.
    #[inline]
    pub(super) fn push_constant(&mut self, constant: &'a Value<'static>) {
        match constant {
            Value::String(Text::Owned(text)) => self.push_text(text),
            Value::Bool(value) => self.push_bool(*value),
            other => self.values.push(other.borrowed()),
        }
    }

    /// Pushes a value once more.
    #[inline]
    pub(super) fn push_copy(&mut self, value: &Value<'a>) {
        match value {
            Value::String(Text::Borrowed(text)) => self.push_text(text),
            Value::Map(Map::Json(object)) => self.push_object(object),
            other => self.values.push(other.clone()),
        }
    }

    #[cold]
    fn push_error(&mut self, error: Box<EvaluationError>) {
        self.errors.push((self.values.len(), error));
        self.values.push(Value::Null);
    }

    #[inline]
    pub(super) fn push_outcome(&mut self, outcome: Outcome<'a>) {
        match outcome {
            Ok(value) => self.push(value),
            Err(error) => self.push_error(error),
        }
    }

    /// Takes the top; `None` where there is none.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Outcome<'a>> {
        let value = self.values.pop()?;
        if self.errors.is_empty() {
            return Some(Ok(value));
        }
        Some(self.error_at(self.values.len()).map_or(Ok(value), Err))
    }

    #[cold]
    fn error_at(&mut self, place: usize) -> Option<Box<EvaluationError>> {
        self.errors.pop_if(|(at, _)| *at >= place).map(|(_, error)| error)
    }

    /// Whether the top is an error.
    #[inline]
    pub(super) fn failed(&self) -> bool {
        self.errors.last().is_some_and(|(at, _)| at + 1 == self.values.len())
    }

    /// The top, where it is a value.
    #[inline]
    pub(super) fn top(&self) -> Option<&Value<'a>> {
        if self.failed() { None } else { self.values.last() }
    }

    /// Pushes the top once more.
    pub(super) fn duplicate(&mut self) {
        match self.errors.last() {
            Some((at, error)) if at + 1 == self.values.len() => self.push_error(error.clone()),
            _ => self.values.extend(self.values.last().cloned()),
        }
    }

    /// The topmost `count` values, first to last; `None` where one of them is an error.
    #[inline]
    pub(super) fn operands(&self, count: usize) -> Option<&[Value<'a>]> {
        let from = self.values.len().checked_sub(count)?;
        match self.errors.last() {
            Some((at, _)) if *at >= from => None,
            _ => self.values.get(from..),
        }
    }

    /// The same, to be changed in place.
    #[inline]
    pub(super) fn operands_mut(&mut self, count: usize) -> Option<&mut [Value<'a>]> {
        let from = self.values.len().checked_sub(count)?;
        match self.errors.last() {
            Some((at, _)) if *at >= from => None,
            _ => self.values.get_mut(from..),
        }
    }

    /// Puts `value` in the place of the topmost `count` values, of which there is at least one.
    #[inline]
    pub(super) fn replace(&mut self, count: usize, value: Value<'a>) -> Result<(), EvaluationErrorKind> {
        let place = self.values.len().checked_sub(count).ok_or_else(super::broken)?;
        self.values.truncate(place + 1);
        match self.values.get_mut(place) {
            Some(first) => *first = value,
            None => self.values.push(value),
        }
        Ok(())
    }

    /// The same for a truth.
    #[inline(never)]
    pub(super) fn replace_bool(&mut self, count: usize, value: bool) -> bool {
        let Some(place) = self.values.len().checked_sub(count) else { return false };
        self.values.truncate(place);
        self.values.push(Value::Bool(value));
        true
    }

    /// Takes away what lies above `len`.
    #[inline]
    pub(super) fn truncate(&mut self, len: usize) {
        self.values.truncate(len);
        while self.errors.pop_if(|(at, _)| *at >= len).is_some() {}
    }

    /// Takes the topmost `count` values, first to last; `None` where one of them is an error.
    pub(super) fn take(&mut self, count: usize) -> Option<Vec<Value<'a>>> {
        self.operands(count)?;
        Some(self.values.split_off(self.values.len() - count))
    }
}
