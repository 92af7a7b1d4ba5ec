use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use super::{Clock, ClockError};
use crate::time::Timestamp;

/// A clock that stands still until it is moved: for tests and simulations.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

/// The reading that stands for a clock that fails.
const BROKEN: i64 = i64::MIN;

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.as_millis()))
    }

    /// Moves the clock to `now`, forth or back; a broken one runs again.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_millis(), Ordering::SeqCst);
    }

    /// Moves the clock forth by `span`, to the millisecond.
    pub fn advance(&self, span: Duration) {
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |millis| {
            Some(Timestamp::from_millis(millis).plus(span).as_millis())
        });
    }

    /// Makes every reading fail until the clock is set.
    pub fn fail(&self) {
        self.0.store(BROKEN, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Result<Timestamp, ClockError> {
        match self.0.load(Ordering::SeqCst) {
            BROKEN => Err(ClockError::Unset),
            millis => Ok(Timestamp::from_millis(millis)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_only_by_hand() {
        let clock = ManualClock::new(Timestamp::from_millis(5));
        clock.advance(Duration::from_millis(2));
        assert_eq!(clock.now(), Ok(Timestamp::from_millis(7)));
        clock.set(Timestamp::from_millis(1));
        assert_eq!(clock.now(), Ok(Timestamp::from_millis(1)));
        clock.fail();
        assert_eq!(clock.now(), Err(ClockError::Unset));
    }
}
