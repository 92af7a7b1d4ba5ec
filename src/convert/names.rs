//! Names as Writ has them.

use std::collections::BTreeMap;

use crate::{
    api::{LabelSelector, SelectorOperator},
    cel::{self, Environment, Type},
    policy::MAX_NAME,
};

/// The id of a policy: a DNS label of at most [`MAX_NAME`] characters; with a number from the second of its name on.
pub(super) fn id(name: &str, number: usize) -> String {
    let end = if number > 1 { format!("-{number}") } else { String::new() };
    let plain = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let stem: String = name.to_ascii_lowercase().chars().map(plain).take(MAX_NAME.saturating_sub(end.len())).collect();
    let stem = stem.trim_matches('-');
    format!("{}{end}", if stem.is_empty() { "policy" } else { stem })
}

/// A name of a match condition, such as `example.com/not-leases`, as an identifier of CEL.
pub(super) fn identifier(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for character in name.chars() {
        if !character.is_ascii_alphanumeric() && character != '_' {
            upper = !out.is_empty();
        } else if std::mem::take(&mut upper) {
            out.push(character.to_ascii_uppercase());
        } else {
            out.push(character);
        }
    }
    let reserved = |name: &str| cel::compile(name, &Environment::new().variable(name, Type::Dyn), None).is_err();
    if out.is_empty() || out.starts_with(|first: char| first.is_ascii_digit()) || reserved(&out) {
        out.insert(0, '_');
    }
    out
}

/// Whether labels are selected, as Kubernetes selects.
pub(super) fn is_selected(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let equal = selector.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value));
    equal
        && selector.match_expressions.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            let listed = value.is_some_and(|value| requirement.values.contains(value));
            match requirement.operator {
                SelectorOperator::In => listed,
                SelectorOperator::NotIn => !listed,
                SelectorOperator::Exists => value.is_some(),
                SelectorOperator::DoesNotExist => value.is_none(),
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_those_of_writ() {
        for (name, number, wanted) in [
            ("replica-limit.example.com", 1, "replica-limit-example-com"),
            ("replica-limit.example.com", 2, "replica-limit-example-com-2"),
            ("-A_b.", 1, "a-b"),
            ("...", 1, "policy"),
            ("a-very-long-name-that-has-more-than-forty-characters", 12, "a-very-long-name-that-has-more-than-f-12"),
        ] {
            assert_eq!(id(name, number), wanted, "{name}");
        }
        for (name, wanted) in [
            ("exclude-leases", "excludeLeases"),
            ("example.com/x", "exampleComX"),
            ("in", "_in"),
            ("2nd", "_2nd"),
            ("ok_1", "ok_1"),
        ] {
            assert_eq!(identifier(name), wanted, "{name}");
        }
    }
}
