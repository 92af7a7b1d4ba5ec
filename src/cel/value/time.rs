//! Timestamps and durations: RFC 3339, the proleptic Gregorian calendar and Go's duration texts, without a clock and
//! without a time zone database.

use std::fmt::{self, Write as _};

/// Nanoseconds of a second.
const NANOS: i64 = 1_000_000_000;
/// Seconds of a day.
const DAY: i64 = 86_400;

/// A point in time between the years 1 and 9999, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanos: u32,
}

/// A span of time in nanoseconds: about 292 years either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration {
    nanos: i64,
}

/// A timestamp taken apart in some offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) struct Civil {
    pub(in crate::cel) year: i64,
    /// From 1.
    pub(in crate::cel) month: i64,
    /// From 1.
    pub(in crate::cel) day: i64,
    /// From 0.
    pub(in crate::cel) day_of_year: i64,
    /// From 0, which is Sunday.
    pub(in crate::cel) day_of_week: i64,
    pub(in crate::cel) hour: i64,
    pub(in crate::cel) minute: i64,
    pub(in crate::cel) second: i64,
}

impl Timestamp {
    /// `0001-01-01T00:00:00Z` in seconds since 1970.
    pub const MIN_SECONDS: i64 = -62_135_596_800;
    /// `9999-12-31T23:59:59Z` in seconds since 1970.
    pub const MAX_SECONDS: i64 = 253_402_300_799;

    /// The time `seconds` and `nanos` after the start of 1970, UTC; `None` outside the years 1 to 9999, and where
    /// `nanos` is a second or more.
    #[must_use]
    pub fn new(seconds: i64, nanos: u32) -> Option<Self> {
        let valid = (Self::MIN_SECONDS..=Self::MAX_SECONDS).contains(&seconds) && i64::from(nanos) < NANOS;
        valid.then_some(Self { seconds, nanos })
    }

    /// Whole seconds since the start of 1970, UTC, rounded down.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after [`Timestamp::seconds`].
    #[must_use]
    pub fn nanos(self) -> u32 {
        self.nanos
    }

    /// Reads RFC 3339, for example `2026-01-31T12:00:00.5+01:00`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_once('T')?;
        let [year, month, day] = fields(date, '-', [4, 2, 2])?;
        let zone_at = rest.find(['Z', '+', '-'])?;
        let (clock, zone) = rest.split_at_checked(zone_at)?;
        let (clock, fraction) = clock.split_once('.').map_or((clock, None), |(clock, digits)| (clock, Some(digits)));
        let [hour, minute, second] = fields(clock, ':', [2, 2, 2])?;
        let offset = if zone == "Z" { 0 } else { offset_seconds(zone)? };
        let days_known = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
        if !days_known || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let seconds = days_from_civil(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset;
        Self::new(seconds, fraction.map_or(Some(0), nanos_of_fraction)?)
    }

    /// This time plus `duration`.
    #[must_use]
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        let nanos = i64::from(self.nanos) + duration.nanos.rem_euclid(NANOS);
        let seconds = self.seconds.checked_add(duration.nanos.div_euclid(NANOS))?.checked_add(nanos / NANOS)?;
        Self::new(seconds, u32::try_from(nanos % NANOS).ok()?)
    }

    /// The time from `earlier` to this one.
    #[must_use]
    pub fn checked_since(self, earlier: Self) -> Option<Duration> {
        let seconds = self.seconds.checked_sub(earlier.seconds)?.checked_mul(NANOS)?;
        Some(Duration { nanos: seconds.checked_add(i64::from(self.nanos) - i64::from(earlier.nanos))? })
    }

    /// The calendar and the clock at `offset` seconds east of UTC.
    pub(in crate::cel) fn civil(self, offset: i64) -> Civil {
        let local = self.seconds + offset;
        let days = local.div_euclid(DAY);
        let clock = local.rem_euclid(DAY);
        let (year, month, day) = civil_from_days(days);
        Civil {
            year,
            month,
            day,
            day_of_year: days - days_from_civil(year, 1, 1),
            // 1970-01-01 was a Thursday.
            day_of_week: (days + 4).rem_euclid(7),
            hour: clock / 3600,
            minute: clock / 60 % 60,
            second: clock % 60,
        }
    }
}

/// As RFC 3339 in UTC, with as many fractional digits as are needed.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.civil(0);
        write!(f, "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", at.year, at.month, at.day, at.hour, at.minute, at.second)?;
        if self.nanos != 0 {
            let digits = format!("{:09}", self.nanos);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_char('Z')
    }
}

impl Duration {
    /// A span of `nanos` nanoseconds.
    #[must_use]
    pub fn from_nanos(nanos: i64) -> Self {
        Self { nanos }
    }

    /// The span in nanoseconds.
    #[must_use]
    pub fn nanos(self) -> i64 {
        self.nanos
    }

    /// Reads a Go duration, for example `1h30m` or `-1.5s`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let negative = text.starts_with('-');
        let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
        if rest == "0" {
            return Some(Self::default());
        }
        if rest.is_empty() {
            return None;
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (nanos, tail) = one_unit(rest)?;
            total = total.checked_add(nanos)?;
            rest = tail;
        }
        let nanos = if negative { 0_i64.checked_sub_unsigned(total)? } else { i64::try_from(total).ok()? };
        Some(Self { nanos })
    }

    /// The sum of both.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.nanos.checked_add(other.nanos).map(Self::from_nanos)
    }

    /// This span less `other`.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.nanos.checked_sub(other.nanos).map(Self::from_nanos)
    }

    /// The same span backwards.
    #[must_use]
    pub fn checked_neg(self) -> Option<Self> {
        self.nanos.checked_neg().map(Self::from_nanos)
    }
}

/// In seconds, for example `5400s` or `0.001s`.
impl fmt::Display for Duration {
    #[expect(clippy::cast_precision_loss, reason = "cel-go writes the nearest double")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = (self.nanos / NANOS) as f64 + (self.nanos % NANOS) as f64 / 1e9;
        write!(f, "{seconds}s")
    }
}

/// One number with its unit, in nanoseconds, and what follows; the arithmetic is Go's.
#[expect(clippy::cast_precision_loss, clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "as Go does")]
fn one_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (whole, rest) = text.split_at_checked(digits)?;
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(tail) => {
            let digits = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            tail.split_at_checked(digits)?
        }
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let unit_length = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at_checked(unit_length)?;
    let scale: u64 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Digits past the eighteenth cannot matter.
    let (mut numerator, mut divisor) = (0_u64, 1_f64);
    for digit in fraction.bytes().take(18) {
        numerator = numerator * 10 + u64::from(digit - b'0');
        divisor *= 10.0;
    }
    let part = (numerator as f64 * (scale as f64 / divisor)) as u64;
    Some((whole.checked_mul(scale)?.checked_add(part)?, rest))
}

/// Numbers of exactly the given widths with `separator` between them.
fn fields(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut out = [0; 3];
    let mut parts = text.split(separator);
    for (slot, width) in out.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != width || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *slot = part.parse().ok()?;
    }
    parts.next().is_none().then_some(out)
}

fn nanos_of_fraction(digits: &str) -> Option<u32> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nine: String = digits.chars().chain("000000000".chars()).take(9).collect();
    nine.parse().ok()
}

/// `+hh:mm` or `-hh:mm` in seconds east of UTC.
fn offset_seconds(zone: &str) -> Option<i64> {
    let (sign, rest) = match zone.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, zone.strip_prefix('+')?),
    };
    let (hours, minutes) = rest.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 || !rest.bytes().all(|b| b.is_ascii_digit() || b == b':') {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar, counted in eras of 400 years from March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}
