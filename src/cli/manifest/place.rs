use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::yaml::{Key, options};

/// Where the field at `path` of document `index` stands in a text, line and column from 1; or the next field above it
/// that the text has. Only read when something is to be reported.
pub(super) fn find(text: &str, index: usize, path: &str) -> Option<(u64, u64)> {
    let documents: Vec<Spanned<Node>> = serde_saphyr::from_multiple_with_options(text, options()).ok()?;
    let mut node = documents.into_iter().nth(index)?;
    for step in steps(path) {
        let next = match node.value {
            Node::Mapping(members) => members.into_iter().find(|(key, _)| *key == step).map(|(_, value)| value),
            Node::Sequence(items) => step.parse().ok().and_then(|index| items.into_iter().nth(index)),
            Node::Scalar => None,
        };
        match next {
            Some(found) => node = found,
            None => return Some((node.referenced.line(), node.referenced.column())),
        }
    }
    Some((node.referenced.line(), node.referenced.column()))
}

/// The steps of `spec.rules[1].when`.
fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split(['.', '[']).map(|step| step.trim_end_matches(']')).filter(|step| !step.is_empty())
}

enum Node {
    Scalar,
    Sequence(Vec<Spanned<Node>>),
    Mapping(Vec<(String, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a node")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = items.next_element()? {
            nodes.push(node);
        }
        Ok(Node::Sequence(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(Key(key)) = members.next_key()? {
            nodes.push((key, members.next_value()?));
        }
        Ok(Node::Mapping(nodes))
    }
}
