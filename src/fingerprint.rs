//! The identity of a `Once` authority: the policy's id and the values of `replay.key`.
//!
//! Version and digest of the policy are not part of it: publishing a new version, or going back to an old one, makes
//! no used authority new. Neither does a further signal.

use std::collections::BTreeMap;

use crate::{
    canonical::{Object, Value},
    digest::{Digest, Domain},
    signal::SignalValue,
};

/// The fingerprint of the authority that `key` names under policy `id`; `None` where a named signal has no value.
#[must_use]
pub fn fingerprint(id: &str, key: &[String], signals: &BTreeMap<String, SignalValue>) -> Option<Digest> {
    let values: Option<Object<'_>> = key
        .iter()
        .map(|name| Some((name.as_str(), signals.get(name)?.to_value())))
        .collect::<Option<Vec<_>>>()
        .map(|entries| entries.into_iter().collect());
    let identity: Object<'_> = [("key", Value::Object(values?)), ("policy", Value::from(id))].into_iter().collect();
    Some(Digest::of_value(Domain::Fingerprint, &Value::Object(identity)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signals(text: &[(&str, &str)]) -> BTreeMap<String, SignalValue> {
        text.iter().map(|(name, value)| ((*name).to_owned(), SignalValue::String((*value).to_owned()))).collect()
    }

    fn of(id: &str, key: &[&str], values: &[(&str, &str)]) -> Option<Digest> {
        let key: Vec<String> = key.iter().map(|name| (*name).to_owned()).collect();
        fingerprint(id, &key, &signals(values))
    }

    #[test]
    fn only_the_policy_and_the_key_count() {
        let first = of("ticket", &["a", "b"], &[("a", "1"), ("b", "2")]);
        assert!(first.is_some());
        assert_eq!(first, of("ticket", &["b", "a"], &[("a", "1"), ("b", "2")]), "order of the key");
        assert_eq!(first, of("ticket", &["a", "b"], &[("a", "1"), ("b", "2"), ("c", "3")]), "a further signal");
        for other in [
            of("other", &["a", "b"], &[("a", "1"), ("b", "2")]),
            of("ticket", &["a"], &[("a", "1"), ("b", "2")]),
            of("ticket", &["a", "b"], &[("a", "2"), ("b", "1")]),
            of("ticket", &["a", "b"], &[("a", "12"), ("b", "")]),
        ] {
            assert_ne!(first, other);
        }
        assert_eq!(of("ticket", &["a"], &[]), None);
    }

    /// INVARIANT: a change here would make every used authority new.
    #[test]
    fn the_value_is_pinned() {
        let value = of("change-ticket", &["ticket"], &[("ticket", "CHG-1")]).map(|digest| digest.to_hex());
        let expected =
            Digest::plain(b"writ.dev/fingerprint/v1\0{\"key\":{\"ticket\":\"CHG-1\"},\"policy\":\"change-ticket\"}");
        assert_eq!(value, Some(expected.to_hex()));
    }
}
