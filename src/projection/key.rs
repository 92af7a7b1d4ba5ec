use crate::digest::Digest;

/// The prefix of the annotations that carry attestations.
pub const KEY_PREFIX: &str = "attestation.writ.dev/";
/// The longest name part of an annotation's key, after Kubernetes.
const MAX_NAME: usize = 63;

/// The annotation under which an object of `resource` in API group `group` carries its attestation:
/// `attestation.writ.dev/<resource>.<group>`, without the dot for the core group.
///
/// Scoped to the resource, because controllers copy annotations from one kind to another: a copy under a foreign key
/// means nothing. A name over 63 characters becomes the first 40 hexadecimal digits of its SHA-256.
#[must_use]
pub fn annotation_key(resource: &str, group: &str) -> String {
    let dot = if group.is_empty() { "" } else { "." };
    let name = format!("{resource}{dot}{group}");
    if name.len() <= MAX_NAME {
        return format!("{KEY_PREFIX}{name}");
    }
    let digest = Digest::plain(name.as_bytes()).to_hex();
    format!("{KEY_PREFIX}{}", digest.get(..40).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_scoped_and_short() {
        assert_eq!(annotation_key("deployments", "apps"), "attestation.writ.dev/deployments.apps");
        assert_eq!(annotation_key("pods", ""), "attestation.writ.dev/pods");
        let long = annotation_key("things", &"x".repeat(60));
        assert_eq!(long.len(), KEY_PREFIX.len() + 40);
        assert_ne!(long, annotation_key("things", &"x".repeat(61)));
    }
}
