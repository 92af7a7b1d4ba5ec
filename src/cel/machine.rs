//! The evaluator: one loop over flat instructions, with explicit stacks of values and of macros.
//!
//! Nothing here recurses with the expression. An error is a value that strict instructions pass on and that `&&`,
//! `||` and the macros may absorb; only the exhaustion of fuel and faults of the machine end an evaluation at once.

mod frame;
mod operand;
mod stack;

use super::{
    code::{Call, Code, Form, Op, Step, StepKey},
    environment::{Activation, Slot},
    error::{EvaluationError, EvaluationErrorKind, Position},
    fuel::Fuel,
    library::{Cost, Pattern, RegexFunction, equality_cost, match_cost, no_such_overload},
    value::{Key, List, Map, Text, Value, equal, same},
};
use frame::Frame;
pub(in crate::cel) use operand::is_key;
use stack::Stack;

/// A value or an error on the stack.
type Outcome<'a> = Result<Value<'a>, Box<EvaluationError>>;

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
        Machine { code, activation, fuel, stack: Stack::new(), frames: Vec::new(), marks: Vec::new(), at: 0 };
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
    stack: Stack<'a>,
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
        self.stack.push_outcome(outcome);
    }

    fn pop(&mut self) -> Outcome<'a> {
        self.stack.pop().unwrap_or_else(|| Err(Box::new(self.located(broken()))))
    }

    /// Puts the outcome of a function in the place of its operands.
    #[inline]
    fn replace(
        &mut self,
        operands: usize,
        result: Result<Value<'a>, EvaluationErrorKind>,
    ) -> Result<(), EvaluationErrorKind> {
        match result {
            Ok(Value::Bool(value)) => self.decide(operands, value),
            Ok(value) => self.stack.replace(operands, value),
            Err(kind) => self.fail(operands, kind),
        }
    }

    /// Puts a truth in the place of the operands.
    #[inline]
    fn decide(&mut self, operands: usize, value: bool) -> Result<(), EvaluationErrorKind> {
        if self.stack.replace_bool(operands, value) { Ok(()) } else { Err(broken()) }
    }

    #[cold]
    fn fail(&mut self, operands: usize, kind: EvaluationErrorKind) -> Result<(), EvaluationErrorKind> {
        let outcome = self.raise(kind)?;
        self.stack.truncate(self.stack.len().saturating_sub(operands));
        self.push(outcome);
        Ok(())
    }

    /// Executes one instruction; says which comes next.
    fn step(&mut self, op: Op, next: u32) -> Result<u32, EvaluationErrorKind> {
        self.fuel.toil(1)?;
        match op {
            Op::Constant(index) => {
                let value = self.code.constants.get(index as usize).ok_or_else(broken)?;
                self.stack.push_constant(value);
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
                let frame = self.frames.get(usize::from(frame)).ok_or_else(broken)?;
                self.stack.push_copy(frame.variable(second));
            }
            Op::Charge(cost) => self.fuel.spend(u64::from(cost))?,
            Op::Duplicate => self.stack.duplicate(),
            Op::Path { from, count } => self.follow(from, count)?,
            Op::LocalPath { frame, second, cost, from, count } => {
                self.fuel.spend(u64::from(cost))?;
                self.follow_local((frame, second), from, u32::from(count))?;
            }
            Op::Index { optional } => self.index(optional)?,
            Op::Bail { drop, to } => {
                if self.stack.failed() {
                    self.bail(drop);
                    return Ok(to);
                }
            }
            Op::Skip { to } => {
                if matches!(self.stack.top(), None | Some(Value::Optional(None))) {
                    return Ok(to);
                }
            }
            Op::Jump(to) => return Ok(to),
            Op::And { to } => {
                if matches!(self.stack.top(), Some(Value::Bool(false))) {
                    return Ok(to);
                }
            }
            Op::Or { to } => {
                if matches!(self.stack.top(), Some(Value::Bool(true))) {
                    return Ok(to);
                }
            }
            Op::AndEnd => self.combine(false)?,
            Op::OrEnd => self.combine(true)?,
            Op::Branch { falsy, end } => return self.branch(next, falsy, end),
            Op::OrElse { unwrap, end } => return self.alternative(next, unwrap, end),
            Op::Not => self.not()?,
            Op::Equal { negated } => self.equality(negated)?,
            Op::In { listed } => self.membership(listed)?,
            Op::InSet(index) => self.set_membership(index)?,
            Op::Call(index) => {
                let call = self.code.calls.get(index as usize).ok_or_else(broken)?;
                self.call(call)?;
            }
            Op::Regex { pattern, function, limited } => {
                let pattern = self.code.patterns.get(pattern as usize).ok_or_else(broken)?;
                self.regex(pattern, function, if limited { 2 } else { 1 })?;
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
            Op::Open { used, end } => return self.open(used, next, end),
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

    /// An error below `drop` values takes their place.
    #[cold]
    fn bail(&mut self, drop: u16) {
        let error = self.pop();
        self.stack.truncate(self.stack.len().saturating_sub(usize::from(drop)));
        self.push(error);
    }

    /// The second half of `&&` and `||`: what decides wins over an error, and the first error over the second.
    #[inline]
    fn combine(&mut self, decisive: bool) -> Result<(), EvaluationErrorKind> {
        if let Some([Value::Bool(left), Value::Bool(right)]) = self.stack.operands_mut(2) {
            *left = if *right == decisive { decisive } else { *left };
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

    fn not(&mut self) -> Result<(), EvaluationErrorKind> {
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

    fn equality(&mut self, negated: bool) -> Result<(), EvaluationErrorKind> {
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

    fn membership(&mut self, listed: bool) -> Result<(), EvaluationErrorKind> {
        let Some([left, right]) = self.stack.operands(2) else { return self.membership_of_errors(listed) };
        let cost = if listed { right.size(self.fuel)? } else { 1 };
        self.fuel.spend(cost)?;
        let found = match right {
            Value::List(list) => is_in(self.fuel, left, list)?,
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

    fn set_membership(&mut self, index: u32) -> Result<(), EvaluationErrorKind> {
        let Some(Value::List(set)) = self.code.constants.get(index as usize) else { return Err(broken()) };
        match self.stack.top() {
            Some(value) => {
                let found = is_in(self.fuel, value, set)?;
                self.decide(1, found)
            }
            None => Ok(()),
        }
    }

    /// Applies a constant pattern to the operands: a text, and for `findAll` perhaps a limit.
    fn regex(
        &mut self,
        pattern: &Pattern,
        function: RegexFunction,
        operands: usize,
    ) -> Result<(), EvaluationErrorKind> {
        let Some([text, rest @ ..]) = self.stack.operands(operands) else {
            return self.regex_of_errors(pattern, operands);
        };
        let cost = match_cost(text.size(self.fuel)?, pattern.characters());
        self.fuel.spend(cost)?;
        let result = pattern.apply(self.fuel, function, text, rest.first());
        self.replace(operands, result)
    }

    #[cold]
    fn regex_of_errors(&mut self, pattern: &Pattern, operands: usize) -> Result<(), EvaluationErrorKind> {
        let limit = if operands > 1 { Some(self.pop()) } else { None };
        let text = self.pop();
        let size = match &text {
            Ok(text) => text.size(self.fuel)?,
            Err(_) => 1,
        };
        self.fuel.spend(match_cost(size, pattern.characters()))?;
        self.push(match limit {
            Some(limit) => text.and(limit),
            None => text,
        });
        Ok(())
    }

    fn call(&mut self, call: &Call) -> Result<(), EvaluationErrorKind> {
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

    fn list(&mut self, count: usize, optionals: Option<u32>) -> Result<(), EvaluationErrorKind> {
        self.fuel.elements(count)?;
        let flags = self.optional_flags(optionals)?;
        // An error in a part has jumped past here.
        let items = self.stack.take(count).ok_or_else(broken)?;
        let result = match flags {
            None => Value::list(items),
            Some(flags) => operand::parts(items, flags).and_then(Value::list),
        };
        let outcome = self.settle(result)?;
        self.push(outcome);
        Ok(())
    }

    fn optional_flags(&self, index: Option<u32>) -> Result<Option<&'a [bool]>, EvaluationErrorKind> {
        let Some(index) = index else { return Ok(None) };
        self.code.optionals.get(index as usize).map(|flags| Some(flags.as_ref())).ok_or_else(broken)
    }

    fn map(&mut self, count: usize, optionals: Option<u32>) -> Result<(), EvaluationErrorKind> {
        self.fuel.elements(count)?;
        let flags = self.optional_flags(optionals)?;
        let parts = self.stack.take(count * 2).ok_or_else(broken)?;
        let result = operand::entries(parts, flags).and_then(|entries| Map::sorted(self.fuel, entries));
        let outcome = self.settle(result.map(Value::Map))?;
        self.push(outcome);
        Ok(())
    }
}

fn is_in(fuel: &mut Fuel, value: &Value<'_>, list: &List<'_>) -> Result<bool, EvaluationErrorKind> {
    for index in 0..list.len() {
        fuel.toil(1)?;
        if let Some(item) = list.peek(index)
            && same(fuel, value, &item)?
        {
            return Ok(true);
        }
    }
    Ok(false)
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
