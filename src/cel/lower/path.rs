//! Names with the steps from them: `object.spec.replicas`, `has(…)`, `list[0]`.

use std::sync::Arc;

use super::{
    super::{
        check::{Issue, Meaning},
        code::{Op, Step, StepKey},
        machine::is_key,
        syntax::ast::{Kind, MacroKind, NodeId},
    },
    Lowering, invalid,
};

impl Lowering<'_> {
    /// Lowers `has` of a field of a group; says whether the node is one.
    pub(super) fn lower_group_test(&mut self, id: NodeId) -> bool {
        let Meaning::Field(slot) = *self.checked.meaning(id) else { return false };
        if !matches!(self.kind(id), Kind::Has { .. }) {
            return false;
        }
        self.refer(slot, &[]);
        self.emit(Op::Ask { slot, test: true, cost: 1 });
        true
    }

    /// Lowers a variable, a macro's variable or a field of a group; says whether the node is one. `free` where cel-go
    /// does not count the name.
    pub(super) fn lower_name(&mut self, id: NodeId, free: bool) -> bool {
        let cost = u8::from(!free);
        match *self.checked.meaning(id) {
            Meaning::Local { frame, second } => {
                if self.frames.get(usize::from(frame)) == Some(&true) {
                    self.emit(Op::Settle(frame));
                }
                self.emit(Op::Local { frame, second, cost });
            }
            Meaning::Variable(slot) => {
                self.emit(Op::Variable { slot, cost });
            }
            Meaning::Field(slot) if matches!(self.kind(id), Kind::Select { optional: true, .. }) => {
                self.emit(Op::Ask { slot, test: false, cost });
            }
            Meaning::Field(slot) => {
                self.emit(Op::Variable { slot, cost: cost + 1 });
            }
            _ => return false,
        }
        true
    }

    /// The steps that end in `id`, first to last, and what they start from.
    pub(super) fn steps_of(&self, id: NodeId) -> (Vec<NodeId>, NodeId) {
        let mut steps = Vec::new();
        let mut next = id;
        loop {
            let is_name = matches!(self.checked.meaning(next), Meaning::Field(_) | Meaning::TypeName(_));
            let operand = match self.kind(next) {
                Kind::Select { operand, .. } | Kind::Index { operand, .. } if !is_name => *operand,
                Kind::Has { operand, .. } if next == id => *operand,
                _ => break,
            };
            steps.push(next);
            next = operand;
        }
        steps.reverse();
        (steps, next)
    }

    /// Counts what steps start from, where it is no name. In cel-go a conditional hands its steps to its branches and
    /// counts nothing itself.
    pub(super) fn charge_base(&mut self, base: NodeId) {
        let is_conditional = match self.kind(base) {
            Kind::Conditional { .. } => true,
            Kind::Macro(form) => matches!(form.kind, MacroKind::OptMap | MacroKind::OptFlatMap),
            _ => false,
        };
        if !is_conditional {
            self.emit(Op::Charge(1));
        }
    }

    /// Lowers steps from the value on the stack, which a name has just pushed where `is_named`; `inner`
    /// where more steps follow.
    pub(super) fn lower_steps(&mut self, steps: &[NodeId], mut is_named: bool, inner: bool) -> Result<(), Issue> {
        let mut exits = Vec::new();
        let mut from = self.code.steps.len();
        for id in steps {
            self.at(*id);
            if let Some(step) = self.constant_step(*id)? {
                self.code.steps.push(step);
                continue;
            }
            let Kind::Index { index, optional, .. } = *self.kind(*id) else { continue };
            self.path_op(from, is_named, true);
            is_named = false;
            exits.push(self.emit(Op::Skip { to: 0 }));
            self.lower(index, true)?;
            self.at(*id);
            self.emit(Op::Index { optional, inner: inner || steps.last() != Some(id) });
            from = self.code.steps.len();
        }
        self.path_op(from, is_named, inner);
        self.patch_all(&exits);
        Ok(())
    }

    /// Emits the steps since `from`, where there are any; in one instruction with the macro's variable that they
    /// start from.
    fn path_op(&mut self, from: usize, is_named: bool, inner: bool) {
        let count = self.code.steps.len() - from;
        if count == 0 {
            return;
        }
        let from = u32::try_from(from).unwrap_or(u32::MAX);
        if is_named
            && let Ok(count) = u16::try_from(count)
            && let (Some(op), Some(offset)) = (self.code.ops.last_mut(), self.code.offsets.last_mut())
            && let Op::Local { frame, second, cost } = *op
        {
            *op = Op::LocalPath { frame, second, cost, from, count, inner };
            *offset = self.offset;
            return;
        }
        self.emit(Op::Path { from, count: u32::try_from(count).unwrap_or(u32::MAX), inner });
    }

    fn constant_step(&self, id: NodeId) -> Result<Option<Step>, Issue> {
        let named = |field: &Arc<str>| StepKey::Name(field.clone());
        Ok(match self.kind(id) {
            Kind::Select { field, optional, .. } => Some(Step { key: named(field), optional: *optional, test: false }),
            Kind::Has { field, .. } => Some(Step { key: named(field), optional: false, test: true }),
            Kind::Index { index, optional, .. } => match self.kind(*index) {
                Kind::String(field) => Some(Step { key: named(field), optional: *optional, test: false }),
                _ => match self.constant(*index)? {
                    Some(value) if is_key(&value) => {
                        Some(Step { key: StepKey::Value(value), optional: *optional, test: false })
                    }
                    Some(_) if !self.env.is_strict() => None,
                    Some(value) => {
                        let message = format!("a value of type `{}` is no index", value.type_name());
                        return Err(invalid(self.checked.ast.offset(*index), message));
                    }
                    None => None,
                },
            },
            _ => None,
        })
    }

    /// Notes what a chain of constant steps from a variable reads.
    pub(super) fn refer_steps(&mut self, base: NodeId, steps: &[NodeId]) {
        let (Meaning::Variable(slot) | Meaning::Field(slot)) = *self.checked.meaning(base) else { return };
        let mut names = Vec::new();
        for id in steps {
            let name = match self.kind(*id) {
                Kind::Select { field, .. } | Kind::Has { field, .. } => field.clone(),
                Kind::Index { index, .. } => match self.kind(*index) {
                    Kind::String(name) => name.clone(),
                    Kind::Int(index) => index.to_string().into(),
                    _ => break,
                },
                _ => break,
            };
            names.push(name);
        }
        self.refer(slot, &names);
    }
}
