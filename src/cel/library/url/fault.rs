//! What is wrong with a text that is no URL.

use super::super::{address, go_quote::quote};

/// A complaint: written as Go's `net/url` words it, which quotes the text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault<'s> {
    #[error("net/url: invalid control character in URL")]
    Control,
    #[error("empty url")]
    Empty,
    #[error("missing protocol scheme")]
    NoScheme,
    #[error("invalid URI for request")]
    Relative,
    #[error("net/url: invalid userinfo")]
    User,
    #[error("invalid IP-literal")]
    Literal,
    #[error("missing ']' in host")]
    Open,
    /// The address in the brackets, which is none.
    #[error("invalid host: {}", address::complaint(.0).unwrap_or_default())]
    Address(Vec<u8>),
    /// From the colon on.
    #[error("invalid port {} after host", quote(.0.as_bytes()))]
    Port(&'s str),
    #[error("invalid character {} in host name", quote(&[*.0]))]
    Character(u8),
    /// The percent sign and what follows it.
    #[error("invalid URL escape {}", quote(.0))]
    Escape(&'s [u8]),
}

impl Fault<'_> {
    /// The same without the text, for errors, which show no data.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Control => "a control character",
            Self::Empty => "an empty URL",
            Self::NoScheme => "a colon without a scheme",
            Self::Relative => "neither a scheme nor a path from the root",
            Self::User => "a character that a user name may not have",
            Self::Literal | Self::Open | Self::Address(_) => "brackets that hold no IPv6 address",
            Self::Port(_) => "a port that is no number",
            Self::Character(_) => "a character that a host may not have",
            Self::Escape(_) => "a bad percent-escape",
        }
    }
}
