//! Macros: a frame for each one that runs, with its range, its variables and what it accumulates.

use std::{collections::BTreeMap, mem};

use super::{
    EvaluationError, EvaluationErrorKind, Form, Fuel, Key, List, Machine, Map, Outcome, Text, Value, no_such_overload,
};
use crate::canonical;

/// A macro that runs.
pub(super) struct Frame<'a> {
    source: Source<'a>,
    /// The next element.
    index: usize,
    pair: bool,
    first: Value<'a>,
    second: Value<'a>,
    accumulator: Accumulator<'a>,
    /// A part failed, and with it the whole. As in cel-go the loop goes on all the same, and what it evaluates counts.
    failed: Option<Box<EvaluationError>>,
    /// Whether there is a condition before the body.
    filtered: bool,
}

pub(super) enum Source<'a> {
    List(List<'a>),
    Map(Map<'a>),
    /// The value of an optional; there is no loop.
    Single {
        /// What reading it for the first time costs.
        owed: u64,
    },
}

pub(super) enum Accumulator<'a> {
    /// `all`: a conjunction. `exists`: a disjunction, where `decisive` is true.
    Truth {
        decisive: bool,
        outcome: Outcome<'a>,
    },
    Count(i64),
    List(Vec<Value<'a>>),
    Map {
        entries: BTreeMap<Key<'a>, Value<'a>>,
        many: bool,
    },
    Nothing,
}

impl<'a> Frame<'a> {
    /// What remains to be counted once a variable is read.
    fn take_owed(&mut self) -> u64 {
        match &mut self.source {
            Source::Single { owed } => mem::take(owed),
            _ => 0,
        }
    }

    #[inline]
    pub(super) fn variable(&self, second: bool) -> &Value<'a> {
        if second { &self.second } else { &self.first }
    }

    /// Sets the variables to the next element; says whether there is one.
    #[inline]
    fn next(&mut self) -> bool {
        match (&self.source, self.pair) {
            (Source::List(List::Json(items)), false) => match items.get(self.index) {
                Some(canonical::Value::Object(object)) => set_object(&mut self.first, object),
                Some(canonical::Value::String(text)) => set_text(&mut self.first, text),
                Some(item) => self.first = Value::from(item),
                None => return false,
            },
            (Source::Map(Map::Json(object)), false) => match object.entry(self.index) {
                Some((key, _)) => set_text(&mut self.first, key),
                None => return false,
            },
            (source, pair) => match source.element(self.index, pair) {
                Some((first, second)) => (self.first, self.second) = (first, second),
                None => return false,
            },
        }
        self.index += 1;
        true
    }

    /// Whether the body is evaluated no more: the insertion into a map ends with the first argument that failed, and
    /// that is the map.
    fn skips_bodies(&self) -> bool {
        self.failed.is_some() && matches!(self.accumulator, Accumulator::Map { many: false, .. })
    }
}

// Functions of their own, as those of the stack.

#[inline(never)]
fn set_object<'a>(variable: &mut Value<'a>, object: &'a canonical::Object<'a>) {
    *variable = Value::Map(Map::Json(object));
}

#[inline(never)]
fn set_text<'a>(variable: &mut Value<'a>, text: &'a str) {
    *variable = Value::String(Text::Borrowed(text));
}

impl<'a> Source<'a> {
    fn len(&self) -> usize {
        match self {
            Self::List(list) => list.len(),
            Self::Map(map) => map.len(),
            Self::Single { .. } => 0,
        }
    }

    fn element(&self, index: usize, pair: bool) -> Option<(Value<'a>, Value<'a>)> {
        match self {
            Self::List(list) => {
                let element = list.element(index)?;
                Some(if pair { (Value::Int(i64::try_from(index).ok()?), element) } else { (element, Value::Null) })
            }
            Self::Map(map) => map.entry(index),
            Self::Single { .. } => None,
        }
    }
}

impl<'a> Machine<'a, '_> {
    fn frame(&mut self) -> Result<&mut Frame<'a>, EvaluationErrorKind> {
        self.frames.last_mut().ok_or_else(super::broken)
    }

    pub(super) fn start(
        &mut self,
        (form, pair, filtered): (Form, bool, bool),
        next: u32,
        end: u32,
    ) -> Result<u32, EvaluationErrorKind> {
        let source = match self.pop() {
            Ok(Value::List(list)) => Source::List(list),
            Ok(Value::Map(map)) => Source::Map(map),
            Ok(other) => {
                let error = self.raise(no_such_overload("range of a macro", &[other]))?;
                self.push(error);
                return Ok(end);
            }
            error => {
                self.push(error);
                return Ok(end);
            }
        };
        let accumulator = match form {
            Form::All => Accumulator::Truth { decisive: false, outcome: Ok(Value::Bool(true)) },
            Form::Exists => Accumulator::Truth { decisive: true, outcome: Ok(Value::Bool(false)) },
            Form::ExistsOne => Accumulator::Count(0),
            Form::List => Accumulator::List(Vec::new()),
            Form::Map => Accumulator::Map { entries: BTreeMap::new(), many: false },
            Form::Entries => Accumulator::Map { entries: BTreeMap::new(), many: true },
        };
        let (first, second) = (Value::Null, Value::Null);
        self.frames.push(Frame { source, index: 0, pair, first, second, accumulator, failed: None, filtered });
        Ok(next)
    }

    /// Goes to the next element. `all` and `exists` cost what their condition and the accumulator's name cost.
    pub(super) fn advance(&mut self, next: u32, exit: u32) -> Result<u32, EvaluationErrorKind> {
        let frame = self.frames.last_mut().ok_or_else(super::broken)?;
        if !frame.filtered && frame.skips_bodies() {
            // Each element that is left costs the accumulator's name.
            self.fuel.spend(frame.source.len().saturating_sub(frame.index) as u64)?;
            return Ok(exit);
        }
        if !frame.next() {
            return Ok(exit);
        }
        if let Accumulator::Truth { decisive, outcome } = &frame.accumulator {
            let condition = if *decisive { 3 } else { 2 };
            if matches!(outcome, Ok(Value::Bool(decided)) if decided == decisive) {
                self.fuel.spend(condition)?;
                return Ok(exit);
            }
            self.fuel.spend(condition + 1)?;
        }
        Ok(next)
    }

    #[inline]
    pub(super) fn test(&mut self, back: u32) -> Result<u32, EvaluationErrorKind> {
        if let (Some(Value::Bool(holds)), Some(Frame { accumulator: Accumulator::Truth { decisive, .. }, .. })) =
            (self.stack.top(), self.frames.last())
            && holds != decisive
        {
            self.stack.truncate(self.stack.len() - 1);
            return Ok(back);
        }
        self.test_others(back)
    }

    fn test_others(&mut self, back: u32) -> Result<u32, EvaluationErrorKind> {
        let tested = match self.pop() {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => self.raise(no_such_overload("predicate of a macro", &[other]))?.map(|_| false),
            Err(error) => Err(error),
        };
        let frame = self.frames.last_mut().ok_or_else(super::broken)?;
        match (&mut frame.accumulator, tested) {
            (Accumulator::Truth { decisive, outcome }, Ok(holds)) => {
                // An error stays until something decides; what decides wins over it.
                if holds == *decisive {
                    *outcome = Ok(Value::Bool(holds));
                }
            }
            (Accumulator::Truth { outcome, .. }, Err(error)) => {
                if outcome.is_ok() {
                    *outcome = Err(error);
                }
            }
            (Accumulator::Count(count), Ok(true)) => {
                *count += 1;
                self.fuel.spend(2)?;
            }
            (Accumulator::Count(_), Ok(false)) => {}
            // The condition that failed last is the outcome.
            (Accumulator::Count(_), Err(error)) => frame.failed = Some(error),
            _ => return Err(super::broken()),
        }
        Ok(back)
    }

    pub(super) fn keep(&mut self, next: u32, back: u32) -> Result<u32, EvaluationErrorKind> {
        let error = match self.pop() {
            Ok(Value::Bool(true)) if self.frame()?.skips_bodies() => {
                self.fuel.spend(1)?;
                return Ok(back);
            }
            Ok(Value::Bool(true)) => return Ok(next),
            Ok(Value::Bool(false)) => return Ok(back),
            Ok(other) => self.raise(no_such_overload("_?_:_", &[other]))?,
            error => error,
        };
        if let Err(error) = error {
            // The condition that failed last is the outcome.
            self.frame()?.failed = Some(error);
        }
        Ok(back)
    }

    pub(super) fn add(&mut self, cost: u8, back: u32) -> Result<u32, EvaluationErrorKind> {
        self.fuel.spend(u64::from(cost))?;
        let added = match self.pop() {
            Err(error) => Err(error),
            Ok(_) if self.frame()?.failed.is_some() => Ok(()),
            Ok(value) => match self.accumulate(value)? {
                Ok(()) => Ok(()),
                Err(kind) => self.raise(kind)?.map(|_| ()),
            },
        };
        if let Err(error) = added {
            // What failed first stays.
            self.frame()?.failed.get_or_insert(error);
        }
        Ok(back)
    }

    /// Adds a value to what the macro builds.
    fn accumulate(&mut self, value: Value<'a>) -> Result<Result<(), EvaluationErrorKind>, EvaluationErrorKind> {
        self.fuel.elements(1)?;
        let frame = self.frames.last_mut().ok_or_else(super::broken)?;
        Ok(match &mut frame.accumulator {
            Accumulator::List(items) => {
                items.push(value);
                Ok(())
            }
            Accumulator::Map { entries, many: false } => insert(self.fuel, entries, &frame.first, value),
            Accumulator::Map { entries, many: true } => match value {
                Value::Map(new) => {
                    self.fuel.elements(new.len())?;
                    new.iter().try_for_each(|(key, value)| insert(self.fuel, entries, &key, value))
                }
                other => Err(no_such_overload("transformMapEntry", &[other])),
            },
            _ => return Err(super::broken()),
        })
    }

    pub(super) fn end(&mut self) -> Result<(), EvaluationErrorKind> {
        let frame = self.frames.pop().ok_or_else(super::broken)?;
        let (cost, outcome) = match frame.accumulator {
            Accumulator::Truth { outcome, .. } => (1, outcome),
            Accumulator::Count(count) => (2, Ok(Value::Bool(count == 1))),
            Accumulator::List(items) => (1, self.settle(Value::list(items))?),
            Accumulator::Map { entries, .. } => {
                (1, self.settle(Map::new(entries.into_iter().collect()).map(Value::Map))?)
            }
            Accumulator::Nothing => return Err(super::broken()),
        };
        self.fuel.spend(cost)?;
        self.push(frame.failed.map_or(outcome, Err));
        Ok(())
    }

    /// Spends what reading a macro's optional still costs.
    pub(super) fn settle_debt(&mut self, frame: usize) -> Result<(), EvaluationErrorKind> {
        let owed = self.frames.get_mut(frame).ok_or_else(super::broken)?.take_owed();
        if owed == 0 {
            return Ok(());
        }
        for mark in self.marks.iter_mut().filter(|mark| frame < mark.frames) {
            mark.settled = mark.settled.saturating_add(owed);
        }
        self.fuel.spend(owed)
    }

    /// Opens a macro on the value of an optional. cel-go's expansion names the optional twice and evaluates it again
    /// where its value is first read: here it is evaluated once, and counted again there.
    pub(super) fn open(&mut self, next: u32, end: u32) -> Result<u32, EvaluationErrorKind> {
        let mark = self.marks.pop().ok_or_else(super::broken)?;
        let spent = self.fuel.cost().saturating_sub(mark.cost).saturating_sub(mark.settled);
        self.fuel.spend(1)?;
        let outcome = match self.pop() {
            Ok(Value::Optional(Some(present))) => {
                self.frames.push(Frame {
                    source: Source::Single { owed: spent.saturating_add(1) },
                    index: 0,
                    pair: false,
                    first: present.value().clone(),
                    second: Value::Null,
                    accumulator: Accumulator::Nothing,
                    failed: None,
                    filtered: false,
                });
                return Ok(next);
            }
            Ok(Value::Optional(None)) => {
                self.fuel.spend(1)?;
                Ok(Value::Optional(None))
            }
            Ok(other) => self.raise(no_such_overload("hasValue", &[other]))?,
            error => error,
        };
        self.push(outcome);
        Ok(end)
    }

    pub(super) fn close(&mut self, flat: bool) -> Result<(), EvaluationErrorKind> {
        self.frames.pop();
        if flat {
            return Ok(());
        }
        self.fuel.spend(1)?;
        self.fuel.elements(1)?;
        let outcome = match self.pop() {
            Ok(value) => self.settle(Value::present(value))?,
            error => error,
        };
        self.push(outcome);
        Ok(())
    }
}

fn insert<'a>(
    fuel: &mut Fuel,
    entries: &mut BTreeMap<Key<'a>, Value<'a>>,
    key: &Value<'a>,
    value: Value<'a>,
) -> Result<(), EvaluationErrorKind> {
    let key = Key::of(key)?;
    fuel.toil(u64::from(entries.len().checked_ilog2().unwrap_or_default()))?;
    fuel.search(key.text(), entries.len())?;
    match entries.insert(key, value) {
        None => Ok(()),
        Some(_) => Err(EvaluationErrorKind::DuplicateKey),
    }
}
