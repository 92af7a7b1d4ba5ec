//! Strings in the compact form: a header, and what it says.
//!
//! The header is a varint whose low two bits are the shape: 0 UTF-8 of the given length, 1 an entry of [`WORDS`],
//! 2 one of the special shapes (0 a UUID in 16 bytes, 1 a decimal number as a varint, 2 32 hexadecimal digits in 16
//! bytes), 3 an entry of [`PREFIXES`] with UTF-8 after it, its length first. The first shape that fits a string, in the
//! order word, UUID, decimal, digits, prefix, UTF-8, is the only one it may have.

use super::{AttestationError, read::Reader, write::Writer};
use crate::attest::id::{parse_hex, push_hex};

/// Words that most attestations contain. Only ever appended to, with a new version of the format: the index is the
/// encoding. The first 32 cost one byte.
const WORDS: [&str; 48] = [
    "v1",
    "apps",
    "deployments",
    "Deployment",
    "pods",
    "Pod",
    "batch",
    "jobs",
    "Job",
    "statefulsets",
    "StatefulSet",
    "daemonsets",
    "DaemonSet",
    "replicasets",
    "ReplicaSet",
    "services",
    "Service",
    "cronjobs",
    "CronJob",
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "status",
    "data",
    "default",
    "scale",
    "rbac.authorization.k8s.io",
    "networking.k8s.io",
    "rules",
    "subjects",
    "roleRef",
    "roles",
    "Role",
    "rolebindings",
    "RoleBinding",
    "clusterroles",
    "ClusterRole",
    "clusterrolebindings",
    "ClusterRoleBinding",
    "namespaces",
    "Namespace",
    "serviceaccounts",
    "ServiceAccount",
    "ingresses",
    "Ingress",
    "webhooks",
    "aggregationRule",
];

/// Beginnings of user names. Of those that fit, the first is used.
const PREFIXES: [&str; 3] = ["system:serviceaccount:", "system:node:", "system:"];

const PLAIN: u64 = 0;
const WORD: u64 = 1;
const SPECIAL: u64 = 2;
const PREFIX: u64 = 3;
const UUID: u64 = 0;
const DECIMAL: u64 = 1;
const HEXADECIMAL: u64 = 2;

pub(super) fn write(text: &str, out: &mut Writer) {
    if let Some(index) = WORDS.iter().position(|word| *word == text) {
        // INVARIANT: there are fewer than 2^62 words, and no string is as long.
        out.varint((index as u64) << 2 | WORD);
    } else if let Some(bytes) = parse_uuid(text) {
        out.varint(UUID << 2 | SPECIAL);
        out.bytes(&bytes);
    } else if let Some(number) = parse_decimal(text) {
        out.varint(DECIMAL << 2 | SPECIAL);
        out.varint(number);
    } else if let Some(bytes) = parse_hex::<16>(text) {
        out.varint(HEXADECIMAL << 2 | SPECIAL);
        out.bytes(&bytes);
    } else if let Some((index, rest)) = split_prefix(text) {
        out.varint((index as u64) << 2 | PREFIX);
        out.varint(rest.len() as u64);
        out.bytes(rest.as_bytes());
    } else {
        out.varint((text.len() as u64) << 2 | PLAIN);
        out.bytes(text.as_bytes());
    }
}

pub(super) fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<String, AttestationError> {
    let header = reader.varint(field)?;
    match (header & 3, header >> 2) {
        (PLAIN, length) => utf8(reader, length, field).map(str::to_owned),
        (WORD, index) => entry(&WORDS, index, field).map(str::to_owned),
        (PREFIX, index) => {
            let prefix = entry(&PREFIXES, index, field)?;
            let length = reader.varint(field)?;
            Ok(prefix.to_owned() + utf8(reader, length, field)?)
        }
        (SPECIAL, UUID) => reader.array(field).map(|bytes| format_uuid(&bytes)),
        (SPECIAL, HEXADECIMAL) => {
            let bytes: [u8; 16] = reader.array(field)?;
            let mut text = String::with_capacity(32);
            push_hex(&bytes, &mut text);
            Ok(text)
        }
        (SPECIAL, DECIMAL) => reader.varint(field).map(|number| number.to_string()),
        _ => Err(AttestationError::Compact(field)),
    }
}

fn utf8<'a>(reader: &mut Reader<'a>, length: u64, field: &'static str) -> Result<&'a str, AttestationError> {
    let bytes = reader.slice(usize::try_from(length).unwrap_or(usize::MAX), field)?;
    std::str::from_utf8(bytes).map_err(|_| AttestationError::Compact(field))
}

fn entry(table: &[&'static str], index: u64, field: &'static str) -> Result<&'static str, AttestationError> {
    let entry = usize::try_from(index).ok().and_then(|index| table.get(index));
    entry.copied().ok_or(AttestationError::Compact(field))
}

fn split_prefix(text: &str) -> Option<(usize, &str)> {
    PREFIXES.iter().enumerate().find_map(|(index, prefix)| Some((index, text.strip_prefix(prefix)?)))
}

/// `8-4-4-4-12` lower-case hexadecimal digits.
fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let mut groups = text.split('-');
    let mut digits = String::with_capacity(32);
    for length in [8, 4, 4, 4, 12] {
        digits.push_str(groups.next().filter(|group| group.len() == length)?);
    }
    if groups.next().is_some() { None } else { parse_hex(&digits) }
}

fn format_uuid(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        push_hex(&[*byte], &mut text);
    }
    text
}

/// A `u64` in its shortest decimal form, as resource versions are.
fn parse_decimal(text: &str) -> Option<u64> {
    let shortest = text == "0" || !text.starts_with('0');
    if !shortest || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(text: &str) -> Vec<u8> {
        let mut out = Writer::default();
        write(text, &mut out);
        out.finish()
    }

    #[test]
    fn each_string_comes_back_and_takes_its_shape() {
        for (text, length) in [
            ("", 1),
            ("apps", 1),
            ("aggregationRule", 2),
            ("shop", 5),
            ("0123", 5),
            ("0", 2),
            ("12345", 3),
            ("184467440", 5),
            ("system:serviceaccount:shop:web", 10),
            ("system:node:a", 3),
            ("system:", 2),
            ("system", 7),
            ("18446744073709551615", 11),
            ("18446744073709551616", 21),
            ("+1", 3),
            ("6f1c1a52-7b1c-4d3e-9a55-0c8f6d2a4b10", 17),
            ("6f1c1a527b1c4d3e9a550c8f6d2a4b10", 17),
            ("6f1c1a527b1c4d3e9a550c8f6d2a4b1", 32),
            ("6f1c1a527b1c4d3e9a550c8f6d2a4B10", 34),
            ("00000000000000000000000000000007", 17),
            ("6F1c1a52-7b1c-4d3e-9a55-0c8f6d2a4b10", 38),
            ("6f1c1a527b1c-4d3e-9a55-0c8f6d2a4b10-", 38),
            ("grüße\u{0}\u{2028}😀", 16),
        ] {
            let bytes = packed(text);
            assert_eq!(bytes.len(), length, "{text}");
            let mut reader = Reader::new(&bytes);
            assert_eq!(read(&mut reader, "text").as_deref(), Ok(text));
            assert_eq!(reader.finish("text"), Ok(()), "{text}");
        }
    }

    #[test]
    fn words_are_distinct_and_have_no_other_shape() {
        for (index, word) in WORDS.iter().enumerate() {
            assert!(!WORDS.iter().take(index).any(|other| other == word), "{word}");
            assert!(parse_uuid(word).is_none() && parse_decimal(word).is_none(), "{word}");
        }
    }

    #[test]
    fn broken_strings_are_refused() {
        for bytes in [
            &[][..],
            &[0x04],
            &[0x04, 0xff],
            &[0x03],
            &[0x0f, 0],
            &[0x0a, 1, 2],
            &[0x0e],
            &[0x0b, 2, b'x'],
            &[0x02, 0, 0],
            &[0x06],
            &[0xc1, 0x01],
            &[0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        ] {
            assert!(read(&mut Reader::new(bytes), "text").is_err(), "{bytes:?}");
        }
    }
}
