//! Who leads: one Lease, changed only by compare-and-swap. A lease fences nothing, so everything that a leader does is
//! compare-and-swap too, and does no harm when two do it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Name of the Lease in Writ's namespace.
pub const NAME: &str = "writ";
/// A record that was not renewed for this long is free.
pub const DURATION: Duration = Duration::from_secs(15);
/// A leader stops to act this long after its last renewal was asked for: before anybody else can begin.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// How often the lease is looked at, and renewed.
pub const INTERVAL: Duration = Duration::from_secs(3);

/// The record as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; empty for nobody.
    pub holder: String,
    /// How long it may stay unrenewed.
    pub duration: Duration,
    /// Its resource version: another one means that it was renewed.
    pub resource_version: String,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is no record: make one.
    Create,
    /// It is ours: renew it.
    Renew,
    /// It is free: take it.
    Take,
    /// It is somebody else's.
    Wait,
}

/// Watches the record by this process's own clock: the times in it are never compared.
#[derive(Debug, Default)]
pub struct Observer {
    last: Option<(String, Instant)>,
}

impl Observer {
    /// Decides what to do about the record as it was read at `now`.
    pub fn step(&mut self, record: Option<&Record>, own: &str, now: Instant) -> Step {
        let Some(record) = record else { return Step::Create };
        if record.holder == own {
            return Step::Renew;
        }
        if record.holder.is_empty() {
            return Step::Take;
        }
        match &self.last {
            Some((version, since)) if *version == record.resource_version => {
                if now.saturating_duration_since(*since) > record.duration { Step::Take } else { Step::Wait }
            }
            _ => {
                self.last = Some((record.resource_version.clone(), now));
                Step::Wait
            }
        }
    }
}

/// Until when this replica leads.
#[derive(Debug, Default)]
pub struct Leadership(Mutex<Option<Instant>>);

impl Leadership {
    /// The lease is ours by a request that was sent at `asked`.
    pub fn hold(&self, asked: Instant) {
        *self.until() = Some(asked + DEADLINE);
    }

    /// It is not.
    pub fn lose(&self) {
        *self.until() = None;
    }

    /// Whether this replica leads.
    #[must_use]
    pub fn is_held(&self, now: Instant) -> bool {
        self.until().is_some_and(|until| now < until)
    }

    fn until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(holder: &str, version: &str) -> Record {
        Record { holder: holder.to_owned(), duration: DURATION, resource_version: version.to_owned() }
    }

    #[test]
    fn a_record_is_taken_only_when_it_is_free() {
        let start = Instant::now();
        let mut observer = Observer::default();
        for (what, seconds, found, expected) in [
            ("none", 0, None, Step::Create),
            ("ours", 0, Some(record("a", "1")), Step::Renew),
            ("released", 0, Some(record("", "2")), Step::Take),
            ("first sight, however old", 0, Some(record("b", "3")), Step::Wait),
            ("not long enough", 15, Some(record("b", "3")), Step::Wait),
            ("renewed", 16, Some(record("b", "4")), Step::Wait),
            ("counted anew", 31, Some(record("b", "4")), Step::Wait),
            ("not renewed", 32, Some(record("b", "4")), Step::Take),
        ] {
            let now = start + Duration::from_secs(seconds);
            assert_eq!(observer.step(found.as_ref(), "a", now), expected, "{what}");
        }
    }

    #[test]
    fn a_leader_stops_before_another_can_begin() {
        const { assert!(DEADLINE.as_secs() + INTERVAL.as_secs() < DURATION.as_secs()) };
        let (leadership, start) = (Leadership::default(), Instant::now());
        assert!(!leadership.is_held(start));
        leadership.hold(start);
        assert!(leadership.is_held(start + DEADLINE - Duration::from_millis(1)));
        assert!(!leadership.is_held(start + DEADLINE));
        leadership.hold(start);
        leadership.lose();
        assert!(!leadership.is_held(start));
    }
}
