use serde_json::json;

use crate::canonical::Value;

/// The attestation that an object carries under `key`.
pub(super) fn carried<'v>(object: Option<&'v Value<'_>>, key: &str) -> Option<&'v str> {
    object?.at(&["metadata", "annotations", key]).and_then(Value::as_str)
}

/// A JSON Patch (RFC 6902) that sets or removes the annotation `key`; `None` where it has that value already.
pub(super) fn patch(object: &Value<'_>, key: &str, wanted: Option<&str>) -> Option<Vec<u8>> {
    if carried(Some(object), key) == wanted {
        return None;
    }
    // RFC 6901 section 3.
    let path = format!("/metadata/annotations/{}", key.replace('~', "~0").replace('/', "~1"));
    let has_annotations = object.at(&["metadata", "annotations"]).is_some_and(|value| value.as_object().is_some());
    let operations = match wanted {
        Some(text) if has_annotations => json!([{"op": "add", "path": path, "value": text}]),
        Some(text) => json!([{"op": "add", "path": "/metadata/annotations", "value": {key: text}}]),
        None => json!([{"op": "remove", "path": path}]),
    };
    // INVARIANT: JSON values serialize.
    serde_json::to_vec(&operations).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::parse;

    #[test]
    fn a_patch_touches_one_annotation() {
        let key = "attestation.writ.dev/pods";
        for (object, wanted, expected) in [
            (
                r#"{"metadata":{}}"#,
                Some("w"),
                Some(r#"[{"op":"add","path":"/metadata/annotations","value":{"attestation.writ.dev/pods":"w"}}]"#),
            ),
            (
                r#"{"metadata":{"annotations":null}}"#,
                Some("w"),
                Some(r#"[{"op":"add","path":"/metadata/annotations","value":{"attestation.writ.dev/pods":"w"}}]"#),
            ),
            (
                r#"{"metadata":{"annotations":{"a":"b"}}}"#,
                Some("w"),
                Some(r#"[{"op":"add","path":"/metadata/annotations/attestation.writ.dev~1pods","value":"w"}]"#),
            ),
            (r#"{"metadata":{"annotations":{"attestation.writ.dev/pods":"w"}}}"#, Some("w"), None),
            (
                r#"{"metadata":{"annotations":{"attestation.writ.dev/pods":"w"}}}"#,
                None,
                Some(r#"[{"op":"remove","path":"/metadata/annotations/attestation.writ.dev~1pods"}]"#),
            ),
            (r#"{"metadata":{}}"#, None, None),
        ] {
            let made =
                patch(&parse(object.as_bytes()).unwrap(), key, wanted).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(made.as_deref(), expected, "{object} {wanted:?}");
        }
    }
}
