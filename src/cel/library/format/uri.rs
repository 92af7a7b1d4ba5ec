//! URIs as Go's `url.ParseRequestURI` takes them, with its complaints.

use super::{super::go_quote::quote, address};

/// Where percent signs and other characters stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    UserInfo,
    Host,
    Zone,
}

/// What is wrong with the text as a URI.
pub(super) fn complaint(text: &str) -> Option<String> {
    let complaint = check(text).err()?;
    Some(format!("parse {}: {complaint}", quote(text.as_bytes())))
}

fn refuse<T>(complaint: &str) -> Result<T, String> {
    Err(complaint.to_owned())
}

fn check(text: &str) -> Result<(), String> {
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        return refuse("net/url: invalid control character in URL");
    }
    if text.is_empty() {
        return refuse("empty url");
    }
    if text == "*" {
        return Ok(());
    }
    let (scheme, rest) = split_scheme(text)?;
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    let Some(after) = rest.strip_prefix('/') else {
        return if scheme.is_empty() { refuse("invalid URI for request") } else { Ok(()) };
    };
    let mut path = rest;
    if let Some(authority) = after.strip_prefix('/').filter(|_| !scheme.is_empty()) {
        let end = authority.find('/').unwrap_or(authority.len());
        let (authority, after) = authority.split_at_checked(end).unwrap_or((authority, ""));
        check_authority(scheme, authority)?;
        path = after;
    }
    unescape(path.as_bytes(), Place::Path).map(drop)
}

/// The scheme, empty where there is none, and what follows it.
fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    let part = |character: char| character.is_ascii_alphanumeric() || "+-.".contains(character);
    let end = text.find(|character| !part(character)).unwrap_or(text.len());
    match text.split_at_checked(end) {
        Some(("", rest)) if rest.starts_with(':') => refuse("missing protocol scheme"),
        Some((scheme, rest)) if scheme.starts_with(|first: char| first.is_ascii_alphabetic()) => {
            Ok(rest.strip_prefix(':').map_or(("", text), |rest| (scheme, rest)))
        }
        _ => Ok(("", text)),
    }
}

fn check_authority(scheme: &str, authority: &str) -> Result<(), String> {
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    check_host(scheme, host)?;
    let Some(user) = user else { return Ok(()) };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    if !user.bytes().all(allowed) {
        return refuse("net/url: invalid userinfo");
    }
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    unescape(name.as_bytes(), Place::UserInfo)?;
    unescape(password.as_bytes(), Place::UserInfo).map(drop)
}

fn check_host(scheme: &str, host: &str) -> Result<(), String> {
    match host.rfind('[') {
        Some(0) => return check_literal(host),
        Some(_) => return refuse("invalid IP-literal"),
        None => {}
    }
    if let (Some(first), Some(last)) = (host.find(':'), host.rfind(':')) {
        // Only HTTP has no colons in its hosts.
        let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        check_port(host.get(if is_http { first } else { last }..).unwrap_or_default())?;
    }
    unescape(host.as_bytes(), Place::Host).map(drop)
}

/// An address in brackets, with a port perhaps.
fn check_literal(host: &str) -> Result<(), String> {
    let Some((inside, port)) = host.rsplit_once(']') else { return refuse("missing ']' in host") };
    check_port(port)?;
    unescape(port.as_bytes(), Place::Host)?;
    let inside = inside.strip_prefix('[').unwrap_or(inside);
    let zone = inside.find("%25").unwrap_or(inside.len());
    let (name, zone) = inside.split_at_checked(zone).unwrap_or((inside, ""));
    let mut address = unescape(name.as_bytes(), Place::Host)?;
    address.extend(unescape(zone.as_bytes(), Place::Zone)?);
    match address::parse(&address) {
        Ok(address::Family::V6) => Ok(()),
        Ok(address::Family::V4) => refuse("invalid IP-literal"),
        Err(complaint) => refuse(&format!("invalid host: {complaint}")),
    }
}

fn check_port(text: &str) -> Result<(), String> {
    let is_port = |text: &str| text.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()));
    if text.is_empty() || is_port(text) {
        return Ok(());
    }
    refuse(&format!("invalid port {} after host", quote(text.as_bytes())))
}

/// The bytes with their percent signs resolved.
fn unescape(text: &[u8], place: Place) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            let limited = matches!(place, Place::Host | Place::Zone) && first.is_ascii();
            if limited && !is_of_host(*first) {
                return refuse(&format!("invalid character {} in host name", quote(&[*first])));
            }
            out.push(*first);
            rest = after;
            continue;
        }
        let byte = escaped(after).filter(|byte| may_be_escaped(*byte, place));
        let Some(byte) = byte else {
            return refuse(&format!("invalid URL escape {}", quote(rest.get(..3).unwrap_or(rest))));
        };
        out.push(byte);
        rest = after.get(2..).unwrap_or_default();
    }
    Ok(out)
}

fn escaped(text: &[u8]) -> Option<u8> {
    let [high, low, ..] = text else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

/// In a host only what is not ASCII, and the percent sign itself; in a zone what could stand there unescaped, or a
/// space.
fn may_be_escaped(byte: u8, place: Place) -> bool {
    match place {
        Place::Path | Place::UserInfo => true,
        Place::Host => byte == b'%' || !byte.is_ascii(),
        Place::Zone => byte == b'%' || byte == b' ' || is_of_host(byte),
    }
}

/// Whether the byte may stand in a host as it is.
fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte)
}
