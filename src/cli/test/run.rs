use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    case_file::{Expectation, ExpectedOutcome, PolicyTests, TestCase},
    coverage::RuleCoverage,
};
use crate::{
    admission::{GroupVersionResource, UserInfo},
    api::{API_VERSION, Mode},
    canonical::{Value, encode},
    cli::{
        Failure, Io,
        case::{Case, Parts},
        console::{Console, Paint},
        decide::{Judge, Overall, Standing, overall},
        manifest::{self, Document},
        policies::{Policies, read_params},
    },
    evaluate::Decision,
    policy::Policy,
    time::Timestamp,
};

/// 2026-01-01T00:00:00Z: the time of a case that names none. Never the clock, so that a case passes for ever.
const DEFAULT_TIME: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// A file of test cases with the policies that they are about.
pub(super) struct Suite {
    pub(super) policies: Policies,
    document: Document,
    folder: PathBuf,
    cases: Vec<Prepared>,
}

/// A case whose objects were read.
struct Prepared {
    name: String,
    binding: Option<String>,
    policy: Option<String>,
    params: BTreeMap<String, Value<'static>>,
    case: Case,
    expect: Expectation,
}

/// How one case went.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct CaseReport {
    /// The file of the case.
    pub(super) file: String,
    /// The name of the case.
    pub(super) name: String,
    /// Whether everything was as expected.
    passed: bool,
    /// What was not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) failures: Vec<String>,
}

/// What became of a case.
struct Found<'d> {
    outcome: &'static str,
    decision: Option<&'d Decision>,
}

impl CaseReport {
    pub(super) const fn passed(&self) -> bool {
        self.passed
    }

    pub(super) fn show(&self, console: &mut Console) {
        let (paint, word) = if self.passed { (Paint::Good, "ok  ") } else { (Paint::Bad, "FAIL") };
        console.put(paint, word).put(Paint::Plain, format!("  {}: {}", self.file, self.name)).end();
        for failure in &self.failures {
            console.line(format!("        {failure}"));
        }
    }
}

impl Suite {
    /// Reads a file of cases, the objects that it names and the policies beside it.
    pub(super) fn read(io: &mut Io, file: &Path) -> Result<Self, Failure> {
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        let document = one_document(io, file)?;
        let tests: PolicyTests = document.typed()?;
        let is = |given: &Option<String>, wanted| given.as_deref().is_none_or(|given| given == wanted);
        if !is(&tests.api_version, API_VERSION) || !is(&tests.kind, "PolicyTests") {
            let place = document.place("kind");
            return Err(Failure::new(format!("{place}: this is no PolicyTests of {API_VERSION}")));
        }
        let named: Vec<PathBuf> = tests.policies.iter().chain(&tests.bindings).map(|path| folder.join(path)).collect();
        // An empty path is the working folder.
        let own = || vec![if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.clone() }];
        let paths = if named.is_empty() { own() } else { named };
        let policies = Policies::read(&mut io.inputs, &paths, &[])?;
        let mut suite = Self { policies, document, folder, cases: Vec::new() };
        let mut names = BTreeSet::new();
        for (index, case) in tests.cases.into_iter().enumerate() {
            if !names.insert(case.name.clone()) {
                return Err(suite.fault(index, &format!("a case `{}` is there twice", case.name)));
            }
            let prepared = suite.prepare(io, index, case.or(&tests.defaults))?;
            suite.cases.push(prepared);
        }
        Ok(suite)
    }

    fn fault(&self, index: usize, what: &str) -> Failure {
        Failure::new(format!("{}: {what}", self.document.place(&format!("cases[{index}]"))))
    }

    fn prepare(&self, io: &mut Io, index: usize, case: TestCase) -> Result<Prepared, Failure> {
        let fault = |what: String| self.fault(index, &what);
        let time = match &case.time {
            Some(text) => text.parse().map_err(|error| fault(format!("time: {error}")))?,
            None => DEFAULT_TIME,
        };
        let mut object =
            |inline: Option<Option<serde_json::Value>>, file: Option<String>| match (inline.flatten(), file) {
                (Some(_), Some(_)) => {
                    Err(fault("an object stands both inline and in a file: leave out one".to_owned()))
                }
                (Some(value), None) => Ok(Some(Value::from(value))),
                (None, Some(file)) => Ok(Some(one_document(io, &self.folder.join(file))?.value)),
                (None, None) => Ok(None),
            };
        let parts = Parts {
            object: object(case.object, case.object_file)?,
            old_object: object(case.old_object, case.old_object_file)?,
            namespace_object: case.namespace.flatten().map(Value::from),
            operation: case.operation,
            subresource: case.sub_resource,
            resource: case.resource.map(GroupVersionResource::from),
            namespace: None,
            name: case.object_name,
            user: case.user.map_or_else(somebody, UserInfo::from),
            dry_run: case.dry_run.unwrap_or_default(),
        };
        if case.binding.is_some() && case.policy.is_some() {
            return Err(fault("a case asks a binding or a policy, not both".to_owned()));
        }
        if case.policy.is_none() && case.params.is_some() {
            return Err(fault("params belong to a `policy`; a binding has its own".to_owned()));
        }
        Ok(Prepared {
            case: parts.build(time).map_err(fault)?,
            name: case.name,
            binding: case.binding,
            policy: case.policy,
            params: case
                .params
                .unwrap_or_default()
                .into_iter()
                .map(|(name, value)| (name, Value::from(value)))
                .collect(),
            expect: case.expect,
        })
    }

    /// Runs the cases whose name contains `filter`.
    pub(super) fn run(&self, filter: Option<&str>, rules: &mut RuleCoverage) -> Result<Vec<CaseReport>, Failure> {
        let mut reports = Vec::new();
        for (index, prepared) in self.cases.iter().enumerate() {
            if filter.is_none_or(|text| prepared.name.contains(text)) {
                let failures = self.run_one(prepared, rules).map_err(|what| self.fault(index, &what))?;
                let (file, name) = (self.document.file.clone(), prepared.name.clone());
                reports.push(CaseReport { file, name, passed: failures.is_empty(), failures });
            }
        }
        Ok(reports)
    }

    fn run_one(&self, prepared: &Prepared, rules: &mut RuleCoverage) -> Result<Vec<String>, String> {
        let judge = Judge::new(&prepared.case);
        let no_op = Found { outcome: Overall::NoOp.as_str(), decision: None };
        if let Some(name) = &prepared.policy {
            let policy = self.policies.policy(name)?;
            if judge.is_about(policy) && judge.is_no_op() {
                return Ok(compare(&prepared.expect, &no_op));
            }
            let params = read_params(&prepared.params, policy.params()).map_err(|errors| errors.join("; "))?;
            let standing = judge.policy(policy, &params);
            rules.count(&judge, policy, &params, &standing);
            return Ok(compare(&prepared.expect, &found_alone(&standing)));
        }
        if judge.concerns(&self.policies.set) && judge.is_no_op() {
            return Ok(compare(&prepared.expect, &no_op));
        }
        if let Some(binding) = judge.wants_namespace(&self.policies.set) {
            return Err(format!("binding `{binding}` selects namespaces by label: give the case a `namespaceObject`"));
        }
        let standings = judge.bindings(&self.policies.set);
        let Some(name) = &prepared.binding else {
            if standings.is_empty() {
                return Err("there is no binding to ask: name a `policy`".to_owned());
            }
            standings.iter().for_each(|(bound, standing)| rules.count_bound(&judge, bound, standing));
            let all: Vec<_> = standings.iter().map(|(bound, standing)| (bound.binding.mode, standing)).collect();
            return Ok(compare(&prepared.expect, &found_together(&all)));
        };
        let Some((bound, standing)) = standings.iter().find(|(bound, _)| bound.binding.name == *name) else {
            return Err(format!("there is no binding `{name}`"));
        };
        rules.count_bound(&judge, bound, standing);
        Ok(compare(&prepared.expect, &found_alone(standing)))
    }
}

fn one_document(io: &mut Io, file: &Path) -> Result<Document, Failure> {
    let documents = manifest::read(&mut io.inputs, file)?;
    let count = documents.len();
    let mut documents = documents.into_iter();
    documents
        .next()
        .filter(|_| count == 1)
        .ok_or_else(|| Failure::new(format!("{}: one document is wanted, and {count} are in it", file.display())))
}

fn somebody() -> UserInfo {
    UserInfo { username: "user".to_owned(), ..UserInfo::default() }
}

/// What one binding or policy came to, whatever its mode.
fn found_alone(standing: &Standing) -> Found<'_> {
    let outcome = match standing {
        Standing::Decided(decision) => return Found { outcome: decision.outcome.as_str(), decision: Some(decision) },
        Standing::Exempt => ExpectedOutcome::Exempt,
        Standing::Skipped | Standing::OtherRequest | Standing::OtherSubject => ExpectedOutcome::NotGoverned,
    };
    Found { outcome: outcome.as_str(), decision: None }
}

/// What all bindings came to, with the decision of the first that decided so.
fn found_together<'d>(standings: &[(Mode, &'d Standing)]) -> Found<'d> {
    let outcome = overall(standings.iter().copied()).as_str();
    let decisive = standings.iter().find_map(|(mode, standing)| match standing {
        Standing::Decided(decision) if *mode == Mode::Enforce && decision.outcome.as_str() == outcome => {
            Some(&**decision)
        }
        _ => None,
    });
    Found { outcome, decision: decisive }
}

/// What is not as expected.
fn compare(expect: &Expectation, found: &Found<'_>) -> Vec<String> {
    let mut failures = Vec::new();
    let decision = found.decision;
    if found.outcome != expect.outcome.as_str() {
        let why =
            decision.map(|decision| format!(" ({}: {})", decision.reason(), decision.message)).unwrap_or_default();
        failures.push(format!("outcome: expected {}, found {}{why}", expect.outcome.as_str(), found.outcome));
    }
    let mut differ = |field: &str, expected: &Option<String>, actual: Option<String>| {
        if let Some(expected) = expected
            && actual.as_ref() != Some(expected)
        {
            failures
                .push(format!("{field}: expected {expected}, found {}", actual.unwrap_or_else(|| "none".to_owned())));
        }
    };
    differ("rule", &expect.rule, decision.and_then(Decision::rule).map(str::to_owned));
    differ("reason", &expect.reason, decision.map(|decision| decision.reason().to_owned()));
    let fingerprint = decision.and_then(|decision| decision.fingerprint).map(|digest| digest.to_string());
    differ("fingerprint", &expect.fingerprint, fingerprint);
    let message = decision.map(|decision| decision.message.as_str()).unwrap_or_default();
    if let Some(part) = expect.message_contains.as_ref().filter(|part| !message.contains(part.as_str())) {
        failures.push(format!("message: expected one with `{part}`, found `{message}`"));
    }
    for (name, expected) in &expect.signals {
        let expected = text(&Value::from(expected.clone()));
        let actual = decision.and_then(|decision| decision.signals.get(name)).map(|value| text(&value.to_value()));
        if actual.as_ref() != Some(&expected) {
            failures.push(format!(
                "signal `{name}`: expected {expected}, found {}",
                actual.unwrap_or_else(|| "none".to_owned())
            ));
        }
    }
    failures
}

fn text(value: &Value<'_>) -> String {
    String::from_utf8(encode(value)).unwrap_or_default()
}

/// The folder in which a policy's file stands.
pub(super) fn folder_of(policy_file: &str) -> PathBuf {
    Path::new(policy_file).parent().unwrap_or(Path::new("")).to_owned()
}

/// The full name of a policy version.
pub(super) fn full_name(policy: &Policy) -> String {
    format!("{}.{}", policy.id(), policy.version())
}
