//! Whether an object is the subject of a statement.

use std::{collections::BTreeMap, fmt};

use super::Verified;
use crate::{
    attest::{Statement, SubtreeTag},
    digest::Digest,
};

/// The object is not the one that was attested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectChanged {
    /// The top-level subtrees that differ, were added or went, as far as the tags show it.
    pub subtrees: Vec<String>,
}

impl ObjectChanged {
    /// The reason code.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        "ObjectChanged"
    }
}

/// The most names that a message shows, and the most characters of each: keys of an object are anybody's text.
const SHOWN: usize = 8;
const SHOWN_CHARACTERS: usize = 64;

impl fmt::Display for ObjectChanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the object is not the one that was attested")?;
        for (index, name) in self.subtrees.iter().take(SHOWN).enumerate() {
            let name: String = name.chars().take(SHOWN_CHARACTERS).collect();
            write!(f, "{}`{}`", if index == 0 { ": it differs in " } else { ", " }, name.escape_debug())?;
        }
        if self.subtrees.len() > SHOWN {
            write!(f, " and {} more", self.subtrees.len() - SHOWN)?;
        }
        Ok(())
    }
}

impl std::error::Error for ObjectChanged {}

/// Compares the projection of an object with the subject of `statement`.
///
/// # Errors
/// [`ObjectChanged`] names the subtrees that differ. The digest decides; the tags only name.
pub fn check_object(
    statement: &Verified<Statement>,
    projection: &Digest,
    subtrees: &BTreeMap<String, SubtreeTag>,
) -> Result<(), ObjectChanged> {
    if statement.subject == *projection {
        return Ok(());
    }
    let attested = &statement.predicate.subtrees;
    let names = attested.keys().chain(subtrees.keys().filter(|name| !attested.contains_key(*name)));
    let mut changed: Vec<String> = names.filter(|name| attested.get(*name) != subtrees.get(*name)).cloned().collect();
    changed.sort_unstable();
    Err(ObjectChanged { subtrees: changed })
}
