//! Macros as loops. What each iteration costs is what cel-go's expansion into a comprehension costs.

use super::{
    super::{
        check::Issue,
        code::{Form, Op},
        syntax::ast::{Kind, Macro, MacroKind, NodeId},
    },
    Lowering,
};

/// The accumulator's name, the new list of one element and its concatenation: 1 + 10 + 1.
const ELEMENT: u8 = 12;
/// The same where the new list is a constant.
const CONSTANT_ELEMENT: u8 = 2;
/// The element's own name, where it is the element that is kept.
const NAME: u8 = 1;
/// The accumulator's name, the key's name and the insertion.
const ENTRY: u8 = 3;
/// The accumulator's name and the insertion.
const ENTRIES: u8 = 2;

impl Lowering<'_> {
    /// What comes before the range of a macro.
    pub(super) fn start_macro(&mut self, form: &Macro) {
        if matches!(form.kind, MacroKind::OptMap | MacroKind::OptFlatMap) {
            self.emit(Op::Mark);
        }
    }

    /// Lowers a macro whose range is on the stack.
    pub(super) fn finish_macro(&mut self, id: NodeId) -> Result<(), Issue> {
        let checked = self.checked;
        let Kind::Macro(form) = checked.ast.kind(id) else { return Ok(()) };
        self.at(id);
        match form.kind {
            MacroKind::All => self.lower_test(id, form, Form::All),
            MacroKind::Exists => self.lower_test(id, form, Form::Exists),
            MacroKind::ExistsOne => self.lower_test(id, form, Form::ExistsOne),
            MacroKind::ToList => self.lower_transform(id, form, Form::List),
            MacroKind::ToMap => self.lower_transform(id, form, Form::Map),
            MacroKind::ToEntries => self.lower_transform(id, form, Form::Entries),
            MacroKind::SortBy => self.lower_sort(id, form),
            MacroKind::OptMap => self.lower_optional(id, form, false),
            MacroKind::OptFlatMap => self.lower_optional(id, form, true),
        }
    }

    /// Lowers a part of a macro inside its scope.
    fn lower_inside(&mut self, id: NodeId, part: Option<NodeId>) -> Result<(), Issue> {
        if let Some(part) = part {
            self.lower(part, false)?;
        }
        self.at(id);
        Ok(())
    }

    fn lower_test(&mut self, id: NodeId, form: &Macro, kind: Form) -> Result<(), Issue> {
        let (pair, filtered) = (form.second.is_some(), form.filter.is_some());
        let start = self.emit(Op::Loop { form: kind, pair, filtered, end: 0 });
        self.frames.push(false);
        let back = self.here();
        let next = self.emit(Op::Next { exit: 0 });
        self.lower_inside(id, form.body)?;
        self.emit(Op::Test { back });
        self.frames.pop();
        self.end_loop(start, next);
        Ok(())
    }

    fn end_loop(&mut self, start: usize, next: usize) {
        self.patch(next, self.here());
        self.emit(Op::End);
        self.patch(start, self.here());
    }

    fn lower_transform(&mut self, id: NodeId, form: &Macro, kind: Form) -> Result<(), Issue> {
        let (pair, filtered) = (form.second.is_some(), form.filter.is_some());
        let start = self.emit(Op::Loop { form: kind, pair, filtered, end: 0 });
        let frame = u16::try_from(self.frames.len()).unwrap_or(u16::MAX);
        self.frames.push(false);
        let back = self.here();
        let next = self.emit(Op::Next { exit: 0 });
        if form.filter.is_some() {
            self.lower_inside(id, form.filter)?;
            self.emit(Op::Keep { back });
        }
        let cost = match (kind, form.body) {
            (Form::Map, _) => ENTRY,
            (Form::Entries, _) => ENTRIES,
            (_, None) => ELEMENT + NAME,
            (_, Some(body)) if self.constant(body)?.is_some() => CONSTANT_ELEMENT,
            _ => ELEMENT,
        };
        match form.body {
            Some(_) => self.lower_inside(id, form.body)?,
            None => {
                self.emit(Op::Local { frame, second: false, cost: 0 });
            }
        }
        self.emit(Op::Add { cost, back });
        self.frames.pop();
        self.end_loop(start, next);
        Ok(())
    }

    /// Maps the list to its keys and calls the function that sorts by them.
    fn lower_sort(&mut self, id: NodeId, form: &Macro) -> Result<(), Issue> {
        // The list is named twice.
        self.emit(Op::Charge(2));
        self.emit(Op::Duplicate);
        self.lower_transform(id, form, Form::List)?;
        self.call_op(id, 2);
        Ok(())
    }

    fn lower_optional(&mut self, id: NodeId, form: &Macro, flat: bool) -> Result<(), Issue> {
        let open = self.emit(Op::Open { end: 0 });
        self.frames.push(true);
        self.lower_inside(id, form.body)?;
        self.frames.pop();
        self.emit(Op::Close { flat });
        self.patch(open, self.here());
        Ok(())
    }
}
