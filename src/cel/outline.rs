//! The parts of an expression, as its author wrote them: for showing what each of them comes to, and for comparing
//! conditions with each other.

use std::{collections::BTreeSet, ops::Range};

use super::{
    error::{CompileError, CompileErrors, Position},
    syntax::{
        ast::{Ast, Kind, MacroKind, NodeId},
        normal, parse,
    },
};

/// A part of an expression that has a value of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it stands in the source, in bytes, without parentheses around it.
    pub text: Range<usize>,
    /// How deep it is in the whole, which has depth 0.
    pub depth: usize,
    /// What is evaluated for each element, where it is a macro over a list or a map.
    pub each: Option<Each>,
    /// The condition that must come to this for the part to be evaluated at all: it is a branch of a conditional.
    pub only_if: Option<(Range<usize>, bool)>,
}

/// What a macro evaluates for each element of its range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Each {
    /// The list or map.
    pub range: Range<usize>,
    /// The variable that stands for the element or the key; of two the first, for the position or the key.
    pub variable: String,
    /// The second variable, for the element or the value.
    pub second: Option<String>,
    /// The predicate or the transformation.
    pub body: Range<usize>,
}

/// The parts of `source`, each before those that it is made of; constants and the steps of a path are no parts of
/// their own. What a macro evaluates for its elements is not among them, but in [`Part::each`].
///
/// # Errors
/// That the source is no expression.
pub fn outline(source: &str) -> Result<Vec<Part>, CompileErrors> {
    let ast = read(source)?;
    let mut parts = Vec::new();
    let mut open = vec![(ast.root(), 0, None)];
    while let Some((id, depth, only_if)) = open.pop() {
        parts.push(Part { text: ast.span(id), depth, each: each(&ast, id), only_if });
        let inner = children(&ast, id).into_iter().filter(|child| !is_plain(&ast, *child));
        let at = open.len();
        open.extend(inner.map(|child| (child, depth + 1, branch(&ast, id, child))));
        if let Some(added) = open.get_mut(at..) {
            added.reverse();
        }
    }
    Ok(parts)
}

/// The conditions that all hold where `source` is true, spelled alike where they are the same.
///
/// # Errors
/// That the source is no expression.
pub fn conjuncts(source: &str) -> Result<BTreeSet<String>, CompileErrors> {
    let ast = read(source)?;
    let mut found = BTreeSet::new();
    let mut open = vec![ast.root()];
    while let Some(id) = open.pop() {
        match ast.kind(id) {
            Kind::And(..) => open.extend(children(&ast, id)),
            _ => {
                found.insert(normal(source.get(ast.span(id)).unwrap_or_default()));
            }
        }
    }
    Ok(found)
}

/// Where `source` reads the variable `name`, in bytes; a macro's own variable of that name is another one.
///
/// # Errors
/// That the source is no expression.
pub fn reads(source: &str, name: &str) -> Result<Vec<Range<usize>>, CompileErrors> {
    let ast = read(source)?;
    let mut found = Vec::new();
    let mut open = vec![ast.root()];
    while let Some(id) = open.pop() {
        match ast.kind(id) {
            Kind::Ident { name: own, .. } if own.as_ref() == name => found.push(ast.span(id)),
            Kind::Macro(form) => {
                open.push(form.range);
                let hidden =
                    [Some(&form.variable), form.second.as_ref()].into_iter().flatten().any(|own| own.as_ref() == name);
                if !hidden {
                    open.extend(form.filter.into_iter().chain(form.body));
                }
            }
            Kind::Select { operand, .. } | Kind::Has { operand, .. } => open.push(*operand),
            Kind::Index { operand, index, .. } => open.extend([*operand, *index]),
            _ => open.extend(children(&ast, id)),
        }
    }
    found.sort_by_key(|range| range.start);
    Ok(found)
}

fn read(source: &str) -> Result<Ast, CompileErrors> {
    parse(source).map_err(|(offset, kind)| {
        CompileErrors::new(vec![CompileError { position: Position::of(source, offset), kind }])
    })
}

/// The condition on which a child of a conditional is evaluated.
fn branch(ast: &Ast, id: NodeId, child: NodeId) -> Option<(Range<usize>, bool)> {
    match ast.kind(id) {
        Kind::Conditional { condition, truthy, .. } if *condition != child => {
            Some((ast.span(*condition), *truthy == child))
        }
        _ => None,
    }
}

fn each(ast: &Ast, id: NodeId) -> Option<Each> {
    let Kind::Macro(form) = ast.kind(id) else { return None };
    if matches!(form.kind, MacroKind::OptMap | MacroKind::OptFlatMap) {
        return None;
    }
    let body = form.body.or(form.filter)?;
    Some(Each {
        range: ast.span(form.range),
        variable: form.variable.to_string(),
        second: form.second.as_ref().map(ToString::to_string),
        body: ast.span(body),
    })
}

/// The operands of a node; those of a chain of the same logical operator all together.
fn children(ast: &Ast, id: NodeId) -> Vec<NodeId> {
    match ast.kind(id) {
        Kind::And(..) | Kind::Or(..) => operands(ast, id),
        Kind::Conditional { condition, truthy, falsy } => vec![*condition, *truthy, *falsy],
        Kind::Call { target, arguments, .. } => target.iter().chain(arguments.iter()).copied().collect(),
        Kind::Select { operand, .. } if !is_path(ast, id) => vec![*operand],
        Kind::Index { operand, index, .. } if !is_path(ast, id) => vec![*operand, *index],
        Kind::List(elements) => elements.iter().map(|element| element.value).collect(),
        Kind::Map(entries) => entries.iter().flat_map(|entry| [entry.key, entry.value]).collect(),
        Kind::Macro(form) => vec![form.range],
        _ => Vec::new(),
    }
}

fn operands(ast: &Ast, id: NodeId) -> Vec<NodeId> {
    let is_and = matches!(ast.kind(id), Kind::And(..));
    let (mut found, mut next) = (Vec::new(), id);
    loop {
        match ast.kind(next) {
            Kind::And(left, right) if is_and => {
                found.push(*right);
                next = *left;
            }
            Kind::Or(left, right) if !is_and => {
                found.push(*right);
                next = *left;
            }
            _ => break,
        }
    }
    found.push(next);
    found.reverse();
    found
}

/// Whether a node is a variable with constant steps from it.
fn is_path(ast: &Ast, mut id: NodeId) -> bool {
    loop {
        match ast.kind(id) {
            Kind::Ident { .. } => return true,
            Kind::Select { operand, .. } => id = *operand,
            Kind::Index { operand, index, .. } if is_literal(ast, *index) => id = *operand,
            _ => return false,
        }
    }
}

fn is_literal(ast: &Ast, id: NodeId) -> bool {
    use Kind::{Bool, Bytes, Double, Int, Null, String, Uint};
    matches!(ast.kind(id), Null | Bool(_) | Int(_) | Uint(_) | Double(_) | String(_) | Bytes(_))
}

/// Whether nothing is learnt from the value of a node: it is written out.
fn is_plain(ast: &Ast, id: NodeId) -> bool {
    match ast.kind(id) {
        Kind::List(elements) => elements.iter().all(|element| is_literal(ast, element.value)),
        Kind::Map(entries) => entries.iter().all(|entry| is_literal(ast, entry.key) && is_literal(ast, entry.value)),
        _ => is_literal(ast, id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each part on a line, indented by its depth.
    fn drawn(source: &str) -> Vec<String> {
        let indented = |part: &Part| format!("{}{}", "  ".repeat(part.depth), &source[part.text.clone()]);
        outline(source).unwrap().iter().map(indented).collect()
    }

    #[test]
    fn parts_are_what_was_written() {
        assert_eq!(
            drawn("object.spec.replicas > 3 && (has(object.spec.paused) || !(params.strict))"),
            [
                "object.spec.replicas > 3 && (has(object.spec.paused) || !(params.strict))",
                "  object.spec.replicas > 3",
                "    object.spec.replicas",
                "  has(object.spec.paused) || !(params.strict)",
                "    has(object.spec.paused)",
                "    !(params.strict)",
                "      params.strict",
            ]
        );
        assert_eq!(
            drawn("(a + -1) * size([b, 2])"),
            ["(a + -1) * size([b, 2])", "  a + -1", "    a", "  size([b, 2])", "    [b, 2]", "      b"]
        );
        assert_eq!(
            drawn("x[?'k'].orValue(\"\").`a b`"),
            ["x[?'k'].orValue(\"\").`a b`", "  x[?'k'].orValue(\"\")", "    x[?'k']"]
        );
    }

    #[test]
    fn a_macro_says_what_it_evaluates() {
        let source = "object.items.filter(i, i.on).all(k, v, v.startsWith('a'))";
        let parts = outline(source).unwrap();
        let shown = |range: &Range<usize>| &source[range.clone()];
        let each: Vec<_> = parts.iter().filter_map(|part| part.each.as_ref()).collect();
        assert_eq!(shown(&each[0].body), "v.startsWith('a')");
        assert_eq!((each[0].variable.as_str(), each[0].second.as_deref()), ("k", Some("v")));
        assert_eq!((shown(&each[1].range), shown(&each[1].body)), ("object.items", "i.on"));
    }

    #[test]
    fn a_branch_says_on_what_it_depends() {
        let parts = outline("a ? b : c").unwrap();
        let branches: Vec<_> = parts.iter().map(|part| part.only_if.clone()).collect();
        assert_eq!(branches, [None, None, Some((0..1, true)), Some((0..1, false))]);
    }

    #[test]
    fn conjuncts_are_spelled_alike() {
        let conjuncts = |source| conjuncts(source).unwrap().into_iter().collect::<Vec<_>>();
        assert_eq!(conjuncts("(a&&b) && // twice\n c==1 && a"), ["a", "b", "c == 1"]);
        assert_eq!(conjuncts("a || b"), ["a || b"]);
        assert_eq!(conjuncts("!(a && b)"), ["! ( a && b )"]);
    }

    #[test]
    fn reads_of_a_variable_are_found() {
        let found = |source: &str| reads(source, "p").unwrap().into_iter().map(|range| range.start).collect::<Vec<_>>();
        assert_eq!(found("p.a + has(p.b) ? q[p] : [p, {'k': p}].exists(x, x == p)"), [0, 10, 19, 25, 34, 53]);
        assert_eq!(found("q.p + a.map(p, p.x) + 'p'"), Vec::<usize>::new());
        assert_eq!(found("p.all(p, p)"), [0]);
    }

    #[test]
    fn a_long_chain_does_not_nest() {
        let chain = vec!["a"; 1_500].join(" + ");
        assert_eq!(outline(&chain).unwrap().len(), 1_500 * 2 - 1);
        assert!(outline("a +").is_err());
    }
}
