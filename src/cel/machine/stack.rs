//! The stack of values. Most values are none that failed, so errors lie beside them: an instruction sees at one glance
//! that its operands are values, and reads them where they are.

use super::{EvaluationError, Map, Outcome, Text, Value};
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
            Some((_, error)) if self.failed() => self.push_error(error.clone()),
            _ => self.values.extend(self.values.last().cloned()),
        }
    }

    /// Where the topmost `count` values start; `None` where one of them is an error.
    #[inline]
    fn start_of(&self, count: usize) -> Option<usize> {
        let from = self.values.len().checked_sub(count)?;
        self.errors.last().is_none_or(|(at, _)| *at < from).then_some(from)
    }

    /// The topmost `count` values, first to last; `None` where one of them is an error.
    #[inline]
    pub(super) fn operands(&self, count: usize) -> Option<&[Value<'a>]> {
        self.values.get(self.start_of(count)?..)
    }

    /// The same, to be changed in place.
    #[inline]
    pub(super) fn operands_mut(&mut self, count: usize) -> Option<&mut [Value<'a>]> {
        let from = self.start_of(count)?;
        self.values.get_mut(from..)
    }

    /// Puts `value` in the place of the topmost `count` values, none of which is an error; says whether there are so
    /// many.
    #[inline]
    pub(super) fn replace(&mut self, count: usize, value: Value<'a>) -> bool {
        let Some(place) = self.values.len().checked_sub(count) else { return false };
        self.values.truncate(place);
        self.values.push(value);
        true
    }

    /// The same for a truth.
    #[inline(never)]
    pub(super) fn replace_bool(&mut self, count: usize, value: bool) -> bool {
        self.replace(count, Value::Bool(value))
    }

    /// Takes away what lies above `len`.
    #[inline]
    pub(super) fn truncate(&mut self, len: usize) {
        self.values.truncate(len);
        while self.errors.pop_if(|(at, _)| *at >= len).is_some() {}
    }

    /// Takes the topmost `count` values, first to last; `None` where one of them is an error.
    pub(super) fn take(&mut self, count: usize) -> Option<Vec<Value<'a>>> {
        let from = self.start_of(count)?;
        Some(self.values.split_off(from))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{EvaluationErrorKind, Outcome},
        *,
    };

    #[derive(Clone, Debug)]
    enum Step {
        Push(i64),
        Fail,
        Pop,
        Duplicate,
        Truncate(usize),
        Replace(usize, bool),
        Take(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            any::<i64>().prop_map(Step::Push),
            Just(Step::Fail),
            Just(Step::Pop),
            Just(Step::Duplicate),
            (0_usize..6).prop_map(Step::Truncate),
            (0_usize..4, any::<bool>()).prop_map(|(count, value)| Step::Replace(count, value)),
            (0_usize..4).prop_map(Step::Take),
        ];
        prop::collection::vec(step, 0..60)
    }

    fn seen(outcome: &Outcome<'_>) -> Result<String, EvaluationErrorKind> {
        outcome.as_ref().map(Value::literal).map_err(|error| error.kind.clone())
    }

    proptest! {
        /// It is a list of outcomes, each a value or an error, whatever lies beside what.
        #[test]
        fn it_is_a_stack_of_outcomes(steps in steps()) {
            let (mut stack, mut model) = (Stack::new(), Vec::<Outcome<'_>>::new());
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Push(value) => {
                        stack.push_outcome(Ok(Value::Int(value)));
                        model.push(Ok(Value::Int(value)));
                    }
                    Step::Fail => {
                        let kind = EvaluationErrorKind::NoSuchKey(Some(number.to_string()));
                        stack.push_outcome(Err(Box::new(kind.clone().into())));
                        model.push(Err(Box::new(kind.into())));
                    }
                    Step::Pop => {
                        let (own, other) = (stack.pop(), model.pop());
                        prop_assert_eq!(own.as_ref().map(seen), other.as_ref().map(seen));
                    }
                    Step::Duplicate => {
                        stack.duplicate();
                        model.extend(model.last().cloned());
                    }
                    Step::Truncate(len) => {
                        stack.truncate(len);
                        model.truncate(len);
                    }
                    Step::Replace(count, value) => {
                        let from = model.len().checked_sub(count);
                        let values = from.is_some_and(|from| model[from..].iter().all(Result::is_ok));
                        prop_assert_eq!(stack.operands(count).map(<[_]>::len), values.then_some(count));
                        if values {
                            prop_assert!(stack.replace_bool(count, value));
                            model.truncate(model.len() - count);
                            model.push(Ok(Value::Bool(value)));
                        }
                    }
                    Step::Take(count) => {
                        let from = model.len().checked_sub(count);
                        let values = from.is_some_and(|from| model[from..].iter().all(Result::is_ok));
                        prop_assert_eq!(stack.take(count).map(|taken| taken.len()), values.then_some(count));
                        if values {
                            model.truncate(model.len() - count);
                        }
                    }
                }
                prop_assert_eq!(stack.len(), model.len());
                prop_assert_eq!(stack.failed(), model.last().is_some_and(Result::is_err));
                let top = model.last().and_then(|outcome| outcome.as_ref().ok()).map(Value::literal);
                prop_assert_eq!(stack.top().map(Value::literal), top);
            }
            while let Some(expected) = model.pop() {
                prop_assert_eq!(stack.pop().as_ref().map(seen), Some(seen(&expected)));
            }
            prop_assert!(stack.pop().is_none());
        }
    }
}
