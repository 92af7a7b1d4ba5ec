//! Where the engine is known to differ from the API server: by what, why, and in which expressions.
//!
//! Each has a case of `tests/vectors/cel` too, with its name in `differs`. A predicate is as narrow as the answers
//! allow.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::{Compared, Group, answers, ask};
use crate::cel::{CompileErrorKind, tests::vectors};

struct Difference {
    name: &'static str,
    /// Why it is so.
    why: &'static str,
    covers: fn(&Compared) -> bool,
}

/// The name of what is known to differ there.
pub(super) fn name(compared: &Compared) -> Option<&'static str> {
    DIFFERENCES.iter().find(|difference| (difference.covers)(compared)).map(|difference| difference.name)
}

fn names(compared: &Compared, parts: &[&str]) -> bool {
    parts.iter().any(|part| compared.expression.contains(part))
}

/// Whether both compile, and give the same but for the cost.
fn only_costs_differ(compared: &Compared) -> bool {
    let theirs = &compared.theirs.expected;
    let own = &compared.own;
    !compared.is_refused() && (&own.of, &own.value, &own.error) == (&theirs.of, &theirs.value, &theirs.error)
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "an absorbed panic",
        why: "The API server's counting of costs panics on an argument that is an error, and the evaluation ends there; \
              here the error is absorbed like others.",
        covers: |compared| {
            compared.theirs.expected.error.as_deref() == Some("Internal")
                && names(compared, &["sort", "distinct(", "flatten("])
        },
    },
    Difference {
        name: "an optional part of type dyn",
        why: "The validator of cel-go panics on it, and so the API server refuses it.",
        covers: |compared| {
            let message = compared.theirs.message.as_deref().unwrap_or_default();
            !compared.is_refused() && message.starts_with("runtime error: index out of range [0]")
        },
    },
    Difference {
        name: "a comparison that fails",
        why: "Kubernetes' min, max and isSorted ignore that two elements cannot be compared; here it is an error.",
        covers: |compared| {
            // Another error may come before it, and then only what was not evaluated any more tells.
            let is_hidden = compared.own.error.is_some() && only_costs_differ(compared);
            let fails = matches!(compared.own.error.as_deref(), Some("NoSuchOverload" | "InvalidArgument"));
            names(compared, &["min()", "max()", "isSorted()"])
                && (fails || (is_hidden && names(compared, &["mixed", "lt", "dyn("])))
        },
    },
    Difference {
        name: "a key of another type",
        why: "Keys of maps are booleans, numbers and strings; a map that cel-go builds takes any.",
        covers: |compared| {
            let refused = compared.own_errors.iter().any(|(_, kind)| kind.to_string().contains("map key"));
            // Another error may come before it, and then only the cost tells.
            let is_hidden = compared.own.error.is_some()
                && only_costs_differ(compared)
                && (names(compared, &["{dyn("]) || (names(compared, &["{x:"]) && names(compared, &["mixed"])));
            refused || is_hidden || compared.own.error.as_deref() == Some("InvalidKey")
        },
    },
    Difference {
        name: "a number or time in a notation of Go",
        why: "Texts are read as the specification says: no hexadecimal doubles, underscores, or hours of one digit.",
        covers: |compared| {
            names(compared, &["double(", "timestamp("])
                && (compared.is_refused() || compared.own.error.as_deref() == Some("Conversion"))
                && compared.theirs.expected.error.as_deref() != Some("Compile")
        },
    },
    Difference {
        name: "a time with an offset as a text",
        why: "Timestamps are written in UTC: equal ones have one text.",
        covers: |compared| names(compared, &["string("]) && names(compared, &["+0", "-0", ":30'"]),
    },
    Difference {
        name: "has() of a conditional",
        why: "cel-go takes back the 1 of a name that was not counted.",
        covers: |compared| {
            names(compared, &["has("])
                && names(compared, &["?"])
                && only_costs_differ(compared)
                && compared.own.cost > compared.theirs.expected.cost
        },
    },
    Difference {
        name: "the first of several errors",
        why: "Both report an error that is the same, and one of them another before it: of several constants that are \
              refused the first one ends a compilation here, and what has no type after an error is dyn.",
        covers: |compared| {
            let own: Vec<&String> = compared.own_errors.iter().map(|(at, _)| at).collect();
            compared.is_refused() && compared.theirs.positions.iter().any(|at| own.contains(&at))
        },
    },
    Difference {
        name: "the first of several constants",
        why: "What no validator of the API server sees, such as a pattern of find, is refused after the rest there, and \
              has no place.",
        covers: |compared| {
            compared.is_refused()
                && compared.own_errors.iter().any(|(_, kind)| matches!(kind, CompileErrorKind::InvalidConstant(_)))
                && compared.theirs.message.as_deref().is_some_and(|message| message.ends_with(" argument"))
        },
    },
    Difference {
        name: "a macro's variable with a dot before it",
        why: "cel-go takes it, and nothing can read it.",
        covers: |compared| {
            let is_name =
                |kind: &CompileErrorKind| matches!(kind, CompileErrorKind::Macro(why) if why.contains("simple name"));
            let bare = compared.expression.replace(' ', "");
            (bare.contains("(.") || bare.contains(",.")) && compared.own_errors.iter().any(|(_, kind)| is_name(kind))
        },
    },
    Difference {
        name: "the limit of work",
        why: "Work is a second meter, for what costs the API server nearly nothing and takes long.",
        covers: |compared| compared.own.error.as_deref() == Some("WorkExceeded"),
    },
];

/// A case that says of itself to be an example of a difference.
fn example(case: vectors::Case) -> Option<(String, Group)> {
    let name = case.differs?.name?;
    let types = case.types.into_iter().map(|(name, of)| (name, Json::from(of))).collect();
    let input = case.input.into_iter().collect::<Map<_, _>>();
    Some((name, Group { types, input, variables: None, expressions: vec![case.expression] }))
}

#[test]
fn every_difference_has_a_vector_that_shows_it() {
    let (names, groups): (Vec<_>, Vec<_>) = vectors::cases().into_iter().filter_map(|(_, case)| example(case)).unzip();
    for ((wanted, group), theirs) in names.iter().zip(&groups).zip(ask(&groups, 1)) {
        let own = answers(group).remove(0);
        let compared = Compared::new(&group.expressions[0], &group.input, own, theirs);
        let found = name(&compared).filter(|_| !compared.agrees());
        assert_eq!(found, Some(wanted.as_str()), "{}", compared.expression);
    }
    let shown: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let known: BTreeSet<&str> = DIFFERENCES.iter().map(|difference| difference.name).collect();
    assert_eq!(shown, known);
    assert!(DIFFERENCES.iter().all(|difference| !difference.why.is_empty()));
}
