//! The evaluator: one loop over flat instructions, with explicit stacks of values and of macros.
//!
//! Nothing here recurses with the expression. An error is a value that strict instructions pass on and that `&&`,
//! `||` and the macros may absorb; only the exhaustion of fuel and faults of the machine end an evaluation at once.

mod frame;
mod operand;

use super::{
    code::{Call, Code, Form, Op, Step, StepKey},
    environment::{Activation, Slot},
    error::{EvaluationError, EvaluationErrorKind, Position},
    fuel::Fuel,
    library::{Cost, equality_cost, match_cost, no_such_overload},
    value::{Key, List, Map, Value, equal, same},
};
use frame::Frame;
pub(in crate::cel) use operand::is_key;

/// A value or an error on the stack.
type Outcome<'a> = Result<Value<'a>, Box<EvaluationError>>;

/// The most arguments that a function takes, its target included.
pub(in crate::cel) const MAX_ARITY: usize = 4;

/// Evaluates `code`.
///
/// # Errors
/// The error that remained; its position has an offset only.
pub(in crate::cel) fn run<'a>(
    code: &'a Code,
    activation: &dyn Activation<'a>,
    fuel: &mut Fuel,
) -> Result<Value<'a>, EvaluationError> {
    let mut machine =
        Machine { code, activation, fuel, stack: Vec::with_capacity(8), frames: Vec::new(), marks: Vec::new(), at: 0 };
    let mut next = 0;
    while let Some(op) = code.ops.get(next as usize) {
        machine.at = next;
        next = match machine.step(*op, next + 1) {
            Ok(next) => next,
            Err(kind) => return Err(machine.located(kind)),
        };
    }
    machine.pop().map_err(|error| *error)
}

struct Machine<'a, 'f> {
    code: &'a Code,
    activation: &'f dyn Activation<'a>,
    fuel: &'f mut Fuel,
    stack: Vec<Outcome<'a>>,
    frames: Vec<Frame<'a>>,
    /// Costs remembered by [`Op::Mark`].
    marks: Vec<u64>,
    /// The instruction being executed.
    at: u32,
}

/// What the compiler never produces.
#[cold]
fn broken() -> EvaluationErrorKind {
    EvaluationErrorKind::Internal("the program is inconsistent")
}

impl<'a> Machine<'a, '_> {
    fn located(&self, kind: EvaluationErrorKind) -> EvaluationError {
        let offset = self.code.offsets.get(self.at as usize).copied().unwrap_or_default();
        EvaluationError { kind, position: Position { offset, line: 0, column: 0 } }
    }

    /// An error as a value on the stack, unless it ends the evaluation.
    fn raise(&self, kind: EvaluationErrorKind) -> Result<Outcome<'a>, EvaluationErrorKind> {
        if kind.is_fatal() { Err(kind) } else { Ok(Err(Box::new(self.located(kind)))) }
    }

    /// The outcome of a function.
    fn settle(&self, result: Result<Value<'a>, EvaluationErrorKind>) -> Result<Outcome<'a>, EvaluationErrorKind> {
        match result {
            Ok(value) => Ok(Ok(value)),
            Err(kind) => self.raise(kind),
        }
    }

    fn push(&mut self, outcome: Outcome<'a>) {
        self.stack.push(outcome);
    }

    fn pop(&mut self) -> Outcome<'a> {
        self.stack.pop().unwrap_or_else(|| Err(Box::new(self.located(broken()))))
    }

    fn top(&self) -> Result<&Outcome<'a>, EvaluationErrorKind> {
        self.stack.last().ok_or_else(broken)
    }

    /// Executes one instruction; says which comes next.
    fn step(&mut self, op: Op, next: u32) -> Result<u32, EvaluationErrorKind> {
        self.fuel.toil(1)?;
        match op {
            Op::Constant(index) => {
                let value = self.code.constants.get(index as usize).ok_or_else(broken)?;
                self.push(Ok(operand::borrow(value)));
            }
            Op::Variable { slot, cost } => {
                self.fuel.spend(u64::from(cost))?;
                let outcome = match self.activation.resolve(slot, self.fuel) {
                    Ok(value) => Ok(value),
                    Err(error) => {
                        let kind = self.named(error.kind, slot);
                        self.raise(kind)?
                    }
                };
                self.push(outcome);
            }
            Op::Ask { slot, test, cost } => self.ask(slot, test, cost)?,
            Op::Local { frame, second, cost } => {
                self.fuel.spend(u64::from(cost))?;
                let frame = self.frames.get_mut(usize::from(frame)).ok_or_else(broken)?;
                self.fuel.spend(frame.owed())?;
                let value = if second { frame.second.clone() } else { frame.first.clone() };
                self.push(Ok(value));
            }
            Op::Charge(cost) => self.fuel.spend(u64::from(cost))?,
            Op::Duplicate => {
                let top = self.top()?.clone();
                self.push(top);
            }
            Op::Path { from, count, inner } => self.follow(from, count, inner)?,
            Op::Index { optional, inner } => self.index(optional, inner)?,
            Op::Bail { drop, optional, to } => {
                if optional {
                    self.check_optional()?;
                }
                if self.top()?.is_err() {
                    let error = self.pop();
                    let keep = self.stack.len().saturating_sub(usize::from(drop));
                    self.stack.truncate(keep);
                    self.push(error);
                    return Ok(to);
                }
            }
            Op::Skip { to } => {
                if matches!(self.top()?, Err(_) | Ok(Value::Optional(None))) {
                    return Ok(to);
                }
            }
            Op::Jump(to) => return Ok(to),
            Op::And { to } => {
                if matches!(self.top()?, Ok(Value::Bool(false))) {
                    return Ok(to);
                }
            }
            Op::Or { to } => {
                if matches!(self.top()?, Ok(Value::Bool(true))) {
                    return Ok(to);
                }
            }
            Op::AndEnd => self.combine(false)?,
            Op::OrEnd => self.combine(true)?,
            Op::Branch { falsy, end } => return self.branch(next, falsy, end),
            Op::OrElse { unwrap, end } => return self.alternative(next, unwrap, end),
            Op::Equal { negated } => self.equality(negated)?,
            Op::In { listed } => self.membership(listed)?,
            Op::InSet(index) => self.set_membership(index)?,
            Op::Call(index) => {
                let call = self.code.calls.get(index as usize).ok_or_else(broken)?;
                self.call(call)?;
            }
            Op::Regex { pattern, function, limited } => {
                let limit = if limited { Some(self.pop()) } else { None };
                let text = self.pop();
                let pattern = self.code.patterns.get(pattern as usize).ok_or_else(broken)?;
                let size = match &text {
                    Ok(text) => text.size(self.fuel)?,
                    Err(_) => 1,
                };
                self.fuel.spend(match_cost(size, pattern.characters()))?;
                let outcome = match (text, limit.transpose()) {
                    (Err(error), _) | (Ok(_), Err(error)) => Err(error),
                    (Ok(text), Ok(limit)) => {
                        let result = pattern.apply(self.fuel, function, &text, limit.as_ref());
                        self.settle(result)?
                    }
                };
                self.push(outcome);
            }
            Op::List { count, optionals } => self.list(count as usize, optionals)?,
            Op::Map { count, optionals } => self.map(count as usize, optionals)?,
            Op::Loop { form, pair, filtered, end } => return self.start((form, pair, filtered), next, end),
            Op::Next { exit } => return self.advance(next, exit),
            Op::Test { back } => return self.test(back),
            Op::Keep { back } => return self.keep(next, back),
            Op::Add { cost, back } => return self.add(cost, back),
            Op::End => self.end()?,
            Op::Mark => self.marks.push(self.fuel.cost()),
            Op::Open { end } => return self.open(next, end),
            Op::Close { flat } => self.close(flat)?,
        }
        Ok(next)
    }

    /// Fills in the name of a variable without a value.
    fn named(&self, kind: EvaluationErrorKind, slot: Slot) -> EvaluationErrorKind {
        match kind {
            EvaluationErrorKind::MissingVariable(name) if name.is_empty() => {
                let known = self.code.variables.iter().find(|(known, _)| *known == slot);
                EvaluationErrorKind::MissingVariable(known.map(|(_, name)| name.to_string()).unwrap_or_default())
            }
            other => other,
        }
    }

    /// A field of a group that may have no value: that is no error here.
    fn ask(&mut self, slot: Slot, test: bool, cost: u8) -> Result<(), EvaluationErrorKind> {
        self.fuel.spend(u64::from(cost))?;
        let outcome = match self.activation.resolve(slot, self.fuel) {
            Ok(_) if test => Ok(Value::Bool(true)),
            Ok(value) => {
                self.fuel.spend(1)?;
                self.fuel.elements(1)?;
                self.settle(Value::present(value))?
            }
            Err(error) => match error.kind {
                EvaluationErrorKind::MissingVariable(_) if test => Ok(Value::Bool(false)),
                EvaluationErrorKind::MissingVariable(_) => Ok(Value::Optional(None)),
                kind => self.raise(kind)?,
            },
        };
        self.push(outcome);
        Ok(())
    }

    /// The second half of `&&` and `||`: what decides wins over an error, and the first error over the second.
    fn combine(&mut self, decisive: bool) -> Result<(), EvaluationErrorKind> {
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

    fn branch(&mut self, next: u32, falsy: u32, end: u32) -> Result<u32, EvaluationErrorKind> {
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

    fn alternative(&mut self, next: u32, unwrap: bool, end: u32) -> Result<u32, EvaluationErrorKind> {
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

    fn equality(&mut self, negated: bool) -> Result<(), EvaluationErrorKind> {
        let (right, left) = (self.pop(), self.pop());
        let cost = match &left {
            // Kubernetes has one price for the types of its libraries, whatever they are compared with by `==`.
            Ok(Value::Opaque(_)) if !negated => 1,
            _ => equality_cost(self.fuel, left.as_ref().ok(), right.as_ref().ok())?,
        };
        self.fuel.spend(cost)?;
        let outcome = match (left, right) {
            (Ok(left), Ok(right)) => match equal(self.fuel, &left, &right) {
                Ok(equal) => Ok(Value::Bool(equal != negated)),
                // In cel-go whatever is not equal differs, and so does what cannot be compared.
                Err(kind) if negated && !kind.is_fatal() => Ok(Value::Bool(true)),
                Err(kind) => self.raise(kind)?,
            },
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        self.push(outcome);
        Ok(())
    }

    fn membership(&mut self, listed: bool) -> Result<(), EvaluationErrorKind> {
        let (right, left) = (self.pop(), self.pop());
        let cost = match &right {
            Ok(right) if listed => right.size(self.fuel)?,
            _ => 1,
        };
        self.fuel.spend(cost)?;
        let outcome = match (left, right) {
            (Ok(left), Ok(Value::List(list))) => Ok(Value::Bool(self.is_in(&left, &list)?)),
            (Ok(left), Ok(Value::Map(map))) => Ok(Value::Bool(map.look_up(self.fuel, &left)?.is_some())),
            (Ok(left), Ok(right)) => self.raise(no_such_overload("@in", &[left, right]))?,
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        self.push(outcome);
        Ok(())
    }

    fn set_membership(&mut self, index: u32) -> Result<(), EvaluationErrorKind> {
        let Some(Value::List(set)) = self.code.constants.get(index as usize) else { return Err(broken()) };
        let outcome = match self.pop() {
            Ok(value) => Ok(Value::Bool(self.is_in(&value, set)?)),
            error => error,
        };
        self.push(outcome);
        Ok(())
    }

    fn is_in(&mut self, value: &Value<'_>, list: &List<'_>) -> Result<bool, EvaluationErrorKind> {
        for index in 0..list.len() {
            self.fuel.toil(1)?;
            if let Some(item) = list.peek(index)
                && same(self.fuel, value, &item)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn call(&mut self, call: &Call) -> Result<(), EvaluationErrorKind> {
        match call.arity {
            0 => self.call_with::<0>(call),
            1 => self.call_with::<1>(call),
            2 => self.call_with::<2>(call),
            3 => self.call_with::<3>(call),
            MAX_ARITY => self.call_with::<MAX_ARITY>(call),
            _ => Err(broken()),
        }
    }

    fn call_with<const N: usize>(&mut self, call: &Call) -> Result<(), EvaluationErrorKind> {
        let mut arguments: [Value<'a>; N] = [const { Value::Null }; N];
        let mut failed = [false; N];
        let mut error = None;
        for (place, failed) in arguments.iter_mut().zip(&mut failed).rev() {
            match self.pop() {
                Ok(value) => *place = value,
                Err(first) => {
                    *failed = true;
                    error = Some(first);
                }
            }
        }
        let outcome = match error {
            Some(error) => Err(error),
            None => match dispatch(call, self.fuel, &arguments) {
                Ok(value) => Ok(value),
                Err(kind) => self.raise(kind)?,
            },
        };
        let cost = match call.cost {
            Cost::Unit => 1,
            cost => {
                let mut sized = [None; N];
                for ((place, value), failed) in sized.iter_mut().zip(&arguments).zip(failed) {
                    *place = (!failed).then_some(value);
                }
                cost.of(self.fuel, &sized, outcome.as_ref().ok())?
            }
        };
        self.fuel.spend(cost)?;
        self.push(outcome);
        Ok(())
    }

    fn list(&mut self, count: usize, optionals: Option<u32>) -> Result<(), EvaluationErrorKind> {
        let from = self.stack.len().checked_sub(count).ok_or_else(broken)?;
        self.fuel.elements(count)?;
        let flags = self.optional_flags(optionals)?;
        let mut items = Vec::with_capacity(count);
        let mut failure = None;
        for (index, item) in self.stack.drain(from..).enumerate() {
            match operand::part(item, flags.is_some_and(|flags| flags.get(index) == Some(&true))) {
                Ok(item) => items.extend(item),
                Err(kind) => failure = failure.or(Some(kind)),
            }
        }
        let outcome = match failure {
            Some(kind) => self.raise(kind)?,
            None => self.settle(Value::list(items))?,
        };
        self.push(outcome);
        Ok(())
    }

    fn optional_flags(&self, index: Option<u32>) -> Result<Option<&'a [bool]>, EvaluationErrorKind> {
        let Some(index) = index else { return Ok(None) };
        self.code.optionals.get(index as usize).map(|flags| Some(flags.as_ref())).ok_or_else(broken)
    }

    fn map(&mut self, count: usize, optionals: Option<u32>) -> Result<(), EvaluationErrorKind> {
        let from = self.stack.len().checked_sub(count * 2).ok_or_else(broken)?;
        self.fuel.elements(count)?;
        let flags = self.optional_flags(optionals)?;
        let mut parts = self.stack.drain(from..);
        let mut result = Ok(Vec::with_capacity(count));
        let mut index = 0;
        while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
            let optional = flags.is_some_and(|flags| flags.get(index) == Some(&true));
            result = result.and_then(|entries| operand::entry(entries, key, value, optional));
            index += 1;
        }
        drop(parts);
        let result = match result {
            Ok(entries) => Map::sorted(self.fuel, entries).map(Value::Map),
            Err(kind) => Err(kind),
        };
        let outcome = self.settle(result)?;
        self.push(outcome);
        Ok(())
    }
}

/// Calls the overload that fits: the only one, or the first that takes these values.
fn dispatch<'a>(call: &Call, fuel: &mut Fuel, values: &[Value<'a>]) -> Result<Value<'a>, EvaluationErrorKind> {
    let overload = match call.overloads.as_ref() {
        [only] if !call.function.guarded || only.accepts(values) => Some(only),
        many => many.iter().find(|overload| overload.accepts(values)),
    };
    match overload {
        Some(overload) => (overload.apply)(fuel, values),
        None => Err(no_such_overload(call.function.name, values)),
    }
}
