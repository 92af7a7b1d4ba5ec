//! Conditions in the sense of `meta/v1`: a time of transition moves only with the status.

use crate::{
    api::{Condition, ConditionStatus},
    time::Timestamp,
};

/// The longest message; `meta/v1` allows 32,768 bytes.
const MAX_MESSAGE: usize = 8192;

/// What is found about one aspect of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The type of the condition.
    pub type_: &'static str,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, as one CamelCase word.
    pub reason: &'static str,
    /// Why, in words.
    pub message: String,
}

impl Finding {
    /// A condition that holds.
    #[must_use]
    pub fn holds(type_: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { type_, status: ConditionStatus::True, reason, message: message.into() }
    }

    /// One that does not.
    #[must_use]
    pub fn fails(type_: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { type_, status: ConditionStatus::False, reason, message: message.into() }
    }
}

/// The conditions of an object after `findings` about its `generation`; `before` are those that are stored.
#[must_use]
pub fn conditions(before: &[Condition], findings: Vec<Finding>, generation: i64, now: Timestamp) -> Vec<Condition> {
    let condition = |finding: Finding| {
        let old = find(before, finding.type_).filter(|old| old.status == finding.status);
        Condition {
            type_: finding.type_.to_owned(),
            status: finding.status,
            reason: finding.reason.to_owned(),
            message: cut(finding.message),
            last_transition_time: old.map_or_else(|| seconds(now), |old| old.last_transition_time.clone()),
            observed_generation: Some(generation),
        }
    };
    findings.into_iter().map(condition).collect()
}

/// The condition of a type.
#[must_use]
pub fn find<'c>(conditions: &'c [Condition], type_: &str) -> Option<&'c Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// As `meta/v1` writes a time: whole seconds.
fn seconds(now: Timestamp) -> String {
    let text = Timestamp::from_millis(now.as_millis().div_euclid(1000) * 1000).to_string();
    text.replace(".000Z", "Z")
}

fn cut(mut message: String) -> String {
    if message.len() > MAX_MESSAGE {
        let end = (0..=MAX_MESSAGE - 3).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + millis)
    }

    #[test]
    fn a_time_of_transition_moves_only_with_the_status() {
        let first = conditions(&[], vec![Finding::fails("Ready", "PolicyMissing", "a")], 1, at(1234));
        assert_eq!(first[0].last_transition_time, "2027-01-15T08:00:01Z");
        let same = conditions(&first, vec![Finding::fails("Ready", "NotCovered", "b")], 2, at(60_000));
        assert_eq!((same[0].reason.as_str(), same[0].observed_generation), ("NotCovered", Some(2)));
        assert_eq!(same[0].last_transition_time, first[0].last_transition_time);
        let other = conditions(&same, vec![Finding::holds("Ready", "InForce", "c")], 2, at(60_000));
        assert_eq!(other[0].last_transition_time, "2027-01-15T08:01:00Z");
    }

    #[test]
    fn messages_are_cut_between_characters() {
        let long = conditions(&[], vec![Finding::holds("Ready", "InForce", "é".repeat(9000))], 1, at(0));
        assert!(long[0].message.len() <= MAX_MESSAGE && long[0].message.ends_with("é…"));
    }
}
