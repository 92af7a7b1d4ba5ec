//! Formats that are literals, checked against the values that stand beside them.

use super::{
    super::{
        error::CompileErrorKind,
        library::{Clause, Piece, Pieces, Verb},
        syntax::ast::{Element, Kind, NodeId},
    },
    Checker,
};

impl Checker<'_> {
    /// Checks a call of `format` as cel-go's validator of string formats does: every clause is one, has a value of a
    /// type that it writes, and no value is left over.
    pub(super) fn check_format(&mut self, call: NodeId) {
        let ast = self.ast;
        let Kind::Call { target: Some(target), arguments, .. } = ast.kind(call) else { return };
        let (Kind::String(format), [values]) = (ast.kind(*target), arguments.as_ref()) else { return };
        let Kind::List(values) = ast.kind(*values) else { return };
        if let Err((at, message)) = self.check_clauses(call, format, values) {
            self.report(at, CompileErrorKind::InvalidConstant(message));
        }
    }

    fn check_clauses(&self, call: NodeId, format: &str, values: &[Element]) -> Result<(), (NodeId, String)> {
        let mut left = values.iter();
        let mut pieces = Pieces::new(format);
        while let Some(piece) = pieces.next() {
            let Piece::Clause(rest) = piece else { continue };
            let (clause, rest) = Clause::parse(rest).map_err(|reason| (call, reason.to_owned()))?;
            let value = left.next().ok_or_else(|| (call, "the format has more clauses than values".to_owned()))?;
            if let Some(at) = self.misfit(clause.verb, value.value) {
                let of = self.type_of(at);
                return Err((at, format!("no clause of this kind writes a value of type `{of}`")));
            }
            pieces.resume(rest);
        }
        match left.next() {
            Some(_) => Err((call, "the format has fewer clauses than values".to_owned())),
            None => Ok(()),
        }
    }

    /// The node, here or within the literals that `%s` writes, whose type does not fit. Nesting is bounded.
    fn misfit(&self, verb: Verb, id: NodeId) -> Option<NodeId> {
        if !verb.takes(&self.type_of(id)) {
            return Some(id);
        }
        match self.ast.kind(id) {
            _ if verb != Verb::Text => None,
            Kind::List(elements) => elements.iter().find_map(|element| self.misfit(verb, element.value)),
            Kind::Map(entries) => {
                entries.iter().flat_map(|entry| [entry.key, entry.value]).find_map(|part| self.misfit(verb, part))
            }
            _ => None,
        }
    }
}
