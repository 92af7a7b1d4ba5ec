use anyhow::{Context as _, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

/// Stands where an answer's annotation goes.
const ANNOTATIONS: &str = r#""annotations":{"#;
const NAME: &str = "@NAME@";
/// What the API server sets between the two calls.
const SERVER_SET: &str =
    r#""uid":"7c0a1f0e-8d1b-4d7c-9a55-1f6f3a1c2b3d","creationTimestamp":"2026-11-24T12:00:00Z","generation":1"#;

/// Writes reviews as the API server does for a Deployment CREATE.
pub(crate) struct Reviews {
    object: String,
}

/// What is read of an answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    uid: String,
    allowed: bool,
    #[serde(default)]
    patch: Option<String>,
}

#[derive(Deserialize)]
struct Operation {
    op: String,
    path: String,
    value: serde_json::Value,
}

/// How a change was answered.
pub(crate) enum Verdict {
    /// Allowed, with what the patch puts into the annotations.
    Allowed(String),
    Denied,
}

impl Reviews {
    /// With a Deployment of about so many bytes.
    pub(crate) fn new(object_bytes: usize) -> Self {
        let mut containers = String::new();
        let mut number = 0;
        while containers.is_empty() || containers.len() + 900 < object_bytes {
            if number > 0 {
                containers.push(',');
            }
            containers.push_str(&container(number));
            number += 1;
        }
        let object = format!(
            r#"{{"kind":"Deployment","apiVersion":"apps/v1","metadata":{{"name":"{NAME}","namespace":"shop","creationTimestamp":null,"labels":{{"app":"{NAME}","team":"payments"}},"annotations":{{"note":"load"}},"managedFields":[{{"manager":"load","operation":"Update","apiVersion":"apps/v1","time":"2026-11-24T12:00:00Z","fieldsType":"FieldsV1","fieldsV1":{{"f:metadata":{{"f:labels":{{".":{{}},"f:app":{{}}}}}},"f:spec":{{"f:replicas":{{}}}}}}}}]}},"spec":{{"replicas":3,"selector":{{"matchLabels":{{"app":"{NAME}"}}}},"template":{{"metadata":{{"creationTimestamp":null,"labels":{{"app":"{NAME}"}}}},"spec":{{"containers":[{containers}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{{}},"schedulerName":"default-scheduler"}}}},"strategy":{{"type":"RollingUpdate","rollingUpdate":{{"maxUnavailable":"25%","maxSurge":"25%"}}}},"revisionHistoryLimit":10,"progressDeadlineSeconds":600}},"status":{{}}}}"#
        );
        Self { object }
    }

    /// Bytes of the object as it is sent to `/mutate`.
    pub(crate) fn object_bytes(&self) -> usize {
        self.object.len()
    }

    /// The mutating call for change number `change`.
    pub(crate) fn mutating(&self, change: usize) -> String {
        let name = format!("web-{change}");
        envelope(&uid(change, 0), &name, &self.object.replace(NAME, &name))
    }

    /// The validating call that follows it, with the annotation of its answer.
    pub(crate) fn validating(&self, change: usize, annotation: &str) -> String {
        let name = format!("web-{change}");
        let mut object = self.object.replace(NAME, &name);
        object = object.replacen(r#""creationTimestamp":null"#, SERVER_SET, 1);
        if !annotation.is_empty() {
            object = object.replacen(ANNOTATIONS, &format!("{ANNOTATIONS}{annotation},"), 1);
        }
        envelope(&uid(change, 1), &name, &object)
    }

    /// Reads an answer to call `call` (0: mutate, 1: validate) of a change.
    pub(crate) fn read(&self, change: usize, call: u8, answer: &[u8]) -> anyhow::Result<Verdict> {
        let Review { response } = serde_json::from_slice(answer).context("the answer is no review")?;
        ensure!(response.uid == uid(change, call), "the answer is for another uid");
        if !response.allowed {
            return Ok(Verdict::Denied);
        }
        let Some(patch) = response.patch else { return Ok(Verdict::Allowed(String::new())) };
        let operations: Vec<Operation> = serde_json::from_slice(&STANDARD.decode(patch)?)?;
        let mut entries = Vec::new();
        for Operation { op, path, value } in operations {
            let key = path.strip_prefix("/metadata/annotations/").context("a patch beside the annotations")?;
            ensure!(op == "add" || op == "replace", "a patch that does `{op}`");
            let key = key.replace("~1", "/").replace("~0", "~");
            entries.push(format!("{}:{value}", serde_json::Value::from(key)));
        }
        Ok(Verdict::Allowed(entries.join(",")))
    }
}

fn uid(change: usize, call: u8) -> String {
    format!("{change:08x}-0000-4000-8000-00000000000{call}")
}

fn envelope(uid: &str, name: &str, object: &str) -> String {
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"{uid}","kind":{{"group":"apps","version":"v1","kind":"Deployment"}},"resource":{{"group":"apps","version":"v1","resource":"deployments"}},"requestKind":{{"group":"apps","version":"v1","kind":"Deployment"}},"requestResource":{{"group":"apps","version":"v1","resource":"deployments"}},"name":"{name}","namespace":"shop","operation":"CREATE","userInfo":{{"username":"ann@example.com","groups":["developers","system:authenticated"]}},"object":{object},"oldObject":null,"dryRun":false,"options":{{"kind":"CreateOptions","apiVersion":"meta.k8s.io/v1"}}}}}}
"#
    )
}

fn container(number: usize) -> String {
    let variables: Vec<String> = (0..8)
        .map(|variable| format!(r#"{{"name":"SETTING_{variable}","value":"value-{variable}-of-container-{number}"}}"#))
        .collect();
    format!(
        r#"{{"name":"app-{number}","image":"registry.example.com/payments/app:1.{number}.0","args":["--listen=:8080","--log-level=info"],"ports":[{{"name":"http","containerPort":8080,"protocol":"TCP"}}],"env":[{}],"resources":{{"limits":{{"cpu":"500m","memory":"256Mi"}},"requests":{{"cpu":"100m","memory":"128Mi"}}}},"livenessProbe":{{"httpGet":{{"path":"/livez","port":8080,"scheme":"HTTP"}},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3}},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent","securityContext":{{"runAsNonRoot":true,"allowPrivilegeEscalation":false}}}}"#,
        variables.join(",")
    )
}
