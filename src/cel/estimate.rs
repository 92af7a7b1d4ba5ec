//! The worst cost of a program, for values no larger than [`Sizes`] says.
//!
//! The instructions are walked once with the sizes of values in place of values. Both branches of a conditional are
//! looked at and the dearer one counts; `&&`, `||` and alternatives count in full; a loop counts once for each
//! element that its range may have. What a list of unknown type holds is taken for scalars and texts where a function
//! goes through all of it.

mod shape;

use super::{
    code::{Call, Code, Form, Op, Step, StepKey},
    environment::{Environment, Sizes},
    library::{
        Cost, LARGEST_PATTERN, RegexFunction, Size, WIDEST_PADDING, cross_cost, fifth, match_cost, tenth, within_cost,
    },
    types::Type,
};
use shape::{OPAQUE, Shape};

/// The worst cost of `code`, in the API server's units; [`u64::MAX`] where it is beyond counting.
pub(in crate::cel) fn worst_cost(code: &Code, env: &Environment) -> u64 {
    let mut estimator =
        Estimator { code, env, sizes: env.assumed(), stack: Vec::new(), frames: Vec::new(), made: Vec::new() };
    estimator.segment(0, code.ops.len())
}

struct Estimator<'c> {
    code: &'c Code,
    env: &'c Environment,
    sizes: Sizes,
    stack: Vec<Shape>,
    /// The variables of the macros around.
    frames: Vec<(Shape, Shape)>,
    /// For each loop around, what its body made.
    made: Vec<Shape>,
}

impl Estimator<'_> {
    fn pop(&mut self) -> Shape {
        self.stack.pop().unwrap_or(Shape::Scalar)
    }

    fn push(&mut self, shape: Shape) {
        self.stack.push(shape);
    }

    /// The cost of the instructions from `from` up to `to`. Recurses with the nesting of conditionals and macros.
    fn segment(&mut self, from: usize, to: usize) -> u64 {
        let mut cost: u64 = 0;
        let mut marks = Vec::new();
        let mut at = from;
        while at < to {
            let Some(op) = self.code.ops.get(at).copied() else { break };
            at += 1;
            let (spent, next) = match op {
                Op::Branch { falsy, end } => (self.branch(at, falsy as usize, end as usize), end as usize),
                Op::OrElse { end, .. } => (self.alternative(at, end as usize), end as usize),
                Op::Loop { form, pair, end, .. } => (self.repeat(form, pair, at, end as usize), end as usize),
                Op::Mark => {
                    marks.push(cost);
                    (0, at)
                }
                Op::Open { .. } => {
                    let range = cost.saturating_sub(marks.pop().unwrap_or_default());
                    let value = self.pop();
                    self.frames.push((value, Shape::Scalar));
                    (range.saturating_add(2), at)
                }
                other => (self.simple(other), at),
            };
            cost = cost.saturating_add(spent);
            at = next;
        }
        cost
    }

    fn branch(&mut self, truthy: usize, falsy: usize, end: usize) -> u64 {
        self.pop();
        let first = self.segment(truthy, falsy.saturating_sub(1));
        let left = self.pop();
        let second = self.segment(falsy, end);
        let right = self.pop();
        self.push(left.join(right));
        first.max(second)
    }

    fn alternative(&mut self, from: usize, end: usize) -> u64 {
        let present = self.pop();
        let cost = self.segment(from, end);
        let other = self.pop();
        self.push(present.join(other));
        cost
    }

    fn repeat(&mut self, form: Form, pair: bool, from: usize, end: usize) -> u64 {
        let range = self.pop();
        let count = range.size();
        let element = range.element();
        let first = match &range {
            Shape::List(..) if pair => Shape::Scalar,
            Shape::List(..) => element.clone(),
            Shape::Map(_, key, _) => key.as_ref().clone(),
            // An unknown range is a list of elements or a map of texts.
            _ => element.clone().join(Shape::Text(self.sizes.text)),
        };
        self.frames.push((first.clone(), element));
        self.made.push(Shape::Nothing);
        let body = self.segment(from, end.saturating_sub(1));
        let made = self.made.pop().unwrap_or(Shape::Nothing);
        self.frames.pop();
        let (each, last) = match form {
            Form::All => (3, 3),
            Form::Exists => (4, 4),
            Form::ExistsOne => (2, 2),
            Form::List | Form::Map | Form::Entries => (0, 1),
        };
        self.push(match form {
            Form::All | Form::Exists | Form::ExistsOne => Shape::Scalar,
            Form::List => Shape::list(count, made),
            Form::Map => Shape::map(count, first, made),
            Form::Entries => {
                let key = Shape::Text(self.sizes.text);
                Shape::map(count.saturating_mul(made.size()), key, made.element())
            }
        });
        body.saturating_add(each).saturating_mul(count).saturating_add(last)
    }

    /// The cost of an instruction that goes straight on.
    fn simple(&mut self, op: Op) -> u64 {
        match op {
            Op::Constant(index) => {
                let shape = self.code.constants.get(index as usize).map_or(Shape::Scalar, Shape::of_value);
                self.push(shape);
                0
            }
            Op::Variable { slot, cost } => {
                let shape = Shape::of_type(self.env.type_of(slot), self.sizes);
                self.push(shape);
                u64::from(cost)
            }
            Op::Ask { slot, test, cost } => {
                let shape = if test { Shape::Scalar } else { Shape::of_type(self.env.type_of(slot), self.sizes) };
                self.push(shape);
                u64::from(cost) + u64::from(!test)
            }
            Op::Local { frame, second, cost } => {
                self.local(frame, second);
                u64::from(cost)
            }
            Op::Charge(cost) => u64::from(cost),
            Op::Duplicate => {
                let top = self.stack.last().cloned().unwrap_or(Shape::Scalar);
                self.push(top);
                0
            }
            Op::Path { from, count, .. } => self.path(from, count),
            Op::LocalPath { frame, second, cost, from, count, .. } => {
                self.local(frame, second);
                u64::from(cost) + self.path(from, u32::from(count))
            }
            Op::Index { .. } => {
                self.pop();
                let target = self.pop();
                self.push(target.element());
                1
            }
            Op::Not => {
                self.pop();
                self.push(Shape::Scalar);
                1
            }
            Op::AndEnd | Op::OrEnd => self.scalar_of_two(|_, _| 0),
            Op::Equal { .. } => self.scalar_of_two(|a, b| tenth(a.size().min(b.size())).max(1)),
            Op::In { listed } => self.scalar_of_two(|_, list| if listed { list.size() } else { 1 }),
            Op::InSet(_) => {
                self.pop();
                self.push(Shape::Scalar);
                0
            }
            Op::Call(index) => self.code.calls.get(index as usize).map_or(0, |call| self.call(call)),
            Op::Regex { pattern, function, limited } => {
                if limited {
                    self.pop();
                }
                let text = self.pop().size();
                let pattern = self.code.patterns.get(pattern as usize).map_or(0, |pattern| pattern.characters());
                self.push(match function {
                    RegexFunction::Matches => Shape::Scalar,
                    RegexFunction::Find => Shape::Text(text),
                    RegexFunction::FindAll => Shape::list(text.saturating_add(1), Shape::Text(text)),
                });
                match_cost(text, pattern)
            }
            Op::List { count, .. } => {
                let element = self.join_of(count as usize);
                self.push(Shape::list(u64::from(count), element));
                0
            }
            Op::Map { count, .. } => {
                // Keys and values lie side by side; one shape covers both.
                let part = self.join_of(count as usize * 2);
                self.push(Shape::map(u64::from(count), part.clone(), part));
                0
            }
            Op::Test { .. } | Op::Keep { .. } => {
                self.pop();
                0
            }
            Op::Add { cost, .. } => {
                let value = self.pop();
                if let Some(made) = self.made.last_mut() {
                    *made = std::mem::replace(made, Shape::Nothing).join(value);
                }
                u64::from(cost)
            }
            Op::Close { flat } => {
                self.frames.pop();
                u64::from(!flat)
            }
            // Jumps forward: what they skip is counted. The rest is counted where it starts.
            Op::Bail { .. } | Op::Skip { .. } | Op::Jump(_) | Op::And { .. } | Op::Or { .. } => 0,
            Op::Next { .. } | Op::End | Op::Mark | Op::Settle(_) => 0,
            Op::Branch { .. } | Op::OrElse { .. } | Op::Loop { .. } | Op::Open { .. } => 0,
        }
    }

    fn local(&mut self, frame: u16, second: bool) {
        let shape = match self.frames.get(usize::from(frame)) {
            Some((_, shape)) if second => shape.clone(),
            Some((shape, _)) => shape.clone(),
            None => Shape::Scalar,
        };
        self.push(shape);
    }

    fn path(&mut self, from: u32, count: u32) -> u64 {
        let steps = self.code.steps.get(from as usize..(from + count) as usize).unwrap_or_default();
        let start = self.pop();
        self.push(steps.iter().fold(start, |shape, step| follow(&shape, step)));
        u64::from(count)
    }

    fn scalar_of_two(&mut self, cost: impl Fn(&Shape, &Shape) -> u64) -> u64 {
        let (right, left) = (self.pop(), self.pop());
        self.push(Shape::Scalar);
        cost(&left, &right)
    }

    fn join_of(&mut self, count: usize) -> Shape {
        (0..count).fold(Shape::Nothing, |joined, _| joined.join(self.pop()))
    }

    fn call(&mut self, call: &Call) -> u64 {
        let mut arguments: Vec<Shape> = (0..call.arity).map(|_| self.pop()).collect();
        arguments.reverse();
        let result = call.overloads.iter().fold(Shape::Nothing, |joined, overload| {
            joined.join(self.result(call.function.size, &overload.result, &arguments))
        });
        let cost = most(call.cost, &arguments, &result);
        self.push(result);
        cost
    }

    /// How large a result may be.
    fn result(&self, size: Size, of: &Type, arguments: &[Shape]) -> Shape {
        let at = |index: usize| arguments.get(index).cloned().unwrap_or(Shape::Nothing);
        let (target, length) = (at(0), at(0).size());
        match size {
            Size::Typed => match of {
                Type::String | Type::Bytes => {
                    let longest = arguments.iter().map(Shape::size).max().unwrap_or_default();
                    // The text of a scalar is short.
                    Shape::Text(longest.saturating_mul(4).max(SCALAR_TEXT))
                }
                other => Shape::of_type(other, self.sizes),
            },
            Size::Target => target,
            Size::Element => target.element(),
            Size::Sum => target.sum(at(1)),
            Size::Character => Shape::Text(1),
            Size::Replaced => {
                let inserted = length.saturating_add(1).saturating_mul(at(2).size());
                Shape::Text(length.saturating_add(inserted))
            }
            Size::Joined => {
                let part = target.element().size().saturating_add(at(1).size());
                Shape::Text(length.saturating_mul(part))
            }
            Size::Split => Shape::list(length.saturating_add(1), Shape::Text(length)),
            Size::Flattened => {
                let inner = target.element();
                Shape::list(length.saturating_mul(inner.size().max(1)), inner.element().join(inner))
            }
            Size::Range => Shape::list(1_000_000, Shape::Scalar),
            Size::Formatted => {
                let values = at(1);
                // A clause has two characters, and its padding as many digits as are left.
                let padding = 10_u64.saturating_pow(u32::try_from(length).unwrap_or(u32::MAX).saturating_sub(3));
                let each = values.element().written().saturating_add(padding.min(WIDEST_PADDING));
                Shape::Text(length.saturating_add(values.size().min(length / 2).saturating_mul(each)))
            }
            Size::Complaints => {
                // Two about each part of a name. One about a URI quotes it three times.
                Shape::list(4, Shape::Text(at(1).size().saturating_mul(30).saturating_add(500)))
            }
            Size::Parsed => Shape::Text(length.max(OPAQUE)),
            // A character has at most four bytes, and a byte is escaped by three characters.
            Size::Escaped => Shape::Text(length.saturating_mul(12)),
            Size::Query => {
                let text = Shape::Text(length);
                Shape::map(length, text.clone(), Shape::list(length, text))
            }
        }
    }
}

/// The longest text of a number, a time or a span.
const SCALAR_TEXT: u64 = 64;

fn follow(shape: &Shape, step: &Step) -> Shape {
    match (step.test, &step.key) {
        (true, _) => Shape::Scalar,
        (false, StepKey::Name(_) | StepKey::Value(_)) => shape.element(),
    }
}

/// The worst of [`Cost::of`].
fn most(cost: Cost, arguments: &[Shape], result: &Shape) -> u64 {
    // An argument that is an error counts as 1.
    let size = |index: usize| arguments.get(index).map_or(1, Shape::size).max(1);
    match cost {
        Cost::Unit => 1,
        Cost::Scan(index) => tenth(size(index)),
        Cost::Copy(index) => fifth(size(index)),
        Cost::Concatenate => tenth(size(0).saturating_add(size(1))),
        Cost::Compare => tenth(size(0).min(size(1))).max(1),
        Cost::Contains => tenth(size(0)).saturating_mul(tenth(size(1))),
        Cost::Match => match_cost(size(0), size(1)),
        Cost::InList => size(1),
        Cost::Validate => match_cost(size(1), LARGEST_PATTERN),
        Cost::Traverse => arguments.first().map_or(1, Shape::traversal).max(1),
        Cost::Join => fifth(result.size()).max(1),
        Cost::NewList => result.size().saturating_add(11),
        // The depth is a number that only evaluation knows; lists nest in the input no deeper than its parser allows.
        Cost::Flatten => size(0).saturating_mul(64).saturating_add(11),
        Cost::SelfCompare(index) => {
            let square = size(index).saturating_mul(size(index));
            square.saturating_mul(2).saturating_add(tenth(square)).saturating_add(11)
        }
        Cost::CrossCompare(times) => cross_cost(size(0), size(1), times),
        Cost::Within { masked, parsed } => within_cost(size(0), if parsed { size(1) } else { 0 }, masked),
    }
}
