//! The evaluator: one loop over flat instructions, with explicit stacks of values and of macros.
//!
//! Nothing here recurses with the expression. An error is a value that strict instructions pass on and that `&&`,
//! `||` and the macros may absorb; only the exhaustion of fuel and faults of the machine end an evaluation at once.

mod apply;
mod frame;
mod logic;
mod operand;
mod stack;

use super::{
    code::{Call, Code, Form, Op, Step, StepKey},
    environment::{Activation, Slot},
    error::{EvaluationError, EvaluationErrorKind, Position},
    fuel::Fuel,
    library::{Cost, Pattern, RegexFunction, equality_cost, match_cost, no_such_overload},
    value::{Key, List, Map, Text, Value},
};
pub(in crate::cel) use apply::apply;
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
    marks: Vec<Mark>,
    /// The instruction being executed.
    at: u32,
}

/// Where the optional of a macro starts, which counts twice.
struct Mark {
    cost: u64,
    /// The macros around.
    frames: usize,
    /// What was settled for these since: it counts once.
    settled: u64,
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
            Ok(value) => self.stack.replace(operands, value).then_some(()).ok_or_else(broken),
            Err(kind) => self.fail(operands, kind),
        }
    }

    /// Puts a truth in the place of the operands.
    #[inline]
    fn decide(&mut self, operands: usize, value: bool) -> Result<(), EvaluationErrorKind> {
        self.stack.replace_bool(operands, value).then_some(()).ok_or_else(broken)
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
            Op::Settle(frame) => self.settle_debt(usize::from(frame))?,
            Op::Charge(cost) => self.fuel.spend(u64::from(cost))?,
            Op::Duplicate => self.stack.duplicate(),
            Op::Path { from, count, inner } => self.follow(from, count, inner)?,
            Op::LocalPath { frame, second, cost, from, count, inner } => {
                self.fuel.spend(u64::from(cost))?;
                self.follow_local((frame, second), (from, u32::from(count)), inner)?;
            }
            Op::Index { optional, inner } => self.index(optional, inner)?,
            Op::Bail { drop, optional, to } => {
                if optional {
                    self.check_optional()?;
                }
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
            Op::Mark => self.marks.push(Mark { cost: self.fuel.cost(), frames: self.frames.len(), settled: 0 }),
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

    /// The error on the top takes the place of the `drop` values below it.
    #[cold]
    fn bail(&mut self, drop: u16) {
        let error = self.pop();
        self.stack.truncate(self.stack.len().saturating_sub(usize::from(drop)));
        self.push(error);
    }

    fn list(&mut self, count: usize, optionals: Option<u32>) -> Result<(), EvaluationErrorKind> {
        self.fuel.elements(count)?;
        let flags = self.optional_flags(optionals)?;
        // An error in a part has jumped past here.
        let items = self.stack.take(count).ok_or_else(broken)?;
        let items = match flags {
            None => items,
            Some(flags) => operand::parts(items, flags),
        };
        let outcome = self.settle(Value::list(items))?;
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
        let result = operand::entries(self.fuel, parts, flags).and_then(|entries| Map::sorted(self.fuel, entries));
        let outcome = self.settle(result.map(Value::Map))?;
        self.push(outcome);
        Ok(())
    }
}
