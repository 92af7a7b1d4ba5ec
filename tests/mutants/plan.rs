//! One program that holds all mutations: each is a branch that an environment variable takes.
//!
//! A build for each mutation would take an hour. Here the text of a mutation becomes
//! `match crate::mutant::active() { 7 => { instead } _ => { text } }`, so that one build serves all of them.

use std::{collections::BTreeMap, fs, ops::Range, path::Path};

use crate::table::{MUTATIONS, Mutation};

/// The variable that names the mutation to take, counted from one.
pub(crate) const VARIABLE: &str = "WRIT_MUTANT";

/// The module that reads it.
#[allow(dead_code, reason = "the test of the table builds nothing")]
pub(crate) const MODULE: &str = r#"//! Which mutation is taken.
pub(crate) fn active() -> usize {
    static ACTIVE: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *ACTIVE.get_or_init(|| std::env::var("WRIT_MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(0))
}
"#;

/// What replaces a part of a file, and the mutations that do.
struct Site {
    place: Range<usize>,
    /// (number from one, what stands there instead)
    instead: Vec<(usize, &'static str)>,
}

/// The files with all mutations in them, by their path below `src`.
///
/// # Errors
/// Every mutation whose text is not there exactly once, or overlaps another's.
pub(crate) fn instrument(src: &Path) -> Result<BTreeMap<&'static str, String>, Vec<String>> {
    let mut files: BTreeMap<&'static str, (String, Vec<Site>)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (index, mutation) in MUTATIONS.iter().enumerate() {
        let (text, sites) = files
            .entry(mutation.file)
            .or_insert_with(|| (fs::read_to_string(src.join(mutation.file)).unwrap_or_default(), Vec::new()));
        match find(text, mutation) {
            Ok(place) => match sites.iter_mut().find(|site| site.place == place) {
                Some(site) => site.instead.push((index + 1, mutation.instead)),
                None => sites.push(Site { place, instead: vec![(index + 1, mutation.instead)] }),
            },
            Err(error) => wrong.push(error),
        }
    }
    let mut instrumented = BTreeMap::new();
    for (file, (text, mut sites)) in files {
        // The outer before the inner.
        sites.sort_by_key(|site| (site.place.start, std::cmp::Reverse(site.place.end)));
        for (first, second) in sites.iter().zip(sites.iter().skip(1)) {
            let (first, second) = (&first.place, &second.place);
            if second.start < first.end && second.end > first.end {
                wrong.push(format!("{file}: `{}` and `{}` overlap", &text[first.clone()], &text[second.clone()]));
            }
        }
        instrumented.insert(file, write(&text, 0..text.len(), &sites));
    }
    if wrong.is_empty() { Ok(instrumented) } else { Err(wrong) }
}

/// Where the part that a mutation replaces stands.
fn find(text: &str, mutation: &Mutation) -> Result<Range<usize>, String> {
    let Mutation { file, text: wanted, .. } = mutation;
    let plain = wanted.replace(['«', '»'], "");
    let mut found = text.match_indices(&plain);
    let (Some((start, _)), None) = (found.next(), found.next()) else {
        return Err(format!("{file}: `{plain}` stands there {} times", text.matches(&plain).count()));
    };
    let Some((before, rest)) = wanted.split_once('«') else { return Ok(start..start + plain.len()) };
    let part = rest.split('»').next().unwrap_or_default();
    let start = start + before.len();
    Ok(start..start + part.len())
}

/// A part of a file, its sites replaced; inner sites stay in what an outer one keeps.
fn write(text: &str, part: Range<usize>, sites: &[Site]) -> String {
    let mut written = String::new();
    let mut at = part.start;
    let mut rest = sites;
    while let Some((site, after)) = rest.split_first() {
        let inner = after.iter().take_while(|other| other.place.start < site.place.end).count();
        let (inner, after) = after.split_at(inner);
        let kept = write(text, site.place.clone(), inner);
        written.push_str(&text[at..site.place.start]);
        let statement = kept.ends_with(';');
        let arms = site.instead.iter().map(|(number, instead)| format!("{number} => {{ {instead} }} "));
        let branches = format!("match crate::mutant::active() {{ {}_ => {{ {kept} }} }}", arms.collect::<String>());
        written.push_str(&if statement { branches } else { format!("({branches})") });
        at = site.place.end;
        rest = after;
    }
    written.push_str(&text[at..part.end]);
    written
}
