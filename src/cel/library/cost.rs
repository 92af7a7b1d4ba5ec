use super::{
    super::{error::EvaluationErrorKind, fuel::Fuel, value::Value},
    format::NamedFormat,
};

/// What a call costs at run time, as cel-go's cost tracker and Kubernetes' `library.CostEstimator` count it. Numbers
/// are indexes of arguments, the target being argument 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) enum Cost {
    /// 1
    Unit,
    /// A tenth of the size of the argument.
    Scan(usize),
    /// A fifth of the size of the argument: read and written.
    Copy(usize),
    /// A tenth of the sizes of both arguments.
    Concatenate,
    /// A tenth of the smaller of both arguments.
    Compare,
    /// The product of a tenth of each.
    Contains,
    /// A tenth of the text times a quarter of the pattern.
    Match,
    /// The size of the list on the right.
    InList,
    /// One for each scalar inside the argument, a tenth for each byte of text.
    Traverse,
    /// A fifth of the size of the result.
    Join,
    /// A new list of the size of the result.
    NewList,
    /// A new list of the size of the target, times the depth.
    Flatten,
    /// Every element of the argument compared with every other.
    SelfCompare(usize),
    /// As [`Cost::Match`], by the size that Kubernetes gives to the pattern of a named format.
    Validate,
    /// Every element of one list compared with every element of the other, so many times.
    CrossCompare(u64),
    /// The bytes of a network's prefix compared with an address, or `masked` with another network; `parsed` where the
    /// other one is a text.
    Within {
        /// Compares networks.
        masked: bool,
        /// Parses a text first.
        parsed: bool,
    },
}

/// cel-go's `common.StringTraversalCostFactor`.
const TRAVERSAL: f64 = 0.1;
/// cel-go's `common.ListCreateBaseCost`, with the call itself.
const NEW_LIST: u64 = 11;

/// The smallest whole number that is at least a tenth of `size`. cel-go multiplies by 0.1 and rounds up, which is the
/// same wherever sizes are exact: the product of ten times a number is rounded to that number.
#[inline]
pub(in crate::cel) fn tenth(size: u64) -> u64 {
    size.div_ceil(10)
}

/// The same for a fifth.
#[inline]
pub(in crate::cel) fn fifth(size: u64) -> u64 {
    size.div_ceil(5)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as in cel-go"
)]
fn whole(size: u64, factor: f64) -> u64 {
    (size as f64 * factor) as u64
}

impl Cost {
    /// The cost of a call; an argument or a result that is an error is `None` and counts as size 1.
    #[inline]
    pub(in crate::cel) fn of<'v, 'a: 'v>(
        self,
        fuel: &mut Fuel,
        value: impl Fn(usize) -> Option<&'v Value<'a>>,
        result: Option<&Value<'_>>,
    ) -> Result<u64, EvaluationErrorKind> {
        let size = |fuel: &mut Fuel, index: usize| size(fuel, value(index));
        Ok(match self {
            Self::Unit => 1,
            Self::Scan(index) => tenth(size(fuel, index)?),
            Self::Copy(index) => fifth(size(fuel, index)?),
            Self::Concatenate => tenth(size(fuel, 0)?.saturating_add(size(fuel, 1)?)),
            Self::Compare => equality_cost(fuel, value(0), value(1))?,
            Self::Contains => tenth(size(fuel, 0)?).saturating_mul(tenth(size(fuel, 1)?)),
            Self::Match => match_cost(size(fuel, 0)?, size(fuel, 1)?),
            Self::InList => size(fuel, 1)?,
            Self::Validate => match value(0).and_then(Value::as_opaque::<NamedFormat>) {
                Some(format) => match_cost(size(fuel, 1)?, format.pattern_size()),
                None => 1,
            },
            Self::Traverse => value(0).map_or(Ok(1), |value| traverse(fuel, value))?,
            Self::Join => fifth(self::size(fuel, result)?),
            Self::NewList => self::size(fuel, result)?.saturating_add(NEW_LIST),
            Self::Flatten => {
                let depth = match value(1) {
                    #[expect(clippy::cast_precision_loss, reason = "as in cel-go")]
                    Some(Value::Int(depth)) => *depth as f64,
                    _ => 1.0,
                };
                let factor = if depth < 0.0 { 1.0 } else { depth };
                whole(size(fuel, 0)?, factor).saturating_add(NEW_LIST)
            }
            Self::SelfCompare(index) => {
                let elements = size(fuel, index)?;
                let first = match value(index) {
                    Some(Value::List(list)) => list.element(0),
                    _ => None,
                };
                let is_text = matches!(first, Some(Value::String(_) | Value::Bytes(_)));
                let factor = if is_text { 2.0 + TRAVERSAL } else { 2.0 };
                whole(elements.saturating_mul(elements), factor).saturating_add(NEW_LIST)
            }
            Self::CrossCompare(times) => cross_cost(size(fuel, 0)?, size(fuel, 1)?, times),
            Self::Within { masked, parsed } => {
                let other = if parsed { size(fuel, 1)? } else { 0 };
                within_cost(size(fuel, 0)?, other, masked)
            }
        })
    }
}

/// The size of a value, or of an error.
fn size(fuel: &mut Fuel, value: Option<&Value<'_>>) -> Result<u64, EvaluationErrorKind> {
    value.map_or(Ok(1), |value| value.size(fuel))
}

/// The cost of applying a pattern of `pattern` characters to a text of `text` characters: a quarter for each character
/// of the pattern (cel-go's `common.RegexStringLengthCostFactor`).
pub(in crate::cel) fn match_cost(text: u64, pattern: u64) -> u64 {
    tenth(text.saturating_add(1)).saturating_mul(pattern.div_ceil(4))
}

/// The cost of comparing the elements of two lists `times` times; cel-go adds the call.
pub(in crate::cel) fn cross_cost(left: u64, right: u64, times: u64) -> u64 {
    left.saturating_mul(right).saturating_mul(times).saturating_add(1)
}

/// The cost of finding an address or a network in a network: `parsed` is the length of the text that is read first.
pub(in crate::cel) fn within_cost(network: u64, parsed: u64, masked: bool) -> u64 {
    let mask = if masked { tenth(network).saturating_add(1) } else { 0 };
    tenth(network.saturating_mul(2)).saturating_add(mask).saturating_add(tenth(parsed))
}

/// The cost of equality and of order: a tenth of the smaller side, however deep it is.
pub(in crate::cel) fn equality_cost(
    fuel: &mut Fuel,
    a: Option<&Value<'_>>,
    b: Option<&Value<'_>>,
) -> Result<u64, EvaluationErrorKind> {
    let smaller = match (a, b) {
        // A character has at most four bytes: so much longer a text has more characters, and need not be counted.
        (Some(Value::String(short)), Some(Value::String(long))) if short.len() <= long.len() / 4 => size(fuel, a)?,
        (Some(Value::String(long)), Some(Value::String(short))) if short.len() <= long.len() / 4 => size(fuel, b)?,
        _ => size(fuel, a)?.min(size(fuel, b)?),
    };
    Ok(tenth(smaller))
}

/// Kubernetes' `traversalCost`; depth is bounded by that of values.
fn traverse(fuel: &mut Fuel, value: &Value<'_>) -> Result<u64, EvaluationErrorKind> {
    fuel.toil(1)?;
    Ok(match value {
        Value::String(text) => text.len() as u64 / 10,
        Value::Bytes(bytes) => bytes.len() as u64 / 10,
        Value::List(list) => {
            let mut cost: u64 = 0;
            for item in list.iter() {
                cost = cost.saturating_add(traverse(fuel, &item)?);
            }
            cost
        }
        Value::Map(map) => {
            let mut cost: u64 = 0;
            for (key, item) in map.iter() {
                cost = cost.saturating_add(traverse(fuel, &key)?).saturating_add(traverse(fuel, &item)?);
            }
            cost
        }
        _ => 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as cel-go"
    )]
    fn whole_numbers_count_as_the_doubles_of_the_api_server() {
        let up = |size: u64, factor: f64| (size as f64 * factor).ceil() as u64;
        let large = (20..48).flat_map(|power| (0..2_000).map(move |step| (1_u64 << power) - 1_000 + step));
        for size in (0..200_000).chain(large) {
            assert_eq!(tenth(size), up(size, TRAVERSAL), "a tenth of {size}");
            assert_eq!(fifth(size), up(size, 2.0 * TRAVERSAL), "a fifth of {size}");
            assert_eq!(size.div_ceil(4), up(size, 0.25), "a quarter of {size}");
            assert_eq!(size / 10, whole(size, TRAVERSAL), "of {size}");
        }
    }
}
