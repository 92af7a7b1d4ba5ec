//! The URL library of Kubernetes (`pkg/cel/library/urls.go`), by the rules of Go's `net/url`.

mod escape;
mod fault;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::{
    super::{
        error::EvaluationErrorKind,
        fuel::Fuel,
        types::Type,
        value::{Foreign, Key, Map, Opaque, Text, Value},
    },
    Apply, Cost, Declarations, Size,
    go_quote::quote,
    no_such_overload,
};
use escape::{Place, decode};
use fault::Fault;
use parse::Url;

type Outcome<'a> = Result<Value<'a>, EvaluationErrorKind>;

const URL: Type = Type::Opaque("kubernetes.URL");

/// Go's `net/url` reads no more parameters than this, and then none at all.
const MAX_PARAMETERS: usize = 10_000;

impl Foreign for Url {
    fn type_name(&self) -> &'static str {
        "kubernetes.URL"
    }

    fn literal(&self) -> String {
        format!("url(\"{}\")", self.text.chars().map(literal).collect::<String>())
    }

    /// Two URLs are the same where they are written the same, once read.
    fn equals(&self, other: &Opaque) -> bool {
        other.get::<Self>().is_some_and(|other| other.text == self.text)
    }

    fn bytes(&self) -> usize {
        self.text.len()
    }
}

/// A character inside a literal of ASCII.
fn literal(character: char) -> String {
    match (character, u32::from(character)) {
        ('"' | '\\', _) => format!("\\{character}"),
        (_, ..0x80) => character.to_string(),
        (_, code @ ..0x1_0000) => format!("\\u{code:04x}"),
        (_, code) => format!("\\U{code:08x}"),
    }
}

pub(super) fn declare(into: &mut Declarations) {
    into.function("url")
        .about("The URL that a text says: one with a scheme, or a path from the root.")
        .example("url('HTTPS://example.com/') == url('https://example.com/')", "true")
        .example("isURL('../relative') || isURL('https://a:b:c/')", "false")
        .sized(Size::Parsed)
        .global([Type::String], URL, Cost::Scan(0), url);
    into.function("isURL")
        .about("Whether a text is a URL with a scheme, or a path from the root.")
        .example("isURL('https://user:pass@example.com:80/path?query=val#fragment')", "true")
        .example("isURL('../relative-path')", "false")
        .global([Type::String], Type::Bool, Cost::Unit, is_url);
    let mut part = |name, apply: Apply, about| {
        into.function(name).about(about).method([URL], Type::String, Cost::Unit, apply);
    };
    part("getScheme", scheme, "The scheme in lower case, or an empty text.");
    part("getHost", host, "The host with its port, an IPv6 address in brackets; or an empty text.");
    part("getHostname", hostname, "The host without its port, an IPv6 address without brackets; or an empty text.");
    part("getPort", port, "The port, or an empty text.");
    part("getEscapedPath", escaped_path, "The path, escaped; or an empty text.");
    into.function("getScheme").example("url('HTTPS://example.com/').getScheme()", "'https'");
    into.function("getHost").example("url('https://[::1]:80/').getHost()", "'[::1]:80'");
    into.function("getHostname")
        .example("url('https://[::1]:80/').getHostname()", "'::1'")
        .example("url('/path').getHostname()", "''");
    into.function("getPort").example("url('https://example.com:80/').getPort()", "'80'");
    into.function("getEscapedPath")
        .example("url('/with space').getEscapedPath()", "'/with%20space'")
        .sized(Size::Escaped);
    into.function("getQuery")
        .about("The parameters by name, unescaped; each with all its values.")
        .example("url('/path?k=a&k=b+c').getQuery()", "{'k': ['a', 'b c']}")
        .example("url('/path?').getQuery()", "{}")
        .sized(Size::Query)
        .method([URL], Type::map(Type::String, Type::list(Type::String)), Cost::Unit, query);
}

fn url<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = arguments else { return Err(no_such_overload("url", arguments)) };
    // The parts are copied twice: escaped each byte may take three.
    fuel.copy(text.len().saturating_mul(6))?;
    let refused = |fault: Fault| EvaluationErrorKind::InvalidArgument { function: "url", reason: fault.reason() };
    Url::parse(text).map(Value::opaque).map_err(refused)
}

fn is_url<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = arguments else { return Err(no_such_overload("isURL", arguments)) };
    fuel.copy(text.len())?;
    Ok(Value::Bool(parse::fault(text).is_none()))
}

/// What Go's `url.ParseRequestURI` says is wrong with the text; nothing where it is a URL.
pub(super) fn complaint(text: &str) -> Option<String> {
    let fault = parse::fault(text)?;
    Some(format!("parse {}: {fault}", quote(text.as_bytes())))
}

/// The URL of the only argument.
fn receiver<'v>(name: &'static str, arguments: &'v [Value<'_>]) -> Result<&'v Url, EvaluationErrorKind> {
    match arguments {
        [only] => only.as_opaque(),
        _ => None,
    }
    .ok_or_else(|| no_such_overload(name, arguments))
}

fn copied<'a>(fuel: &mut Fuel, text: &str) -> Outcome<'a> {
    fuel.copy(text.len())?;
    Ok(Value::from(text.to_owned()))
}

/// A part that was unescaped; in Go it may be any bytes, here a text is one.
fn unescaped(fuel: &mut Fuel, name: &'static str, bytes: &[u8]) -> Result<String, EvaluationErrorKind> {
    fuel.copy(bytes.len())?;
    String::from_utf8(bytes.to_vec())
        .map_err(|_| EvaluationErrorKind::InvalidArgument { function: name, reason: "what is escaped is not UTF-8" })
}

fn scheme<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    copied(fuel, &receiver("getScheme", arguments)?.scheme)
}

fn host<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    unescaped(fuel, "getHost", &receiver("getHost", arguments)?.host).map(Value::from)
}

fn hostname<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    unescaped(fuel, "getHostname", receiver("getHostname", arguments)?.host_and_port().0).map(Value::from)
}

fn port<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let url = receiver("getPort", arguments)?;
    fuel.scan(url.host.len())?;
    unescaped(fuel, "getPort", url.host_and_port().1).map(Value::from)
}

fn escaped_path<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    copied(fuel, &receiver("getEscapedPath", arguments)?.path)
}

fn query<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let url = receiver("getQuery", arguments)?;
    fuel.scan(url.query.len())?;
    let mut parameters: BTreeMap<String, Vec<Value<'a>>> = BTreeMap::new();
    if url.query.matches('&').count() < MAX_PARAMETERS {
        // As in Go, what is not well-formed is left out, and a semicolon separates nothing.
        for pair in url.query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Ok(name), Ok(value)) = (decode(name, Place::Query), decode(value, Place::Query)) else { continue };
            let name = unescaped(fuel, "getQuery", &name)?;
            let value = unescaped(fuel, "getQuery", &value)?;
            fuel.elements(1)?;
            parameters.entry(name).or_default().push(Value::from(value));
        }
    }
    fuel.elements(parameters.len())?;
    let mut entries = Vec::with_capacity(parameters.len());
    for (name, values) in parameters {
        entries.push((Key::String(Text::Owned(name.into())), Value::list(values)?));
    }
    Ok(Value::Map(Map::new(entries)?))
}
