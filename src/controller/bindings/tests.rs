use serde_json::json;

use super::*;
use crate::controller::fixtures::{binding, binding_spec, policy, policy_spec, state};

#[test]
fn an_unacceptable_binding_denies_everything_that_it_could_govern() {
    let scoped = |mode: &str| {
        let mut spec = binding_spec("v1", mode);
        spec["subjects"] = json!({"users": ["ann"]});
        spec["exclude"] = json!({"namespaces": ["shop"]});
        spec["matchResources"] = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}});
        spec
    };
    let unreadable = |mode: &str| {
        let mut spec = scoped(mode);
        spec["later"] = json!(true);
        spec
    };
    let unguarded = || {
        let mut spec = scoped("Enforce");
        spec["matchResources"]["namespaceSelector"]["matchLabels"]["mine"] = json!("x");
        spec
    };
    for (what, spec, mode, path) in [
        ("a field of later", unreadable("Enforce"), Mode::Enforce, "spec"),
        ("in shadow", unreadable("Audit"), Mode::Audit, "spec"),
        ("warning", unreadable("Warn"), Mode::Warn, "spec"),
        ("no mode that is known", unreadable("Maybe"), Mode::Enforce, "spec"),
        ("no spec at all", json!(null), Mode::Enforce, "spec"),
        ("an unguarded label", unguarded(), Mode::Enforce, "spec.matchResources.namespaceSelector.matchLabels"),
    ] {
        let state = state(
            vec![policy("v1", policy_spec("v1"))],
            vec![binding("bad", spec), binding("good", scoped("Enforce"))],
        );
        let bad = state.bindings.entry("bad").unwrap();
        assert_eq!((bad.binding.mode, bad.errors[0].path.as_str()), (mode, path), "{what}");
        let anybody = crate::admission::UserInfo::default();
        let applies = bad.binding.applicability(&anybody, "elsewhere", &[]);
        assert_eq!(applies, crate::binding::Applicability::Governed, "{what}");
        assert_eq!(
            bad.decision.shortfall.as_ref().map(|shortfall| shortfall.cause),
            Some(Cause::InvalidBinding),
            "{what}"
        );
        let good = state.bindings.entry("good").unwrap();
        assert!(good.errors.is_empty() && good.decision.shortfall.is_none(), "{what}: the rest goes on");
    }
}

#[test]
fn only_what_changed_is_decided_anew() {
    let mut bindings = Bindings::default();
    let object = |generation, version: u64, status: serde_json::Value| {
        let mut object = binding("b", binding_spec("v1", "Enforce"));
        (object.seen.generation, object.seen.resource_version, object.status) = (generation, version, status);
        object
    };
    let recorded = json!({"inForce": {"id": "p", "version": "v1", "digest": "sha256:x"}});
    let ready = json!({"inForce": {"id": "p", "version": "v1", "digest": "sha256:x"}, "observedGeneration": 1});
    let changed = |names: &[&str], spec, status| BindingChanges {
        changed: names.iter().map(|name| (*name).to_owned()).collect(),
        spec,
        status,
    };
    for (what, update, expected) in [
        ("new", Update::Set(object(1, 1, json!(null))), changed(&["b"], true, false)),
        ("the same", Update::Set(object(1, 1, json!(null))), changed(&[], false, false)),
        ("recorded", Update::Set(object(1, 2, recorded)), changed(&["b"], false, true)),
        ("status", Update::Set(object(1, 3, ready.clone())), changed(&[], false, true)),
        ("spec", Update::Set(object(2, 4, ready.clone())), changed(&["b"], true, false)),
        ("listed again", Update::Replace(vec![object(2, 4, ready)]), changed(&[], false, false)),
        ("gone", Update::Replace(vec![]), changed(&[], true, false)),
    ] {
        assert_eq!(bindings.apply(update, &[]), expected, "{what}");
    }
}
