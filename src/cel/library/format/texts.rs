//! UUIDs, base64, dates and times, as `k8s.io/kube-openapi/pkg/validation/strfmt` checks them.

/// Whether the text is five groups of hexadecimal digits, with or without dashes between them.
pub(super) fn is_uuid(text: &str) -> bool {
    let mut rest = text;
    for (index, digits) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if index > 0 {
            rest = rest.strip_prefix('-').unwrap_or(rest);
        }
        let Some((group, after)) = rest.split_at_checked(digits) else { return false };
        if !group.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}

/// Whether the text is base64 with padding, and not empty.
pub(super) fn is_base64(text: &str) -> bool {
    let digits = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    !text.is_empty()
        && text.len().is_multiple_of(4)
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

/// A number of exactly so many digits.
fn digits(text: &str, count: usize) -> Option<u32> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Whether the text is a day of the Gregorian calendar, in the form `2006-01-02`.
pub(super) fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    let (Some(year), Some(month), Some(day)) = (digits(year, 4), digits(month, 2), digits(day, 2)) else {
        return false;
    };
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// Whether the text is a date and a time with an offset. As in strfmt, what follows a second `t` is not looked at,
/// anything may stand for the point of the fraction, and any offset is taken.
pub(super) fn is_datetime(text: &str) -> bool {
    let mut parts = text.split(['t', 'T']);
    let (Some(date), Some(time)) = (parts.next(), parts.next()) else { return false };
    is_date(date) && is_time(time)
}

fn is_time(text: &str) -> bool {
    let Some((clock, rest)) = text.split_at_checked(8) else { return false };
    let parts: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = parts.as_slice() else { return false };
    let within = |text: &str, limit: u32| digits(text, 2).is_some_and(|value| value <= limit);
    within(hour, 23) && within(minute, 59) && within(second, 59) && is_end_of_time(rest)
}

/// Whether the text is an offset, perhaps after a fraction.
fn is_end_of_time(text: &str) -> bool {
    let mut characters = text.chars();
    let fraction = match characters.next() {
        Some(point) if point != '\n' => characters.as_str(),
        _ => return false,
    };
    let after = fraction.trim_start_matches(|character: char| character.is_ascii_digit());
    is_offset(text) || (after.len() < fraction.len() && is_offset(after))
}

fn is_offset(text: &str) -> bool {
    let Some(offset) = text.strip_prefix(['+', '-']) else { return text.eq_ignore_ascii_case("z") };
    offset.split_once(':').is_some_and(|(hours, minutes)| digits(hours, 2).is_some() && digits(minutes, 2).is_some())
}
