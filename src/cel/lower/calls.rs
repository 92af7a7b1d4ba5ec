//! Calls, equality, membership and the optional alternatives.

use super::{
    super::{
        check::{Issue, Meaning},
        code::{Call, Op},
        fuel::Fuel,
        library::{Overload, Pattern, RegexFunction},
        limits::MAX_PATTERNS,
        machine,
        syntax::ast::{Kind, NodeId},
        types::Type,
        value::{List, Value},
    },
    Link, Lowering,
    constant::FUEL,
    invalid,
};

/// A call as the checker resolved it.
struct Resolved<'c> {
    meaning: &'c Meaning,
    /// The target and the arguments, in this order.
    arguments: Vec<NodeId>,
}

impl Lowering<'_> {
    fn resolved(&self, id: NodeId) -> Option<Resolved<'_>> {
        let meaning = self.checked.meaning(id);
        let Kind::Call { target, arguments, .. } = self.kind(id) else { return None };
        let namespaced = matches!(meaning, Meaning::Call { namespaced: true, .. });
        let target = target.filter(|_| !namespaced);
        let arguments = target.into_iter().chain(arguments.iter().copied()).collect();
        Some(Resolved { meaning, arguments })
    }

    /// The overload that is left, where the checker found one only.
    fn overload(&self, id: NodeId) -> Option<&'static Overload> {
        match self.checked.meaning(id) {
            Meaning::Call { overloads, .. } => match overloads.as_ref() {
                [only] => Some(only),
                _ => None,
            },
            _ => None,
        }
    }

    fn overload_is(&self, id: NodeId, wanted: impl Fn(&[Type]) -> bool) -> bool {
        self.overload(id).is_some_and(|only| wanted(&only.parameters))
    }

    /// The value of a library's type that a constant text says, and the cost of reading it each time. It is read once:
    /// texts that say none are left to evaluation.
    fn read_constant(&self, id: NodeId) -> Result<Option<(Value<'static>, u32)>, Issue> {
        if !self.overload(id).is_some_and(|only| matches!(only.result, Type::Opaque(_))) {
            return Ok(None);
        }
        let (Some(call), Some(Resolved { arguments, .. })) = (self.call_of(id, 1), self.resolved(id)) else {
            return Ok(None);
        };
        let [argument] = arguments.as_slice() else { return Ok(None) };
        let Some(text @ Value::String(_)) = self.constant(*argument)? else { return Ok(None) };
        let read = machine::apply(&call, &mut Fuel::new(FUEL), &[text]);
        Ok(read.ok().and_then(|(value, cost)| Some((value, u32::try_from(cost).ok()?))))
    }

    /// Starts a call with its first argument, or lowers one that has none.
    pub(super) fn descend_call(&mut self, id: NodeId, links: &mut Vec<Link>) -> Result<Option<(NodeId, bool)>, Issue> {
        if let Some((value, cost)) = self.read_constant(id)? {
            self.emit(Op::Charge(cost));
            self.constant_op(value);
            return Ok(None);
        }
        let Some(resolved) = self.resolved(id) else { return Ok(None) };
        let Some(first) = resolved.arguments.first().copied() else {
            self.call_op(id, 0);
            return Ok(None);
        };
        links.push(Link::Call(id));
        Ok(Some((first, false)))
    }

    /// Lowers what follows the first argument of a call.
    pub(super) fn finish_call(&mut self, id: NodeId) -> Result<(), Issue> {
        let Some(Resolved { meaning: Meaning::Call { function, .. }, arguments }) = self.resolved(id) else {
            return Ok(());
        };
        let name = function.name;
        self.at(id);
        match name {
            "or" | "orValue" => return self.lower_alternative(id, &arguments, name == "orValue"),
            "@in" => return self.lower_in(id, &arguments),
            _ => {}
        }
        if let ("matches", Kind::Call { target: None, .. }) = (name, self.kind(id)) {
            self.check_text_as_pattern(&arguments)?;
        }
        if let Some(regex) = RegexFunction::named(name)
            && let Some(pattern) = arguments.get(1)
            && let Some(Value::String(text)) = self.constant(*pattern)?
        {
            return self.lower_regex(id, regex, *pattern, &text, arguments.get(2).copied());
        }
        let mut exits = Vec::new();
        let stops = self.stops_early(id, arguments.len());
        for (index, argument) in arguments.iter().enumerate().skip(1) {
            if stops {
                self.bail(index - 1, false, &mut exits);
            }
            self.lower(*argument, false)?;
            self.at(id);
        }
        match name {
            "!_" => {
                self.emit(Op::Not);
            }
            "_==_" => {
                self.emit(Op::Equal { negated: false });
            }
            "_!=_" => {
                self.emit(Op::Equal { negated: true });
            }
            _ => self.call_op(id, arguments.len()),
        }
        self.patch_all(&exits);
        Ok(())
    }

    /// The validator of cel-go takes the first argument in parentheses for the pattern, which in `matches(text, pattern)`
    /// is the text.
    fn check_text_as_pattern(&self, arguments: &[NodeId]) -> Result<(), Issue> {
        let Some(first) = arguments.first() else { return Ok(()) };
        let Kind::String(text) = self.kind(*first) else { return Ok(()) };
        Pattern::literal(text).map(|_| ()).map_err(|reason| {
            let message = format!("a text that is no regular expression ({reason}): write `text.matches(pattern)`");
            invalid(self.checked.ast.offset(*first), message)
        })
    }

    /// Whether an argument that is an error keeps the next ones from being evaluated: in cel-go two operands are
    /// always evaluated, unless the call is dispatched by its arguments' types.
    fn stops_early(&self, id: NodeId, arity: usize) -> bool {
        match self.checked.meaning(id) {
            Meaning::Call { function, overloads, .. } => {
                arity > 2 || function.variadic || (overloads.len() > 1 && !function.singleton)
            }
            _ => false,
        }
    }

    fn call_of(&self, id: NodeId, arity: usize) -> Option<Call> {
        let Meaning::Call { function, overloads, .. } = self.checked.meaning(id) else { return None };
        let cost = match overloads.as_ref() {
            [only] => only.cost,
            _ => function.undecided,
        };
        Some(Call { function, overloads: overloads.clone(), arity, cost })
    }

    pub(super) fn call_op(&mut self, id: NodeId, arity: usize) {
        let Some(call) = self.call_of(id, arity) else { return };
        let index = u32::try_from(self.code.calls.len()).unwrap_or(u32::MAX);
        self.code.calls.push(call);
        self.emit(Op::Call(index));
    }

    fn lower_alternative(&mut self, id: NodeId, arguments: &[NodeId], unwrap: bool) -> Result<(), Issue> {
        let jump = self.emit(Op::OrElse { unwrap, end: 0 });
        if let Some(alternative) = arguments.get(1) {
            self.lower(*alternative, false)?;
        }
        self.at(id);
        self.patch(jump, self.here());
        Ok(())
    }

    /// The constant list on the right of `in`, where cel-go makes a set of it.
    pub(super) fn constant_set(&self, id: NodeId) -> Result<Option<List<'static>>, Issue> {
        let Kind::Call { function, arguments, .. } = self.kind(id) else { return Ok(None) };
        let [_, right] = arguments.as_ref() else { return Ok(None) };
        let is_list = function.as_ref() == "@in"
            && self.overload_is(id, |parameters| matches!(parameters, [_, Type::List(_)]))
            && matches!(self.kind(*right), Kind::List(_));
        if !is_list {
            return Ok(None);
        }
        let Some(Value::List(list)) = self.constant(*right)? else { return Ok(None) };
        let hashable = list.iter().all(|item| {
            matches!(item, Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::String(_))
        });
        Ok(hashable.then_some(list))
    }

    fn lower_in(&mut self, id: NodeId, arguments: &[NodeId]) -> Result<(), Issue> {
        if let Some(set) = self.constant_set(id)? {
            let index = u32::try_from(self.code.constants.len()).unwrap_or(u32::MAX);
            self.code.constants.push(Value::List(set));
            self.emit(Op::InSet(index));
            return Ok(());
        }
        if let Some(right) = arguments.get(1) {
            self.lower(*right, false)?;
        }
        self.at(id);
        let listed = self.overload_is(id, |parameters| matches!(parameters, [_, Type::List(_)]));
        self.emit(Op::In { listed });
        Ok(())
    }

    fn lower_regex(
        &mut self,
        id: NodeId,
        function: RegexFunction,
        pattern: NodeId,
        text: &str,
        limit: Option<NodeId>,
    ) -> Result<(), Issue> {
        let pattern = self.pattern(self.checked.ast.offset(pattern), text)?;
        let mut exits = Vec::new();
        self.bail(0, false, &mut exits);
        if let Some(limit) = limit {
            self.lower(limit, false)?;
            self.at(id);
        }
        self.emit(Op::Regex { pattern, function, limited: limit.is_some() });
        self.patch_all(&exits);
        Ok(())
    }

    /// The index of a compiled literal; the same pattern is compiled once.
    fn pattern(&mut self, offset: u32, text: &str) -> Result<u32, Issue> {
        let known = self.patterns.iter().position(|known| known.as_ref() == text);
        let index = match known {
            Some(index) => index,
            None if self.patterns.len() >= MAX_PATTERNS => {
                return Err(invalid(offset, format!("more than {MAX_PATTERNS} regular expressions: use variables")));
            }
            None => {
                let compiled = Pattern::literal(text)
                    .map_err(|reason| invalid(offset, format!("invalid regular expression: {reason}")))?;
                self.code.patterns.push(compiled);
                self.patterns.push(text.into());
                self.patterns.len() - 1
            }
        };
        Ok(u32::try_from(index).unwrap_or(u32::MAX))
    }
}
