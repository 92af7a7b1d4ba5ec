//! What a command prints: words for people, or one JSON document for programs.
//!
//! Output is gathered and written at the end, so a reader that goes away early (`writ … | head`) changes no answer.
//! Whatever comes from outside is cleaned: a name in a manifest cannot steer somebody's terminal.

use std::{
    fmt::Display,
    io::{self, ErrorKind, IsTerminal as _, Write as _},
};

use serde::Serialize;

use super::failure::Failure;
use crate::api::API_VERSION;

/// How a command answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON document, described by a schema in `docs/schema`.
    Json,
}

/// The option that every answering command has.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct OutputArguments {
    /// Answer for people (`text`) or for programs (`json`, described by the schemas in docs/schema).
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
}

/// An answer of a command.
pub(crate) trait Answer: Serialize {
    /// Its `kind` in JSON, for example `EvaluateResult`.
    const KIND: &'static str;
}

/// The role of a piece of text; a terminal shows it in colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Good,
    Bad,
    Warning,
    Strong,
    Faint,
}

impl Paint {
    /// ECMA-48 "select graphic rendition".
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Warning => "33",
            Self::Strong => "1",
            Self::Faint => "2",
        }
    }
}

/// Where a command writes its answer.
#[derive(Debug, Default)]
pub(crate) struct Console {
    bytes: Vec<u8>,
    complaints: String,
    colour: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a, T> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    answer: &'a T,
}

impl Console {
    /// For standard output: in colour on a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
    pub(crate) fn standard() -> Self {
        let asked_not_to = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: !asked_not_to && io::stdout().is_terminal(), ..Self::default() }
    }

    /// Whether a person reads along.
    pub(crate) fn is_terminal() -> bool {
        io::stdout().is_terminal()
    }

    /// Appends text in its role, cleaned.
    pub(crate) fn put(&mut self, paint: Paint, text: impl Display) -> &mut Self {
        let text = clean(&text.to_string());
        if self.colour && paint != Paint::Plain {
            self.bytes.extend_from_slice(format!("\u{1b}[{}m{text}\u{1b}[0m", paint.code()).as_bytes());
        } else {
            self.bytes.extend_from_slice(text.as_bytes());
        }
        self
    }

    /// Ends the line.
    pub(crate) fn end(&mut self) {
        self.bytes.push(b'\n');
    }

    /// One line of plain text.
    pub(crate) fn line(&mut self, text: impl Display) {
        self.put(Paint::Plain, text).end();
    }

    /// A line for standard error: a part of the answer that must not stand among the bytes of standard output.
    pub(crate) fn complain(&mut self, text: impl Display) {
        self.complaints.push_str(&clean(&text.to_string()));
        self.complaints.push('\n');
    }

    /// Bytes as they are: a signed envelope, canonical JSON, a shell script.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The answer as one JSON document.
    pub(crate) fn json<T: Answer>(&mut self, answer: &T) -> Result<(), Failure> {
        let document = Document { api_version: API_VERSION, kind: T::KIND, answer };
        serde_json::to_writer_pretty(&mut self.bytes, &document)
            .map_err(|error| Failure::new(format!("the answer cannot be written as JSON: {error}")))?;
        self.end();
        Ok(())
    }

    /// Writes all of it. A reader that went away has read what it wanted.
    ///
    /// # Errors
    /// Standard output cannot be written, for example because a disk is full.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        // Nobody may be there to read it.
        let _ = io::stderr().lock().write_all(self.complaints.as_bytes());
        let mut out = io::stdout().lock();
        match out.write_all(&self.bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Failure::new(format!("standard output cannot be written: {error}")))
            }
            _ => Ok(()),
        }
    }
}

/// The text without what a terminal would act on: line ends become spaces, other control characters and those that
/// turn the direction of text become escapes.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => cleaned.push(' '),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
                cleaned.extend(character.escape_unicode());
            }
            other if other.is_control() => cleaned.extend(other.escape_unicode()),
            other => cleaned.push(other),
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_never_steered() {
        for (text, cleaned) in [
            ("shop/web", "shop/web"),
            ("Größe ✓", "Größe ✓"),
            ("two\nlines", "two lines"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\u{9b}31m", "a\\u{9b}31m"),
            ("\rover", "\\u{d}over"),
            ("abc\u{202e}fed", "abc\\u{202e}fed"),
        ] {
            assert_eq!(clean(text), cleaned, "{text:?}");
        }
    }

    #[test]
    fn colour_is_only_added_where_wanted() {
        let mut plain = Console::default();
        plain.put(Paint::Bad, "no").end();
        assert_eq!(plain.bytes, b"no\n");
        let mut coloured = Console { colour: true, ..Console::default() };
        coloured.put(Paint::Bad, "\u{1b}").put(Paint::Plain, "x").end();
        assert_eq!(coloured.bytes, b"\x1b[31m\\u{1b}\x1b[0mx\n");
    }
}
