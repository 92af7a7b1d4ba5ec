//! What Writ says: the program's log on stderr, and one line per final decision on stdout.
//!
//! Both are one JSON object per line. Whatever comes from a request is data in them: control characters, line
//! separators, bidirectional and invisible characters are written as `\uXXXX`, and every string is capped.

mod decisions;
mod line;
mod log;

use std::io::{IsTerminal as _, stderr};

pub use decisions::{DecisionLineError, DecisionLines};
pub use line::{LINE_LIMIT, LineError, STRING_LIMIT, to_line};
use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// The log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not understood.
    #[error("the log filter is not understood: {0}; write it as in `info,writ::webhook=debug`")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// There is a log already.
    #[error("the log was set up twice")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Sets up the process's log on stderr; a panic is logged by its place alone, since its text may quote a request.
///
/// `filter` is a level or a list such as `info,writ::webhook=debug`.
///
/// # Errors
/// [`TelemetryError`], also when it is called twice.
pub fn init(filter: &str, format: LogFormat) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let terminal = stderr().is_terminal();
    let text = format == LogFormat::Text || (format == LogFormat::Auto && terminal);
    let layer = if text {
        tracing_subscriber::fmt::layer().with_ansi(terminal).with_target(false).with_writer(log::Plain::stderr).boxed()
    } else {
        log::JsonLog::new(stderr).boxed()
    };
    tracing_subscriber::registry().with(layer.with_filter(filter)).try_init()?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
    Ok(())
}

#[cfg(test)]
mod tests;
