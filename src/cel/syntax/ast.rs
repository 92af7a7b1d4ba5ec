use std::sync::Arc;

/// The index of a node in its [`Ast`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cel) struct NodeId(pub(super) u32);

impl NodeId {
    pub(in crate::cel) fn index(self) -> usize {
        self.0 as usize
    }
}

/// One node of the tree.
#[derive(Clone, Debug)]
pub(in crate::cel) struct Node {
    pub(in crate::cel) kind: Kind,
    /// Where it is reported, in bytes from the start of the source. As in cel-go: a call at its parenthesis, a selection
    /// at its dot, an operator at itself.
    pub(in crate::cel) offset: u32,
    /// Where it starts and ends, without parentheses around it; empty for a node that stands for no text of its own.
    pub(in crate::cel) span: (u32, u32),
}

/// What a node says.
#[derive(Clone, Debug)]
pub(in crate::cel) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    /// A name; `absolute` where a dot stands before it.
    Ident {
        name: Arc<str>,
        absolute: bool,
    },
    /// `operand.field` or `operand.?field`
    Select {
        operand: NodeId,
        field: Arc<str>,
        optional: bool,
    },
    /// `has(operand.field)`
    Has {
        operand: NodeId,
        field: Arc<str>,
    },
    /// `operand[index]` or `operand[?index]`
    Index {
        operand: NodeId,
        index: NodeId,
        optional: bool,
    },
    And(NodeId, NodeId),
    Or(NodeId, NodeId),
    Conditional {
        condition: NodeId,
        truthy: NodeId,
        falsy: NodeId,
    },
    /// A function or an operator; operators have the names of CEL, for example `_+_`.
    Call {
        function: Arc<str>,
        target: Option<NodeId>,
        arguments: Box<[NodeId]>,
    },
    List(Box<[Element]>),
    Map(Box<[Entry]>),
    Macro(Box<Macro>),
}

/// An element of a list literal.
#[derive(Clone, Copy, Debug)]
pub(in crate::cel) struct Element {
    pub(in crate::cel) value: NodeId,
    pub(in crate::cel) optional: bool,
}

/// An entry of a map literal.
#[derive(Clone, Copy, Debug)]
pub(in crate::cel) struct Entry {
    pub(in crate::cel) key: NodeId,
    pub(in crate::cel) value: NodeId,
    pub(in crate::cel) optional: bool,
}

/// A macro over a range or an optional.
#[derive(Clone, Debug)]
pub(in crate::cel) struct Macro {
    pub(in crate::cel) kind: MacroKind,
    /// What is iterated over, or the optional.
    pub(in crate::cel) range: NodeId,
    pub(in crate::cel) variable: Arc<str>,
    /// The second variable of the two-variable forms.
    pub(in crate::cel) second: Option<Arc<str>>,
    /// The condition of `filter` and of the forms that transform only some elements.
    pub(in crate::cel) filter: Option<NodeId>,
    /// The predicate or the transformation; `filter` has none.
    pub(in crate::cel) body: Option<NodeId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) enum MacroKind {
    All,
    Exists,
    ExistsOne,
    /// `map`, `filter` and `transformList`: builds a list.
    ToList,
    /// `transformMap`: the key stays, the body is the value.
    ToMap,
    /// `transformMapEntry`: the body is a map of new entries.
    ToEntries,
    SortBy,
    OptMap,
    OptFlatMap,
}

/// The arena; children stand before their parents.
#[derive(Clone, Debug, Default)]
pub(in crate::cel) struct Ast {
    nodes: Vec<Node>,
    root: Option<NodeId>,
}

/// Stands in for a node that is not there, so that looking one up is total.
static MISSING: Node = Node { kind: Kind::Null, offset: 0, span: (0, 0) };

impl Ast {
    pub(super) fn push(&mut self, node: Node) -> NodeId {
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(node);
        self.root = Some(id);
        id
    }

    pub(in crate::cel) fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(id.index()).unwrap_or(&MISSING)
    }

    pub(in crate::cel) fn kind(&self, id: NodeId) -> &Kind {
        &self.node(id).kind
    }

    pub(in crate::cel) fn offset(&self, id: NodeId) -> u32 {
        self.node(id).offset
    }

    pub(in crate::cel) fn span(&self, id: NodeId) -> std::ops::Range<usize> {
        let (from, to) = self.node(id).span;
        from as usize..to as usize
    }

    /// Says where a node starts and ends, unless that is known: a parenthesis around it does not belong to it.
    pub(super) fn close(&mut self, id: NodeId, from: u32, to: u32) {
        if let Some(node) = self.nodes.get_mut(id.index()).filter(|node| node.span == (0, 0)) {
            node.span = (from, to);
        }
    }

    pub(in crate::cel) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// All nodes, each after those that it is made of.
    pub(in crate::cel) fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)).map(NodeId)
    }

    pub(in crate::cel) fn root(&self) -> NodeId {
        self.root.unwrap_or(NodeId(0))
    }

    pub(super) fn set_root(&mut self, id: NodeId) {
        self.root = Some(id);
    }

    /// The operand that a chain such as `1 + 1 + 1` or `a.b().c` continues from: chains are walked in a loop.
    pub(in crate::cel) fn spine(&self, id: NodeId) -> Option<NodeId> {
        match self.kind(id) {
            Kind::Select { operand, .. } | Kind::Has { operand, .. } | Kind::Index { operand, .. } => Some(*operand),
            Kind::And(left, _) | Kind::Or(left, _) => Some(*left),
            Kind::Call { target: Some(target), .. } => Some(*target),
            Kind::Call { target: None, arguments, .. } => arguments.first().copied(),
            Kind::Macro(form) => Some(form.range),
            _ => None,
        }
    }
}
