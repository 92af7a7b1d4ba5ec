//! Notices when the installed webhook configurations are gone, opened or edited: without them nothing is governed, and
//! nobody sees an error. It tells; it never edits them, because whoever may edit them may also have meant it.

use super::{
    coverage::{Hook, Installed},
    events::{Notice, Subject},
};
pub use crate::metrics::WEBHOOK_FAULTS as FAULTS;

const VALIDATING: &str = "ValidatingWebhookConfiguration";
const KINDS: [&str; 2] = ["MutatingWebhookConfiguration", VALIDATING];

/// Which of [`FAULTS`] there are.
#[must_use]
pub fn faults(installed: &Installed) -> [bool; FAULTS.len()] {
    let Installed { mutating, validating } = installed;
    let is_empty =
        |hooks: &Option<Vec<Hook>>| hooks.as_ref().is_some_and(|hooks| hooks.iter().all(|hook| hook.rules.is_empty()));
    let selects = [mutating, validating].into_iter().flatten().flatten().any(|hook| hook.selects_objects);
    [
        mutating.is_none(),
        validating.is_none(),
        is_empty(mutating),
        is_empty(validating),
        installed.ignores_failure(),
        selects,
    ]
}

/// What people should hear of when the configurations, which both have this name, become `now`; `before` is `None` where
/// nothing was known yet, and then only faults are news.
#[must_use]
pub fn news(name: &str, before: Option<&Installed>, now: &Installed) -> Vec<Notice> {
    let old = before.map(sides);
    let was = before.map_or([false; FAULTS.len()], faults);
    let is = faults(now);
    let appeared: Vec<&str> = FAULTS
        .into_iter()
        .zip(was.into_iter().zip(is))
        .filter(|(_, (was, is))| *is && !was)
        .map(|(fault, _)| fault)
        .collect();
    let mut notices = Vec::new();
    for (index, (kind, hooks)) in KINDS.into_iter().zip(sides(now)).enumerate() {
        let edited = old.as_ref().and_then(|old| old.get(index)).is_some_and(|old| *old != hooks);
        let (reason, note) = match hooks {
            None if edited || before.is_none() => (
                "WebhookConfigurationMissing",
                format!("{kind} `{name}` is not there: changes are not governed; run `helm upgrade`"),
            ),
            Some(_) if edited => (
                "WebhookConfigurationChanged",
                format!("{kind} `{name}` was changed while Writ runs: see who did it in the API server's audit log"),
            ),
            _ => continue,
        };
        notices.push(notice(kind, name, reason, true, note));
    }
    let weak: Vec<&str> = appeared.into_iter().filter(|fault| !fault.ends_with("_missing")).collect();
    if !weak.is_empty() {
        let note = format!(
            "the webhook configurations `{name}` let changes pass undecided ({}): run `helm upgrade`",
            weak.join(", ")
        );
        notices.push(notice(VALIDATING, name, "WebhookConfigurationOpen", true, note));
    }
    if before.is_some() && was.contains(&true) && !is.contains(&true) {
        let note = format!("the webhook configurations `{name}` send everything again");
        notices.push(notice(VALIDATING, name, "WebhookConfigurationRestored", false, note));
    }
    notices
}

fn sides(installed: &Installed) -> [Option<&Vec<Hook>>; 2] {
    [installed.mutating.as_ref(), installed.validating.as_ref()]
}

fn notice(kind: &str, name: &str, reason: &str, warning: bool, note: String) -> Notice {
    let subject = Subject {
        api_version: "admissionregistration.k8s.io/v1".to_owned(),
        kind: kind.to_owned(),
        namespace: String::new(),
        name: name.to_owned(),
        // What is told once too often counts by this, and what is gone has none.
        uid: format!("{kind}/{name}"),
    };
    Notice { subject, warning, reason: reason.to_owned(), action: "Observe", note }
}

#[cfg(test)]
mod tests;
