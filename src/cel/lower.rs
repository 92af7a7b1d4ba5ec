//! From the checked tree to instructions.
//!
//! Costs are those of cel-go's interpreter, which counts by the shape of its plan: a name costs 1, each step from it
//! 1, a name directly in a branch of a conditional or in an index nothing, a constant literal nothing, and so on.
//! What depends on values is counted by the machine.

mod calls;
mod constant;
mod macros;
mod path;

use std::{collections::BTreeSet, mem, sync::Arc};

use super::{
    check::{Checked, Issue},
    code::{Code, Label, Op},
    environment::Environment,
    error::CompileErrorKind,
    program::Path,
    syntax::ast::{Element, Entry, Kind, NodeId},
    value::{Text, Value},
};

/// Lowers a checked tree.
///
/// # Errors
/// Constants that a function refuses.
pub(in crate::cel) fn lower(checked: &Checked, env: &Environment) -> Result<(Code, Box<[Path]>), Issue> {
    let mut lowering = Lowering {
        checked,
        env,
        code: Code::default(),
        references: BTreeSet::new(),
        offset: 0,
        frames: Vec::new(),
        patterns: Vec::new(),
    };
    lowering.check_unread()?;
    lowering.lower(checked.ast.root(), false)?;
    lowering.code.shrink();
    Ok((lowering.code, lowering.references.into_iter().collect()))
}

struct Lowering<'c> {
    checked: &'c Checked,
    env: &'c Environment,
    code: Code,
    references: BTreeSet<Path>,
    /// Where the next instruction comes from.
    offset: u32,
    /// The macros around: whether each is one on the value of an optional.
    frames: Vec<bool>,
    /// The texts of [`Code::patterns`].
    patterns: Vec<Box<str>>,
}

/// What remains to be done with the start of a chain once it is lowered.
enum Link {
    /// Steps from the value on the stack; whether a name has just pushed it.
    Path(Vec<NodeId>, bool),
    And(NodeId),
    Or(NodeId),
    Call(NodeId),
    Macro(NodeId),
}

impl Lowering<'_> {
    fn kind(&self, id: NodeId) -> &Kind {
        self.checked.ast.kind(id)
    }

    fn at(&mut self, id: NodeId) {
        self.offset = self.checked.ast.offset(id);
    }

    fn emit(&mut self, op: Op) -> usize {
        self.code.ops.push(op);
        self.code.offsets.push(self.offset);
        self.code.ops.len() - 1
    }

    fn here(&self) -> Label {
        Label::try_from(self.code.ops.len()).unwrap_or(Label::MAX)
    }

    /// Sets the label that instruction `at` jumps to; its only one, or the end of a conditional or a loop's exit.
    fn patch(&mut self, at: usize, label: Label) {
        if let Some(
            Op::Bail { to, .. }
            | Op::Skip { to }
            | Op::Jump(to)
            | Op::And { to }
            | Op::Or { to }
            | Op::Branch { end: to, .. }
            | Op::OrElse { end: to, .. }
            | Op::Loop { end: to, .. }
            | Op::Next { exit: to }
            | Op::Open { end: to },
        ) = self.code.ops.get_mut(at)
        {
            *to = label;
        }
    }

    fn constant_op(&mut self, value: Value<'static>) -> usize {
        let index = u32::try_from(self.code.constants.len()).unwrap_or(u32::MAX);
        self.code.constants.push(value);
        self.emit(Op::Constant(index))
    }

    /// Lowers a node; `free` where cel-go does not count the name that it starts with.
    fn lower(&mut self, id: NodeId, free: bool) -> Result<(), Issue> {
        self.lower_start(id, free, false)
    }

    /// Lowers a node; `inner` where it is the branch of a conditional from which steps lead on.
    fn lower_start(&mut self, id: NodeId, free: bool, inner: bool) -> Result<(), Issue> {
        let mut links = Vec::new();
        let (mut id, mut free) = (id, free);
        while let Some((next, next_free)) = self.descend(id, free, inner, &mut links)? {
            (id, free) = (next, next_free);
        }
        while let Some(link) = links.pop() {
            self.continue_with(link, inner && links.is_empty())?;
        }
        Ok(())
    }

    /// Lowers the start of a chain, or adds a link and says what comes before it.
    fn descend(
        &mut self,
        id: NodeId,
        free: bool,
        inner: bool,
        links: &mut Vec<Link>,
    ) -> Result<Option<(NodeId, bool)>, Issue> {
        self.at(id);
        if let Some(value) = self.constant(id)? {
            self.constant_op(value);
            return Ok(None);
        }
        let checked = self.checked;
        match checked.ast.kind(id) {
            Kind::Select { .. } | Kind::Index { .. } | Kind::Has { .. } => {
                if self.lower_group_test(id) {
                    return Ok(None);
                }
                let (steps, base) = self.steps_of(id);
                self.refer_steps(base, &steps);
                // A presence test counts its steps and not what they start from.
                let free = free || matches!(checked.ast.kind(id), Kind::Has { .. });
                let is_named = self.lower_name(base, free);
                if !is_named && !free {
                    self.charge_base(base);
                }
                links.push(Link::Path(steps, is_named));
                return Ok((!is_named).then_some((base, false)));
            }
            Kind::And(left, _) => {
                links.push(Link::And(id));
                return Ok(Some((*left, false)));
            }
            Kind::Or(left, _) => {
                links.push(Link::Or(id));
                return Ok(Some((*left, false)));
            }
            Kind::Call { .. } => return self.descend_call(id, links),
            Kind::Macro(form) => {
                self.start_macro(form);
                links.push(Link::Macro(id));
                return Ok(Some((form.range, false)));
            }
            Kind::Conditional { condition, truthy, falsy } => {
                let inner = links.last().map_or(inner, |link| matches!(link, Link::Path(..)));
                self.lower_conditional(*condition, [*truthy, *falsy], inner)?;
            }
            Kind::List(elements) => self.lower_list(elements)?,
            Kind::Map(entries) => self.lower_map(entries)?,
            // The checker gave every name a meaning, or an error.
            _ => {
                self.refer_steps(id, &[]);
                self.lower_name(id, free);
            }
        }
        Ok(None)
    }

    /// Checks what is looked for in empty lists: it is never evaluated, and no less wrong for that. Nested ones are
    /// constants to those around them, so each is lowered once; only the patterns stay, which are counted.
    fn check_unread(&mut self) -> Result<(), Issue> {
        let checked = self.checked;
        for id in checked.ast.ids() {
            let Kind::Call { arguments, .. } = checked.ast.kind(id) else { continue };
            if let [unread, _] = arguments.as_ref()
                && self.constant_set(id)?.is_some_and(|set| set.is_empty())
            {
                self.lower(*unread, false)?;
            }
        }
        self.code = Code { patterns: mem::take(&mut self.code.patterns), ..Code::default() };
        self.references.clear();
        Ok(())
    }

    fn continue_with(&mut self, link: Link, inner: bool) -> Result<(), Issue> {
        match link {
            Link::Path(steps, is_named) => self.lower_steps(&steps, is_named, inner),
            Link::Call(id) => self.finish_call(id),
            Link::Macro(id) => self.finish_macro(id),
            Link::And(id) => {
                let Kind::And(_, right) = *self.kind(id) else { return Ok(()) };
                self.lower_logic(id, right, Op::And { to: 0 }, Op::AndEnd)
            }
            Link::Or(id) => {
                let Kind::Or(_, right) = *self.kind(id) else { return Ok(()) };
                self.lower_logic(id, right, Op::Or { to: 0 }, Op::OrEnd)
            }
        }
    }

    fn lower_logic(&mut self, id: NodeId, right: NodeId, decide: Op, combine: Op) -> Result<(), Issue> {
        self.at(id);
        let decide = self.emit(decide);
        self.lower(right, false)?;
        self.at(id);
        self.emit(combine);
        self.patch(decide, self.here());
        Ok(())
    }

    fn lower_conditional(&mut self, condition: NodeId, branches: [NodeId; 2], inner: bool) -> Result<(), Issue> {
        let [truthy, falsy] = branches;
        let offset = self.offset;
        self.lower(condition, false)?;
        self.offset = offset;
        let branch = self.emit(Op::Branch { falsy: 0, end: 0 });
        self.lower_start(truthy, true, inner)?;
        let jump = self.emit(Op::Jump(0));
        let start = self.here();
        if let Some(Op::Branch { falsy, .. }) = self.code.ops.get_mut(branch) {
            *falsy = start;
        }
        self.lower_start(falsy, true, inner)?;
        let end = self.here();
        self.patch(branch, end);
        self.patch(jump, end);
        Ok(())
    }

    /// Where one part is an error the rest is not evaluated, and the error takes the place of the literal.
    fn bail(&mut self, drop: usize, optional: bool, exits: &mut Vec<usize>) {
        let drop = u16::try_from(drop).unwrap_or(u16::MAX);
        let at = self.emit(Op::Bail { drop, optional, to: 0 });
        exits.push(at);
    }

    fn patch_all(&mut self, exits: &[usize]) {
        let here = self.here();
        exits.iter().for_each(|exit| self.patch(*exit, here));
    }

    fn lower_list(&mut self, elements: &[Element]) -> Result<(), Issue> {
        let offset = self.offset;
        self.emit(Op::Charge(LIST));
        let mut exits = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            self.lower(element.value, false)?;
            self.bail(index, element.optional, &mut exits);
        }
        self.offset = offset;
        let optionals = self.optional_flags(elements.iter().map(|element| element.optional));
        self.emit(Op::List { count: u32::try_from(elements.len()).unwrap_or(u32::MAX), optionals });
        self.patch_all(&exits);
        Ok(())
    }

    fn lower_map(&mut self, entries: &[Entry]) -> Result<(), Issue> {
        let offset = self.offset;
        self.emit(Op::Charge(MAP));
        let mut exits = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            self.lower(entry.key, false)?;
            self.bail(index * 2, false, &mut exits);
            self.lower(entry.value, false)?;
            self.bail(index * 2 + 1, entry.optional, &mut exits);
        }
        self.offset = offset;
        let optionals = self.optional_flags(entries.iter().map(|entry| entry.optional));
        self.emit(Op::Map { count: u32::try_from(entries.len()).unwrap_or(u32::MAX), optionals });
        self.patch_all(&exits);
        Ok(())
    }

    fn optional_flags(&mut self, flags: impl Iterator<Item = bool>) -> Option<u32> {
        let flags: Box<[bool]> = flags.collect();
        if !flags.contains(&true) {
            return None;
        }
        self.code.optionals.push(flags);
        u32::try_from(self.code.optionals.len() - 1).ok()
    }

    fn refer(&mut self, slot: super::environment::Slot, steps: &[Arc<str>]) {
        let name = self.env.name(slot);
        if !self.code.variables.iter().any(|(known, _)| *known == slot) {
            self.code.variables.push((slot, name.into()));
        }
        let root = name.split('.').map(Arc::from);
        self.references.insert(Path::new(root.chain(steps.iter().cloned()).collect()));
    }
}

/// cel-go's `common.ListCreateBaseCost` and `common.MapCreateBaseCost`.
const LIST: u32 = 10;
const MAP: u32 = 30;

fn text(text: &Arc<str>) -> Value<'static> {
    Value::String(Text::Owned(text.clone()))
}

fn invalid(offset: u32, message: String) -> Issue {
    (offset, CompileErrorKind::InvalidConstant(message))
}
