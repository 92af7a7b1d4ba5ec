//! Points and spans of time as values. Nothing here reads a clock.

use std::{fmt, str::FromStr, time::Duration};

/// A point in time: whole milliseconds since 1970-01-01T00:00:00Z.
///
/// Written in the one form `2026-11-24T23:33:35.123Z` (RFC 3339, always UTC, always three digits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This much later; the end of time where that overflows.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This much earlier; the beginning of time where that overflows.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero where it is not after.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

/// A text is not a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time is written as in `2026-11-24T23:33:35Z` (RFC 3339)")]
pub struct TimestampError;

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Any RFC 3339 time; digits beyond the millisecond are cut off.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        text.parse::<jiff::Timestamp>().map(|time| Self(time.as_millisecond())).map_err(|_| TimestampError)
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A text is not a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a duration is written as in `720h`, `30m` or `1h30m` (units h, m, s, in this order)")]
pub struct DurationError;

/// Reads a span such as `720h`, `1h30m` or `45s`: whole numbers, each unit at most once, largest first.
///
/// # Errors
/// [`DurationError`] for anything else, zero and overflow included.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text;
    let mut seconds: u64 = 0;
    for (unit, factor) in [('h', 3600), ('m', 60), ('s', 1)] {
        let Some((number, after)) = rest.split_once(unit) else { continue };
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(DurationError);
        }
        let number: u64 = number.parse().map_err(|_| DurationError)?;
        seconds = number.checked_mul(factor).and_then(|more| seconds.checked_add(more)).ok_or(DurationError)?;
        rest = after;
    }
    if !rest.is_empty() || seconds == 0 {
        return Err(DurationError);
    }
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_of_a_time() {
        for (text, form) in [
            ("2026-11-24T23:33:35Z", "2026-11-24T23:33:35.000Z"),
            ("2026-11-24T23:33:35.1239999Z", "2026-11-24T23:33:35.123Z"),
            ("2026-11-25T01:33:35+02:00", "2026-11-24T23:33:35.000Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500Z"),
        ] {
            assert_eq!(text.parse::<Timestamp>().map(|time| time.to_string()).as_deref(), Ok(form), "{text}");
        }
        for wrong in ["", "yesterday", "2026-11-24", "2026-11-24T23:33:35", "1732491215"] {
            assert_eq!(wrong.parse::<Timestamp>(), Err(TimestampError), "{wrong}");
        }
    }

    #[test]
    fn spans_of_time() {
        for (text, seconds) in [("720h", 2_592_000), ("1h30m", 5400), ("45s", 45), ("1h1s", 3601)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in [
            "",
            "0s",
            "h",
            "1",
            "1d",
            "-1h",
            "1.5h",
            "1m1h",
            "1h1h",
            " 1h",
            "99999999999999999999h",
            "9999999999999999999h",
        ] {
            assert_eq!(parse_duration(wrong), Err(DurationError), "{wrong}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        let second = Duration::from_secs(1);
        assert_eq!(Timestamp::from_millis(0).plus(second).since(Timestamp::from_millis(0)), second);
        assert_eq!(Timestamp::from_millis(i64::MAX).plus(second), Timestamp::from_millis(i64::MAX));
        assert_eq!(Timestamp::from_millis(0).since(Timestamp::from_millis(5)), Duration::ZERO);
    }
}
