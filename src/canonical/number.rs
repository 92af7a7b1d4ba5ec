/// A JSON number in its canonical kind: an integer whenever its value is one and fits, a finite double otherwise.
///
/// `1.0`, `1e0` and `1` are all `Int(1)`; `-0` is `Int(0)`; `Uint` only holds values above `i64::MAX`; `Double` is
/// never an integer between `i64::MIN` and `u64::MAX`. So equal numbers have equal representations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// An integer from `i64::MIN` to `i64::MAX`.
    Int(i64),
    /// An integer from `i64::MAX + 1` to `u64::MAX`.
    Uint(u64),
    /// Any other finite IEEE 754 double.
    Double(f64),
}

/// 2^63 and 2^64 as doubles; both are exact.
const TWO_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_64: f64 = 18_446_744_073_709_551_616.0;

impl Number {
    /// The canonical kind of a double, or `None` where it is not finite.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the ranges are checked first")]
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        if value.fract() == 0.0 {
            if (-TWO_63..TWO_63).contains(&value) {
                return Some(Self::Int(value as i64));
            }
            if (TWO_63..TWO_64).contains(&value) {
                return Some(Self::Uint(value as u64));
            }
        }
        Some(Self::Double(value))
    }

    /// The canonical kind of an unsigned integer.
    #[must_use]
    pub fn from_u64(value: u64) -> Self {
        i64::try_from(value).map_or(Self::Uint(value), Self::Int)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

/// Canonical numbers are never NaN, so equality is an equivalence.
impl Eq for Number {}
