//! The answer to a call whose body cannot be held.
//!
//! The API server sends the same uid again after a real 429 with `Retry-After`, so overload is a review with code 429
//! inside; that needs the request's uid. The API server writes it first, so the head of the body is enough, and the rest
//! is thrown away as it comes. From anybody else who writes otherwise, it is a real 429 without `Retry-After`, which is
//! never repeated.

/// How the API server begins every `AdmissionReview` of `admission.k8s.io/v1` (the order of the fields of its Go types).
const START: &[u8] = br#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":""#;
/// The most bytes of a uid that is read this way; the API server's have 36.
const UID_LIMIT: usize = 64;
/// What must be kept of a body for [`uid_at_start`].
pub(super) const HEAD_BYTES: usize = START.len() + UID_LIMIT + 1;

/// The uid, where the body begins as the API server begins it.
pub(super) fn uid_at_start(head: &[u8]) -> Option<&str> {
    let rest = head.strip_prefix(START)?;
    let end = rest.iter().take(UID_LIMIT + 1).position(|byte| *byte == b'"')?;
    let uid = rest.get(..end)?;
    let plain = !uid.is_empty() && uid.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    if plain { std::str::from_utf8(uid).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_uid_only_where_the_api_server_writes_it() {
        let review = |uid: &str| format!("{}{uid}\",\"kind\":{{", std::str::from_utf8(START).unwrap());
        for uid in ["0b8ae9a5-5a5f-4e43-8b3f-6e1f6a4f4f0e", "u", &"a".repeat(UID_LIMIT)] {
            assert_eq!(uid_at_start(review(uid).as_bytes()), Some(uid));
            assert_eq!(uid_at_start(&review(uid).as_bytes()[..START.len() + uid.len() + 1]), Some(uid));
            assert_eq!(uid_at_start(&review(uid).as_bytes()[..START.len() + uid.len()]), None);
        }
        for wrong in ["", "a\\u0041", "a b", "é", &"a".repeat(UID_LIMIT + 1)] {
            assert_eq!(uid_at_start(review(wrong).as_bytes()), None, "{wrong}");
        }
        for other in [r#"{"kind":"AdmissionReview"}"#, r#" {"kind":"AdmissionReview""#, ""] {
            assert_eq!(uid_at_start(other.as_bytes()), None, "{other}");
        }
    }
}
