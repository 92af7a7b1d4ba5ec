use serde::Serialize;

use crate::{
    attest::Statement,
    canonical::{self, Value, encode},
    cli::console::{Answer, Console, Paint},
    projection::live::LiveChange,
};

/// The answer of `writ verify`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(in crate::cli) struct VerifyResult {
    /// Whether everything that was given is verified.
    verified: bool,
    /// One entry for each attestation.
    attestations: Vec<Report>,
}

/// What was found out about one attestation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct Report {
    /// The file or object that it was read from.
    source: String,
    /// Whether no check failed.
    verified: bool,
    /// Every check, and what could not be checked.
    checks: Vec<Check>,
    /// The in-toto Statement; only once its signature held.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cluster", schemars(with = "Option<std::collections::BTreeMap<String, serde_json::Value>>"))]
    statement: Option<Value<'static>>,
    #[serde(skip)]
    envelope: Option<String>,
}

/// One check.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct Check {
    /// What is checked: `attestation`, `signature`, `key`, `trust`, `cluster`, `object`, `content`, `decisions`,
    /// `policy`, `time` or `log`.
    check: &'static str,
    /// How it went.
    status: Status,
    /// The reason code of a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// What was found, in words.
    message: String,
    /// Changes after the attestation that need none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<Change>,
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
enum Status {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// It could not be made with what was given.
    NotChecked,
}

/// A change after the attestation that needs none.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
struct Change {
    /// JSON pointer to the field.
    field: String,
    /// Its attested value; absent where it was missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cluster", schemars(with = "Option<serde_json::Value>"))]
    was: Option<Value<'static>>,
    /// Its value now.
    #[cfg_attr(feature = "cluster", schemars(with = "serde_json::Value"))]
    is: Value<'static>,
    /// Who changes it.
    by: &'static str,
}

impl Answer for VerifyResult {
    const KIND: &'static str = "VerifyResult";
}

impl VerifyResult {
    pub(super) fn new(attestations: Vec<Report>) -> Self {
        Self { verified: attestations.iter().all(|report| report.verified), attestations }
    }

    pub(super) const fn verified(&self) -> bool {
        self.verified
    }

    pub(super) fn reports(&self) -> &[Report] {
        &self.attestations
    }
}

impl Check {
    pub(super) fn passed(check: &'static str, message: String) -> Self {
        Self { check, status: Status::Passed, reason: None, message, changes: Vec::new() }
    }

    pub(super) fn failed(check: &'static str, reason: &'static str, message: String) -> Self {
        Self { check, status: Status::Failed, reason: Some(reason), message, changes: Vec::new() }
    }

    pub(super) fn skipped(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, status: Status::NotChecked, reason: None, message: message.into(), changes: Vec::new() }
    }

    pub(super) fn with_changes(mut self, changes: Vec<LiveChange>) -> Self {
        let change = |LiveChange { pointer, was, is, why }| Change { field: pointer, was, is, by: why };
        self.changes = changes.into_iter().map(change).collect();
        self
    }
}

impl Report {
    pub(super) fn new(source: &str) -> Self {
        // Nothing is verified until the statement is there.
        Self { source: source.to_owned(), verified: false, checks: Vec::new(), statement: None, envelope: None }
    }

    pub(super) fn add(&mut self, check: Check) {
        self.checks.push(check);
    }

    /// Ends the report of an authentic statement.
    pub(super) fn state(&mut self, statement: &Statement, envelope: String) {
        self.verified = self.checks.iter().all(|check| check.status != Status::Failed);
        let bytes = statement.encode().unwrap_or_default();
        self.statement = canonical::parse(&bytes).ok().map(Value::into_owned);
        self.envelope = Some(envelope);
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// The standard envelope of what is verified.
    pub(super) fn envelope(&self) -> Option<&str> {
        self.envelope.as_deref().filter(|_| self.verified)
    }

    /// What failed, in words.
    pub(super) fn failures(&self) -> String {
        let failed = self.checks.iter().filter(|check| check.status == Status::Failed);
        failed.map(|check| format!("{}: {}", check.check, check.message)).collect::<Vec<_>>().join("; ")
    }
}

pub(super) fn show(console: &mut Console, reports: &[Report]) {
    for (index, report) in reports.iter().enumerate() {
        if index > 0 {
            console.end();
        }
        let (paint, word) = if report.verified { (Paint::Good, "verified") } else { (Paint::Bad, "NOT VERIFIED") };
        console.put(paint, word).put(Paint::Strong, format!("  {}", report.source)).end();
        report.checks.iter().for_each(|check| show_check(console, check));
        if let Some(statement) = &report.statement {
            show_statement(console, statement);
        }
    }
}

fn show_check(console: &mut Console, check: &Check) {
    let (paint, mark) = match check.status {
        Status::Passed => (Paint::Good, "ok  "),
        Status::Failed => (Paint::Bad, "FAIL"),
        Status::NotChecked => (Paint::Warning, "not checked:"),
    };
    console.put(Paint::Faint, format!("  {:11} ", check.check)).put(paint, mark);
    let reason = check.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    console.put(Paint::Plain, format!(" {}{reason}", check.message)).end();
    for change in &check.changes {
        let was = change.was.as_ref().map_or_else(|| "missing".to_owned(), json);
        let line = format!("{:19}{} was {was}, is {} ({})", "", change.field, json(&change.is), change.by);
        console.line(line);
    }
}

/// Who did what, and who decided.
fn show_statement(console: &mut Console, statement: &Value<'_>) {
    let Some(predicate) = statement.member("predicate") else { return };
    let text = |path: &[&str]| predicate.at(path).and_then(Value::as_str).unwrap_or_default();
    let line = |console: &mut Console, name: &str, value: String| {
        console.put(Paint::Faint, format!("  {name:11} ")).put(Paint::Plain, value).end();
    };
    let change = format!(
        "{} by {} at {}, execution {}",
        text(&["operation"]),
        text(&["userInfo", "username"]),
        text(&["issuedAt"]),
        text(&["executionId"])
    );
    line(console, "change", change);
    for record in predicate.member("decisions").and_then(Value::as_array).into_iter().flatten() {
        let text = |path: &[&str]| record.at(path).and_then(Value::as_str).unwrap_or_default();
        let rule =
            record.member("rule").and_then(Value::as_str).map(|rule| format!("rule {rule}, ")).unwrap_or_default();
        let policy = format!("{}.{}", text(&["policy", "id"]), text(&["policy", "version"]));
        let words = format!(
            "{} ({}): {policy}: {} ({rule}{})",
            text(&["binding", "name"]),
            text(&["binding", "mode"]),
            text(&["outcome"]),
            text(&["reason"])
        );
        line(console, "decided by", words);
    }
}

fn json(value: &Value<'_>) -> String {
    String::from_utf8(encode(value)).unwrap_or_default()
}
