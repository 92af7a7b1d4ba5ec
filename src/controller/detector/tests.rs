use super::*;
use crate::controller::fixtures::hook;

fn good() -> Installed {
    let hooks = || Some(vec![hook(&["apps"], &["deployments"], &["*"])]);
    Installed { mutating: hooks(), validating: hooks() }
}

fn with(change: impl Fn(&mut Hook)) -> Installed {
    let mut installed = good();
    installed.validating.iter_mut().flatten().for_each(change);
    installed
}

fn reasons(before: Option<&Installed>, now: &Installed) -> Vec<String> {
    news("zz-writ", before, now).into_iter().map(|notice| notice.reason).collect()
}

#[test]
fn every_way_to_open_the_webhooks_is_told_once() {
    let changed = "WebhookConfigurationChanged";
    let open = "WebhookConfigurationOpen";
    let missing = "WebhookConfigurationMissing";
    for (fault, bad, told) in [
        ("mutating_missing", Installed { mutating: None, ..good() }, vec![missing]),
        ("validating_missing", Installed { validating: None, ..good() }, vec![missing]),
        ("mutating_without_rules", Installed { mutating: Some(Vec::new()), ..good() }, vec![changed, open]),
        ("validating_without_rules", with(|hook| hook.rules.clear()), vec![changed, open]),
        ("failure_ignored", with(|hook| hook.ignores_failure = true), vec![changed, open]),
        ("objects_selected", with(|hook| hook.selects_objects = true), vec![changed, open]),
    ] {
        let found: Vec<&str> =
            FAULTS.into_iter().zip(faults(&bad)).filter(|(_, is)| *is).map(|(fault, _)| fault).collect();
        assert_eq!(found, [fault]);
        assert_eq!(reasons(Some(&good()), &bad), told, "{fault}");
        assert_eq!(reasons(Some(&bad), &bad), Vec::<String>::new(), "{fault} is told once");
        // At the start, what is wrong is told, and what may have been edited before cannot be known.
        let at_start: Vec<&str> = told.iter().copied().filter(|reason| *reason != changed).collect();
        assert_eq!(reasons(None, &bad), at_start, "{fault} at the start");
        assert!(reasons(Some(&bad), &good()).contains(&"WebhookConfigurationRestored".to_owned()), "{fault}");
    }
    assert_eq!(faults(&good()), [false; FAULTS.len()]);
    assert_eq!(reasons(None, &good()), Vec::<String>::new());
}

#[test]
fn an_edit_that_opens_nothing_is_told_too() {
    let edited = with(|hook| hook.text = "another selector of namespaces".to_owned());
    assert_eq!(reasons(Some(&good()), &edited), ["WebhookConfigurationChanged"]);
}
