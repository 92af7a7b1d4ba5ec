use super::{
    super::{
        error::CompileErrorKind,
        library,
        syntax::ast::{Macro, MacroKind, NodeId},
        types::Type,
    },
    Checker, Scope,
};

impl Checker<'_> {
    /// The type of a macro; its range is checked already.
    pub(super) fn check_macro(&mut self, id: NodeId, form: &Macro) -> Type {
        match form.kind {
            MacroKind::OptMap | MacroKind::OptFlatMap => return self.check_optional(id, form),
            MacroKind::SortBy => return self.check_sort(id, form),
            _ => {}
        }
        let (first, second) = self.variables_of(form, form.range);
        self.scopes.push(Scope {
            first: (form.variable.clone(), first.clone()),
            second: form.second.clone().map(|name| (name, second)),
        });
        if let Some(filter) = form.filter {
            self.check(filter);
        }
        let body = form.body.map(|body| {
            self.check(body);
            (body, self.type_of(body))
        });
        self.scopes.pop();
        if let Some(filter) = form.filter {
            // After the body, as in a conditional: what the body tells of a variable's type counts.
            self.expect_bool(filter, id);
        }
        // A result's type is what is known by now: what is later learnt of it is not learnt of the macro's variables.
        match (form.kind, body) {
            (MacroKind::All | MacroKind::Exists | MacroKind::ExistsOne, Some((body, _))) => {
                // In the expansion of `exists_one` it is the condition of a conditional.
                self.expect_bool(body, if form.kind == MacroKind::ExistsOne { id } else { body });
                Type::Bool
            }
            (MacroKind::ToMap, Some((_, of))) => self.unifier.resolve(&Type::map(first, of)),
            (MacroKind::ToEntries, Some((_, of))) => self.check_entries(id, &of),
            (_, Some((_, of))) => self.unifier.resolve(&Type::list(of)),
            // `filter` keeps the elements themselves.
            (_, None) => self.unifier.resolve(&Type::list(first)),
        }
    }

    /// The types of a macro's variables; the second is of use to the two-variable forms alone. A range that is none is
    /// reported at `at`.
    fn variables_of(&mut self, form: &Macro, at: NodeId) -> (Type, Type) {
        let range = self.type_of(form.range);
        let range = self.unifier.resolve(&range);
        let pair = form.second.is_some();
        match &range {
            Type::List(element) if pair => (Type::Int, element.as_ref().clone()),
            Type::List(element) => (element.as_ref().clone(), Type::Dyn),
            Type::Map(key, value) => (key.as_ref().clone(), value.as_ref().clone()),
            Type::Dyn => (Type::Dyn, Type::Dyn),
            Type::Parameter(_) => {
                self.unifier.assign(&Type::Dyn, &range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let found = self.unifier.finish(other);
                self.report(at, CompileErrorKind::NotIterable(found));
                (Type::Dyn, Type::Dyn)
            }
        }
    }

    fn check_entries(&mut self, id: NodeId, of: &Type) -> Type {
        let entries = Type::map(self.unifier.fresh(), self.unifier.fresh());
        if !self.unifier.assign(of, &entries) {
            let found = self.unifier.finish(of);
            let expected = Type::map(Type::Dyn, Type::Dyn);
            self.report(id, CompileErrorKind::TypeMismatch { expected, found });
        }
        self.unifier.resolve(&entries)
    }

    /// The value type of the optional that `range` is, or of `dyn`; what is wrong is reported at the macro.
    fn value_of_optional(&mut self, id: NodeId, range: NodeId) -> Type {
        let value = self.unifier.fresh();
        let of = self.type_of(range);
        if !self.unifier.assign(&of, &Type::optional(value.clone())) {
            let found = self.unifier.finish(&of);
            self.report(id, CompileErrorKind::TypeMismatch { expected: Type::optional(Type::Dyn), found });
        }
        self.unifier.resolve(&value)
    }

    fn check_optional(&mut self, id: NodeId, form: &Macro) -> Type {
        let value = self.value_of_optional(id, form.range);
        self.scopes.push(Scope { first: (form.variable.clone(), value), second: None });
        let of = form.body.map_or(Type::Dyn, |body| {
            self.check(body);
            self.type_of(body)
        });
        self.scopes.pop();
        match (form.kind, form.body) {
            (MacroKind::OptFlatMap, Some(_)) => self.check_flat(id, &of),
            _ => self.unifier.resolve(&Type::optional(of)),
        }
    }

    /// The type of a conditional between the body of `optFlatMap` and `optional.none()`.
    fn check_flat(&mut self, id: NodeId, of: &Type) -> Type {
        let (result, none) = (self.unifier.fresh(), Type::optional(self.unifier.fresh()));
        if !self.unifier.assign_all(&[of.clone(), none], &[result.clone(), result.clone()]) {
            let found = self.unifier.finish(of);
            self.report(id, CompileErrorKind::TypeMismatch { expected: Type::optional(Type::Dyn), found });
        }
        self.unifier.resolve(&result)
    }

    fn check_sort(&mut self, id: NodeId, form: &Macro) -> Type {
        let (element, _) = self.variables_of(form, id);
        self.scopes.push(Scope { first: (form.variable.clone(), element), second: None });
        let key = form.body.map_or(Type::Dyn, |body| {
            self.check(body);
            self.type_of(body)
        });
        self.scopes.pop();
        let Some(function) = library::function("@sortByAssociatedKeys") else { return Type::Dyn };
        let types = [self.type_of(form.range), Type::list(key)];
        self.resolve_types(id, function, true, false, &types)
    }
}
