//! Functions on their operands: equality, membership, constant patterns and the calls of the libraries.

use super::{
    Call, Cost, EvaluationErrorKind, Fuel, Machine, Outcome, Pattern, RegexFunction, Value, broken, equality_cost,
    match_cost, no_such_overload,
};
use crate::cel::value::equal;

impl<'a> Machine<'a, '_> {
    pub(super) fn equality(&mut self, negated: bool) -> Result<(), EvaluationErrorKind> {
        let Some([left, right]) = self.stack.operands(2) else { return self.unequal_errors(negated) };
        let cost = match left {
            // Kubernetes has one price for the types of its libraries, whatever they are compared with by `==`.
            Value::Opaque(_) if !negated => 1,
            _ => equality_cost(self.fuel, Some(left), Some(right))?,
        };
        self.fuel.spend(cost)?;
        match equal(self.fuel, left, right) {
            Ok(equal) => self.decide(2, equal != negated),
            // In cel-go whatever is not equal differs, and so does what cannot be compared.
            Err(kind) if negated && !kind.is_fatal() => self.decide(2, true),
            Err(kind) => self.fail(2, kind),
        }
    }

    /// Equality where a side is an error.
    #[cold]
    fn unequal_errors(&mut self, negated: bool) -> Result<(), EvaluationErrorKind> {
        let (right, left) = (self.pop(), self.pop());
        let cost = match &left {
            Ok(Value::Opaque(_)) if !negated => 1,
            _ => equality_cost(self.fuel, left.as_ref().ok(), right.as_ref().ok())?,
        };
        self.fuel.spend(cost)?;
        self.push(left.and(right));
        Ok(())
    }

    pub(super) fn membership(&mut self, listed: bool) -> Result<(), EvaluationErrorKind> {
        let Some([left, right]) = self.stack.operands(2) else { return self.membership_of_errors(listed) };
        let cost = if listed { right.size(self.fuel)? } else { 1 };
        self.fuel.spend(cost)?;
        let found = match right {
            Value::List(list) => list.has(self.fuel, left)?,
            Value::Map(map) => map.has(self.fuel, left)?,
            _ => {
                let kind = no_such_overload("@in", &[left.clone(), right.clone()]);
                return self.fail(2, kind);
            }
        };
        self.decide(2, found)
    }

    /// Membership where a side is an error.
    #[cold]
    fn membership_of_errors(&mut self, listed: bool) -> Result<(), EvaluationErrorKind> {
        let (right, left) = (self.pop(), self.pop());
        let cost = match &right {
            Ok(right) if listed => right.size(self.fuel)?,
            _ => 1,
        };
        self.fuel.spend(cost)?;
        self.push(left.and(right));
        Ok(())
    }

    pub(super) fn set_membership(&mut self, index: u32) -> Result<(), EvaluationErrorKind> {
        let Some(Value::List(set)) = self.code.constants.get(index as usize) else { return Err(broken()) };
        match self.stack.top() {
            Some(value) => {
                let found = set.has(self.fuel, value)?;
                self.decide(1, found)
            }
            None => Ok(()),
        }
    }

    /// Applies a constant pattern to the operands: a text, and for `findAll` perhaps a limit.
    pub(super) fn regex(
        &mut self,
        pattern: &Pattern,
        function: RegexFunction,
        operands: usize,
    ) -> Result<(), EvaluationErrorKind> {
        let Some([text, rest @ ..]) = self.stack.operands(operands) else {
            return self.regex_of_errors(pattern);
        };
        let cost = match_cost(text.size(self.fuel)?, pattern.characters());
        self.fuel.spend(cost)?;
        let result = pattern.apply(self.fuel, function, text, rest.first());
        self.replace(operands, result)
    }

    /// A pattern whose limit is an error; a text that is one was jumped over.
    #[cold]
    fn regex_of_errors(&mut self, pattern: &Pattern) -> Result<(), EvaluationErrorKind> {
        let (limit, text) = (self.pop(), self.pop());
        let size = text.map_or(Ok(1), |text| text.size(self.fuel))?;
        self.fuel.spend(match_cost(size, pattern.characters()))?;
        self.push(limit);
        Ok(())
    }

    pub(super) fn call(&mut self, call: &Call) -> Result<(), EvaluationErrorKind> {
        let Some(arguments) = self.stack.operands(call.arity) else { return self.call_on_errors(call) };
        let result = dispatch(call, self.fuel, arguments);
        if let Err(kind) = &result
            && kind.is_fatal()
        {
            return result.map(drop);
        }
        let cost = match call.cost {
            Cost::Unit => 1,
            cost => cost.of(self.fuel, |index| arguments.get(index), result.as_ref().ok())?,
        };
        self.fuel.spend(cost)?;
        self.replace(call.arity, result)
    }

    /// A call some of whose arguments are errors is the first of them, and costs what it does for the others.
    #[cold]
    fn call_on_errors(&mut self, call: &Call) -> Result<(), EvaluationErrorKind> {
        let mut arguments: Vec<Outcome<'a>> = (0..call.arity).map(|_| self.pop()).collect();
        arguments.reverse();
        let cost =
            call.cost.of(self.fuel, |index| arguments.get(index).and_then(|outcome| outcome.as_ref().ok()), None)?;
        self.fuel.spend(cost)?;
        let first = arguments.into_iter().find(Outcome::is_err).ok_or_else(broken)?;
        self.push(first);
        Ok(())
    }
}

/// The value and the cost of a call on constants.
///
/// # Errors
/// That of the call.
pub(in crate::cel) fn apply<'a>(
    call: &Call,
    fuel: &mut Fuel,
    arguments: &[Value<'a>],
) -> Result<(Value<'a>, u64), EvaluationErrorKind> {
    let value = dispatch(call, fuel, arguments)?;
    let cost = call.cost.of(fuel, |index| arguments.get(index), Some(&value))?;
    Ok((value, cost))
}

/// Calls the overload that fits: the first that takes these values. Where they are not compared there is one
/// implementation, which looks at them itself.
fn dispatch<'a>(call: &Call, fuel: &mut Fuel, values: &[Value<'a>]) -> Result<Value<'a>, EvaluationErrorKind> {
    let overload = call.overloads.iter().find(|overload| !call.function.guarded || overload.accepts(values));
    match overload {
        Some(overload) => (overload.apply)(fuel, values),
        None => Err(no_such_overload(call.function.name, values)),
    }
}
