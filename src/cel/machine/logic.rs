//! Truths: `&&`, `||`, `!`, the conditional and the alternatives of optionals.

use super::{EvaluationErrorKind, Machine, Value, no_such_overload};

impl Machine<'_, '_> {
    /// The second half of `&&` and `||`: what decides wins over an error, and the first error over the second.
    #[inline]
    pub(super) fn combine(&mut self, decisive: bool) -> Result<(), EvaluationErrorKind> {
        if let Some([Value::Bool(left), Value::Bool(right)]) = self.stack.operands_mut(2) {
            // The left one did not decide, or this would have been jumped over.
            *left = *right;
            self.stack.truncate(self.stack.len() - 1);
            return Ok(());
        }
        self.combine_others(decisive)
    }

    #[cold]
    fn combine_others(&mut self, decisive: bool) -> Result<(), EvaluationErrorKind> {
        let (right, left) = (self.pop(), self.pop());
        let name = if decisive { "_||_" } else { "_&&_" };
        let outcome = match (left, right) {
            (_, Ok(Value::Bool(right))) if right == decisive => Ok(Value::Bool(decisive)),
            (Err(error), _) => Err(error),
            (Ok(left), right) if left.as_bool().is_none() => {
                drop(right);
                self.raise(no_such_overload(name, &[left]))?
            }
            (Ok(_), Err(error)) => Err(error),
            (Ok(_), Ok(Value::Bool(_))) => Ok(Value::Bool(!decisive)),
            (Ok(_), Ok(right)) => self.raise(no_such_overload(name, &[right]))?,
        };
        self.push(outcome);
        Ok(())
    }

    pub(super) fn branch(&mut self, next: u32, falsy: u32, end: u32) -> Result<u32, EvaluationErrorKind> {
        match self.pop() {
            Ok(Value::Bool(true)) => Ok(next),
            Ok(Value::Bool(false)) => Ok(falsy),
            Ok(other) => {
                let error = self.raise(no_such_overload("_?_:_", &[other]))?;
                self.push(error);
                Ok(end)
            }
            error => {
                self.push(error);
                Ok(end)
            }
        }
    }

    pub(super) fn alternative(&mut self, next: u32, unwrap: bool, end: u32) -> Result<u32, EvaluationErrorKind> {
        let outcome = match self.pop() {
            Ok(Value::Optional(None)) => return Ok(next),
            Ok(Value::Optional(Some(present))) if unwrap => Ok(present.value().clone()),
            Ok(Value::Optional(present)) => Ok(Value::Optional(present)),
            Ok(other) => self.raise(no_such_overload(if unwrap { "orValue" } else { "or" }, &[other]))?,
            error => error,
        };
        self.push(outcome);
        Ok(end)
    }

    pub(super) fn not(&mut self) -> Result<(), EvaluationErrorKind> {
        self.fuel.spend(1)?;
        match self.stack.operands_mut(1) {
            Some([Value::Bool(value)]) => *value = !*value,
            Some([other]) => {
                let kind = no_such_overload("!_", std::slice::from_ref(other));
                return self.fail(1, kind);
            }
            // An error stays.
            _ => {}
        }
        Ok(())
    }
}
