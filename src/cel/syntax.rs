//! From text to a syntax tree: lexer, literals, tree, Pratt parser and macros.
//!
//! The grammar is that of CEL as cel-go 0.29 reads it, with optional syntax and quoted field names, as the Kubernetes
//! API server configures it. The tree lives in one flat arena; macros stay nodes of their own and are not expanded.

pub(in crate::cel) mod ast;
mod lexer;
mod literal;
mod macros;
mod parser;

pub(in crate::cel) use lexer::normal;

pub(in crate::cel) use macros::{DOCUMENTED, names as macro_names};

pub(in crate::cel) use parser::parse;
