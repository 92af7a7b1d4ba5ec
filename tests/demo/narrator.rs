//! How the demonstration speaks: chapters, the commands it runs, what they answered, and claims that were checked.

use std::cell::Cell;
use std::io::{IsTerminal, Write, stdout};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// How wide quoted answers are at most.
const WIDTH: usize = 110;

/// Writes to stdout; in colour on a terminal only.
pub(crate) struct Narrator {
    start: Instant,
    colour: bool,
    proven: Cell<usize>,
}

impl Narrator {
    pub(crate) fn new() -> Self {
        let colour = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { start: Instant::now(), colour, proven: Cell::default() }
    }

    /// A new part of the story.
    pub(crate) fn chapter(&self, title: &str) {
        println!("\n{}", self.paint("1", title));
    }

    /// What a person would type.
    pub(crate) fn command(&self, line: &str) {
        println!("  {}", self.paint("36", &format!("$ {line}")));
    }

    /// Words of the cluster or of Writ, as they were.
    pub(crate) fn quote(&self, text: &str) {
        for line in text.trim().lines() {
            for part in folded(line) {
                println!("  {}", self.paint("2", &format!("  {part}")));
            }
        }
    }

    /// What must be known to understand what comes; claims nothing.
    pub(crate) fn note(&self, text: &str) {
        for part in folded(text) {
            println!("  {part}");
        }
    }

    /// Checks a claim and says it if it holds. While a terminal waits, it sees what for.
    pub(crate) fn prove<T>(&self, claim: &str, check: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.colour {
            print!("  … {claim}");
            stdout().flush()?;
        }
        let start = Instant::now();
        let checked = check();
        if self.colour {
            print!("\r\u{1b}[K");
        }
        let value = checked.with_context(|| format!("this does not hold: {claim}"))?;
        let took = start.elapsed();
        let time =
            if took > Duration::from_secs(1) { format!("  ({:.1} s)", took.as_secs_f64()) } else { String::new() };
        println!("  {} {claim}{}", self.paint("32", "✓"), self.paint("2", &time));
        self.proven.set(self.proven.get() + 1);
        Ok(value)
    }

    /// The same for what takes its time: where no terminal shows it, a line says that it has begun.
    pub(crate) fn prove_slowly<T>(&self, claim: &str, check: impl FnOnce() -> Result<T>) -> Result<T> {
        if !self.colour {
            println!("  … {claim}");
        }
        self.prove(claim, check)
    }

    pub(crate) fn end(&self) {
        let seconds = self.start.elapsed().as_secs_f64();
        println!(
            "\n{}",
            self.paint("1;32", &format!("All {} claims hold. It took {seconds:.0} s.", self.proven.get()))
        );
    }

    pub(crate) fn failed(&self, error: &anyhow::Error) {
        println!("  {} {error:#}", self.paint("1;31", "✗"));
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Breaks a line between words and keeps its indentation. What fits stays as it is.
fn folded(line: &str) -> Vec<String> {
    if line.chars().count() <= WIDTH {
        return vec![line.to_owned()];
    }
    let indentation: String = line.chars().take_while(|character| *character == ' ').collect();
    let (mut lines, mut last) = (Vec::new(), String::new());
    for word in line.split_whitespace() {
        if !last.is_empty() && indentation.len() + last.chars().count() + word.chars().count() >= WIDTH {
            lines.push(format!("{indentation}{last}"));
            last.clear();
        }
        if !last.is_empty() {
            last.push(' ');
        }
        last.push_str(word);
    }
    lines.push(format!("{indentation}{last}"));
    lines
}
