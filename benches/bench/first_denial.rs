//! From the answer to `kubectl apply` of a policy with its binding to the first denial by it.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{
    page::{Aim, Page, Section, number},
    statistics::{median, milliseconds, quantile},
    through::Api,
};

/// How many policies are published.
const POLICIES: usize = 20;
/// How many requests may pass before something must be wrong.
const PATIENCE: usize = 5000;

pub(crate) async fn measure(api: &Api, namespace: &str, page: &mut Page) -> Result<()> {
    let mut times = Vec::new();
    for number in 0..POLICIES {
        let id = format!("stop-{number}");
        let policy = json!({
            "apiVersion": "writ.dev/v1alpha1", "kind": "Policy", "metadata": {"name": format!("{id}.v1")},
            "spec": {"id": id, "version": "v1",
                "matchConstraints": {"resourceRules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["CREATE"]}]},
                "signals": [{"name": "name", "type": "String", "expression": "object.metadata.name"}],
                "rules": [
                    {"name": "stop", "when": format!("signals.name == '{id}'"), "outcome": "Deny", "reason": "Stopped"},
                    {"name": "go", "outcome": "Allow", "reason": "Fine"},
                ],
                "replay": {"mode": "Repeatable"}},
        });
        let binding = json!({
            "apiVersion": "writ.dev/v1alpha1", "kind": "PolicyBinding", "metadata": {"name": id},
            "spec": {"policyRef": {"id": id, "version": "v1"}, "mode": "Enforce"},
        });
        ensure!(
            api.post("/apis/writ.dev/v1alpha1/policies", &policy.to_string()).await? == 201,
            "the policy is refused"
        );
        let status = api.post("/apis/writ.dev/v1alpha1/policybindings", &binding.to_string()).await?;
        ensure!(status == 201, "the binding is refused");
        let applied = Instant::now();
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments?dryRun=All");
        let body = api.deployment(&id);
        let mut tries = 0;
        while api.post(&path, &body).await? != 403 {
            tries += 1;
            ensure!(tries < PATIENCE, "policy `{id}` denies nothing");
        }
        times.push(milliseconds(applied.elapsed()));
        let gone = api.delete(&format!("/apis/writ.dev/v1alpha1/policybindings/{id}")).await?;
        ensure!(gone == 200, "the binding stays: {gone}");
    }
    page.add(Section {
        title: "From apply to the first denial",
        about: format!(
            "{POLICIES} times: a policy and then its binding are created; from the answer to the second, dry runs of a \
             forbidden Deployment follow one another until one is refused with 403."
        ),
        columns: vec!["", "ms"],
        rows: vec![
            vec!["median".to_owned(), number(median(&times))],
            vec!["longest".to_owned(), number(quantile(&times, 1.0))],
        ],
        aims: vec![Aim { what: "ms from apply to the first denial (median)", at_most: 100.0, seen: median(&times) }],
        raw: vec![("ms".to_owned(), times)],
    });
    Ok(())
}
