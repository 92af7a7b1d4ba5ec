//! The macros: calls whose arguments are not values but names and expressions to be evaluated again and again.

use std::sync::Arc;

use super::super::error::CompileErrorKind;
use super::{
    ast::{Kind, Macro, MacroKind, NodeId},
    parser::{Fault, Parser},
};

/// How the arguments of a macro are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `(x, body)`
    Body,
    /// `(x, filter, body)`
    FilteredBody,
    /// `(x, filter)`
    Filter,
    /// `(k, v, body)`
    PairBody,
    /// `(k, v, filter, body)`
    PairFilteredBody,
}

/// The macros that are called on a range or on an optional.
const RECEIVERS: &[(&str, usize, Form, MacroKind)] = &[
    ("all", 2, Form::Body, MacroKind::All),
    ("exists", 2, Form::Body, MacroKind::Exists),
    ("exists_one", 2, Form::Body, MacroKind::ExistsOne),
    ("map", 2, Form::Body, MacroKind::ToList),
    ("map", 3, Form::FilteredBody, MacroKind::ToList),
    ("filter", 2, Form::Filter, MacroKind::ToList),
    ("all", 3, Form::PairBody, MacroKind::All),
    ("exists", 3, Form::PairBody, MacroKind::Exists),
    ("exists_one", 3, Form::PairBody, MacroKind::ExistsOne),
    ("existsOne", 3, Form::PairBody, MacroKind::ExistsOne),
    ("transformList", 3, Form::PairBody, MacroKind::ToList),
    ("transformList", 4, Form::PairFilteredBody, MacroKind::ToList),
    ("transformMap", 3, Form::PairBody, MacroKind::ToMap),
    ("transformMap", 4, Form::PairFilteredBody, MacroKind::ToMap),
    ("transformMapEntry", 3, Form::PairBody, MacroKind::ToEntries),
    ("transformMapEntry", 4, Form::PairFilteredBody, MacroKind::ToEntries),
    ("sortBy", 2, Form::Body, MacroKind::SortBy),
    ("optMap", 2, Form::Body, MacroKind::OptMap),
    ("optFlatMap", 2, Form::Body, MacroKind::OptFlatMap),
];

/// The names of the macros that are called on something, or else alone.
pub(in crate::cel) fn names(member: bool) -> impl Iterator<Item = &'static str> {
    let receivers = RECEIVERS.iter().map(|(name, ..)| *name).filter(move |_| member);
    receivers.chain(["has"].into_iter().filter(move |_| !member))
}

fn fault(parser: &Parser<'_>, node: NodeId, message: &str) -> Fault {
    (parser.ast.offset(node), CompileErrorKind::Macro(message.to_owned()))
}

/// The macros for the reference: form, what it does, an example, and what that is equal to.
pub(in crate::cel) const DOCUMENTED: &[(&str, &str, &str, &str)] = &[
    ("has(e.f)", "Whether a field is there; its value is not evaluated.", "has({'a': 1}.a)", "true"),
    (
        "e.all(x, p)",
        "Whether the predicate holds for every element of a list, or every key of a map.",
        "[1, 2].all(x, x > 0)",
        "true",
    ),
    ("e.exists(x, p)", "Whether it holds for at least one.", "[1, 2].exists(x, x > 1)", "true"),
    ("e.exists_one(x, p)", "Whether it holds for exactly one.", "[1, 2].exists_one(x, x > 0)", "false"),
    ("e.filter(x, p)", "The elements, or keys, for which it holds.", "[1, 2, 3].filter(x, x != 2)", "[1, 3]"),
    ("e.map(x, t)", "A list of what each element, or key, becomes.", "[1, 2].map(x, x * 2)", "[2, 4]"),
    ("e.map(x, p, t)", "The same of those for which the predicate holds.", "[1, 2].map(x, x > 1, x * 2)", "[4]"),
    (
        "e.all(i, x, p)",
        "As `all`, with the position and the element of a list, or the key and the value of a map.",
        "{'a': 1}.all(k, v, k == 'a' && v == 1)",
        "true",
    ),
    ("e.exists(i, x, p)", "As `exists`, with two variables.", "[5, 6].exists(i, x, i == 1 && x == 6)", "true"),
    (
        "e.existsOne(i, x, p)",
        "As `exists_one`, with two variables; `exists_one` is taken too.",
        "[5, 6].existsOne(i, x, x > 4)",
        "false",
    ),
    (
        "e.transformList(i, x, t)",
        "As `map`, with two variables.",
        "{'a': 1}.transformList(k, v, k + string(v))",
        "['a1']",
    ),
    (
        "e.transformList(i, x, p, t)",
        "The same of those for which the predicate holds.",
        "[5, 6].transformList(i, x, i > 0, x)",
        "[6]",
    ),
    (
        "e.transformMap(i, x, t)",
        "A map with the same keys, or the positions, and what each value becomes.",
        "{'a': 1}.transformMap(k, v, v + 1)",
        "{'a': 2}",
    ),
    (
        "e.transformMap(i, x, p, t)",
        "The same of those for which the predicate holds.",
        "{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v)",
        "{'b': 2}",
    ),
    (
        "e.transformMapEntry(i, x, m)",
        "The entries of all the maps that the elements become.",
        "['a'].transformMapEntry(i, x, {x: i})",
        "{'a': 0}",
    ),
    (
        "e.transformMapEntry(i, x, p, m)",
        "The same of those for which the predicate holds.",
        "['a', 'b'].transformMapEntry(i, x, i > 0, {x: i})",
        "{'b': 1}",
    ),
    (
        "e.sortBy(x, k)",
        "A list in the order of a key of each element.",
        "['bb', 'a'].sortBy(s, size(s))",
        "['a', 'bb']",
    ),
    (
        "e.optMap(x, t)",
        "What the value of an optional becomes, as an optional; absent stays absent.",
        "optional.of(1).optMap(x, x + 1)",
        "optional.of(2)",
    ),
    (
        "e.optFlatMap(x, o)",
        "The same where it becomes an optional itself.",
        "optional.of({'a': 1}).optFlatMap(m, m.?b)",
        "optional.none()",
    ),
];

/// The macro node of `target.name(arguments)`, where `name` is a macro for that many arguments.
pub(super) fn receiver(
    parser: &mut Parser<'_>,
    name: &str,
    offset: u32,
    target: NodeId,
    arguments: &[NodeId],
) -> Result<Option<NodeId>, Fault> {
    let count = arguments.len();
    let Some((_, _, form, kind)) = RECEIVERS.iter().find(|(known, wanted, ..)| *known == name && *wanted == count)
    else {
        return Ok(None);
    };
    if *kind == MacroKind::SortBy && !may_sort(parser, target) {
        let message = "sortBy can only be applied to a list, a variable, a macro, a call or a selection";
        return Err(fault(parser, target, message));
    }
    let argument = |index: usize| arguments.get(index).copied();
    let variable = variable(parser, argument(0), offset)?;
    let pair = matches!(form, Form::PairBody | Form::PairFilteredBody);
    let second = if pair { Some(self::variable(parser, argument(1), offset)?) } else { None };
    if second.as_ref() == Some(&variable) {
        let message = format!("duplicate variable name: {variable}");
        return Err((offset, CompileErrorKind::Macro(message)));
    }
    let rest = if pair { 2 } else { 1 };
    let (filter, body) = match form {
        Form::Body | Form::PairBody => (None, argument(rest)),
        Form::Filter => (argument(rest), None),
        Form::FilteredBody | Form::PairFilteredBody => (argument(rest), argument(rest + 1)),
    };
    let node = Macro { kind: *kind, range: target, variable, second, filter, body };
    parser.push(offset, Kind::Macro(Box::new(node))).map(Some)
}

/// The node of `has(…)`.
pub(super) fn global(
    parser: &mut Parser<'_>,
    name: &str,
    offset: u32,
    arguments: &[NodeId],
) -> Result<Option<NodeId>, Fault> {
    let [argument] = arguments else { return Ok(None) };
    if name != "has" {
        return Ok(None);
    }
    let (Kind::Select { operand, field, optional: false } | Kind::Has { operand, field }) = parser.ast.kind(*argument)
    else {
        return Err(fault(
            parser,
            *argument,
            "has() takes a field selection, for example `has(object.metadata.labels)`",
        ));
    };
    let kind = Kind::Has { operand: *operand, field: field.clone() };
    parser.push(offset, kind).map(Some)
}

fn variable(parser: &Parser<'_>, argument: Option<NodeId>, offset: u32) -> Result<Arc<str>, Fault> {
    let Some(node) = argument else {
        return Err((offset, CompileErrorKind::Macro("the variable is missing".to_owned())));
    };
    match parser.simple_name(node) {
        Some(name) if name.as_ref() == "__result__" => {
            Err(fault(parser, node, "iteration variable overwrites accumulator variable"))
        }
        Some(name) => Ok(name),
        None => Err(fault(parser, node, "argument must be a simple name")),
    }
}

fn may_sort(parser: &Parser<'_>, target: NodeId) -> bool {
    let is_literal = matches!(
        parser.ast.kind(target),
        Kind::Map(_)
            | Kind::Null
            | Kind::Bool(_)
            | Kind::Int(_)
            | Kind::Uint(_)
            | Kind::Double(_)
            | Kind::String(_)
            | Kind::Bytes(_)
    );
    !is_literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_macro_is_documented() {
        for (name, count, ..) in RECEIVERS {
            let name = if *name == "exists_one" && *count == 3 { "existsOne" } else { name };
            let call = format!("e.{name}(");
            let known =
                DOCUMENTED.iter().any(|(form, ..)| form.starts_with(&call) && form.matches(',').count() + 1 == *count);
            assert!(known, "{name} with {count} arguments");
        }
    }
}
