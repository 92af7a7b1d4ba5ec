//! Where the time comes from. Everything else takes time as an argument; reading a clock can fail.

mod manual;

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

pub use manual::ManualClock;

use crate::time::Timestamp;

/// 2026-01-01T00:00:00Z. No machine that runs this program has an earlier day: its clock was never set.
pub const EARLIEST: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// A source of the time of day.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now, to the millisecond. It may step back when the machine's clock is set.
    ///
    /// # Errors
    /// [`ClockError`]: nothing may be decided by such a clock.
    fn now(&self) -> Result<Timestamp, ClockError>;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Result<Timestamp, ClockError> {
        (**self).now()
    }
}

/// The time cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// The clock shows a time before [`EARLIEST`].
    #[error("the machine's clock was never set: it shows a time before {EARLIEST}; start its time service")]
    Unset,
    /// The clock shows a time that milliseconds in 64 bits do not reach.
    #[error("the machine's clock shows a time beyond all calendars; set it")]
    TooLarge,
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Result<Timestamp, ClockError> {
        read(SystemTime::now())
    }
}

fn read(time: SystemTime) -> Result<Timestamp, ClockError> {
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| ClockError::Unset)?;
    let now = Timestamp::from_millis(i64::try_from(since.as_millis()).map_err(|_| ClockError::TooLarge)?);
    if now < EARLIEST { Err(ClockError::Unset) } else { Ok(now) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_that_was_never_set_is_an_error() {
        let at = |seconds: u64| read(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(1_767_225_600).map(|now| now.to_string()).as_deref(), Ok("2026-01-01T00:00:00.000Z"));
        assert_eq!(at(1_767_225_599), Err(ClockError::Unset));
        assert_eq!(at(0), Err(ClockError::Unset));
        assert_eq!(read(UNIX_EPOCH - Duration::from_secs(1)), Err(ClockError::Unset));
    }

    #[test]
    fn the_system_clock_goes_on() {
        let first = SystemClock.now().unwrap();
        assert!(SystemClock.now().unwrap() >= first);
    }
}
