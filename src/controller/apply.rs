//! The leader's hand: writes the status of policies and bindings where it differs, and tells people of what went wrong.
//! Each write names the state of the object that it was made for; one that lost a race is simply made again.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{
    Controller, View,
    conditions::find,
    events::{Notice, Subject},
    heartbeat,
    observed::Seen,
    status::{COMPILED, READY, Reach, Surroundings, binding_status, policy_status},
};
use crate::{
    api::{API_VERSION, Condition, ConditionStatus, Policy, PolicyBinding},
    metrics::WriteLabels,
};

/// Whatever happens, it is looked again this often.
const LOOK: Duration = Duration::from_secs(1);
/// Changes that follow each other are gathered this long.
const GATHER: Duration = Duration::from_millis(20);
/// How many writes are made at once.
const PARALLEL: usize = 8;
/// A write is not made again before the watch had this long to show it.
const ECHO: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(5);

/// A write to be made.
struct Write {
    kind: &'static str,
    name: String,
    seen: Seen,
    status: Value,
    notices: Vec<Notice>,
}

/// Writes made, with the resource version that each was made for.
type Made = BTreeMap<(&'static str, String), (u64, Instant)>;

/// Writes for ever, while this replica leads.
pub(super) async fn run(controller: Arc<Controller>) {
    let mut reach = Reach::default();
    let mut made = Made::new();
    let mut cleaned = Instant::now();
    loop {
        let _ = timeout(LOOK, controller.status_nudges.notified()).await;
        sleep(GATHER).await;
        if !controller.leadership.is_held(Instant::now()) {
            made.clear();
            continue;
        }
        let Some(view) = controller.view().filter(|view| view.synced.hooks()) else { continue };
        let now = Instant::now();
        made.retain(|_, (_, at)| now.saturating_duration_since(*at) < ECHO);
        let mut writes = plan(&controller, &view, &mut reach);
        writes.retain(|write| {
            made.get(&(write.kind, write.name.clone()))
                .is_none_or(|(version, _)| *version != write.seen.resource_version)
        });
        let done: Vec<_> =
            stream::iter(writes).map(|write| make(&controller, write)).buffer_unordered(PARALLEL).collect().await;
        made.extend(done.into_iter().flatten().map(|(key, version)| (key, (version, Instant::now()))));
        if cleaned.elapsed() > heartbeat::CLEAN_EVERY {
            cleaned = Instant::now();
            heartbeat::remove_stale(&controller).await;
        }
    }
}

/// Every status that is not what it should be.
fn plan(controller: &Controller, view: &View, reach: &mut Reach) -> Vec<Write> {
    let now = controller.time();
    let mut others = controller.replicas.live(Instant::now());
    others.retain(|report| report.replica != controller.settings.replica);
    let around = Surroundings { state: &view.state, set_digest: view.snapshot.set.digest(), others: &others };
    let mut writes = Vec::new();
    for entry in view.state.policies.iter() {
        let Some(status) = policy_status(entry, now).filter(|status| *status != entry.status) else { continue };
        let notices = news("Policy", &entry.name, &entry.seen, &entry.status.conditions, &status.conditions);
        let status = json!({
            "observedGeneration": status.observed_generation,
            "digest": status.digest,
            "worstCaseCost": status.worst_case_cost,
            "conditions": status.conditions,
        });
        writes.push(Write { kind: "Policy", name: entry.name.clone(), seen: entry.seen.clone(), status, notices });
    }
    for entry in view.state.bindings.iter() {
        let status = binding_status(entry, &around, reach, now).filter(|status| *status != entry.status);
        let Some(status) = status else { continue };
        let name = &entry.binding.name;
        let notices = news("PolicyBinding", name, &entry.seen, &entry.status.conditions, &status.conditions);
        let status = json!({
            "observedGeneration": status.observed_generation,
            "inForce": status.in_force,
            "conditions": status.conditions,
        });
        writes.push(Write { kind: "PolicyBinding", name: name.clone(), seen: entry.seen.clone(), status, notices });
    }
    writes
}

/// What people should hear of when conditions change: what is wrong, once, and that it is right again. What was right
/// from the start is no news.
fn news(kind: &str, name: &str, seen: &Seen, before: &[Condition], after: &[Condition]) -> Vec<Notice> {
    // Other replicas follow within a second.
    let passes = |condition: &Condition| condition.reason == "NotOnEveryReplica";
    let is_news = |condition: &&Condition| match find(before, &condition.type_) {
        _ if passes(condition) => false,
        Some(old) if condition.status == ConditionStatus::True => {
            condition.type_ == READY && old.status != ConditionStatus::True && !passes(old)
        }
        Some(old) => old.status != condition.status || old.reason != condition.reason,
        None => condition.status != ConditionStatus::True,
    };
    let subject = Subject {
        api_version: API_VERSION.to_owned(),
        kind: kind.to_owned(),
        namespace: String::new(),
        name: name.to_owned(),
        uid: seen.uid.clone(),
    };
    let notice = |condition: &Condition| Notice {
        subject: subject.clone(),
        warning: condition.status != ConditionStatus::True,
        reason: if condition.type_ == COMPILED { "NotCompiled".to_owned() } else { condition.reason.clone() },
        action: if condition.type_ == READY { "PutIntoForce" } else { "Compile" },
        note: condition.message.clone(),
    };
    let mut notices: Vec<Notice> = after.iter().filter(is_news).map(notice).collect();
    // Compiled and Ready of one policy fail for one reason.
    notices.dedup_by(|second, first| second.reason == first.reason);
    notices
}

async fn make(controller: &Controller, write: Write) -> Option<((&'static str, String), u64)> {
    let resource = match write.kind {
        "Policy" => ApiResource::erase::<Policy>(&()),
        _ => ApiResource::erase::<PolicyBinding>(&()),
    };
    let api: Api<DynamicObject> = Api::all_with(controller.client.clone(), &resource);
    let Seen { uid, resource_version, .. } = write.seen;
    // A merge patch with the version that it was made for: null removes, and another version is a conflict.
    let metadata = json!({"uid": uid, "resourceVersion": resource_version.to_string()});
    let patch = Patch::Merge(json!({"metadata": metadata, "status": write.status}));
    let outcome = match timeout(LIMIT, api.patch_status(&write.name, &PatchParams::default(), &patch)).await {
        Ok(Ok(_)) => "done",
        Ok(Err(kube::Error::Api(status))) if status.code == 409 || status.code == 404 => "conflict",
        Ok(Err(error)) => {
            tracing::warn!(kind = write.kind, name = write.name, error = %error, "a status could not be written");
            "failed"
        }
        Err(_) => "failed",
    };
    controller.metrics.status_writes.get_or_create(&WriteLabels { outcome }).inc();
    if outcome != "done" {
        return None;
    }
    write.notices.into_iter().for_each(|notice| controller.events.tell(notice));
    Some(((write.kind, write.name), resource_version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(type_: &str, status: ConditionStatus, reason: &str) -> Condition {
        Condition {
            type_: type_.to_owned(),
            status,
            reason: reason.to_owned(),
            message: "m".to_owned(),
            last_transition_time: "t".to_owned(),
            observed_generation: None,
        }
    }

    #[test]
    fn what_is_news() {
        use ConditionStatus::{False, True};
        let ready = |status, reason| vec![condition(READY, status, reason)];
        for (what, before, after, expected) in [
            ("good from the start", vec![], ready(True, "InForce"), &[][..]),
            ("the same", ready(True, "InForce"), ready(True, "InForce"), &[]),
            ("bad", ready(True, "InForce"), ready(False, "PolicyMissing"), &["PolicyMissing"]),
            ("bad for another reason", ready(False, "PolicyMissing"), ready(False, "NotCovered"), &["NotCovered"]),
            ("good again", ready(False, "PolicyMissing"), ready(True, "InForce"), &["InForce"]),
            ("others follow", ready(True, "InForce"), ready(False, "NotOnEveryReplica"), &[]),
            ("others have followed", ready(False, "NotOnEveryReplica"), ready(True, "InForce"), &[]),
            (
                "does not compile",
                vec![],
                vec![condition(COMPILED, False, "Invalid"), condition(READY, False, "NotCompiled")],
                &["NotCompiled"],
            ),
            ("compiles", vec![], vec![condition(COMPILED, True, "Valid"), condition(READY, True, "Pinned")], &[]),
        ] {
            let notices = news("Policy", "p.v1", &Seen::default(), &before, &after);
            let reasons: Vec<&str> = notices.iter().map(|notice| notice.reason.as_str()).collect();
            assert_eq!(reasons, expected, "{what}");
        }
    }
}
