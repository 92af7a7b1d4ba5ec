use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ConfigMap;

use super::{
    BindingReport, KeyReport, PolicyReport, ReplicaReport, ServerReport, StatusResult, StoreReport, WebhookReport,
    gather::{Gathered, Part, Server, Webhooks},
};
use crate::{
    api::{Condition, ConditionStatus, Mode, Policy, PolicyBinding},
    controller::replicas::Report,
};

/// What is gathered, judged: pure, so that every fault has a test.
pub(super) fn assess(gathered: Gathered) -> StatusResult {
    let mut judge = Judge::default();
    let namespace = gathered.namespace.clone();
    let server = judge.part("the server", gathered.server).flatten();
    let replicas = judge.part("the replicas' reports", gathered.replicas);
    let policies = judge.part("the policies", gathered.policies).unwrap_or_default();
    let bindings = judge.part("the bindings", gathered.bindings).unwrap_or_default();
    let enforces = bindings.iter().any(|binding| binding.spec.mode == Mode::Enforce);
    judge.server(server.as_ref(), &namespace);
    // What could not be read says nothing about the replicas.
    if let Some(replicas) = &replicas {
        judge.replicas(replicas, server.as_ref());
    }
    judge.result.policies = policies.iter().map(policy).collect();
    judge.result.bindings = bindings.iter().map(binding).collect();
    judge.unready();
    for (kind, part) in [("Mutating", gathered.mutating), ("Validating", gathered.validating)] {
        let what = format!("the {} webhook configuration", kind.to_lowercase());
        if let Some(found) = judge.part(&what, part) {
            judge.webhook(kind, &gathered.configuration, found, enforces);
        }
    }
    let store = judge.part("the store of claims", gathered.store);
    let key = judge.part("the public key", gathered.key);
    judge.records(store, key, &namespace);
    judge.result.healthy = judge.result.problems.is_empty() && judge.result.unreadable.is_empty();
    judge.result
}

#[derive(Default)]
struct Judge {
    result: StatusResult,
}

impl Judge {
    fn problem(&mut self, text: impl Into<String>) {
        self.result.problems.push(text.into());
    }

    fn part<T>(&mut self, what: &str, part: Part<T>) -> Option<T> {
        part.map_err(|error| self.result.unreadable.push(format!("{what}: {error}"))).ok()
    }

    fn server(&mut self, server: Option<&Server>, namespace: &str) {
        let Some(server) = server else {
            if !self.result.unreadable.iter().any(|line| line.starts_with("the server")) {
                self.problem(format!("there is no StatefulSet `writ` in namespace `{namespace}`: install the chart, or name the namespace with --writ-namespace"));
            }
            return;
        };
        let arguments = &server.installation;
        let caller_authentication = match (arguments.callers_authenticated, arguments.accepts_unauthenticated_once) {
            (true, _) => "Required",
            (false, true) => "RiskAccepted",
            (false, false) => "None",
        };
        if caller_authentication != "Required" {
            self.problem("callers are not authenticated: whoever reaches the webhooks can have a made-up request signed; set callerAuthentication (docs/caller-authentication.md)");
        }
        if server.ready < server.wanted {
            self.problem(format!(
                "{} of {} replicas are ready: `kubectl -n {namespace} get pods` and their logs say why",
                server.ready, server.wanted
            ));
        }
        self.result.server = Some(ServerReport {
            image: server.image.clone(),
            wanted: server.wanted,
            ready: server.ready,
            caller_authentication,
        });
    }

    fn replicas(&mut self, reports: &[Report], server: Option<&Server>) {
        for report in reports.iter().filter(|report| !report.ready) {
            self.problem(format!("replica `{}` is not ready: its /readyz says why", report.replica));
        }
        let ready = reports.iter().filter(|report| report.ready);
        let sets: BTreeSet<&str> = ready.map(|report| report.set_digest.as_str()).collect();
        if sets.len() > 1 {
            self.problem("the replicas do not have the same policies in force: wait a moment, then look at the logs of the ones that lag");
        }
        if reports.is_empty() && server.is_some_and(|server| server.ready > 0) {
            self.problem("no replica reports what is in force: look at their logs");
        }
        self.result.replicas = reports.iter().map(replica).collect();
    }

    fn unready(&mut self) {
        let policies = self.result.policies.iter().filter(|policy| !policy.ready);
        let policies = policies.map(|policy| {
            let name = &policy.name;
            format!(
                "policy `{name}` is not ready ({}): `kubectl describe policies.writ.dev {name}` says why",
                policy.reason
            )
        });
        let bindings = self.result.bindings.iter().filter(|binding| !binding.ready);
        let bindings = bindings.map(|binding| {
            format!("binding `{}` is not ready ({}): {}", binding.name, binding.reason, binding.message)
        });
        let found: Vec<String> = policies.chain(bindings).collect();
        self.result.problems.extend(found);
    }

    fn webhook(&mut self, kind: &'static str, name: &str, found: Option<Webhooks>, enforces: bool) {
        match &found {
            None => self.problem(format!(
                "there is no {} webhook configuration `{name}`: nothing is sent to Writ; install the chart again",
                kind.to_lowercase()
            )),
            Some(webhooks) => {
                if !webhooks.has_authority {
                    self.problem(format!("the {} webhook configuration `{name}` has no caBundle: the API server cannot call Writ; upgrade the chart, its hook sets it", kind.to_lowercase()));
                }
                if webhooks.ignores_failure && enforces {
                    self.problem(format!("the {} webhook configuration `{name}` has failurePolicy Ignore: while no replica answers, everything passes", kind.to_lowercase()));
                }
            }
        }
        let policy = |webhooks: &Webhooks| if webhooks.ignores_failure { "Ignore" } else { "Fail" }.to_owned();
        self.result.webhooks.push(WebhookReport {
            kind,
            name: name.to_owned(),
            installed: found.is_some(),
            failure_policy: found.as_ref().map(policy),
            resources: found.map(|webhooks| webhooks.resources).unwrap_or_default(),
        });
    }

    /// The store and the key were made together and name each other.
    fn records(&mut self, store: Option<Option<ConfigMap>>, key: Option<Option<ConfigMap>>, namespace: &str) {
        let text = |map: &ConfigMap, field: &str| map.data.as_ref().and_then(|data| data.get(field)).cloned();
        let store_id = store.as_ref().map(|store| store.as_ref().and_then(|map| text(map, "storeId")));
        let key = key.map(|key| {
            key.map(|map| KeyReport {
                key_id: text(&map, "keyId").unwrap_or_default(),
                store_id: text(&map, "storeId").unwrap_or_default(),
            })
        });
        match (&store_id, &key) {
            (Some(None), _) => self.problem(format!("the store of claims has no root record in namespace `{namespace}`: if it is lost, every used authority is forgotten; see docs/recovery.md")),
            (_, Some(None)) => self.problem(format!("no public key is published in namespace `{namespace}`: upgrade the chart, its hook publishes it")),
            (Some(Some(id)), Some(Some(key))) if *id != key.store_id => {
                self.problem(format!("the store of claims is `{id}`, and the key was made with store `{}`: one of them was exchanged; see docs/recovery.md", key.store_id));
            }
            _ => {}
        }
        self.result.store = store_id.map(|id| StoreReport { id });
        self.result.key = key.flatten();
    }
}

fn replica(report: &Report) -> ReplicaReport {
    ReplicaReport {
        name: report.replica.clone(),
        ready: report.ready,
        policy_set: report.set_digest.clone(),
        reported: report.heartbeat.clone(),
    }
}

fn policy(policy: &Policy) -> PolicyReport {
    let status = policy.status.as_ref();
    let ready = ready(status.map(|status| status.conditions.as_slice()));
    PolicyReport {
        name: policy.metadata.name.clone().unwrap_or_default(),
        ready: ready.0,
        reason: ready.1,
        digest: status.and_then(|status| status.digest.clone()),
    }
}

fn binding(binding: &PolicyBinding) -> BindingReport {
    let status = binding.status.as_ref();
    let (ready, reason, message) = ready(status.map(|status| status.conditions.as_slice()));
    let in_force = status.and_then(|status| status.in_force.as_ref());
    let wanted = &binding.spec.policy_ref;
    BindingReport {
        name: binding.metadata.name.clone().unwrap_or_default(),
        mode: binding.spec.mode.as_str(),
        wanted: format!("{}.{}", wanted.id, wanted.version),
        in_force: in_force.map(|version| format!("{}.{}", version.id, version.version)),
        ready,
        reason,
        message,
    }
}

/// The condition `Ready`: whether, why, and why in words.
fn ready(conditions: Option<&[Condition]>) -> (bool, String, String) {
    let found = conditions.unwrap_or_default().iter().find(|condition| condition.type_ == "Ready");
    match found {
        Some(condition) => {
            (condition.status == ConditionStatus::True, condition.reason.clone(), condition.message.clone())
        }
        None => (false, "Unseen".to_owned(), "no controller has looked at it yet".to_owned()),
    }
}

#[cfg(test)]
mod tests;
