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

fn fault(parser: &Parser<'_>, node: NodeId, message: &str) -> Fault {
    (parser.ast.offset(node), CompileErrorKind::Macro(message.to_owned()))
}

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
