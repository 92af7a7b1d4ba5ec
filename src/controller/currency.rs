//! Proof that what this replica decides by is what the API server holds: a consistent list that the watches are shown
//! to have reached. Without a fresh proof a replica stops deciding (`PolicyStale`).

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::time::Timestamp;

/// How old the last proof may be.
pub const LIMIT: Duration = Duration::from_secs(10);
/// How long a watch may take to reach what a list shows before it is started anew; as long again, and the replica counts
/// as behind.
pub const GRACE: Duration = Duration::from_millis(1500);

/// A moment by both clocks: one is set by people, the other stands still while the machine sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// By the clock that only goes forward.
    pub steady: Instant,
    /// By the time of day.
    pub wall: Timestamp,
}

impl Moment {
    /// How long ago `earlier` was, by the clock that says more.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.steady.saturating_duration_since(earlier.steady).max(self.wall.since(earlier.wall))
    }
}

/// When this replica was last shown to be current.
#[derive(Debug, Default)]
pub struct Currency(Mutex<Known>);

#[derive(Clone, Debug, Default)]
struct Known {
    as_of: Option<Moment>,
    behind: Option<String>,
}

impl Currency {
    /// The watches have reached everything that was there at `as_of`: the moment before the list was asked for.
    pub fn confirm(&self, as_of: Moment) {
        *self.known() = Known { as_of: Some(as_of), behind: None };
    }

    /// A watch has not reached in time what a list shows.
    pub fn refute(&self, what: String) {
        self.known().behind = Some(what);
    }

    /// Whether the last proof is fresh enough, and nothing has shown the contrary since.
    #[must_use]
    pub fn is_current(&self, now: Moment) -> bool {
        self.fault(now).is_none()
    }

    /// Why not, in words.
    #[must_use]
    pub fn fault(&self, now: Moment) -> Option<String> {
        let Known { as_of, behind } = self.known().clone();
        if let Some(what) = behind {
            return Some(format!("the watch is behind the API server: {what}; it was started anew"));
        }
        match as_of.map(|as_of| now.since(as_of)) {
            None => Some("the API server has not confirmed yet that all policies were seen".to_owned()),
            Some(age) if age > LIMIT => {
                Some(format!("the API server last confirmed {} s ago that all policies were seen", age.as_secs()))
            }
            Some(_) => None,
        }
    }

    /// How old the last proof is.
    #[must_use]
    pub fn age(&self, now: Moment) -> Option<Duration> {
        self.known().as_of.map(|as_of| now.since(as_of))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_ends_by_either_clock() {
        let start = Moment { steady: Instant::now(), wall: Timestamp::from_millis(1_000_000) };
        let after = |steady: u64, wall: i64| Moment {
            steady: start.steady + Duration::from_millis(steady),
            wall: Timestamp::from_millis(start.wall.as_millis() + wall),
        };
        let currency = Currency::default();
        assert!(!currency.is_current(start), "nothing was proved yet");
        currency.confirm(start);
        for (steady, wall, current) in [
            (0, 0, true),
            (10_000, 10_000, true),
            (10_001, 0, false),
            (0, 10_001, false),
            // Set back, the wall clock proves nothing.
            (9_000, -600_000, true),
            (11_000, -600_000, false),
        ] {
            assert_eq!(currency.is_current(after(steady, wall)), current, "{steady} {wall}");
        }
        currency.refute("policies: `a.v1`".to_owned());
        assert!(!currency.is_current(start));
        assert!(currency.fault(start).is_some_and(|fault| fault.contains("a.v1")));
        currency.confirm(after(5, 5));
        assert!(currency.is_current(after(10_000, 10_000)));
    }
}
