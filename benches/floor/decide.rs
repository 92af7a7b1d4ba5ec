use anyhow::{Context as _, bail};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The annotation that carries the signature.
const KEY: &str = "floor.writ.dev/attestation";
/// Bytes of a signature in base64.
const SIGNATURE_TEXT: usize = 86;

/// The keys, parsed once.
pub(crate) struct Floor {
    key: SigningKey,
    public: VerifyingKey,
    annotation_bytes: usize,
}

#[derive(Deserialize)]
struct Review<'a> {
    #[serde(borrow)]
    request: Request<'a>,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    uid: &'a str,
    #[serde(default)]
    object: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    api_version: &'a str,
    kind: &'a str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
}

impl Floor {
    pub(crate) fn new(annotation_bytes: usize) -> Self {
        let key = SigningKey::from_bytes(&[7; 32]);
        Self { public: key.verifying_key(), key, annotation_bytes }
    }

    /// The answer to one review.
    pub(crate) fn decide(&self, is_mutate: bool, body: &[u8]) -> anyhow::Result<Vec<u8>> {
        let Review { request: Request { uid, object } } = serde_json::from_slice(body)?;
        let patch = if is_mutate { Some(STANDARD.encode(self.mutate(uid, &object)?)) } else { None };
        if !is_mutate {
            self.validate(&object)?;
        }
        let patch_type = patch.is_some().then_some("JSONPatch");
        let response = Response { uid, allowed: true, patch_type, patch };
        Ok(serde_json::to_vec(&Answer { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response })?)
    }

    fn mutate(&self, uid: &str, object: &Value) -> anyhow::Result<Vec<u8>> {
        let mut payload = format!("{}.{uid}.", URL_SAFE_NO_PAD.encode(digest(object)?));
        let length = self.annotation_bytes.saturating_sub(SIGNATURE_TEXT + 1);
        payload.extend(std::iter::repeat_n('a', length.saturating_sub(payload.len())));
        let signature = self.key.sign(payload.as_bytes());
        let value = format!("{payload} {}", URL_SAFE_NO_PAD.encode(signature.to_bytes()));
        let patch = match object.pointer("/metadata/annotations") {
            Some(Value::Object(_)) => {
                let path = format!("/metadata/annotations/{}", KEY.replace('/', "~1"));
                json!([{ "op": "add", "path": path, "value": value }])
            }
            _ => json!([{ "op": "add", "path": "/metadata/annotations", "value": { KEY: value } }]),
        };
        Ok(serde_json::to_vec(&patch)?)
    }

    fn validate(&self, object: &Value) -> anyhow::Result<Signature> {
        let annotations = object.pointer("/metadata/annotations").context("no annotations")?;
        let annotation = annotations.get(KEY).and_then(Value::as_str).context("no attestation")?;
        let Some((payload, signature)) = annotation.split_once(' ') else { bail!("no signature") };
        let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature)?)?;
        self.public.verify_strict(payload.as_bytes(), &signature)?;
        Ok(self.key.sign(&digest(object)?))
    }
}

/// SHA-256 over the object with its keys sorted.
fn digest(object: &Value) -> anyhow::Result<[u8; 32]> {
    Ok(Sha256::digest(serde_json::to_vec(object)?).into())
}
