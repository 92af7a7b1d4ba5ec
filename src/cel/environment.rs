//! What an expression may name, and where its values come from.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    error::{EvaluationError, EvaluationErrorKind},
    fuel::Fuel,
    types::Type,
    value::Value,
};

/// The place of a variable in an [`Environment`]; activations are asked by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u32);

impl Slot {
    /// The place as an index, from 0 in the order of declaration.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The declared variables of an expression.
///
/// Declaring more never moves a slot: a program that was compiled with fewer variables runs with the activation of
/// more.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    roots: BTreeMap<Arc<str>, Root>,
    slots: Vec<(Arc<str>, Type)>,
    sizes: Sizes,
    rules: Rules,
}

/// By whose rules an expression is checked, where the API server is stricter than the specification. Policies are
/// checked by the API server's, always; the others are for the conformance tests of the CEL project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cel) enum Rules {
    /// The parts of a literal are of one type, and constant arguments are checked when an expression is compiled.
    #[default]
    ApiServer,
    /// Neither of both.
    #[cfg_attr(not(test), expect(dead_code, reason = "no policy can choose it"))]
    Specification,
    /// Nor is any type known: everything is `dyn`.
    Untyped,
}

/// How large the values of variables are taken to be where a program's worst cost is estimated. They bound nothing:
/// a larger value costs more, and fuel ends an evaluation whatever was estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The most characters of a string.
    pub text: u64,
    /// The most elements of a list or entries of a map.
    pub elements: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { text: 1_024, elements: 128 }
    }
}

/// What a name of the outermost scope stands for.
#[derive(Clone, Debug)]
pub(in crate::cel) enum Root {
    Variable(Slot, Type),
    /// Fields that are variables of their own; the group itself is no value.
    Group(BTreeMap<Arc<str>, (Slot, Type)>),
}

impl Environment {
    /// An environment without variables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares a variable, in the place of an earlier one of its name.
    #[must_use]
    pub fn variable(mut self, name: &str, of: Type) -> Self {
        let slot = self.slot_for(name.to_owned(), of.clone());
        self.roots.insert(name.into(), Root::Variable(slot, of));
        self
    }

    /// Declares a group: a name whose fields are variables of their own, each asked for only when it is read. Any
    /// other field is a compile error, and so is using the group itself as a value.
    #[must_use]
    pub fn group<N: AsRef<str>>(mut self, name: &str, fields: impl IntoIterator<Item = (N, Type)>) -> Self {
        self.roots.insert(name.into(), Root::Group(BTreeMap::new()));
        for (field, of) in fields {
            self = self.field(name, field.as_ref(), of);
        }
        self
    }

    /// Adds a field to a group, which is declared where it is not there yet.
    #[must_use]
    pub fn field(mut self, group: &str, field: &str, of: Type) -> Self {
        let slot = self.slot_for(format!("{group}.{field}"), of.clone());
        match self.roots.get_mut(group) {
            Some(Root::Group(fields)) => {
                fields.insert(field.into(), (slot, of));
            }
            _ => {
                self.roots.insert(group.into(), Root::Group(BTreeMap::from([(field.into(), (slot, of))])));
            }
        }
        self
    }

    /// Sets the sizes that worst costs are estimated for.
    #[must_use]
    pub fn sizes(mut self, sizes: Sizes) -> Self {
        self.sizes = sizes;
        self
    }

    /// Chooses the rules of the check.
    #[cfg(test)]
    #[must_use]
    pub(in crate::cel) fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    pub(in crate::cel) fn is_strict(&self) -> bool {
        self.rules == Rules::ApiServer
    }

    pub(in crate::cel) fn is_typed(&self) -> bool {
        self.rules != Rules::Untyped
    }

    fn slot_for(&mut self, name: String, of: Type) -> Slot {
        let slot = Slot(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        self.slots.push((name.into(), of));
        slot
    }

    /// The names of all variables and groups.
    pub(in crate::cel) fn names(&self) -> impl Iterator<Item = &str> {
        self.roots.keys().map(AsRef::as_ref)
    }

    /// The slot of a variable.
    #[must_use]
    pub fn slot(&self, name: &str) -> Option<Slot> {
        match self.roots.get(name)? {
            Root::Variable(slot, _) => Some(*slot),
            Root::Group(_) => None,
        }
    }

    /// The slot of a field of a group.
    #[must_use]
    pub fn field_slot(&self, group: &str, field: &str) -> Option<Slot> {
        match self.roots.get(group)? {
            Root::Variable(..) => None,
            Root::Group(fields) => fields.get(field).map(|(slot, _)| *slot),
        }
    }

    /// The number of slots.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The name of a slot, for example `object` or `variables.image`.
    #[must_use]
    pub fn name(&self, slot: Slot) -> &str {
        self.slots.get(slot.index()).map_or("", |(name, _)| name)
    }

    pub(in crate::cel) fn type_of(&self, slot: Slot) -> &Type {
        self.slots.get(slot.index()).map_or(&Type::Dyn, |(_, of)| of)
    }

    pub(in crate::cel) fn assumed(&self) -> Sizes {
        self.sizes
    }

    pub(in crate::cel) fn root(&self, name: &str) -> Option<&Root> {
        self.roots.get(name)
    }
}

/// Gives an evaluation the values of its variables.
pub trait Activation<'a> {
    /// The value of `slot`. It may be computed here, by another program on the same `fuel`; keeping it for the next
    /// time is up to the implementation, which is asked once for each time that the expression reads the variable.
    ///
    /// # Errors
    /// Any error becomes the error of reading the variable; `||`, `&&` and the macros absorb it where they absorb
    /// others. [`EvaluationErrorKind::MissingVariable`] is for a slot without a value: `has(group.field)` is false
    /// then, and `group.?field` is `optional.none()`. The name in it may be left empty.
    fn resolve(&self, slot: Slot, fuel: &mut Fuel) -> Result<Value<'a>, EvaluationError>;
}

/// Values by slot.
#[derive(Clone, Debug, Default)]
pub struct Bindings<'a> {
    values: Vec<Option<Value<'a>>>,
}

impl<'a> Bindings<'a> {
    /// No value for any slot.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value of `slot`.
    pub fn set(&mut self, slot: Slot, value: impl Into<Value<'a>>) {
        if self.values.len() <= slot.index() {
            self.values.resize(slot.index() + 1, None);
        }
        if let Some(place) = self.values.get_mut(slot.index()) {
            *place = Some(value.into());
        }
    }
}

impl<'a> Activation<'a> for Bindings<'a> {
    #[inline]
    fn resolve(&self, slot: Slot, _: &mut Fuel) -> Result<Value<'a>, EvaluationError> {
        match self.values.get(slot.index()) {
            Some(Some(value)) => Ok(value.clone()),
            _ => Err(EvaluationErrorKind::MissingVariable(String::new()).into()),
        }
    }
}
