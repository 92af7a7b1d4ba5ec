//! PEM of public keys (RFC 7468), strictly: nothing but whole blocks and blank space between them.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::KeyringError;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// The contents of all blocks, at least one.
pub(super) fn public_keys(text: &str) -> Result<Vec<Vec<u8>>, KeyringError> {
    if text.contains("PRIVATE KEY-----") {
        return Err(KeyringError::PrivateKey);
    }
    let mut keys = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines().map(str::trim_end) {
        block = match (line, block) {
            (BEGIN, None) => Some(String::new()),
            (END, Some(base64)) => {
                keys.push(STANDARD.decode(base64).map_err(|_| KeyringError::Pem)?);
                None
            }
            ("", None) => None,
            (line, Some(base64)) if !line.starts_with('-') => Some(base64 + line),
            _ => return Err(KeyringError::Pem),
        };
    }
    if block.is_some() || keys.is_empty() { Err(KeyringError::Pem) } else { Ok(keys) }
}
