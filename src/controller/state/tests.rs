use serde_json::json;

use super::*;
use crate::{
    controller::{
        fixtures::{binding, binding_spec, policy, policy_spec, state},
        force::Cause,
    },
    policy_set::Force,
};

fn in_force(state: &State, name: &str) -> Option<String> {
    let kept = state.bindings.entry(name)?.decision.in_force.as_ref()?;
    Some(kept.policy.version().to_owned())
}

fn cause(state: &State, name: &str) -> Option<Cause> {
    Some(state.bindings.entry(name)?.decision.shortfall.as_ref()?.cause)
}

fn pin(state: &mut State, policies: Vec<Arc<Policy>>) {
    for policy in policies {
        state.update_pin(&format!("p.{}", policy.version()), policy.digest(), Pin::Pinned);
    }
}

/// Every order in which a policy, its pin and two bindings can arrive ends in the same set.
#[test]
fn the_order_of_arrival_does_not_matter() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let digests = orders.map(|order| {
        let mut state = State::new(Arc::new(Settings::default()));
        for step in order {
            match step {
                0 => {
                    let unasked = state.update_policies(Update::Set(policy("v1", policy_spec("v1"))));
                    state.settle();
                    pin(&mut state, unasked);
                }
                1 => state.update_bindings(Update::Set(binding("a", binding_spec("v1", "Enforce")))),
                _ => state.update_bindings(Update::Set(binding("b", binding_spec("v1", "Audit")))),
            }
            state.settle();
        }
        assert_eq!((in_force(&state, "a").as_deref(), in_force(&state, "b").as_deref()), (Some("v1"), Some("v1")));
        state.policy_set().digest()
    });
    assert!(digests.iter().all(|digest| *digest == digests[0]));
}

#[test]
fn nothing_is_in_force_before_it_is_pinned() {
    let mut state = State::new(Arc::new(Settings::default()));
    state.update_bindings(Update::Set(binding("b", binding_spec("v1", "Enforce"))));
    let unasked = state.update_policies(Update::Set(policy("v1", policy_spec("v1"))));
    assert_eq!(state.unanswered().collect::<Vec<_>>(), ["p.v1"]);
    assert!(state.settle());
    assert_eq!((in_force(&state, "b"), cause(&state, "b")), (None, Some(Cause::NotPinned)));
    assert!(matches!(state.bounds()[0].force, Force::Unavailable { .. }));
    // An answer about other content is not an answer.
    state.update_pin("p.v1", Digest::plain(b"other"), Pin::Pinned);
    state.settle();
    assert_eq!(cause(&state, "b"), Some(Cause::NotPinned));
    pin(&mut state, unasked);
    assert!(state.settle());
    assert_eq!((in_force(&state, "b").as_deref(), cause(&state, "b")), (Some("v1"), None));
    assert!(!state.settle(), "nothing changed since");
}

#[test]
fn a_version_created_anew_with_other_content_is_never_in_force() {
    let mut state = state(vec![policy("v1", policy_spec("v1"))], vec![binding("b", binding_spec("v1", "Enforce"))]);
    let before = state.policies.find("p", "v1").unwrap().policy().unwrap().digest();
    let other = {
        let mut object = policy("v1", policy_spec("v1"));
        object.spec["rules"][0]["reason"] = json!("Other");
        object.seen.uid = "uid-other".to_owned();
        object
    };
    for policy in state.update_policies(Update::Replace(vec![other])) {
        state.update_pin("p.v1", policy.digest(), Pin::Conflict(before));
    }
    state.settle();
    assert_eq!((in_force(&state, "b"), cause(&state, "b")), (None, Some(Cause::DigestConflict)));
}

#[test]
fn status_alone_builds_no_new_set() {
    let mut state = state(vec![policy("v1", policy_spec("v1"))], vec![binding("b", binding_spec("v1", "Enforce"))]);
    let with_status = |mut object: Observed, status| {
        object.seen.resource_version += 1;
        object.status = status;
        object
    };
    state.update_policies(Update::Set(with_status(policy("v1", policy_spec("v1")), json!({"observedGeneration": 1}))));
    assert!(!state.settle());
    let recorded = state.bindings.entry("b").unwrap().decision.in_force.as_ref().unwrap().in_force();
    let status = json!({"inForce": recorded});
    state.update_bindings(Update::Set(with_status(binding("b", binding_spec("v1", "Enforce")), status)));
    assert!(!state.settle());
    assert_eq!(in_force(&state, "b").as_deref(), Some("v1"));
    assert_eq!(state.policies.find("p", "v1").unwrap().pin, Pin::Pinned, "a status does not unpin");
}
