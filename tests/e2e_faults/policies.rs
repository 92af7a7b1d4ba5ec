//! The policies of these tests.

use anyhow::{Result, ensure};

use crate::support::Rig;

/// ConfigMaps: a ticket is good for one request, whatever its target.
pub(crate) fn once(operations: &str) -> String {
    once_for(&[("", "configmaps")], operations)
}

/// The same for other resources: group and name.
pub(crate) fn once_for(resources: &[(&str, &str)], operations: &str) -> String {
    let rule = |(group, resource): &(&str, &str)| {
        format!(
            "    - {{apiGroups: ['{group}'], apiVersions: [v1], resources: [{resource}], operations: [{operations}]}}\n"
        )
    };
    let rules: String = resources.iter().map(rule).collect();
    format!(
        r#"
apiVersion: writ.dev/v1alpha1
kind: Policy
metadata: {{name: once.v1}}
spec:
  id: once
  version: v1
  matchConstraints:
    resourceRules:
{rules}  variables:
  - name: notes
    expression: 'request.operation == "DELETE" ? oldObject.metadata.?annotations.orValue({{}}) : object.metadata.?annotations.orValue({{}})'
  signals:
  - {{name: ticket, type: String, expression: 'variables.notes[?"example.com/ticket"].orValue("")'}}
  rules:
  - {{name: no-ticket, when: 'signals.ticket == ""', outcome: Deny, reason: TicketMissing, message: 'name a ticket'}}
  - {{name: ticket, outcome: Allow, reason: Ticketed}}
  replay: {{mode: Once, key: [ticket], window: 24h}}
---
apiVersion: writ.dev/v1alpha1
kind: PolicyBinding
metadata: {{name: once}}
spec:
  policyRef: {{id: once, version: v1}}
  matchResources:
    namespaceSelector: {{matchExpressions: [{{key: kubernetes.io/metadata.name, operator: In, values: [default, shop]}}]}}
  mode: Enforce
"#
    )
}

/// Secrets may be changed again and again; those named `probe` may not.
pub(crate) const REPEATABLE: &str = r#"
---
apiVersion: writ.dev/v1alpha1
kind: Policy
metadata: {name: free.v1}
spec:
  id: free
  version: v1
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], resources: [secrets], operations: [CREATE, UPDATE]}]
  signals: [{name: name, type: String, expression: request.name}]
  rules:
  - {name: probe, when: 'signals.name == "probe"', outcome: Deny, reason: Probed}
  - {name: all, outcome: Allow, reason: Allowed}
  replay: {mode: Repeatable}
---
apiVersion: writ.dev/v1alpha1
kind: PolicyBinding
metadata: {name: free}
spec:
  policyRef: {id: free, version: v1}
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}}}
  mode: Enforce
"#;

/// Applies policies and waits until these bindings are in force on every replica.
pub(crate) fn govern(rig: &Rig, policies: &str, bindings: &[&str]) -> Result<()> {
    rig.cluster.kubectl(&["apply", "-f", "-"], policies)?.ok()?;
    for binding in bindings {
        let wait = ["wait", "--for=condition=Ready", &format!("policybinding/{binding}"), "--timeout=60s"];
        let waited = rig.cluster.kubectl(&wait, "")?;
        ensure!(waited.success, "{}", rig.get(&["policybinding", binding])?["status"]);
    }
    Ok(())
}
