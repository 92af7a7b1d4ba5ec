//! The table of mutations stays true to the code; `make mutants` takes them.

#[path = "mutants/plan.rs"]
mod plan;
#[path = "mutants/table.rs"]
mod table;

use std::{fs, path::Path};

use table::MUTATIONS;

#[test]
fn every_mutation_stands_in_the_code_exactly_once() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    assert_eq!(plan::instrument(&src).err(), None);
    assert!(MUTATIONS.len() > 100, "{}", MUTATIONS.len());
    assert_eq!(plan::VARIABLE, "WRIT_MUTANT");
}

#[test]
fn every_mutation_names_a_test() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for mutation in MUTATIONS {
        let (module, name) = mutation.test.rsplit_once("::").unwrap();
        let file = src.join(format!("{}.rs", module.replace("::", "/")));
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(text.contains(&format!("fn {name}()")), "{}", mutation.test);
    }
}

/// No mutation is there twice, and none changes nothing.
#[test]
fn every_mutation_is_another() {
    for (index, mutation) in MUTATIONS.iter().enumerate() {
        let same = |other: &table::Mutation| {
            (other.file, other.text, other.instead) == (mutation.file, mutation.text, mutation.instead)
        };
        assert!(!MUTATIONS[..index].iter().any(same), "{}: {}", mutation.file, mutation.text);
        assert_ne!(mutation.text, mutation.instead);
    }
}
