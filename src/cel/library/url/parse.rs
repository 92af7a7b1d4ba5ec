//! URLs as Go's `net/url` reads them, which is not as browsers do (WHATWG): what is not understood is refused, and
//! nothing is repaired.

use core::net::IpAddr;

use super::{
    super::address,
    escape::{Place, decode, escape, is_escaped},
    fault::Fault,
};

/// A URL, in the parts that functions ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// In lower case.
    pub(super) scheme: String,
    /// With the port, unescaped: any bytes.
    pub(super) host: Vec<u8>,
    /// Escaped.
    pub(super) path: String,
    /// As it was written, without `?`.
    pub(super) query: String,
    /// The whole, in its normal form.
    pub(super) text: String,
}

/// Where a path without scheme comes from decides what it may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The first line of an HTTP request: absolute, without fragment, and two slashes are part of the path.
    Request,
    /// Anywhere else; the fragment is cut off before.
    Reference,
}

/// The parts of a URL as they were written, but for the authority.
#[derive(Default)]
struct Parts<'s> {
    scheme: String,
    /// What follows a scheme without a slash.
    opaque: &'s str,
    authority: Option<Authority>,
    path: &'s str,
    query: Option<&'s str>,
}

#[derive(Default)]
struct Authority {
    /// Name and password, escaped.
    user: Option<String>,
    host: Vec<u8>,
}

/// What is wrong with the text as a URL of a request (Go's `url.ParseRequestURI`).
pub(super) fn fault(text: &str) -> Option<Fault<'_>> {
    Parts::read(text, Source::Request).err()
}

impl Url {
    /// Reads a URL twice as Kubernetes does: as a request, which must be absolute, and then as a reference, which may
    /// have a fragment.
    pub(super) fn parse(source: &str) -> Result<Self, Fault<'_>> {
        Parts::read(source, Source::Request)?;
        let (before, fragment) = source.split_once('#').unwrap_or((source, ""));
        let parts = Parts::read(before, Source::Reference)?;
        let path = normal(parts.path, Place::Path)?;
        let fragment = normal(fragment, Place::Fragment)?;
        let text = parts.text(&path, &fragment);
        let host = parts.authority.map(|authority| authority.host).unwrap_or_default();
        let query = parts.query.unwrap_or_default().to_owned();
        Ok(Self { scheme: parts.scheme, host, path, query, text })
    }

    /// The host without brackets, and the port.
    pub(super) fn host_and_port(&self) -> (&[u8], &[u8]) {
        let (host, port) = match self.host.iter().rposition(|byte| *byte == b':') {
            Some(at) if is_port(self.host.get(at..).unwrap_or_default()) => {
                (self.host.get(..at).unwrap_or_default(), self.host.get(at + 1..).unwrap_or_default())
            }
            _ => (self.host.as_slice(), [].as_slice()),
        };
        let inner = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]"));
        (inner.unwrap_or(host), port)
    }
}

/// A part as it was written where it was escaped well, and escaped by our rules where not.
fn normal(text: &str, place: Place) -> Result<String, Fault<'_>> {
    let decoded = decode(text, place)?;
    Ok(if is_escaped(text, place) { text.to_owned() } else { escape(&decoded, place) })
}

impl<'s> Parts<'s> {
    fn read(text: &'s str, source: Source) -> Result<Self, Fault<'s>> {
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(Fault::Control);
        }
        if text.is_empty() && source == Source::Request {
            return Err(Fault::Empty);
        }
        if text == "*" {
            return Ok(Self { path: text, ..Self::default() });
        }
        let (scheme, rest) = scheme(text)?;
        let scheme = scheme.to_ascii_lowercase();
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        if !rest.starts_with('/') {
            if !scheme.is_empty() {
                return Ok(Self { scheme, opaque: rest, query, ..Self::default() });
            }
            if source == Source::Request {
                return Err(Fault::Relative);
            }
        }
        let may_name_host = !scheme.is_empty() || source == Source::Reference && !rest.starts_with("///");
        let (authority, path) = match rest.strip_prefix("//").filter(|_| may_name_host) {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (Some(Authority::read(&scheme, authority)?), path)
            }
            None => (None, rest),
        };
        decode(path, Place::Path)?;
        Ok(Self { scheme, opaque: "", authority, path, query })
    }

    /// The normal form of the whole.
    fn text(&self, path: &str, fragment: &str) -> String {
        let mut out = String::new();
        if !self.scheme.is_empty() {
            out.push_str(&self.scheme);
            out.push(':');
        }
        if self.opaque.is_empty() {
            if let Some(Authority { user, host }) = &self.authority {
                let is_written = !host.is_empty() || user.is_some();
                if is_written || !self.scheme.is_empty() && !path.is_empty() {
                    out.push_str("//");
                }
                if let Some(user) = user {
                    out.push_str(user);
                    out.push('@');
                }
                out.push_str(&escape(host, Place::Host));
            }
            out.push_str(path);
        } else {
            out.push_str(self.opaque);
        }
        if let Some(query) = self.query {
            out.push('?');
            out.push_str(query);
        }
        if !fragment.is_empty() {
            out.push('#');
            out.push_str(fragment);
        }
        out
    }
}

/// The scheme, which may be empty, and what follows it (RFC 3986, 3.1).
fn scheme(text: &str) -> Result<(&str, &str), Fault<'_>> {
    let of_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let length = text.bytes().take_while(|byte| of_scheme(byte)).count();
    let starts = text.starts_with(|first: char| first.is_ascii_alphabetic());
    match text.split_at_checked(length) {
        Some(("", rest)) if rest.starts_with(':') => Err(Fault::NoScheme),
        Some((scheme, rest)) if starts && rest.starts_with(':') => Ok((scheme, rest.get(1..).unwrap_or_default())),
        _ => Ok(("", text)),
    }
}

impl Authority {
    fn read<'s>(scheme: &str, text: &'s str) -> Result<Self, Fault<'s>> {
        let (user, host) = match text.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, text),
        };
        let host = read_host(scheme, host)?;
        let user = user.map(read_user).transpose()?;
        Ok(Self { user, host })
    }
}

/// Name and password, escaped anew.
fn read_user(text: &str) -> Result<String, Fault<'_>> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    if !text.bytes().all(fits) {
        return Err(Fault::User);
    }
    let anew = |part| Ok(escape(&decode(part, Place::User)?, Place::User));
    match text.split_once(':') {
        Some((name, password)) => Ok(format!("{}:{}", anew(name)?, anew(password)?)),
        None => anew(text),
    }
}

/// Nothing, or a colon with digits after it, which may be none.
fn is_port(text: &[u8]) -> bool {
    match text.split_first() {
        None => true,
        Some((first, digits)) => *first == b':' && digits.iter().all(u8::is_ascii_digit),
    }
}

fn check_port(text: &str) -> Result<(), Fault<'_>> {
    if is_port(text.as_bytes()) { Ok(()) } else { Err(Fault::Port(text)) }
}

fn read_host<'s>(scheme: &str, text: &'s str) -> Result<Vec<u8>, Fault<'s>> {
    match text.rsplit_once('[') {
        Some(("", rest)) => return read_bracketed(rest),
        Some(_) => return Err(Fault::Literal),
        None => {}
    }
    // More than one colon is refused in web addresses only: some databases list hosts with ports.
    let colon = if matches!(scheme, "http" | "https") { text.find(':') } else { text.rfind(':') };
    let port = colon.and_then(|at| text.get(at..)).unwrap_or_default();
    check_port(port)?;
    decode(text, Place::Host)
}

/// An IPv6 address after an opening bracket, with its zone (RFC 6874), and a port after the closing one.
fn read_bracketed(text: &str) -> Result<Vec<u8>, Fault<'_>> {
    let (inner, port) = text.rsplit_once(']').ok_or(Fault::Open)?;
    check_port(port)?;
    let (name, zone) = inner.split_at(inner.find("%25").unwrap_or(inner.len()));
    let mut host = decode(name, Place::Host)?;
    host.extend(decode(zone, Place::Zone)?);
    match address::parse(&host) {
        Ok(IpAddr::V6(_)) => {}
        Ok(IpAddr::V4(_)) => return Err(Fault::Literal),
        Err(_) => return Err(Fault::Address(host)),
    }
    let mut out = vec![b'['];
    out.extend(host);
    out.push(b']');
    out.extend(port.bytes());
    Ok(out)
}
