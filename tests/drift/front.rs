//! Writ in front of every kind of a real API server, so that only what a test attacks can refuse a request.

use anyhow::Result;
use serde_json::{Value, json};

use super::api::{Answer, Api, Sample, samples};
use crate::{
    harness::{Options, wait_until},
    support::{Rig, SOON},
};

/// Everything is allowed but one address of a Service, which shows that the final object is decided again.
const POLICIES: &str = r#"
apiVersion: writ.dev/v1alpha1
kind: Policy
metadata: {name: all.v1}
spec:
  id: all
  version: v1
  matchConstraints:
    resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], resources: ['*'], operations: [CREATE, UPDATE]}]
  signals: [{name: address, type: String, expression: "object.?spec.?clusterIP.orValue('')"}]
  rules:
  - {name: not-this, when: "signals.address == '10.96.66.66'", outcome: Deny, reason: AddressRefused}
  - {name: all, outcome: Allow, reason: Allowed}
  replay: {mode: Repeatable}
---
apiVersion: writ.dev/v1alpha1
kind: PolicyBinding
metadata: {name: all}
spec: {policyRef: {id: all, version: v1}, mode: Enforce}
"#;

/// The kinds that the API server shows to no webhook: one that refuses everything could not be removed.
pub(crate) const NEVER_SHOWN: &[&str] = &[
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
];

/// Writ, called for every kind. Its mutating webhook is called once a request, and not for new objects that bring
/// an attestation along: these go to the gate as they are.
pub(crate) fn everywhere() -> Result<Rig> {
    let options = Options::default().api_server_args(&["--runtime-config=api/all=true"]);
    let rig = Rig::standalone(options, POLICIES)?;
    let client = Api::of(&rig.cluster);
    for (resource, resources) in [("mutatingwebhookconfigurations", "*"), ("validatingwebhookconfigurations", "*")] {
        let path = format!("/apis/admissionregistration.k8s.io/v1/{resource}/zz-writ");
        let mut configuration = client.send("GET", &path, &Value::Null)?.ok()?;
        let webhook = &mut configuration["webhooks"][0];
        webhook["rules"] = json!([{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": [resources]}]);
        webhook["timeoutSeconds"] = json!(20);
        if resource.starts_with("mutating") {
            webhook["reinvocationPolicy"] = json!("Never");
            let bare = "request.operation == 'UPDATE' || !has(object.metadata.annotations) || !object.metadata.annotations.exists(key, key.startsWith('attestation.writ.dev/'))";
            webhook["matchConditions"] = json!([{"name": "bare", "expression": bare}]);
        }
        client.send("PUT", &path, &configuration)?.ok()?;
    }
    // A kind that writ was not called for before.
    let role =
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "probe"}});
    let forged = json!({"attestation.writ.dev/clusterroles.rbac.authorization.k8s.io": "forged"});
    wait_until("writ to be called for every kind", SOON, || {
        let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles?dryRun=All";
        let bare = client.send("POST", path, &role)?;
        let mut with = role.clone();
        with["metadata"]["annotations"] = forged.clone();
        let refused = client.send("POST", path, &with)?;
        Ok((bare.body["metadata"]["annotations"].is_object() && refused.status == 403).then_some(()))
    })?;
    Ok(rig)
}

/// One version of each served kind that webhooks are shown.
pub(crate) fn shown_samples(api: &Api<'_>) -> Result<Vec<Sample>> {
    let served = api.served()?;
    let mut shown: Vec<Sample> = Vec::new();
    for sample in samples()?.into_iter().filter(|sample| served.contains_key(&sample.gvr())) {
        let known = shown.iter().any(|other| (&other.group, &other.kind) == (&sample.group, &sample.kind));
        if !known && !NEVER_SHOWN.contains(&sample.kind.as_str()) {
            shown.push(sample);
        }
    }
    Ok(shown)
}

/// The reason code of a denial.
pub(crate) fn reason(answer: &Answer) -> &str {
    answer.body["details"]["causes"][0]["reason"].as_str().unwrap_or_default()
}
