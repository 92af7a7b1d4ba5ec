//! Unification of types: what may be assigned to what, and what type parameters stand for.
//!
//! The rules are those of cel-go's `checker/types.go`; a rejected attempt is undone, and the number of steps is
//! bounded, because types can name each other.

use std::sync::Arc;

use super::super::{
    limits::{MAX_CHECK_STEPS, MAX_TYPE_NODES},
    types::Type,
};

/// What the type parameters are bound to.
#[derive(Default)]
pub(super) struct Unifier {
    bindings: Vec<Option<Type>>,
    undo: Vec<(u32, Option<Type>)>,
    steps: usize,
    overgrown: bool,
}

impl Unifier {
    /// A parameter that is not bound yet.
    pub(super) fn fresh(&mut self) -> Type {
        let id = u32::try_from(self.bindings.len()).unwrap_or(u32::MAX);
        self.bindings.push(None);
        Type::Parameter(id)
    }

    /// The types of a declaration with fresh parameters for its own.
    pub(super) fn instantiate<'t>(&mut self, types: impl IntoIterator<Item = &'t Type>) -> Vec<Type> {
        let mut own: Vec<Option<Type>> = Vec::new();
        types.into_iter().map(|of| self.rename(of, &mut own)).collect()
    }

    fn rename(&mut self, of: &Type, own: &mut Vec<Option<Type>>) -> Type {
        match of {
            Type::Parameter(id) => {
                let index = *id as usize;
                if own.len() <= index {
                    own.resize(index + 1, None);
                }
                if let Some(Some(known)) = own.get(index) {
                    return known.clone();
                }
                let fresh = self.fresh();
                if let Some(place) = own.get_mut(index) {
                    *place = Some(fresh.clone());
                }
                fresh
            }
            Type::List(inner) => Type::list(self.rename(inner, own)),
            Type::Optional(inner) => Type::optional(self.rename(inner, own)),
            Type::Type(inner) => Type::type_of(self.rename(inner, own)),
            Type::Map(key, value) => Type::map(self.rename(key, own), self.rename(value, own)),
            other => other.clone(),
        }
    }

    /// Whether the expression made types, or took steps, past the limits.
    pub(super) fn is_exhausted(&self) -> bool {
        self.overgrown || self.steps > MAX_CHECK_STEPS
    }

    fn step(&mut self) -> bool {
        self.steps += 1;
        self.steps <= MAX_CHECK_STEPS
    }

    fn binding(&self, id: u32) -> Option<&Type> {
        self.bindings.get(id as usize).and_then(Option::as_ref)
    }

    fn bind(&mut self, id: u32, to: Type) {
        if let Some(place) = self.bindings.get_mut(id as usize) {
            self.undo.push((id, place.replace(to)));
        }
    }

    fn roll_back(&mut self, mark: usize) {
        while self.undo.len() > mark {
            let Some((id, before)) = self.undo.pop() else { return };
            if let Some(place) = self.bindings.get_mut(id as usize) {
                *place = before;
            }
        }
    }

    /// Whether a value of type `from` may stand where `to` is wanted; binds parameters of both where it may.
    pub(super) fn assign(&mut self, from: &Type, to: &Type) -> bool {
        let mark = self.undo.len();
        let fits = self.assignable(from, to);
        if !fits {
            self.roll_back(mark);
        }
        fits
    }

    /// [`Unifier::assign`] for all pairs together.
    pub(super) fn assign_all(&mut self, from: &[Type], to: &[Type]) -> bool {
        let mark = self.undo.len();
        let fits = from.len() == to.len() && from.iter().zip(to).all(|(from, to)| self.assignable(from, to));
        if !fits {
            self.roll_back(mark);
        }
        fits
    }

    fn assignable(&mut self, from: &Type, to: &Type) -> bool {
        if !self.step() {
            return false;
        }
        if let Type::Parameter(id) = to {
            let (valid, bound) = self.substitutes(from, *id);
            if valid {
                return true;
            }
            if bound {
                return false;
            }
        }
        if let Type::Parameter(id) = from {
            return self.substitutes(to, *id).0;
        }
        match (from, to) {
            (Type::Dyn, _) | (_, Type::Dyn) => true,
            (Type::Null, other) | (other, Type::Null) => is_nullable(other),
            (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => self.assignable(a, b),
            (Type::Map(a_key, a), Type::Map(b_key, b)) => self.assignable(a_key, b_key) && self.assignable(a, b),
            (Type::Type(_), Type::Type(_)) => true,
            (Type::Object(a), Type::Object(b)) => a.name() == b.name(),
            (a, b) => a == b,
        }
    }

    /// Whether parameter `id` may stand for `of`, and whether it was bound already.
    fn substitutes(&mut self, of: &Type, id: u32) -> (bool, bool) {
        if *of == Type::Parameter(id) {
            return (true, true);
        }
        let Some(bound) = self.binding(id).cloned() else {
            let free = !self.mentions(of, id);
            if free {
                self.bind(id, of.clone());
            }
            return (free, false);
        };
        if *of == bound {
            return (true, true);
        }
        if !self.assignable(of, &bound) {
            return (false, true);
        }
        let general = most_general(of, &bound);
        if !self.mentions(&general, id) {
            self.bind(id, general);
        }
        (true, true)
    }

    /// The occurs check: whether `within` mentions parameter `id`, directly or through what others stand for.
    fn mentions(&mut self, within: &Type, id: u32) -> bool {
        let mut open = vec![within.clone()];
        while let Some(next) = open.pop() {
            if !self.step() {
                return true;
            }
            match next {
                Type::Parameter(found) if found == id => return true,
                Type::Parameter(found) => open.extend(self.binding(found).cloned()),
                other => open.extend(other.parts().cloned()),
            }
        }
        false
    }

    /// `of` with what its parameters stand for; those that stand for nothing stay.
    pub(super) fn resolve(&mut self, of: &Type) -> Type {
        let mut nodes = 0;
        self.substitute(of, false, &mut nodes)
    }

    /// `of` without any parameter: those that stand for nothing are `dyn`.
    pub(super) fn finish(&mut self, of: &Type) -> Type {
        let mut nodes = 0;
        self.substitute(of, true, &mut nodes)
    }

    fn substitute(&mut self, of: &Type, to_dyn: bool, nodes: &mut usize) -> Type {
        *nodes += 1;
        if *nodes > MAX_TYPE_NODES {
            self.overgrown = true;
            return Type::Dyn;
        }
        let mut inner = |part: &Arc<Type>| Arc::new(self.substitute(part, to_dyn, nodes));
        match of {
            Type::Parameter(id) => match self.binding(*id).cloned() {
                Some(bound) => {
                    // Counted once more with the type that it stands for.
                    *nodes -= 1;
                    if self.step() { self.substitute(&bound, to_dyn, nodes) } else { Type::Dyn }
                }
                None if to_dyn => Type::Dyn,
                None => of.clone(),
            },
            Type::List(element) => Type::List(inner(element)),
            Type::Optional(value) => Type::Optional(inner(value)),
            Type::Type(named) => Type::Type(inner(named)),
            Type::Map(key, value) => Type::Map(inner(key), inner(value)),
            other => other.clone(),
        }
    }
}

fn is_nullable(of: &Type) -> bool {
    matches!(of, Type::Null | Type::Optional(_) | Type::Object(_) | Type::Opaque(_) | Type::Timestamp | Type::Duration)
}

/// The less specific of two types that fit each other.
pub(super) fn most_general(a: &Type, b: &Type) -> Type {
    if is_equal_or_less_specific(a, b) { a.clone() } else { b.clone() }
}

fn is_equal_or_less_specific(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::Dyn | Type::Parameter(_), _) => true,
        (_, Type::Dyn | Type::Parameter(_)) => false,
        (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => is_equal_or_less_specific(a, b),
        (Type::Map(a_key, a), Type::Map(b_key, b)) => {
            is_equal_or_less_specific(a_key, b_key) && is_equal_or_less_specific(a, b)
        }
        (Type::Type(_), Type::Type(_)) => true,
        (a, b) => a == b,
    }
}
