//! How a command ends: with an answer, or without one.

use std::process::ExitCode;

/// The answer of a command, as its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Yes: allowed, valid, passed, done.
    Yes = 0,
    /// No: denied, invalid, failed.
    No = 1,
    /// It could not be decided: bad input, or something that cannot be read.
    Undecided = 2,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command has no answer: what is wrong and where, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    message: String,
    more: Vec<String>,
    hint: Option<String>,
}

impl Failure {
    /// A failure that says what is wrong and where.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), more: Vec::new(), hint: None }
    }

    /// Several things that are wrong; `None` where nothing is.
    pub(crate) fn all(messages: Vec<String>) -> Option<Self> {
        let mut messages = messages.into_iter();
        let message = messages.next()?;
        Some(Self { message, more: messages.collect(), hint: None })
    }

    /// Everything that is wrong, in order.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.message.as_str()).chain(self.more.iter().map(String::as_str))
    }

    /// Says what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What to do next, where the message does not say it already.
    #[must_use]
    pub fn next(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// Of the commands that only act and answer nothing.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let mut message = String::new();
        for cause in error.chain().map(ToString::to_string) {
            // Many errors repeat their cause.
            if message.contains(&cause) {
                continue;
            }
            if !message.is_empty() {
                message.push_str(": ");
            }
            message.push_str(&cause);
        }
        Self::new(message)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let error = anyhow::anyhow!("no such file").context("reading `a`: no such file").context("no cluster");
        assert_eq!(Failure::from(error).to_string(), "no cluster: reading `a`: no such file");
        let error = Err::<(), _>(anyhow::anyhow!("b")).context("a").unwrap_err();
        assert_eq!(Failure::from(error).to_string(), "a: b");
    }

    #[test]
    fn all_faults_are_kept_in_order() {
        assert_eq!(Failure::all(Vec::new()), None);
        let failure = Failure::all(vec!["a".to_owned(), "b".to_owned()]).unwrap().hint("c");
        assert_eq!(failure.messages().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(failure.next(), Some("c"));
    }
}
