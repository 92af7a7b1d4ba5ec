//! The CEL project's own tests: everything that Kubernetes offers of the language has to pass.
//!
//! The cases are fetched by `tests/cel-spec/cases.sh`. They are checked by the rules of the specification; policies
//! are checked by those of the API server, which are stricter ([`Rules`]). The oracle's tests hold the engine to these.

mod scope;
mod values;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    process::{Command, Stdio},
};

use serde::Deserialize;
use serde_json::Value as Json;

use super::{
    oracle::{self, Group},
    render::render,
};
use crate::cel::{Bindings, Environment, Fuel, Type, compile, environment::Rules};
use values::{type_of, value_of};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/conformance.md");

/// A case: what the CEL project gives, where it stands, and what its parser and checker say of it.
#[derive(Deserialize)]
struct Case {
    sections: Vec<String>,
    case: Json,
    /// The type that its checker found.
    #[serde(rename = "type")]
    of: Option<String>,
    error: Option<String>,
}

impl Case {
    fn text(&self, name: &str) -> Option<&str> {
        self.case.get(name)?.as_str()
    }

    fn expression(&self) -> &str {
        self.text("expr").unwrap()
    }

    /// Where it stands, for people: the suite and, in the large one, the section.
    fn section(&self) -> String {
        self.sections.iter().take(2).cloned().collect::<Vec<_>>().join(" / ")
    }

    fn is(&self, name: &str) -> bool {
        self.case.get(name).and_then(Json::as_bool).unwrap_or_default()
    }

    fn declarations(&self) -> impl Iterator<Item = &Json> {
        self.case.get("typeEnv").and_then(Json::as_array).into_iter().flatten()
    }

    fn declared_names(&self) -> impl Iterator<Item = &str> {
        self.declarations().filter_map(|declared| declared.get("name")?.as_str())
    }

    fn bindings(&self) -> impl Iterator<Item = (&String, &Json)> {
        self.case.get("bindings").and_then(Json::as_object).into_iter().flatten()
    }

    /// The environment of the case; `None` where it has variables of types that policies have not.
    fn environment(&self) -> Option<Environment> {
        let rules = if self.is("disableCheck") { Rules::Untyped } else { Rules::Specification };
        let mut env = Environment::new().rules(rules);
        for declared in self.declarations() {
            let of = type_of(declared.get("ident")?.get("type")?)?;
            env = env.variable(declared.get("name")?.as_str()?, of);
        }
        for (name, _) in self.bindings() {
            if env.slot(name).is_none() {
                env = env.variable(name, Type::Dyn);
            }
        }
        Some(env)
    }
}

/// What is wrong with what the engine makes of a case; nothing, where it passes.
fn fault(case: &Case) -> Option<String> {
    let Some(env) = case.environment() else { return Some("variables of unknown types".to_owned()) };
    let program = match compile(case.expression(), &env, None) {
        Ok(program) => program,
        // The specification lets an implementation refuse at compile time what cannot succeed.
        Err(_) if case.case.get("evalError").is_some() => return None,
        Err(_) if !case.evaluates() && case.error.is_some() => return None,
        Err(errors) => return Some(format!("refused: {errors}")),
    };
    if let Some(wanted) = case.case.pointer("/typedResult/deducedType") {
        let wanted = type_of(wanted).unwrap_or_else(|| panic!("{wanted}"));
        if *program.output() != wanted {
            return Some(format!("of type {} instead of {wanted}", program.output()));
        }
    }
    if !case.evaluates() {
        return case.compiles_as(&program.output().to_string());
    }
    let held: Vec<_> = case.bindings().map(|(name, bound)| (name, value_of(bound.get("value").unwrap()))).collect();
    let mut bindings = Bindings::new();
    for (name, value) in held {
        bindings.set(env.slot(name).unwrap(), value.unwrap_or_else(|| panic!("{name}")));
    }
    let found = program.evaluate(&bindings, &mut Fuel::new(Fuel::PER_EXPRESSION));
    let wanted = case.case.get("value").or_else(|| case.case.pointer("/typedResult/result"));
    match (found, wanted) {
        (Err(_), None) if case.case.get("evalError").is_some() => None,
        (Err(error), _) => Some(format!("failed: {error}")),
        (Ok(found), Some(wanted)) => {
            let wanted = render(&value_of(wanted).unwrap_or_else(|| panic!("{wanted}")));
            let found = render(&found);
            // The sign of a zero is not told apart by the project's own comparison.
            let same = found == wanted || found.replace("-0e+00", "0e+00") == wanted.replace("-0e+00", "0e+00");
            (!same).then(|| format!("{found} instead of {wanted}"))
        }
        (Ok(found), None) if case.case.get("evalError").is_some() => Some(format!("{} and no error", render(&found))),
        // A case that says nothing of its result means true.
        (Ok(found), None) => (found.as_bool() != Some(true)).then(|| format!("{} instead of true", render(&found))),
    }
}

impl Case {
    /// Whether the case has a result; others are about the parser and the checker only.
    fn evaluates(&self) -> bool {
        self.sections.first().is_some_and(|suite| suite == "conformance") && !self.is("checkOnly")
    }

    fn compiles_as(&self, found: &str) -> Option<String> {
        match &self.of {
            _ if self.is("checkOnly") => None,
            Some(wanted) if wanted == found => None,
            Some(wanted) => Some(format!("of type {found} instead of {wanted}")),
            None => Some(format!("compiles, and was to be refused: {}", self.error.as_deref().unwrap_or("?"))),
        }
    }
}

fn cases() -> Vec<Case> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cel-spec/cases.sh");
    let run = Command::new(script).stderr(Stdio::inherit()).output().unwrap();
    assert!(run.status.success(), "{script} failed, see above");
    let text = std::fs::read_to_string(String::from_utf8(run.stdout).unwrap().trim()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[derive(Default)]
struct Counts {
    passed: usize,
    as_the_api_server: usize,
    missed: usize,
    outside: BTreeMap<&'static str, usize>,
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a switch of the test, not of the program")]
fn the_engine_passes_the_tests_of_the_cel_project() {
    let known = |table: &[(&str, &str)], case: &Case| table.iter().any(|(text, _)| *text == case.expression());
    let mut sections: BTreeMap<String, Counts> = BTreeMap::new();
    let (mut unexplained, mut seen, mut missed) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for case in &cases() {
        let counts = sections.entry(case.section()).or_default();
        if let Some(reason) = scope::outside(case) {
            *counts.outside.entry(reason).or_default() += 1;
            continue;
        }
        seen.insert(case.expression().to_owned());
        let Some(fault) = fault(case) else {
            counts.passed += 1;
            continue;
        };
        missed.insert(case.expression().to_owned());
        if known(scope::AS_THE_API_SERVER, case) {
            counts.as_the_api_server += 1;
        } else if known(scope::MISSES, case) {
            counts.missed += 1;
        } else {
            unexplained.push(format!("{}: {}\n  {fault}", case.sections.join("/"), case.expression()));
        }
    }
    assert!(unexplained.is_empty(), "{} cases:\n{}", unexplained.len(), unexplained.join("\n"));
    for (expression, _) in scope::MISSES.iter().chain(scope::AS_THE_API_SERVER) {
        let passes = seen.contains(*expression) && !missed.contains(*expression);
        assert!(!passes, "`{expression}` passes now: take it from the table");
    }
    differs_as_the_api_server_does(&missed);
    let page = page(&sections, &missed);
    if std::env::var("WRIT_WRITE_DOCS").is_ok() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let committed = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert_eq!(committed, page, "run `WRIT_WRITE_DOCS=1 cargo test --lib conformance` and commit docs/conformance.md");
}

/// What is said to be as the API server has it is so: by its rules the engine makes the same of it.
fn differs_as_the_api_server_does(missed: &BTreeSet<String>) {
    let pairs = |value: fn(&(&str, &str, &str)) -> String| {
        scope::INPUTS.iter().map(|input| (input.0.to_owned(), Json::from(value(input)))).collect()
    };
    let expressions: Vec<String> = scope::AS_THE_API_SERVER
        .iter()
        .map(|(text, _)| (*text).to_owned())
        .filter(|text| missed.contains(text))
        .collect();
    assert!(expressions.len() >= 9);
    oracle::agrees(Group {
        types: pairs(|input| input.1.to_owned()),
        input: pairs(|input| input.2.to_owned()),
        expressions,
        ..Group::default()
    });
}

fn page(sections: &BTreeMap<String, Counts>, misses: &BTreeSet<String>) -> String {
    let sum = |count: fn(&Counts) -> usize| sections.values().map(count).sum::<usize>();
    let (passed, as_the_api_server) = (sum(|counts| counts.passed), sum(|counts| counts.as_the_api_server));
    let (missed, outside) = (sum(|counts| counts.missed), sum(|counts| counts.outside.values().sum()));
    assert!(passed > 1_300 && missed * 200 <= passed + missed, "{passed} passed and {missed} did not");

    let mut page = String::from(include_str!("conformance/page.md"));
    page.push_str("| section | passed | as the API server | missed | out of scope |\n|---|---:|---:|---:|---|\n");
    for (section, counts) in sections {
        let outside: Vec<String> = counts.outside.iter().map(|(why, count)| format!("{count}: {why}")).collect();
        let Counts { passed, as_the_api_server, missed, .. } = counts;
        let outside = outside.join("; ");
        let _ = writeln!(page, "| {section} | {passed} | {as_the_api_server} | {missed} | {outside} |");
    }
    let _ = writeln!(page, "| **all** | **{passed}** | **{as_the_api_server}** | **{missed}** | **{outside}** |");
    for (title, rows) in [("As the API server", scope::AS_THE_API_SERVER), ("Missed", scope::MISSES)] {
        let _ = writeln!(page, "\n## {title}\n\n| expression | how it differs |\n|---|---|");
        for (expression, why) in rows.iter().filter(|(expression, _)| misses.contains(*expression)) {
            let _ = writeln!(page, "| `{}` | {why} |", expression.replace('|', "\\|"));
        }
    }
    page
}
