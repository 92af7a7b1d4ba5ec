//! What names mean: variables, fields of groups, types, and fields of values.

use super::{
    super::{
        environment::{Root, Slot},
        error::CompileErrorKind,
        syntax::ast::{Kind, NodeId},
        types::Type,
    },
    Checker, Meaning, Suggestion,
};

/// The most parts of a name that means something: `google.protobuf.Timestamp`.
const MAX_PARTS: usize = 3;

impl Checker<'_> {
    /// The macro variable called `name`: its frame, whether it is the second of a pair, and its type.
    pub(super) fn local(&self, name: &str) -> Option<(u16, bool, &Type)> {
        self.scopes.iter().enumerate().rev().find_map(|(frame, scope)| {
            let frame = u16::try_from(frame).ok()?;
            let second = scope.second.as_ref().filter(|(known, _)| known.as_ref() == name);
            if let Some((_, of)) = second {
                return Some((frame, true, of));
            }
            (scope.first.0.as_ref() == name).then_some((frame, false, &scope.first.1))
        })
    }

    pub(super) fn check_name(&mut self, id: NodeId, name: &str, absolute: bool) -> Type {
        if !absolute && let Some((frame, second, of)) = self.local(name) {
            let of = of.clone();
            self.set_meaning(id, Meaning::Local { frame, second });
            return of;
        }
        match self.env.root(name) {
            Some(Root::Variable(slot, of)) => {
                self.set_meaning(id, Meaning::Variable(*slot));
                return of.clone();
            }
            Some(Root::Group(_)) => {
                self.report(id, CompileErrorKind::NotAValue(name.to_owned()));
                return Type::Dyn;
            }
            None => {}
        }
        if let Some((name, of)) = named_type(name) {
            self.set_meaning(id, Meaning::TypeName(name));
            return Type::type_of(of);
        }
        let kind = match name {
            "authorizer" => CompileErrorKind::NoAuthorizer(name.to_owned()),
            _ => {
                let suggestion = Suggestion::among(name, self.names());
                CompileErrorKind::UndeclaredVariable { name: name.to_owned(), suggestion }
            }
        };
        self.report(id, kind);
        Type::Dyn
    }

    /// Every name that means a value here.
    fn names(&self) -> impl Iterator<Item = &str> {
        let locals = self.scopes.iter().flat_map(|scope| [Some(&scope.first), scope.second.as_ref()]).flatten();
        locals.map(|(name, _)| name.as_ref()).chain(self.env.names())
    }

    /// The group that `operand` names with its field; the field is `Err` where the group has no such field.
    pub(super) fn group_field(&self, operand: NodeId, field: &str) -> Option<Result<(Slot, Type), CompileErrorKind>> {
        let Kind::Ident { name, absolute } = self.ast.kind(operand) else { return None };
        if !absolute && self.local(name).is_some() {
            return None;
        }
        match self.env.root(name)? {
            Root::Variable(..) => None,
            Root::Group(fields) => Some(fields.get(field).cloned().ok_or_else(|| CompileErrorKind::UndefinedField {
                object: name.to_string(),
                field: field.to_owned(),
                suggestion: Suggestion::among(field, fields.keys().map(AsRef::as_ref)),
            })),
        }
    }

    pub(super) fn use_group_field(&mut self, id: NodeId, field: Result<(Slot, Type), CompileErrorKind>) -> Type {
        match field {
            Ok((slot, of)) => {
                self.set_meaning(id, Meaning::Field(slot));
                of
            }
            Err(kind) => {
                self.report(id, kind);
                Type::Dyn
            }
        }
    }

    /// The type that a chain of names such as `google.protobuf.Timestamp` names.
    pub(super) fn type_name(&self, id: NodeId) -> Option<(&'static str, Type)> {
        let name = self.qualified_name(id, false)?;
        if name.contains('.') { named_type(&name) } else { None }
    }

    /// A chain of a few names with dots between them, unless it starts with a macro's variable. Those hide types, and
    /// not functions: for cel-go `optional.of` is one whatever `optional` is.
    pub(super) fn qualified_name(&self, id: NodeId, of_function: bool) -> Option<String> {
        let mut parts = Vec::new();
        let mut next = id;
        loop {
            match self.ast.kind(next) {
                Kind::Ident { name, absolute } => {
                    if !of_function && !absolute && self.local(name).is_some() {
                        return None;
                    }
                    parts.push(name.as_ref());
                    parts.reverse();
                    return Some(parts.join("."));
                }
                Kind::Select { operand, field, optional: false } if parts.len() + 1 < MAX_PARTS => {
                    parts.push(field);
                    next = *operand;
                }
                _ => return None,
            }
        }
    }

    pub(super) fn check_select(&mut self, id: NodeId, operand: NodeId, field: &str, optional: bool) -> Type {
        if let Some(found) = self.group_field(operand, field) {
            let of = self.use_group_field(id, found);
            return if optional { Type::optional(of) } else { of };
        }
        if !optional && let Some((name, of)) = self.type_name(id) {
            self.set_meaning(id, Meaning::TypeName(name));
            return Type::type_of(of);
        }
        let (of, was_optional) = self.select(id, operand, field);
        if optional || was_optional { Type::optional(of) } else { of }
    }

    /// The type of a field of what `operand` is, and whether that is an optional.
    pub(super) fn select(&mut self, id: NodeId, operand: NodeId, field: &str) -> (Type, bool) {
        let operand = self.type_of(operand);
        let operand = self.unifier.resolve(&operand);
        let (target, was_optional) = match &operand {
            Type::Optional(inner) => (inner.as_ref(), true),
            other => (other, false),
        };
        let of = match target {
            Type::Map(_, value) => value.as_ref().clone(),
            Type::Object(object) => match object.field(field) {
                Some(of) => of.clone(),
                None => {
                    let suggestion = Suggestion::among(field, object.fields().map(|(name, _)| name));
                    let (object, field) = (object.name().to_owned(), field.to_owned());
                    self.report(id, CompileErrorKind::UndefinedField { object, field, suggestion });
                    Type::Dyn
                }
            },
            Type::Dyn => Type::Dyn,
            Type::Parameter(_) => {
                self.unifier.assign(&Type::Dyn, target);
                Type::Dyn
            }
            other => {
                let of = self.unifier.finish(other);
                self.report(id, CompileErrorKind::NoFields(of));
                Type::Dyn
            }
        };
        (of, was_optional)
    }
}

/// The type that a name of CEL stands for.
fn named_type(name: &str) -> Option<(&'static str, Type)> {
    Some(match name {
        "bool" => ("bool", Type::Bool),
        "bytes" => ("bytes", Type::Bytes),
        "double" => ("double", Type::Double),
        "int" => ("int", Type::Int),
        "uint" => ("uint", Type::Uint),
        "string" => ("string", Type::String),
        "null_type" => ("null_type", Type::Null),
        "list" => ("list", Type::list(Type::Dyn)),
        "map" => ("map", Type::map(Type::Dyn, Type::Dyn)),
        "type" => ("type", Type::type_of(Type::Dyn)),
        "optional_type" => ("optional_type", Type::optional(Type::Dyn)),
        "google.protobuf.Timestamp" => ("google.protobuf.Timestamp", Type::Timestamp),
        "google.protobuf.Duration" => ("google.protobuf.Duration", Type::Duration),
        "net.IP" => ("net.IP", Type::Opaque("net.IP")),
        "net.CIDR" => ("net.CIDR", Type::Opaque("net.CIDR")),
        _ => return None,
    })
}
