//! `writ status`: what is in force in a cluster, and what is wrong.
//!
//! Gather, assess (pure), show. Whoever may not read a part is told so; a part that is unread is never called well.

mod assess;
mod gather;

use serde::Serialize;

use super::{
    Exit, Failure, Io, block_on,
    cluster::ClusterArguments,
    console::{Answer, Console, Format, OutputArguments, Paint},
};

const EXAMPLES: &str = "\
Examples:
  writ status
  kubectl writ status --context production -o json

Exit codes: 0 all is well, 1 something is wrong, 2 not all of it could be read.";

/// Show what is in force in a cluster, and what is wrong.
///
/// Policies and bindings, replicas and whether they agree, the store of claims, the signing key, the webhooks and what
/// they send, and whether the API server proves that it is the caller.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct StatusCommand {
    #[command(flatten)]
    output: OutputArguments,
    #[command(flatten)]
    cluster: ClusterArguments,
}

/// The answer of `writ status`.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct StatusResult {
    /// Whether nothing is wrong and everything could be read.
    healthy: bool,
    /// What is wrong, and what to do.
    problems: Vec<String>,
    /// What could not be read, and why.
    unreadable: Vec<String>,
    /// The running program.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<ServerReport>,
    /// Every replica that reports.
    replicas: Vec<ReplicaReport>,
    /// Every policy version, by name.
    policies: Vec<PolicyReport>,
    /// Every binding, by name.
    bindings: Vec<BindingReport>,
    /// The webhook configurations.
    webhooks: Vec<WebhookReport>,
    /// The store of claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<StoreReport>,
    /// The key that signs attestations.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<KeyReport>,
}

/// The running program.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
struct ServerReport {
    /// The image.
    image: String,
    /// Replicas that are wanted.
    wanted: i32,
    /// Replicas that are ready.
    ready: i32,
    /// Whether the API server proves to the webhooks that it is the caller: `Required`; `None`; or `RiskAccepted`,
    /// which is none, with `Once` policies all the same.
    #[cfg_attr(feature = "cluster", schemars(extend("enum" = ["Required", "None", "RiskAccepted"])))]
    caller_authentication: &'static str,
}

/// A replica's report about itself.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
struct ReplicaReport {
    /// Its name.
    name: String,
    /// Whether it decides.
    ready: bool,
    /// Digest of all that is in force there.
    policy_set: String,
    /// When it last reported, by its own clock.
    reported: String,
}

/// A policy version.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
struct PolicyReport {
    /// `<id>.<version>`
    name: String,
    /// Whether it is compiled and pinned.
    ready: bool,
    /// Why, as one word.
    reason: String,
    /// The digest of its normal form; absent where it does not compile.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

/// A binding.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
struct BindingReport {
    /// Its name.
    name: String,
    /// `Enforce`, `Warn` or `Audit`.
    mode: &'static str,
    /// The policy version that it wants, `<id>.<version>`.
    wanted: String,
    /// The policy version that decides, `<id>.<version>`; absent where none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_force: Option<String>,
    /// Whether the wanted version is in force on every replica, and the webhooks send what it is about.
    ready: bool,
    /// Why, as one word.
    reason: String,
    /// Why, in words.
    message: String,
}

/// A webhook configuration.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
struct WebhookReport {
    /// `Mutating` or `Validating`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Its name.
    name: String,
    /// Whether it is there.
    installed: bool,
    /// What happens while Writ does not answer: `Fail` or `Ignore`.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_policy: Option<String>,
    /// The resources for which Writ is asked, as the rules write them.
    resources: Vec<String>,
}

/// The store of claims.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
struct StoreReport {
    /// Its id; absent where its root is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// The key that signs attestations.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
struct KeyReport {
    /// The id of the public key.
    key_id: String,
    /// The id of the store that was made with it.
    store_id: String,
}

impl Answer for StatusResult {
    const KIND: &'static str = "StatusResult";
}

impl StatusCommand {
    pub(super) fn run(&self, io: &mut Io) -> Result<Exit, Failure> {
        let gathered = block_on(async {
            let cluster = self.cluster.connect().await?;
            gather::gather(&cluster.client, &self.cluster.writ_namespace).await
        })?;
        let result = assess::assess(gathered);
        match self.output.output {
            Format::Json => io.console.json(&result)?,
            Format::Text => show(&mut io.console, &result),
        }
        Ok(match (result.problems.is_empty(), result.unreadable.is_empty()) {
            (false, _) => Exit::No,
            (true, false) => Exit::Undecided,
            (true, true) => Exit::Yes,
        })
    }
}

fn show(console: &mut Console, result: &StatusResult) {
    if let Some(server) = &result.server {
        head(console, "server");
        let callers = match server.caller_authentication {
            "Required" => "callers prove who they are",
            "RiskAccepted" => "callers are NOT authenticated, and Once policies are allowed all the same",
            _ => "callers are NOT authenticated",
        };
        console.line(format!("  {} of {} replicas ready, {}, {callers}", server.ready, server.wanted, server.image));
    }
    if !result.replicas.is_empty() {
        head(console, "replicas");
    }
    for replica in &result.replicas {
        let set: String = replica.policy_set.chars().take(19).collect();
        let words = format!("{}  in force {set}…  reported {}", replica.name, replica.reported);
        row(console, replica.ready, "ready", "not ready", words);
    }
    head(console, "policies");
    for policy in &result.policies {
        row(console, policy.ready, "ready", &policy.reason, policy.name.clone());
    }
    head(console, "bindings");
    for binding in &result.bindings {
        let in_force = match &binding.in_force {
            Some(version) if *version == binding.wanted => version.clone(),
            Some(version) => format!("{version} (wanted {})", binding.wanted),
            None => format!("nothing (wanted {})", binding.wanted),
        };
        row(
            console,
            binding.ready,
            "ready",
            &binding.reason,
            format!("{} ({}): {in_force}", binding.name, binding.mode),
        );
    }
    head(console, "webhooks");
    for webhook in &result.webhooks {
        let policy = webhook.failure_policy.as_deref().unwrap_or("-");
        let words = format!(
            "{} {}, failurePolicy {policy}, asked for {}",
            webhook.kind,
            webhook.name,
            webhook.resources.join(", ")
        );
        row(console, webhook.installed, "installed", "missing", words);
    }
    if let Some(store) = &result.store {
        head(console, "claims and key");
        row(
            console,
            store.id.is_some(),
            "ok",
            "missing",
            format!("store {}", store.id.as_deref().unwrap_or("of claims")),
        );
    }
    if let Some(key) = &result.key {
        console.line(format!("  key {}", key.key_id));
    }
    for (paint, title, lines) in
        [(Paint::Bad, "problems", &result.problems), (Paint::Warning, "not readable", &result.unreadable)]
    {
        if !lines.is_empty() {
            head(console, title);
        }
        for line in lines {
            console.put(paint, "  ! ").put(Paint::Plain, line).end();
        }
    }
    if result.healthy {
        console.put(Paint::Good, "all is well").end();
    }
}

fn head(console: &mut Console, title: &str) {
    console.put(Paint::Strong, title).end();
}

fn row(console: &mut Console, good: bool, yes: &str, no: &str, words: String) {
    let (paint, word) = if good { (Paint::Good, yes) } else { (Paint::Bad, no) };
    console.put(Paint::Plain, "  ").put(paint, format!("{word:12}")).put(Paint::Plain, format!("  {words}")).end();
}
