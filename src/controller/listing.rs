//! Whether the watches have seen everything that a consistent list shows: a pure comparison.

use std::collections::BTreeMap;

use super::observed::Seen;

/// All objects of one kind at one moment, as a quorum read shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The list's own resource version: nothing that happened later is in it.
    pub resource_version: u64,
    /// The objects by name.
    pub objects: BTreeMap<String, Seen>,
}

/// What counts as the same state of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// The spec.
    Generation,
    /// The whole object.
    ResourceVersion,
}

/// Objects that the watch reported as gone, with the resource version of their end.
pub type Gone = BTreeMap<String, u64>;

/// The first object, by name, whose listed state the watch has not reached. What the watch has seen beyond the list is
/// no difference: it may be ahead, never behind.
#[must_use]
pub fn difference<'s>(
    listing: &Listing,
    watched: impl Iterator<Item = (&'s str, &'s Seen)>,
    gone: &Gone,
    compare: Compare,
) -> Option<String> {
    let mut unseen: BTreeMap<&str, &Seen> = listing.objects.iter().map(|(name, seen)| (name.as_str(), seen)).collect();
    let mut extra = None;
    for (name, own) in watched {
        match unseen.remove(name) {
            Some(listed) if has_reached(own, listed, listing, compare) => {}
            // Not in the list: created after it, or its end has not been seen.
            None if own.resource_version > listing.resource_version => {}
            _ => {
                extra.get_or_insert_with(|| name.to_owned());
            }
        }
    }
    // Listed, and not watched: its end after the list was seen, or its beginning was not.
    let ended = |name: &str| gone.get(name).is_some_and(|end| *end > listing.resource_version);
    let missing = unseen.keys().find(|name| !ended(name)).map(|name| (*name).to_owned());
    [missing, extra].into_iter().flatten().min()
}

fn has_reached(own: &Seen, listed: &Seen, listing: &Listing, compare: Compare) -> bool {
    if own.uid != listed.uid {
        return own.resource_version > listing.resource_version;
    }
    match compare {
        Compare::Generation => own.generation >= listed.generation,
        Compare::ResourceVersion => own.resource_version >= listed.resource_version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(uid: &str, generation: i64, resource_version: u64) -> Seen {
        Seen { uid: uid.to_owned(), generation, resource_version }
    }

    fn objects(entries: &[(&str, &str, i64, u64)]) -> BTreeMap<String, Seen> {
        entries
            .iter()
            .map(|(name, uid, generation, version)| ((*name).to_owned(), seen(uid, *generation, *version)))
            .collect()
    }

    type Objects = &'static [(&'static str, &'static str, i64, u64)];
    /// What, listed, watched, gone, how it is compared, the difference.
    type Case = (&'static str, Objects, Objects, &'static [(&'static str, u64)], Compare, Option<&'static str>);

    #[test]
    fn the_watch_may_be_ahead_and_never_behind() {
        let cases: &[Case] = &[
            ("both empty", &[], &[], &[], Compare::Generation, None),
            ("equal", &[("a", "1", 1, 10)], &[("a", "1", 1, 10)], &[], Compare::Generation, None),
            ("status differs", &[("a", "1", 1, 50)], &[("a", "1", 1, 10)], &[], Compare::Generation, None),
            ("labels differ", &[("a", "1", 1, 50)], &[("a", "1", 1, 10)], &[], Compare::ResourceVersion, Some("a")),
            ("labels ahead", &[("a", "1", 1, 50)], &[("a", "1", 1, 60)], &[], Compare::ResourceVersion, None),
            ("change not seen", &[("a", "1", 2, 50)], &[("a", "1", 1, 10)], &[], Compare::Generation, Some("a")),
            ("change ahead", &[("a", "1", 2, 50)], &[("a", "1", 3, 110)], &[], Compare::Generation, None),
            ("creation not seen", &[("a", "1", 1, 50)], &[], &[], Compare::Generation, Some("a")),
            ("creation ahead", &[], &[("a", "1", 1, 101)], &[], Compare::Generation, None),
            ("end not seen", &[], &[("a", "1", 1, 50)], &[], Compare::Generation, Some("a")),
            ("end ahead", &[("a", "1", 1, 50)], &[], &[("a", 120)], Compare::Generation, None),
            ("an older end", &[("a", "1", 1, 50)], &[], &[("a", 40)], Compare::Generation, Some("a")),
            (
                "created again, not seen",
                &[("a", "2", 1, 90)],
                &[("a", "1", 7, 50)],
                &[],
                Compare::Generation,
                Some("a"),
            ),
            ("created again, ahead", &[("a", "1", 7, 50)], &[("a", "2", 1, 130)], &[], Compare::Generation, None),
            ("the first by name", &[("b", "1", 1, 5)], &[("a", "1", 1, 5)], &[], Compare::Generation, Some("a")),
            ("no number is the oldest", &[], &[("a", "1", 1, 0)], &[], Compare::Generation, Some("a")),
        ];
        for (what, listed, watched, gone, compare, expected) in cases {
            let listing = Listing { resource_version: 100, objects: objects(listed) };
            let watched = objects(watched);
            let gone: Gone = gone.iter().map(|(name, end)| ((*name).to_owned(), *end)).collect();
            let found = difference(&listing, watched.iter().map(|(name, seen)| (name.as_str(), seen)), &gone, *compare);
            assert_eq!(found.as_deref(), *expected, "{what}");
        }
    }
}
