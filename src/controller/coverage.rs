//! Whether the installed webhook rules send Writ what a policy is about.

use std::fmt;

use crate::{api::RuleOperation, policy::Policy};

/// The webhook configurations of this installation, as far as they decide what is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// Of the mutating configuration; `None` where it does not exist.
    pub mutating: Option<Vec<Hook>>,
    /// Of the validating configuration; `None` where it does not exist.
    pub validating: Option<Vec<Hook>>,
}

/// One webhook of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hook {
    /// Its name.
    pub name: String,
    /// What it is called for.
    pub rules: Vec<HookRule>,
    /// Whether a request goes on where the webhook cannot be asked.
    pub ignores_failure: bool,
    /// Whether it leaves out objects by labels that their authors choose.
    pub selects_objects: bool,
    /// All of it as JSON, to see that it was edited.
    pub text: String,
}

/// A rule of a webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookRule {
    /// API groups; `*` is all.
    pub groups: Vec<String>,
    /// API versions; `*` is all.
    pub versions: Vec<String>,
    /// Resources as configurations write them.
    pub resources: Vec<String>,
    /// `CREATE`, `UPDATE`, `DELETE`, `CONNECT` or `*`.
    pub operations: Vec<String>,
}

/// One thing that a policy is about: a word for each, `*` where it means all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    operation: &'static str,
    group: String,
    version: String,
    resource: String,
}

impl fmt::Display for Target {
    /// `UPDATE apps/v1/deployments/scale`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.operation)?;
        if !self.group.is_empty() {
            write!(f, "{}/", self.group)?;
        }
        write!(f, "{}/{}", self.version, self.resource)
    }
}

/// What the installed rules leave out of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Named by the policy and never sent: its rules for this decide nothing.
    pub missing: Vec<Target>,
    /// Written with a wildcard and sent in part: the policy governs what the rules send, and no more.
    pub partial: Vec<Target>,
}

impl Coverage {
    /// Whether everything that the policy names is sent.
    #[must_use]
    pub fn is_covered(&self) -> bool {
        self.missing.is_empty()
    }
}

impl Installed {
    /// Whether an Enforce binding could be passed by while Writ is down.
    #[must_use]
    pub fn ignores_failure(&self) -> bool {
        self.hooks().any(|hook| hook.ignores_failure)
    }

    fn hooks(&self) -> impl Iterator<Item = &Hook> {
        self.mutating.iter().chain(&self.validating).flatten()
    }

    /// What the installed rules leave out of `policy`. Validate has to see all of it; mutate, which attests, sees what
    /// is created or updated as a main resource.
    #[must_use]
    pub fn coverage(&self, policy: &Policy) -> Coverage {
        let mut coverage = Coverage::default();
        for target in targets(policy) {
            let validate = sent(self.validating.as_deref(), &target);
            let is_attested = matches!(target.operation, "CREATE" | "UPDATE") && !target.resource.contains('/');
            let mutate = if is_attested { sent(self.mutating.as_deref(), &target) } else { Sent::Whole };
            match validate.min(mutate) {
                Sent::Whole => {}
                Sent::Part => coverage.partial.push(target),
                Sent::Never => coverage.missing.push(target),
            }
        }
        for list in [&mut coverage.missing, &mut coverage.partial] {
            list.sort();
            list.dedup();
        }
        coverage
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sent {
    Never,
    Part,
    Whole,
}

fn targets(policy: &Policy) -> Vec<Target> {
    let mut targets = Vec::new();
    for matcher in policy.matchers() {
        for resource in matcher.resources().iter().map(ToString::to_string) {
            for operation in matcher.operations().iter().flat_map(|operation| words(*operation, &resource)).copied() {
                for group in matcher.groups() {
                    targets.extend(matcher.versions().iter().map(|version| Target {
                        operation,
                        group: group.clone(),
                        version: version.clone(),
                        resource: resource.clone(),
                    }));
                }
            }
        }
    }
    targets
}

/// Main resources are created, updated and deleted. Of a subresource nobody knows which operations it has: `*` stays.
fn words(operation: RuleOperation, resource: &str) -> &'static [&'static str] {
    match operation {
        RuleOperation::Create => &["CREATE"],
        RuleOperation::Update => &["UPDATE"],
        RuleOperation::Delete => &["DELETE"],
        RuleOperation::Connect => &["CONNECT"],
        RuleOperation::All if resource.contains('/') => &["*"],
        RuleOperation::All => &["CREATE", "UPDATE", "DELETE"],
    }
}

fn sent(hooks: Option<&[Hook]>, target: &Target) -> Sent {
    // A hook that objects can evade by their own labels sends nothing for certain.
    let rules = hooks.into_iter().flatten().filter(|hook| !hook.selects_objects).flat_map(|hook| &hook.rules);
    rules.map(|rule| rule.sends(target)).max().unwrap_or(Sent::Never)
}

impl HookRule {
    fn sends(&self, target: &Target) -> Sent {
        let words = [
            if target.operation == "*" { Sent::Whole } else { of_words(&self.operations, target.operation) },
            of_words(&self.groups, &target.group),
            of_words(&self.versions, &target.version),
            self.resources.iter().map(|own| of_resource(own, &target.resource)).max().unwrap_or(Sent::Never),
        ];
        words.into_iter().min().unwrap_or(Sent::Never)
    }
}

fn of_words(own: &[String], wanted: &str) -> Sent {
    if own.iter().any(|own| own == "*" || own == wanted) {
        Sent::Whole
    } else if wanted == "*" && !own.is_empty() {
        Sent::Part
    } else {
        Sent::Never
    }
}

/// `own` and `wanted` are patterns as `pods`, `pods/status`, `pods/*`, `*`, `*/status` or `*/*`.
fn of_resource(own: &str, wanted: &str) -> Sent {
    if own == wanted || own == "*/*" {
        return Sent::Whole;
    }
    let split =
        |text: &str| text.split_once('/').map_or((text.to_owned(), None), |(a, b)| (a.to_owned(), Some(b.to_owned())));
    let ((own, own_sub), (wanted, wanted_sub)) = (split(own), split(wanted));
    let name = of_words(std::slice::from_ref(&own), &wanted);
    let sub = match (own_sub, wanted_sub) {
        (None, None) => Sent::Whole,
        (Some(own), Some(wanted)) => of_words(&[own], &wanted),
        // `*/*` is about main resources too.
        (None, Some(sub)) if sub == "*" && wanted == "*" => Sent::Part,
        _ => Sent::Never,
    };
    name.min(sub)
}

/// In words, for a binding's condition and for a warning at apply; at most five targets are named.
#[must_use]
pub fn describe(targets: &[Target]) -> String {
    let mut text = targets.iter().take(5).map(|target| format!("`{target}`")).collect::<Vec<_>>().join(", ");
    if let Some(more) = targets.len().checked_sub(5).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests;
