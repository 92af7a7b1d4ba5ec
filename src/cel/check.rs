//! The type check: gives every node a type, every name its meaning and every call its overloads.
//!
//! Chains such as `1 + 1 + 1` or `a.b().c` are walked in a loop; everything else recurses no deeper than the parser's
//! limit on nesting.

mod formatting;
mod literals;
mod macros;
mod names;
mod suggest;
mod unify;

use std::sync::Arc;

use super::{
    environment::{Environment, Slot},
    error::CompileErrorKind,
    library::{self, Function, Overload},
    limits::MAX_ERRORS,
    syntax::{
        self,
        ast::{Ast, Kind, NodeId},
    },
    types::Type,
};
pub use suggest::Suggestion;
use unify::Unifier;

/// What a name or a call turned out to be.
#[derive(Clone, Debug, Default)]
pub(in crate::cel) enum Meaning {
    /// Nothing to know beyond the node itself.
    #[default]
    Plain,
    /// A variable of the macro that is nested `frame` deep; `second` of a pair.
    Local { frame: u16, second: bool },
    /// A variable of the environment.
    Variable(Slot),
    /// A field of a group: on the node that selects it, or asks for it by `has`.
    Field(Slot),
    /// The name of a type.
    TypeName(&'static str),
    /// A call with the overloads that may fit.
    Call { function: &'static Function, overloads: Arc<[&'static Overload]>, namespaced: bool },
}

/// A checked tree.
pub(in crate::cel) struct Checked {
    pub(in crate::cel) ast: Ast,
    types: Vec<Type>,
    meanings: Vec<Meaning>,
}

impl Checked {
    pub(in crate::cel) fn type_of(&self, id: NodeId) -> &Type {
        self.types.get(id.index()).unwrap_or(&Type::Dyn)
    }

    pub(in crate::cel) fn meaning(&self, id: NodeId) -> &Meaning {
        self.meanings.get(id.index()).unwrap_or(&Meaning::Plain)
    }

    pub(in crate::cel) fn output(&self) -> &Type {
        self.type_of(self.ast.root())
    }
}

/// An error and where it is, in bytes.
pub(in crate::cel) type Issue = (u32, CompileErrorKind);

/// Checks a tree against the environment and, where one is given, the type that is wanted of the whole.
///
/// # Errors
/// Everything that is wrong, up to [`MAX_ERRORS`].
pub(in crate::cel) fn check(ast: Ast, env: &Environment, expected: Option<&Type>) -> Result<Checked, Vec<Issue>> {
    let count = ast.len();
    let root = ast.root();
    let mut checker = Checker {
        ast: &ast,
        env,
        unifier: Unifier::default(),
        types: vec![Type::Dyn; count],
        meanings: vec![Meaning::Plain; count],
        scopes: Vec::new(),
        literals: Vec::new(),
        formats: Vec::new(),
        in_format: 0,
        issues: Vec::new(),
    };
    checker.check(root);
    checker.finish(root, expected);
    let Checker { types, meanings, issues, .. } = checker;
    if issues.is_empty() { Ok(Checked { ast, types, meanings }) } else { Err(issues) }
}

/// A macro's variables while its body is checked.
struct Scope {
    first: (Arc<str>, Type),
    second: Option<(Arc<str>, Type)>,
}

fn is_format(kind: &Kind) -> bool {
    matches!(kind, Kind::Call { function, .. } if function.as_ref() == "format")
}

struct Checker<'c> {
    ast: &'c Ast,
    env: &'c Environment,
    unifier: Unifier,
    types: Vec<Type>,
    meanings: Vec<Meaning>,
    scopes: Vec<Scope>,
    /// List and map literals, whose parts must turn out to be of one type.
    literals: Vec<NodeId>,
    /// Calls of `format`, whose literals are checked against their values.
    formats: Vec<NodeId>,
    /// How many calls of `format` the node stands in; literals within one may have parts of different types.
    in_format: u32,
    issues: Vec<Issue>,
}

impl Checker<'_> {
    fn report(&mut self, at: NodeId, kind: CompileErrorKind) {
        // A chain that starts with the authorizer is wrong at every step: saying so once is enough.
        let is_authorizer = |kind: &CompileErrorKind| matches!(kind, CompileErrorKind::NoAuthorizer(_));
        let is_known = is_authorizer(&kind) && self.issues.iter().any(|(_, known)| is_authorizer(known));
        if self.issues.len() < MAX_ERRORS && !is_known {
            self.issues.push((self.ast.offset(at), kind));
        }
    }

    fn type_of(&self, id: NodeId) -> Type {
        self.types.get(id.index()).cloned().unwrap_or(Type::Dyn)
    }

    fn set_type(&mut self, id: NodeId, of: Type) {
        if let Some(place) = self.types.get_mut(id.index()) {
            *place = of;
        }
    }

    fn set_meaning(&mut self, id: NodeId, meaning: Meaning) {
        if let Some(place) = self.meanings.get_mut(id.index()) {
            *place = meaning;
        }
    }

    /// Replaces what is left of type parameters, and does what needs final types.
    fn finish(&mut self, root: NodeId, expected: Option<&Type>) {
        if let Some(expected) = expected {
            let found = self.type_of(root);
            if !self.unifier.assign(&found, expected) {
                let found = self.unifier.finish(&found);
                self.report(root, CompileErrorKind::TypeMismatch { expected: expected.clone(), found });
            }
        }
        let types = std::mem::take(&mut self.types);
        self.types = types.into_iter().map(|of| self.unifier.finish(&of)).collect();
        if self.issues.is_empty() && self.env.is_strict() {
            for literal in std::mem::take(&mut self.literals) {
                self.check_homogeneous(literal);
            }
        }
        if self.issues.is_empty() {
            std::mem::take(&mut self.formats).into_iter().for_each(|call| self.check_format(call));
        }
        if self.unifier.is_exhausted() {
            self.issues = vec![(self.ast.offset(root), CompileErrorKind::TooLarge)];
        }
    }

    /// Checks a node with all that it continues from.
    fn check(&mut self, id: NodeId) {
        let mut chain = vec![id];
        let mut next = id;
        loop {
            let ast = self.ast;
            if is_format(ast.kind(next)) {
                self.in_format += 1;
            }
            if self.ends_chain(next) {
                break;
            }
            if let Kind::Call { target: Some(_), arguments, .. } = ast.kind(next) {
                // cel-go checks the arguments of a method before its target, and what is known of a type may depend
                // on the order.
                arguments.iter().for_each(|argument| self.check(*argument));
            }
            let Some(operand) = ast.spine(next) else { break };
            chain.push(operand);
            next = operand;
        }
        for node in chain.into_iter().rev() {
            self.check_node(node);
            if is_format(self.ast.kind(node)) {
                self.in_format -= 1;
                self.formats.push(node);
            }
        }
    }

    /// Whether the node's operand is no expression: the qualifier of a function, a type or a group.
    fn ends_chain(&self, id: NodeId) -> bool {
        match self.ast.kind(id) {
            Kind::Call { function, target: Some(target), .. } => self.namespaced(*target, function).is_some(),
            Kind::Select { operand, field, .. } => {
                self.group_field(*operand, field).is_some() || self.type_name(id).is_some()
            }
            Kind::Has { operand, field } => self.group_field(*operand, field).is_some(),
            _ => false,
        }
    }

    fn check_node(&mut self, id: NodeId) {
        let ast = self.ast;
        let of = match ast.kind(id) {
            Kind::Null => Type::Null,
            Kind::Bool(_) => Type::Bool,
            Kind::Int(_) => Type::Int,
            Kind::Uint(_) => Type::Uint,
            Kind::Double(_) => Type::Double,
            Kind::String(_) => Type::String,
            Kind::Bytes(_) => Type::Bytes,
            Kind::Ident { name, absolute } => self.check_name(id, name, *absolute),
            Kind::Select { operand, field, optional } => self.check_select(id, *operand, field, *optional),
            Kind::Has { operand, field } => {
                if let Some(field) = self.group_field(*operand, field) {
                    self.use_group_field(id, field);
                } else {
                    self.select(id, *operand, field);
                }
                Type::Bool
            }
            Kind::Index { operand, index, optional } => {
                self.check(*index);
                let function = if *optional { "_[?_]" } else { "_[_]" };
                self.check_call(id, function, false, &[*operand, *index])
            }
            Kind::And(left, right) | Kind::Or(left, right) => {
                self.check(*right);
                let both = [*left, *right].map(|operand| self.expect_bool(operand, operand));
                if both == [true, true] { Type::Bool } else { Type::Dyn }
            }
            Kind::Conditional { condition, truthy, falsy } => {
                let arguments = [*condition, *truthy, *falsy];
                arguments.iter().for_each(|argument| self.check(*argument));
                self.check_call(id, "_?_:_", false, &arguments)
            }
            Kind::Call { function, target, arguments } => self.check_named_call(id, function, *target, arguments),
            Kind::List(elements) => self.check_list(id, elements),
            Kind::Map(entries) => self.check_map(id, entries),
            Kind::Macro(form) => self.check_macro(id, form),
        };
        self.set_type(id, if self.env.is_typed() { of } else { Type::Dyn });
    }

    /// Whether `id` is a boolean; where it is none, that is reported at `at`.
    fn expect_bool(&mut self, id: NodeId, at: NodeId) -> bool {
        let found = self.type_of(id);
        let fits = self.unifier.assign(&found, &Type::Bool);
        if !fits {
            let found = self.unifier.finish(&found);
            self.report(at, CompileErrorKind::TypeMismatch { expected: Type::Bool, found });
        }
        fits
    }

    /// The function that `qualifier.name` names, where it names one.
    fn namespaced(&self, qualifier: NodeId, name: &str) -> Option<&'static Function> {
        let qualifier = self.qualified_name(qualifier, true)?;
        library::function(&format!("{qualifier}.{name}"))
    }

    fn check_named_call(&mut self, id: NodeId, name: &str, target: Option<NodeId>, arguments: &[NodeId]) -> Type {
        let namespaced = target.and_then(|target| self.namespaced(target, name));
        // Checked already are a method's arguments, and the first one of a function, which is the start of a chain.
        let checked = match (target, namespaced) {
            (Some(_), None) => arguments.len(),
            (Some(_), Some(_)) => 0,
            (None, _) => 1,
        };
        arguments.iter().skip(checked).for_each(|argument| self.check(*argument));
        if let Some(function) = namespaced {
            return self.resolve_call(id, function, false, true, arguments);
        }
        let member = target.is_some();
        let all: Vec<NodeId> = target.into_iter().chain(arguments.iter().copied()).collect();
        self.check_call(id, name, member, &all)
    }

    fn check_call(&mut self, id: NodeId, name: &str, member: bool, arguments: &[NodeId]) -> Type {
        match library::function(name).filter(|function| !function.name.starts_with("@sort")) {
            Some(function) => self.resolve_call(id, function, member, false, arguments),
            None => {
                let suggestion = Suggestion::among(name, library::names(member).chain(syntax::macro_names(member)));
                let name = name.to_owned();
                let of_authorizer = member && library::is_of_authorizer(&name);
                let kind = match of_authorizer {
                    true => CompileErrorKind::NoAuthorizer(name),
                    false => CompileErrorKind::UndeclaredFunction { name, suggestion },
                };
                self.report(id, kind);
                Type::Dyn
            }
        }
    }

    /// Finds the overloads that fit; the type is that of the first, or `dyn` where they differ.
    fn resolve_call(
        &mut self,
        id: NodeId,
        function: &'static Function,
        member: bool,
        namespaced: bool,
        arguments: &[NodeId],
    ) -> Type {
        let types: Vec<Type> = arguments.iter().map(|argument| self.type_of(*argument)).collect();
        self.resolve_types(id, function, member, namespaced, &types)
    }

    fn resolve_types(
        &mut self,
        id: NodeId,
        function: &'static Function,
        member: bool,
        namespaced: bool,
        types: &[Type],
    ) -> Type {
        let mut result: Option<Type> = None;
        let mut fitting = Vec::new();
        for overload in function.overloads.iter().filter(|overload| overload.member == member) {
            let declared = self.unifier.instantiate(overload.parameters.iter().chain([&overload.result]));
            let Some((of, parameters)) = declared.split_last() else { continue };
            if !self.unifier.assign_all(types, parameters) {
                continue;
            }
            fitting.push(overload);
            let of = self.unifier.resolve(of);
            result = Some(match result {
                None => of,
                Some(known) if known.is_dyn() || known == of => known,
                Some(_) => Type::Dyn,
            });
        }
        let Some(result) = result else {
            let types: Vec<String> = types.iter().map(|of| self.unifier.finish(of).to_string()).collect();
            let arguments = match types.split_first() {
                Some((target, rest)) if member => format!("{target}.({})", rest.join(", ")),
                _ => format!("({})", types.join(", ")),
            };
            // What `sortBy` calls is nothing that an expression can name.
            let function = if function.name.starts_with('@') && member { "sortBy" } else { function.name };
            let function = function.to_owned();
            self.report(id, CompileErrorKind::NoMatchingOverload { function, arguments });
            return Type::Dyn;
        };
        self.set_meaning(id, Meaning::Call { function, overloads: fitting.into(), namespaced });
        result
    }
}
