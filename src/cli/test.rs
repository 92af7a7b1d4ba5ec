//! `writ test`: policies against the cases that their authors keep beside them.

mod case_file;
mod conditions;
mod coverage;
mod digests;
mod junit;
mod run;

use std::path::{Path, PathBuf};

use serde::Serialize;

#[cfg(feature = "cluster")]
pub(super) use case_file::PolicyTests;

use super::{
    Exit, Failure, Io,
    console::{Answer, Console, Format, OutputArguments, Paint},
    input::reason,
};
use coverage::{Coverage, RuleCoverage};
use digests::{DigestReport, Pinned};
use run::CaseReport;

const EXAMPLES: &str = "\
Examples:
  writ test policies/
  writ test policies/ --filter freeze
  writ test policies/ --junit report.xml
  writ test policies/ --update-digests      # pin new policy versions, then commit writ.lock

Cases stand beside the policies in `tests.yaml` or `<name>.tests.yaml`:

  apiVersion: writ.dev/v1alpha1
  kind: PolicyTests
  cases:
  - name: a deployment needs a ticket
    binding: change-tickets
    object: {apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}}
    expect: {outcome: Deny, reason: SignalMissing}

docs/schema/test-cases.json describes every field.

Exit codes: 0 all passed, 1 a case failed or a pinned policy version changed, 2 could not be run.";

/// Run the test cases of policies, and check that no published version changed.
///
/// Every policy in a folder with test cases is compiled, and its digest compared with the folder's `writ.lock`: a
/// version that was published never changes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TestCommand {
    /// The folder to search for test cases, with the folders in it; or one file of them.
    #[arg(value_name = "DIR")]
    path: PathBuf,
    /// Run only cases whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Also write the outcome as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Pin the digests of new policy versions in `writ.lock`; those that are there stay as they are.
    #[arg(long)]
    update_digests: bool,
    /// Fail where fewer than this percentage of the rules decided some case.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100), conflicts_with = "filter")]
    min_coverage: Option<u8>,
    #[command(flatten)]
    output: OutputArguments,
}

/// The answer of `writ test`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct TestResult {
    /// Whether everything is as it should be.
    passed: bool,
    /// Every case that was run, by file and in its order.
    cases: Vec<CaseReport>,
    /// Which rules decided some case, by policy.
    coverage: Vec<Coverage>,
    /// The rules that decided some case, in per cent of all, rounded down.
    coverage_percent: u64,
    /// What the authors of acceptable policies should know, each with the policy that it is about.
    warnings: Vec<String>,
    /// Every policy version and what `writ.lock` says about it.
    digests: Vec<DigestReport>,
}

impl Answer for TestResult {
    const KIND: &'static str = "TestResult";
}

impl TestCommand {
    pub(super) fn run(&self, io: &mut Io) -> Result<Exit, Failure> {
        let files = test_files(&self.path)?;
        let mut result = TestResult::default();
        let mut rules = RuleCoverage::default();
        let mut pinned = Pinned::default();
        for file in &files {
            let suite = run::Suite::read(io, file)?;
            rules.declare(&suite.policies);
            pinned.collect(&suite.policies);
            for (name, loaded) in &suite.policies.policies {
                result.warnings.extend(loaded.policy.warnings().iter().map(|warning| format!("{name}: {warning}")));
            }
            result.cases.extend(suite.run(self.filter.as_deref(), &mut rules)?);
        }
        if result.cases.is_empty() {
            let filter = self.filter.as_ref().map(|text| format!(" whose name contains `{text}`")).unwrap_or_default();
            return Err(Failure::new(format!("there is no case{filter} in `{}`", self.path.display())));
        }
        result.warnings.sort();
        result.warnings.dedup();
        result.digests = pinned.check(self.update_digests)?;
        (result.coverage, result.coverage_percent) = rules.report();
        let covered = self.min_coverage.is_none_or(|least| result.coverage_percent >= u64::from(least));
        result.passed =
            covered && result.cases.iter().all(CaseReport::passed) && result.digests.iter().all(DigestReport::holds);
        if let Some(path) = &self.junit {
            std::fs::write(path, junit::write(&result))
                .map_err(|error| Failure::new(format!("`{}` cannot be written: {}", path.display(), reason(&error))))?;
        }
        match self.output.output {
            Format::Json => io.console.json(&result)?,
            Format::Text => self.show(&mut io.console, &result),
        }
        Ok(if result.passed { Exit::Yes } else { Exit::No })
    }

    fn show(&self, console: &mut Console, result: &TestResult) {
        for case in &result.cases {
            case.show(console);
        }
        if self.filter.is_none() {
            for coverage in &result.coverage {
                coverage.show(console);
            }
        }
        for warning in &result.warnings {
            console.put(Paint::Warning, "warning ").put(Paint::Plain, warning).end();
        }
        for digest in &result.digests {
            digest.show(console);
        }
        let failed = result.cases.iter().filter(|case| !case.passed()).count();
        let counts = format!("{} passed, {failed} failed", result.cases.len() - failed);
        let coverage = if self.filter.is_none() {
            format!(", {} % of the rules covered", result.coverage_percent)
        } else {
            String::new()
        };
        console.put(if result.passed { Paint::Good } else { Paint::Bad }, counts + &coverage);
        if let Some(least) = self.min_coverage.filter(|least| result.coverage_percent < u64::from(*least)) {
            console.put(Paint::Bad, format!(" (wanted are {least} %)"));
        }
        console.end();
    }
}

/// All files with test cases in a folder and below, by name.
fn test_files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    let mut open = vec![path.to_owned()];
    while let Some(folder) = open.pop() {
        let unreadable = |error: std::io::Error| {
            Failure::new(format!("the folder `{}` cannot be read: {}", folder.display(), reason(&error)))
        };
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            // Links are not followed into: they could lead in a circle.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            } else if is_test_file(&entry.path()) {
                files.push(entry.path());
            }
        }
    }
    if files.is_empty() {
        return Err(Failure::new(format!("there are no test cases in `{}`", path.display()))
            .hint("write them into `tests.yaml` or `<name>.tests.yaml`; `writ test --help` shows one"));
    }
    files.sort();
    Ok(files)
}

fn is_test_file(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml")).unwrap_or_default();
    stem == "tests" || stem.ends_with(".tests")
}
