use std::{ops::Deref, sync::Arc};

use crate::cel::{error::EvaluationErrorKind, fuel::Fuel};

/// A string, borrowed from the input or the program where it can be.
#[derive(Clone, Debug)]
pub enum Text<'a> {
    /// A part of the input or of the program.
    Borrowed(&'a str),
    /// A string that an expression made.
    Owned(Arc<str>),
}

impl<'a> Text<'a> {
    /// The bytes `from..to` as a string of their own; empty where they are not one.
    pub(in crate::cel) fn slice(&self, fuel: &mut Fuel, from: usize, to: usize) -> Result<Self, EvaluationErrorKind> {
        match self {
            Self::Borrowed(text) => Ok(Text::Borrowed(text.get(from..to).unwrap_or_default())),
            Self::Owned(text) => {
                let part = text.get(from..to).unwrap_or_default();
                fuel.copy(part.len())?;
                Ok(Text::Owned(part.into()))
            }
        }
    }

    /// The number of Unicode scalar values.
    #[must_use]
    pub fn characters(&self) -> usize {
        self.chars().count()
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Owned(text) => text,
        }
    }
}

/// Bytes, borrowed from the program where they can be.
#[derive(Clone, Debug)]
pub enum Blob<'a> {
    /// A literal.
    Borrowed(&'a [u8]),
    /// Bytes that an expression made.
    Owned(Arc<[u8]>),
}

impl Deref for Blob<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}
