//! List and map literals, whose parts must be of one type.

use super::{
    super::{
        error::CompileErrorKind,
        syntax::ast::{Element, Entry, Kind, NodeId},
        types::Type,
    },
    Checker,
    unify::most_general,
};

impl Checker<'_> {
    pub(super) fn check_list(&mut self, id: NodeId, elements: &[Element]) -> Type {
        let mut joined: Option<Type> = None;
        for element in elements {
            self.check(element.value);
            let of = self.part_type(element.value, element.optional);
            joined = Some(self.join(joined, of));
        }
        self.keep_literal(id);
        Type::list(joined.unwrap_or_else(|| self.unifier.fresh()))
    }

    pub(super) fn check_map(&mut self, id: NodeId, entries: &[Entry]) -> Type {
        let (mut keys, mut values): (Option<Type>, Option<Type>) = (None, None);
        for entry in entries {
            self.check(entry.key);
            let key = self.type_of(entry.key);
            keys = Some(self.join(keys, key));
            self.check(entry.value);
            let value = self.part_type(entry.value, entry.optional);
            values = Some(self.join(values, value));
        }
        self.keep_literal(id);
        let key = keys.unwrap_or_else(|| self.unifier.fresh());
        Type::map(key, values.unwrap_or_else(|| self.unifier.fresh()))
    }

    /// Kubernetes takes parts of different types within the values of `format`.
    fn keep_literal(&mut self, id: NodeId) {
        if self.in_format == 0 {
            self.literals.push(id);
        }
    }

    /// The type of a part of a literal; an optional part must be an optional.
    fn part_type(&mut self, id: NodeId, optional: bool) -> Type {
        let of = self.type_of(id);
        if !optional {
            return of;
        }
        match self.unifier.resolve(&of) {
            Type::Optional(inner) => inner.as_ref().clone(),
            Type::Dyn => Type::Dyn,
            other => {
                let found = self.unifier.finish(&other);
                self.report(id, CompileErrorKind::TypeMismatch { expected: Type::optional(found.clone()), found });
                Type::Dyn
            }
        }
    }

    /// The type of parts of both types. What is not of one type is refused later, and by Kubernetes only.
    fn join(&mut self, previous: Option<Type>, current: Type) -> Type {
        match previous {
            None => current,
            Some(previous) if self.unifier.assign(&previous, &current) => most_general(&previous, &current),
            Some(_) => Type::Dyn,
        }
    }

    /// Kubernetes refuses literals whose parts have different types, even where one of them is `dyn`.
    pub(super) fn check_homogeneous(&mut self, literal: NodeId) {
        let ast = self.ast;
        match ast.kind(literal) {
            Kind::List(elements) => {
                self.check_same(elements.iter().map(|element| (element.value, element.optional)));
            }
            Kind::Map(entries) => {
                self.check_same(entries.iter().map(|entry| (entry.key, false)));
                self.check_same(entries.iter().map(|entry| (entry.value, entry.optional)));
            }
            _ => {}
        }
    }

    fn check_same(&mut self, parts: impl Iterator<Item = (NodeId, bool)>) {
        let mut expected: Option<Type> = None;
        for (id, optional) in parts {
            let found = match self.type_of(id) {
                Type::Optional(inner) if optional => inner.as_ref().clone(),
                other => other,
            };
            match &expected {
                None => expected = Some(found),
                Some(wanted) if *wanted == found => {}
                Some(wanted) => {
                    let kind = CompileErrorKind::TypeMismatch { expected: wanted.clone(), found };
                    self.report(id, kind);
                    return;
                }
            }
        }
    }
}
