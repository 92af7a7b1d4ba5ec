//! Time for claims: the store's clock, watched with a monotonic one so that a jump cannot end a claim early.
//!
//! A clock that jumped is not believed: until it has run steadily for a while, the time is a [`Span`] that covers both
//! what it says now and what it would say had it not jumped. Deadlines are set by the later end and are over by the
//! earlier one. Forgetting stays halted until the clock is back where it was, or the process is started again, and
//! windows are never shorter for a clock that went back.

use std::time::Duration;

use crate::time::Timestamp;

/// A clock could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the clock cannot be read: {0}")]
pub struct ClockError(pub String);

/// The clocks of this machine.
pub trait Clock: Send + Sync {
    /// The wall clock.
    ///
    /// # Errors
    /// [`ClockError`] where there is none or it is out of range.
    fn now(&self) -> Result<Timestamp, ClockError>;

    /// Time since any fixed point in the life of this process; never goes back.
    fn elapsed(&self) -> Duration;
}

/// The time is no earlier and no later than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its earlier end: what is over by this is over.
    pub earliest: Timestamp,
    /// Its later end: from here deadlines are counted.
    pub latest: Timestamp,
    /// From here windows are counted: no earlier than `latest`, and than any course of the clock before a jump. A
    /// claim that was made while the clock was slow is kept for its whole window after the clock is set right.
    pub windows_from: Timestamp,
}

impl Span {
    /// Exactly this time.
    #[must_use]
    pub const fn at(time: Timestamp) -> Self {
        Self { earliest: time, latest: time, windows_from: time }
    }
}

/// How long a clock must run steadily after a jump until claims believe it. Longer than any claim is open, so that
/// none made before the jump is still open by then.
pub const STEADY_FOR: Duration = Duration::from_secs(120);

/// How long a clock is watched before anything is forgotten by it: a machine often starts with a wrong clock.
pub const WATCHED_FOR: Duration = Duration::from_secs(600);

/// The store's clock as one process sees it.
#[derive(Clone, Debug)]
pub struct StoreClock {
    tolerance: Duration,
    started: Option<Duration>,
    /// What claims go by.
    believed: Option<Line>,
    /// A new course of the clock that is not believed yet, and since when it is held.
    candidate: Option<(Line, Duration)>,
    /// What forgetting goes by: never follows a jump.
    kept: Option<Line>,
    jumped: bool,
}

/// A course of time: how far the clock is from the monotonic one. In nanoseconds, so that a course which is adjusted
/// thousands of times a second loses nothing by rounding.
#[derive(Clone, Copy, Debug)]
struct Line {
    offset: i128,
    /// When it was last adjusted.
    elapsed: Duration,
}

impl Line {
    fn through(time: Timestamp, elapsed: Duration) -> Self {
        Self { offset: i128::from(time.as_millis()) * NANOS - signed(elapsed), elapsed }
    }

    fn at(self, elapsed: Duration) -> Timestamp {
        let millis = (self.offset + signed(elapsed)).div_euclid(NANOS);
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }

    /// Follows a clock that runs a little fast or slow: at most one part in a thousand.
    fn drift_towards(&mut self, seen: Timestamp, elapsed: Duration) {
        let most = signed(elapsed.saturating_sub(self.elapsed) / 1000);
        self.offset += (Self::through(seen, elapsed).offset - self.offset).clamp(-most, most);
        self.elapsed = elapsed.max(self.elapsed);
    }

    fn distance(self, seen: Timestamp, elapsed: Duration) -> Duration {
        let expected = self.at(elapsed);
        seen.since(expected).max(expected.since(seen))
    }
}

/// Nanoseconds in a millisecond.
const NANOS: i128 = 1_000_000;

/// A span in nanoseconds.
fn signed(span: Duration) -> i128 {
    i128::try_from(span.as_nanos()).unwrap_or(i128::MAX)
}

impl StoreClock {
    /// A clock of which nothing is known yet. `tolerance` is how much replies of one store may differ (several API
    /// servers). `opened_at` is the latest time a local store had stamped before this process: how long it was closed
    /// is not known, so at first it may as well have been no time at all.
    #[must_use]
    pub fn new(tolerance: Duration, opened_at: Option<Timestamp>, elapsed: Duration) -> Self {
        let believed = opened_at.map(|time| Line::through(time, elapsed));
        Self { tolerance, started: None, believed, candidate: None, kept: None, jumped: false }
    }

    /// Takes note of a reply's time. `elapsed` is the monotonic clock when the reply came.
    pub fn observe(&mut self, seen: Timestamp, grain: Duration, elapsed: Duration) -> Span {
        let fresh = Line::through(seen, elapsed);
        self.started.get_or_insert(elapsed);
        let kept = self.kept.get_or_insert_with(|| match self.believed {
            // A store that was stamped later than now: its clock went back while it was closed.
            Some(before) if before.at(elapsed).since(seen) > self.tolerance => before,
            _ => fresh,
        });
        self.jumped = kept.distance(seen, elapsed) > self.tolerance;
        if !self.jumped {
            kept.drift_towards(seen, elapsed);
        }
        let kept = kept.at(elapsed);
        let believed = self.believed.get_or_insert(fresh);
        let expected = believed.at(elapsed);
        if believed.distance(seen, elapsed) <= self.tolerance {
            believed.drift_towards(seen, elapsed);
            self.candidate = None;
        } else {
            match &mut self.candidate {
                Some((line, since)) if line.distance(seen, elapsed) <= self.tolerance => {
                    line.drift_towards(seen, elapsed);
                    if elapsed.saturating_sub(*since) >= STEADY_FOR {
                        self.believed = Some(*line);
                        self.candidate = None;
                    }
                }
                _ => self.candidate = Some((fresh, elapsed)),
            }
        }
        let latest = expected.max(seen).plus(grain);
        Span { earliest: expected.min(seen), latest, windows_from: latest.max(kept) }
    }

    /// The time as it should be now by earlier replies; none before the first.
    #[must_use]
    pub fn estimate(&self, elapsed: Duration) -> Option<Span> {
        let (believed, kept) = (self.believed?, self.kept?);
        let other = self.candidate.map_or(believed, |(line, _)| line).at(elapsed);
        let latest = believed.at(elapsed).max(other).plus(self.tolerance);
        Some(Span {
            earliest: believed.at(elapsed).min(other).minus(self.tolerance),
            latest,
            windows_from: latest.max(kept.at(elapsed)),
        })
    }

    /// The time by which records may be forgotten.
    ///
    /// # Errors
    /// [`Halted`] where the clock is not known well enough.
    pub fn forgetting(&self, elapsed: Duration) -> Result<Timestamp, Halted> {
        let (Some(started), Some(kept)) = (self.started, self.kept) else { return Err(Halted::Unwatched) };
        if self.jumped {
            return Err(Halted::Jumped);
        }
        if elapsed.saturating_sub(started) < WATCHED_FOR {
            return Err(Halted::Unwatched);
        }
        Ok(kept.at(elapsed).minus(self.tolerance))
    }
}

/// Why nothing is forgotten now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halted {
    /// The store's clock has not been watched for [`WATCHED_FOR`].
    #[error("the store's clock has not been watched for long enough")]
    Unwatched,
    /// The store's clock jumped.
    #[error("the store's clock jumped: set it right, or restart this process to accept it")]
    Jumped,
}

#[cfg(test)]
mod tests;
