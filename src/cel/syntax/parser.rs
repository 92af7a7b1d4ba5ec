use std::sync::Arc;

use super::super::{
    error::CompileErrorKind,
    limits::{MAX_NESTING, MAX_NODES, MAX_SOURCE_BYTES},
};
use super::{
    ast::{Ast, Element, Entry, Kind, Node, NodeId},
    lexer::{Lexer, Token, TokenKind},
    literal, macros,
};

/// A fault and where it is, in bytes.
pub(in crate::cel) type Fault = (u32, CompileErrorKind);

/// Reads a whole expression.
///
/// # Errors
/// The first fault, and its offset in bytes.
pub(in crate::cel) fn parse(source: &str) -> Result<Ast, Fault> {
    if source.len() > MAX_SOURCE_BYTES {
        return Err((0, CompileErrorKind::TooLong { bytes: source.len(), limit: MAX_SOURCE_BYTES }));
    }
    let mut lexer = Lexer::new(source);
    let token = lexer.next()?;
    let mut parser = Parser { lexer, token, ast: Ast::default(), nesting: 0, end: 0 };
    let root = parser.expression()?;
    parser.expect(TokenKind::End, "an operator or the end")?;
    parser.ast.set_root(root);
    Ok(parser.ast)
}

/// What CEL reserves for later, beside the words that are tokens.
const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// How tightly the binary operators bind.
const OR: u8 = 1;
const AND: u8 = 2;
const RELATION: u8 = 3;
const SUM: u8 = 4;
const PRODUCT: u8 = 5;

pub(super) struct Parser<'s> {
    lexer: Lexer<'s>,
    token: Token<'s>,
    pub(super) ast: Ast,
    nesting: usize,
    /// Where the last token that was taken ends.
    end: u32,
}

impl<'s> Parser<'s> {
    fn advance(&mut self) -> Result<Token<'s>, Fault> {
        let next = self.lexer.next()?;
        self.end = self.token.end();
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn accept(&mut self, kind: TokenKind) -> Result<bool, Fault> {
        let found = self.token.kind == kind;
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, kind: TokenKind, wanted: &str) -> Result<Token<'s>, Fault> {
        if self.token.kind == kind { self.advance() } else { Err(self.unexpected(wanted)) }
    }

    fn unexpected(&self, wanted: &str) -> Fault {
        let found = match self.token.kind {
            TokenKind::End => "the end".to_owned(),
            TokenKind::String | TokenKind::Bytes => "a string".to_owned(),
            _ => format!("`{}`", self.token.text),
        };
        (self.token.offset, CompileErrorKind::Syntax(format!("found {found} instead of {wanted}")))
    }

    pub(super) fn push(&mut self, offset: u32, kind: Kind) -> Result<NodeId, Fault> {
        if self.ast.len() >= MAX_NODES {
            return Err((offset, CompileErrorKind::TooLarge));
        }
        Ok(self.ast.push(Node { kind, offset, span: (0, 0) }))
    }

    /// The node, which started at `from` and ends with the last token.
    fn closed(&mut self, node: NodeId, from: u32) -> NodeId {
        self.ast.close(node, from, self.end);
        node
    }

    fn operator(&mut self, offset: u32, name: &str, arguments: &[NodeId]) -> Result<NodeId, Fault> {
        self.push(offset, Kind::Call { function: name.into(), target: None, arguments: arguments.into() })
    }

    /// `or ('?' or ':' expression)?`
    pub(super) fn expression(&mut self) -> Result<NodeId, Fault> {
        if self.nesting >= MAX_NESTING {
            return Err((self.token.offset, CompileErrorKind::TooDeep { limit: MAX_NESTING }));
        }
        self.nesting += 1;
        let from = self.token.offset;
        let condition = self.binary(OR)?;
        let offset = self.token.offset;
        let result = if self.accept(TokenKind::Question)? {
            let truthy = self.binary(OR)?;
            self.expect(TokenKind::Colon, "`:`")?;
            let falsy = self.expression()?;
            self.push(offset, Kind::Conditional { condition, truthy, falsy })?
        } else {
            condition
        };
        self.nesting -= 1;
        Ok(self.closed(result, from))
    }

    /// Operators that bind at least as tightly as `least`, all of them to the left.
    fn binary(&mut self, least: u8) -> Result<NodeId, Fault> {
        let from = self.token.offset;
        let mut left = self.unary()?;
        while let Some((strength, name)) = infix(self.token.kind).filter(|(strength, _)| *strength >= least) {
            let offset = self.advance()?.offset;
            let right = self.binary(strength + 1)?;
            left = match name {
                "_&&_" => self.push(offset, Kind::And(left, right))?,
                "_||_" => self.push(offset, Kind::Or(left, right))?,
                _ => self.operator(offset, name, &[left, right])?,
            };
            self.closed(left, from);
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<NodeId, Fault> {
        let (sign, name) = match self.token.kind {
            TokenKind::Not => (TokenKind::Not, "!_"),
            TokenKind::Minus => (TokenKind::Minus, "-_"),
            _ => return self.member(None),
        };
        let offset = self.token.offset;
        let mut count = 0_usize;
        while self.accept(sign)? {
            count += 1;
        }
        let number = matches!(self.token.kind, TokenKind::Int | TokenKind::Double);
        if sign == TokenKind::Minus && count == 1 && number {
            return self.member(Some(offset));
        }
        let operand = self.member(None)?;
        if count.is_multiple_of(2) {
            return Ok(operand);
        }
        let node = self.operator(offset, name, &[operand])?;
        Ok(self.closed(node, offset))
    }

    /// A primary and what is selected, indexed and called on it; `sign` is where its number's minus stands.
    fn member(&mut self, sign: Option<u32>) -> Result<NodeId, Fault> {
        let from = sign.unwrap_or(self.token.offset);
        let primary = self.primary(sign)?;
        let mut node = self.closed(primary, from);
        loop {
            let offset = self.token.offset;
            node = match self.token.kind {
                TokenKind::Dot => self.selection(node)?,
                TokenKind::OpenBracket => {
                    self.advance()?;
                    let optional = self.accept(TokenKind::Question)?;
                    let index = self.expression()?;
                    self.expect(TokenKind::CloseBracket, "`]`")?;
                    self.push(offset, Kind::Index { operand: node, index, optional })?
                }
                TokenKind::OpenBrace if self.is_qualified_name(node) => {
                    let message = "messages cannot be constructed: use a map literal, `{'field': value}`";
                    return Err((offset, CompileErrorKind::Syntax(message.to_owned())));
                }
                _ => return Ok(node),
            };
            self.closed(node, from);
        }
    }

    fn is_qualified_name(&self, mut node: NodeId) -> bool {
        loop {
            match self.ast.kind(node) {
                Kind::Ident { .. } => return true,
                Kind::Select { operand, optional: false, .. } => node = *operand,
                _ => return false,
            }
        }
    }

    /// `.field`, `.?field` or `.method(…)` on `operand`.
    fn selection(&mut self, operand: NodeId) -> Result<NodeId, Fault> {
        let dot = self.advance()?.offset;
        let optional = self.accept(TokenKind::Question)?;
        let name = match self.token.kind {
            TokenKind::Ident | TokenKind::QuotedIdent => self.advance()?,
            _ => return Err(self.unexpected("a field name")),
        };
        let is_call = self.token.kind == TokenKind::OpenParenthesis;
        if is_call && !optional && name.kind == TokenKind::Ident {
            let open = self.advance()?.offset;
            let arguments = self.arguments()?;
            return match macros::receiver(self, name.text, open, operand, &arguments)? {
                Some(expanded) => Ok(expanded),
                None => {
                    let kind =
                        Kind::Call { function: name.text.into(), target: Some(operand), arguments: arguments.into() };
                    self.push(open, kind)
                }
            };
        }
        self.push(dot, Kind::Select { operand, field: name.text.into(), optional })
    }

    /// Expressions up to the closing parenthesis.
    fn arguments(&mut self) -> Result<Vec<NodeId>, Fault> {
        let mut arguments = Vec::new();
        if self.accept(TokenKind::CloseParenthesis)? {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            if !self.accept(TokenKind::Comma)? {
                self.expect(TokenKind::CloseParenthesis, "`,` or `)`")?;
                return Ok(arguments);
            }
        }
    }

    fn primary(&mut self, sign: Option<u32>) -> Result<NodeId, Fault> {
        let token = self.token;
        let (offset, negative) = (sign.unwrap_or(token.offset), sign.is_some());
        let at = |kind| (offset, kind);
        let kind = match token.kind {
            TokenKind::Int => Kind::Int(literal::int(token.text, negative).map_err(at)?),
            TokenKind::Uint => Kind::Uint(literal::uint(token.text).map_err(at)?),
            TokenKind::Double => Kind::Double(literal::double(token.text, negative).map_err(at)?),
            TokenKind::String => Kind::String(literal::string(token.text).map_err(at)?.into()),
            TokenKind::Bytes => Kind::Bytes(literal::bytes(token.text).map_err(at)?.into()),
            TokenKind::True => Kind::Bool(true),
            TokenKind::False => Kind::Bool(false),
            TokenKind::Null => Kind::Null,
            TokenKind::Ident | TokenKind::Dot => return self.name(),
            TokenKind::OpenBracket => return self.list(),
            TokenKind::OpenBrace => return self.map(),
            TokenKind::OpenParenthesis => {
                self.advance()?;
                let inner = self.expression()?;
                self.expect(TokenKind::CloseParenthesis, "`)`")?;
                return Ok(inner);
            }
            _ => return Err(self.unexpected("an expression")),
        };
        self.advance()?;
        self.push(offset, kind)
    }

    /// A variable or a call of a function without target, with or without a dot before it.
    fn name(&mut self) -> Result<NodeId, Fault> {
        let absolute = self.accept(TokenKind::Dot)?;
        let name = self.expect(TokenKind::Ident, "a name")?;
        if RESERVED.contains(&name.text) {
            return Err((name.offset, CompileErrorKind::ReservedWord(name.text.to_owned())));
        }
        let open = self.token.offset;
        if !self.accept(TokenKind::OpenParenthesis)? {
            return self.push(name.offset, Kind::Ident { name: name.text.into(), absolute });
        }
        let arguments = self.arguments()?;
        if !absolute && let Some(expanded) = macros::global(self, name.text, open, &arguments)? {
            return Ok(expanded);
        }
        self.push(open, Kind::Call { function: name.text.into(), target: None, arguments: arguments.into() })
    }

    fn list(&mut self) -> Result<NodeId, Fault> {
        let offset = self.advance()?.offset;
        let mut elements = Vec::new();
        let mut more = !matches!(self.token.kind, TokenKind::CloseBracket | TokenKind::Comma);
        while more {
            let optional = self.accept(TokenKind::Question)?;
            elements.push(Element { value: self.expression()?, optional });
            more = self.another(TokenKind::CloseBracket)?;
        }
        self.lone_comma(elements.is_empty())?;
        self.expect(TokenKind::CloseBracket, "`,` or `]`")?;
        self.push(offset, Kind::List(elements.into()))
    }

    fn map(&mut self) -> Result<NodeId, Fault> {
        let offset = self.advance()?.offset;
        let mut entries = Vec::new();
        let mut more = !matches!(self.token.kind, TokenKind::CloseBrace | TokenKind::Comma);
        while more {
            let optional = self.accept(TokenKind::Question)?;
            let key = self.expression()?;
            self.expect(TokenKind::Colon, "`:`")?;
            entries.push(Entry { key, value: self.expression()?, optional });
            more = self.another(TokenKind::CloseBrace)?;
        }
        self.lone_comma(entries.is_empty())?;
        self.expect(TokenKind::CloseBrace, "`,` or `}`")?;
        self.push(offset, Kind::Map(entries.into()))
    }

    /// Takes a comma, which may also stand before `end`; says whether another element follows.
    fn another(&mut self, end: TokenKind) -> Result<bool, Fault> {
        Ok(self.accept(TokenKind::Comma)? && self.token.kind != end)
    }

    /// The grammar allows `[,]` and `{,}`.
    fn lone_comma(&mut self, is_empty: bool) -> Result<(), Fault> {
        if is_empty {
            self.accept(TokenKind::Comma)?;
        }
        Ok(())
    }

    /// The name of a node that is a simple variable.
    pub(super) fn simple_name(&self, node: NodeId) -> Option<Arc<str>> {
        match self.ast.kind(node) {
            Kind::Ident { name, absolute: false } => Some(name.clone()),
            _ => None,
        }
    }
}

/// The strength and the function of a binary operator.
fn infix(kind: TokenKind) -> Option<(u8, &'static str)> {
    Some(match kind {
        TokenKind::Or => (OR, "_||_"),
        TokenKind::And => (AND, "_&&_"),
        TokenKind::Less => (RELATION, "_<_"),
        TokenKind::LessEqual => (RELATION, "_<=_"),
        TokenKind::Greater => (RELATION, "_>_"),
        TokenKind::GreaterEqual => (RELATION, "_>=_"),
        TokenKind::Equal => (RELATION, "_==_"),
        TokenKind::NotEqual => (RELATION, "_!=_"),
        TokenKind::In => (RELATION, "@in"),
        TokenKind::Plus => (SUM, "_+_"),
        TokenKind::Minus => (SUM, "_-_"),
        TokenKind::Star => (PRODUCT, "_*_"),
        TokenKind::Slash => (PRODUCT, "_/_"),
        TokenKind::Percent => (PRODUCT, "_%_"),
        _ => return None,
    })
}
