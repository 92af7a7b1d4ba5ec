//! The fuzz targets on the stable toolchain: every input of the corpora, and mutations of them for a while.
//!
//! `make fuzz` runs the same functions under libFuzzer, which sees what of the code an input reaches.
//! `WRIT_FUZZ_SECONDS` gives each target more time, `WRIT_FUZZ_RUNS` so many executions instead, `WRIT_FUZZ_SEED` another
//! course. An input that fails is written to
//! `target/fuzz`; in the corpus it is a test from then on.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that fails stops here, and the environment says how long to look"
)]

#[path = "../fuzz/targets.rs"]
mod targets;

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use targets::{TARGETS, Target};

/// The longest input that is made.
const MAX_INPUT: usize = 16 * 1024;
/// How long one input may take, in a build without optimisation on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pieces that the formats are made of.
const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "true",
    "-0",
    "1e400",
    "1.0",
    "9223372036854775808",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\u{202e}",
    "\u{0}",
    "\n",
    "  ",
    "- ",
    "&a ",
    "*a",
    "<<: ",
    "!!binary ",
    "---\n",
    "'",
    "(",
    ")",
    "?",
    "&&",
    "||",
    "==",
    "object",
    ".all(x, ",
    "has(",
    "size(",
    "optional.none()",
    "matches('",
    "r'",
    "b'",
    "x",
    "0x",
    "u",
    "=",
    "-----BEGIN PUBLIC KEY-----",
    "metadata",
    "name",
    "annotations",
    "DELETE",
    "_",
    "A",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = folder().join("corpus").join(target);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not `{text}`")))
}

/// A generator of pseudo-random numbers (splitmix64): the course of a run is that of its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; zero where there is none.
    fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { usize::try_from(self.next() % end as u64).unwrap() }
    }
}

/// One to eight changes of an input.
fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(8) {
        let at = random.below(input.len() + 1);
        let upto = (at + random.below(64)).min(input.len());
        match random.below(9) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = random.next().to_le_bytes()[0],
            2 => drop(input.drain(at..upto)),
            3 => {
                let piece = input[at..upto].to_vec();
                input.splice(at..at, piece);
            }
            4 => {
                let from = random.below(other.len() + 1);
                let end = (from + random.below(256)).min(other.len());
                input.splice(at..upto, other[from..end].iter().copied());
            }
            5 => {
                let word = WORDS[random.below(WORDS.len())];
                input.splice(at..at, word.bytes());
            }
            6 => {
                // The same over and over: depth and length.
                let word = WORDS[random.below(WORDS.len())].repeat(1 << random.below(8));
                input.splice(at..at, word.bytes());
            }
            7 => input.truncate(at),
            _ => {
                let word = WORDS[random.below(WORDS.len())];
                input.splice(at..upto, word.bytes());
            }
        }
        input.truncate(MAX_INPUT);
    }
}

/// Runs a target on an input; a failure is kept, and told.
fn take(name: &str, target: Target, input: &[u8]) {
    let started = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
    let took = started.elapsed();
    if outcome.is_err() || took > PATIENCE {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}-failure"));
        fs::write(&path, input).unwrap();
        panic!("{name} fails ({took:?}) on {}, {:?}", path.display(), String::from_utf8_lossy(input));
    }
}

fn drive(name: &str) {
    let (_, target) = TARGETS.iter().find(|(own, _)| *own == name).unwrap();
    let corpus = corpus(name);
    assert!(corpus.len() >= 3, "{name}: a corpus has a few inputs");
    for input in &corpus {
        take(name, *target, input);
    }
    let time = Duration::from_secs(variable("WRIT_FUZZ_SECONDS").unwrap_or(1));
    // So many executions, however long they take.
    let runs = variable("WRIT_FUZZ_RUNS").unwrap_or(0);
    let mut random = Random(variable("WRIT_FUZZ_SEED").unwrap_or(1));
    let started = Instant::now();
    let mut executions = 0_u64;
    while if runs > 0 { executions < runs } else { started.elapsed() < time } {
        let mut input = corpus[random.below(corpus.len())].clone();
        let other = &corpus[random.below(corpus.len())];
        mutate(&mut input, other, &mut random);
        take(name, *target, &input);
        executions += 1;
    }
    println!(
        "{name}: {executions} executions in {:.1} s, {} inputs in the corpus",
        started.elapsed().as_secs_f64(),
        corpus.len()
    );
    assert!(executions > 0);
}

#[test]
fn canonical() {
    drive("canonical");
}

#[test]
fn cel_compile() {
    drive("cel_compile");
}

#[test]
fn cel_evaluate() {
    drive("cel_evaluate");
}

#[test]
fn cel_grammar() {
    drive("cel_grammar");
}

#[test]
fn cel_outline() {
    drive("cel_outline");
}

#[test]
fn cel_texts() {
    drive("cel_texts");
}

#[test]
fn compact() {
    drive("compact");
}

#[test]
fn envelope() {
    drive("envelope");
}

#[test]
fn policy() {
    drive("policy");
}

#[test]
fn quantity() {
    drive("quantity");
}

#[test]
fn review() {
    drive("review");
}

#[test]
fn keyring() {
    drive("keyring");
}

#[test]
fn record() {
    drive("record");
}

/// Every target has a corpus, an entry for libFuzzer and a test here.
#[test]
fn every_target_is_driven() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let stems = |folder: PathBuf| -> BTreeSet<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(stems(folder().join("corpus")), names);
    assert_eq!(stems(folder().join("fuzz_targets")), names);
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    let own = include_str!("fuzz.rs");
    for name in &names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        assert!(own.contains(&format!("drive(\"{name}\")")), "{name}");
    }
}

/// Each accepts some input of its corpus: one that refuses everything would find nothing.
#[test]
fn the_corpora_reach_beyond_the_first_error() {
    let text = |input: &[u8]| String::from_utf8_lossy(input).into_owned();
    let any =
        |name: &str, holds: &dyn Fn(&[u8]) -> bool| assert!(corpus(name).iter().any(|input| holds(input)), "{name}");
    any("canonical", &|input| writ::canonical::parse(input).is_ok());
    any("compact", &|input| writ::attest::Compact::parse(&text(input)).is_ok());
    any("envelope", &|input| writ::attest::Envelope::parse(input).is_ok());
    any("policy", &|input| writ::cli::read_policies(&text(input)).is_ok_and(|set| !set.bounds().is_empty()));
    any("quantity", &|input| writ::cel::Quantity::parse(&text(input)).is_ok());
    any("review", &|input| writ::admission::parse_review(input).is_ok());
    any("keyring", &|input| writ::keyring::Keyring::parse(&text(input)).is_ok());
    any("record", &|input| writ::replay::Record::from_json(&text(input)).is_ok());
    let environment = writ::cel::Environment::new().variable("object", writ::cel::Type::Dyn);
    let compiles = |source: &str| writ::cel::compile(source, &environment, None).is_ok();
    any("cel_compile", &|input| compiles(&text(input)));
    any("cel_evaluate", &|input| compiles(text(input).lines().next().unwrap_or_default()));
}
