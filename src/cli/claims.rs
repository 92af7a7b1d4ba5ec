//! `writ claims`: who used which authority.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use super::{
    Exit, Failure, Io, block_on,
    cluster::ClusterArguments,
    console::{Answer, Console, Format, OutputArguments, Paint},
};
use crate::{
    digest::Digest,
    replay::{
        self, ConfigMapStore, Quota, Record, Store,
        contract::Filter,
        record::{Settled, State},
    },
    time::Timestamp,
};

const EXAMPLES: &str = "\
Examples:
  writ claims                                     # of the cluster that kubectl asks
  writ claims --policy change-ticket --state Reserved
  writ claims sha256:be2c18bb72a7…                # one claim; `writ evaluate` prints fingerprints
  writ claims --file claims.redb -o json          # of a server with an embedded store

A file can be read beside a running server.

Exit codes: 0 read, 1 the fingerprint that was asked for has no claim, 2 could not be read.";

/// List the claims of `Once` policies: which authority was used, by whom, for what, until when.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ClaimsCommand {
    /// Show only the claim of this authority.
    #[arg(value_name = "FINGERPRINT")]
    fingerprint: Option<Digest>,
    /// The file of an embedded store, instead of a cluster.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kubeconfig", "context", "namespace"])]
    file: Option<PathBuf>,
    /// Only claims in this state.
    #[arg(long, value_enum, value_name = "STATE")]
    state: Option<StateArgument>,
    /// Only claims of this policy, by its id.
    #[arg(long, value_name = "ID")]
    policy: Option<String>,
    /// Only claims by this user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    #[command(flatten)]
    output: OutputArguments,
    #[command(flatten)]
    cluster: ClusterArguments,
}

/// A state as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
enum StateArgument {
    /// Allowed, and it is not known yet whether the change was stored.
    Reserved,
    /// Used.
    Completed,
    /// Free again: no change came of it.
    Released,
}

/// The answer of `writ claims`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct ClaimsResult {
    /// The store's id.
    store_id: String,
    /// The claims, in the order of their last use.
    claims: Vec<ClaimReport>,
}

/// The claim on one authority.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
struct ClaimReport {
    /// The authority's fingerprint, `sha256:…`.
    #[cfg_attr(feature = "cluster", schemars(with = "String"))]
    fingerprint: Digest,
    /// `Reserved`, `Completed` or `Released`.
    state: &'static str,
    /// By what a claim became completed: `Successor` (the change was stored), `Final` (a DELETE or CONNECT was
    /// allowed), `HistoryGone` or `ConversionWebhook` (it is not known, so the authority counts as used).
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_by: Option<&'static str>,
    /// The policy version that decided, `<id>.<version>`.
    policy: String,
    /// The digest of its normal form.
    #[cfg_attr(feature = "cluster", schemars(with = "String"))]
    policy_digest: Digest,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    operation: String,
    /// What it was used for, for example `apps/v1/deployments shop/web`.
    object: String,
    /// Who used it last.
    user: String,
    /// The execution that used it last.
    execution_id: String,
    /// When it was last allowed, RFC 3339.
    #[cfg_attr(feature = "cluster", schemars(with = "String"))]
    allowed_at: Timestamp,
    /// Until when an allowed change can still be stored, RFC 3339.
    #[cfg_attr(feature = "cluster", schemars(with = "String"))]
    deadline: Timestamp,
    /// Until when the claim is remembered, RFC 3339.
    #[cfg_attr(feature = "cluster", schemars(with = "String"))]
    window_end: Timestamp,
}

impl Answer for ClaimsResult {
    const KIND: &'static str = "ClaimsResult";
}

impl From<Record> for ClaimReport {
    fn from(record: Record) -> Self {
        let completed_by = match record.state {
            State::Completed(settled) => Some(match settled {
                Settled::Successor => "Successor",
                Settled::Final => "Final",
                Settled::HistoryGone => "HistoryGone",
                Settled::ConversionWebhook => "ConversionWebhook",
            }),
            State::Reserved | State::Released => None,
        };
        Self {
            fingerprint: record.fingerprint,
            state: record.state.name(),
            completed_by,
            policy: format!("{}.{}", record.policy.id, record.policy.version),
            policy_digest: record.policy.digest,
            operation: record.target.operation.to_string(),
            object: record.target.object(),
            user: record.user,
            execution_id: record.execution_id,
            allowed_at: record.allowed_at,
            deadline: record.deadline,
            window_end: record.window_end,
        }
    }
}

impl ClaimsCommand {
    pub(super) fn run(&self, io: &mut Io) -> Result<Exit, Failure> {
        let (store_id, mut records) = block_on(self.read())?;
        records.retain(|record| self.wants(record));
        records.sort_by_key(|record| (record.allowed_at, record.fingerprint));
        let missing = self.fingerprint.is_some() && records.is_empty();
        let result = ClaimsResult { store_id, claims: records.into_iter().map(ClaimReport::from).collect() };
        match self.output.output {
            Format::Json => io.console.json(&result)?,
            Format::Text => self.show(&mut io.console, &result),
        }
        Ok(if missing { Exit::No } else { Exit::Yes })
    }

    fn wants(&self, record: &Record) -> bool {
        let state = match record.state {
            State::Reserved => StateArgument::Reserved,
            State::Completed(_) => StateArgument::Completed,
            State::Released => StateArgument::Released,
        };
        self.state.is_none_or(|wanted| wanted == state)
            && self.policy.as_ref().is_none_or(|id| *id == record.policy.id)
            && self.user.as_ref().is_none_or(|user| *user == record.user)
    }

    /// The store's id and its records; only one of them where a fingerprint was given.
    async fn read(&self) -> anyhow::Result<(String, Vec<Record>)> {
        if let Some(path) = &self.file {
            return self.read_file(path);
        }
        let cluster = self.cluster.connect().await?;
        let namespace = &self.cluster.writ_namespace;
        let store = ConfigMapStore::open(cluster.client, namespace, None, Quota::CONFIG_MAP)
            .await
            .with_context(|| format!("the store of claims in namespace {namespace} cannot be read"))?;
        Ok((store.id().to_string(), self.records(&store).await?))
    }

    /// From the file of an embedded store; its server may go on writing.
    fn read_file(&self, path: &Path) -> anyhow::Result<(String, Vec<Record>)> {
        let mut id = String::new();
        let mut records = Vec::new();
        replay::embedded::inspect(path, |store, page| {
            id = store.to_string();
            records.extend(
                page.into_iter().filter(|record| self.fingerprint.is_none_or(|wanted| wanted == record.fingerprint)),
            );
            Ok(())
        })?;
        Ok((id, records))
    }

    async fn records(&self, store: &dyn Store) -> anyhow::Result<Vec<Record>> {
        if let Some(fingerprint) = &self.fingerprint {
            let held = store.read(fingerprint).await?.value;
            return Ok(held.into_iter().map(|held| held.record).collect());
        }
        let mut records = Vec::new();
        let mut after = None;
        loop {
            let page = store.list(Filter::All, after.as_deref()).await?.value;
            records.extend(page.records.into_iter().map(|held| held.record));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(records),
            }
        }
    }

    fn show(&self, console: &mut Console, result: &ClaimsResult) {
        if self.fingerprint.is_some() {
            result.claims.iter().for_each(|claim| show_one(console, claim));
            if result.claims.is_empty() {
                console.line("there is no claim of this authority: it was never used, or longer ago than its window");
            }
            return;
        }
        for claim in &result.claims {
            let words = format!("  {} {} by {}, {}", claim.operation, claim.object, claim.user, claim.policy);
            console.put(paint(claim.state), format!("{:9}", claim.state)).put(Paint::Plain, words).end();
            let times = format!(
                "           used {}, remembered until {}  {}",
                claim.allowed_at, claim.window_end, claim.fingerprint
            );
            console.put(Paint::Faint, times).end();
        }
        console.line(format!("{} claims in store {}", result.claims.len(), result.store_id));
    }
}

fn show_one(console: &mut Console, claim: &ClaimReport) {
    let settled = claim.completed_by.map(|by| format!(" ({by})")).unwrap_or_default();
    console
        .put(paint(claim.state), format!("{}{settled}", claim.state))
        .put(Paint::Strong, format!("  {}", claim.fingerprint))
        .end();
    for (name, value) in [
        ("policy", format!("{} {}", claim.policy, claim.policy_digest)),
        ("used for", format!("{} {}", claim.operation, claim.object)),
        ("by", claim.user.clone()),
        ("execution", claim.execution_id.clone()),
        ("allowed at", claim.allowed_at.to_string()),
        ("deadline", claim.deadline.to_string()),
        ("remembered", format!("until {}", claim.window_end)),
    ] {
        console.put(Paint::Faint, format!("  {name:10} ")).put(Paint::Plain, value).end();
    }
}

fn paint(state: &str) -> Paint {
    match state {
        "Completed" => Paint::Bad,
        "Reserved" => Paint::Warning,
        _ => Paint::Good,
    }
}
