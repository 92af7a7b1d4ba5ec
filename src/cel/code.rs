//! The flat form of a program: instructions for a machine with a stack of values.

use std::sync::Arc;

use super::{
    environment::Slot,
    library::{Cost, Function, Overload, Pattern, RegexFunction},
    value::Value,
};

/// An index into [`Code::ops`].
pub(in crate::cel) type Label = u32;

/// One instruction. An error is a value on the stack like any other, and most instructions pass it on.
#[derive(Clone, Copy, Debug)]
pub(in crate::cel) enum Op {
    /// Pushes a constant.
    Constant(u32),
    /// Pushes a variable of the environment.
    Variable {
        slot: Slot,
        cost: u8,
    },
    /// Pushes a variable of the macro that is nested `frame` deep.
    Local {
        frame: u16,
        second: bool,
        cost: u8,
    },
    /// Spends what reading the value of that macro's optional still costs.
    Settle(u16),
    /// Spends cost, whatever is on the stack.
    Charge(u32),
    /// Pushes the top once more.
    Duplicate,
    /// Pushes a field of a group as an optional, or with `test` whether it has a value.
    Ask {
        slot: Slot,
        test: bool,
        cost: u8,
    },
    /// Follows constant steps from the top; `inner` where steps follow.
    Path {
        from: u32,
        count: u32,
        inner: bool,
    },
    /// Pushes what constant steps from a variable of a macro lead to; `inner` where steps follow.
    LocalPath {
        frame: u16,
        second: bool,
        cost: u8,
        from: u32,
        count: u16,
        inner: bool,
    },
    /// Pops an index, and follows it from the top; `inner` where steps follow.
    Index {
        optional: bool,
        inner: bool,
    },
    /// Jumps where the top is an error, and takes away what lies below it; where the top is `optional` and no optional,
    /// that is an error.
    Bail {
        drop: u16,
        optional: bool,
        to: Label,
    },
    /// Jumps where the top is an error or `optional.none()`: no step follows from either.
    Skip {
        to: Label,
    },
    Jump(Label),
    /// Jumps where the top decides the conjunction: it is `false`.
    And {
        to: Label,
    },
    AndEnd,
    /// Jumps where the top decides the disjunction: it is `true`.
    Or {
        to: Label,
    },
    OrEnd,
    /// Pops a condition: `true` goes on, `false` jumps, an error stays and ends the conditional.
    Branch {
        falsy: Label,
        end: Label,
    },
    /// Keeps a present optional, or with `unwrap` its value, and jumps; pops an absent one.
    OrElse {
        unwrap: bool,
        end: Label,
    },
    Not,
    Equal {
        negated: bool,
    },
    /// Membership; `listed` where only a list may stand on the right.
    In {
        listed: bool,
    },
    /// Membership in a constant list.
    InSet(u32),
    Call(u32),
    Regex {
        pattern: u32,
        function: RegexFunction,
        limited: bool,
    },
    List {
        count: u32,
        optionals: Option<u32>,
    },
    Map {
        count: u32,
        optionals: Option<u32>,
    },
    /// Pops a range and starts a macro on it; an error stays and skips the macro.
    Loop {
        form: Form,
        pair: bool,
        /// Whether there is a condition before the body.
        filtered: bool,
        end: Label,
    },
    /// Goes to the next element, or out of the loop.
    Next {
        exit: Label,
    },
    /// Pops a predicate into the accumulator.
    Test {
        back: Label,
    },
    /// Pops a condition: `false` goes to the next element.
    Keep {
        back: Label,
    },
    /// Pops what the body made and adds it to the accumulator.
    Add {
        cost: u8,
        back: Label,
    },
    /// Ends the macro and pushes what it accumulated.
    End,
    /// Remembers the cost so far.
    Mark,
    /// Pops an optional: opens a macro on its value, or pushes `none` and jumps.
    Open {
        end: Label,
    },
    /// Ends such a macro.
    Close {
        flat: bool,
    },
}

/// What a macro accumulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) enum Form {
    All,
    Exists,
    ExistsOne,
    List,
    Map,
    Entries,
}

/// A constant step of a path.
#[derive(Clone, Debug)]
pub(in crate::cel) struct Step {
    pub(in crate::cel) key: StepKey,
    pub(in crate::cel) optional: bool,
    /// Whether only presence is asked for: the last step of `has`.
    pub(in crate::cel) test: bool,
}

#[derive(Clone, Debug)]
pub(in crate::cel) enum StepKey {
    Name(Arc<str>),
    Value(Value<'static>),
}

/// A call of a library's function.
#[derive(Clone, Debug)]
pub(in crate::cel) struct Call {
    pub(in crate::cel) function: &'static Function,
    pub(in crate::cel) overloads: Arc<[&'static Overload]>,
    pub(in crate::cel) arity: usize,
    pub(in crate::cel) cost: Cost,
}

/// The instructions with everything that they refer to.
#[derive(Clone, Debug, Default)]
pub(in crate::cel) struct Code {
    pub(in crate::cel) ops: Vec<Op>,
    /// For each instruction, where in the source it comes from.
    pub(in crate::cel) offsets: Vec<u32>,
    pub(in crate::cel) constants: Vec<Value<'static>>,
    pub(in crate::cel) steps: Vec<Step>,
    pub(in crate::cel) calls: Vec<Call>,
    pub(in crate::cel) patterns: Vec<Pattern>,
    pub(in crate::cel) optionals: Vec<Box<[bool]>>,
    /// The variables that are read, with their names.
    pub(in crate::cel) variables: Vec<(Slot, Arc<str>)>,
}

impl Code {
    /// Gives back the room that was kept for growth: a program is kept for long.
    pub(in crate::cel) fn shrink(&mut self) {
        self.ops.shrink_to_fit();
        self.offsets.shrink_to_fit();
        self.constants.shrink_to_fit();
        self.steps.shrink_to_fit();
        self.calls.shrink_to_fit();
        self.patterns.shrink_to_fit();
        self.optionals.shrink_to_fit();
        self.variables.shrink_to_fit();
    }
}
