//! The JSON form of a keyring:
//! `{"schemaVersion": 1, "keys": [{"publicKey": "<SPKI in base64>", "keyId": …, "notBefore": …, "notAfter": …}]}`.
//! `keyId`, `notBefore` and `notAfter` may be left out; a `keyId` that is there must be the key's.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Keyring, KeyringEntry, KeyringError, PublicKey};
use crate::{
    canonical::{self, Object, Value},
    time::Timestamp,
};

const MEMBERS: [&str; 4] = ["keyId", "notAfter", "notBefore", "publicKey"];

pub(super) fn read(text: &str) -> Result<Vec<KeyringEntry>, KeyringError> {
    let value = canonical::parse(text.as_bytes()).map_err(|error| KeyringError::File(error.to_string()))?;
    only_members(&value, &["keys", "schemaVersion"])?;
    if value.member("schemaVersion").and_then(Value::as_i64) != Some(1) {
        return wrong("`schemaVersion` is not 1");
    }
    let Some(keys) = value.member("keys").and_then(Value::as_array) else { return wrong("`keys` is not a list") };
    keys.iter().map(read_entry).collect()
}

fn read_entry(value: &Value<'_>) -> Result<KeyringEntry, KeyringError> {
    only_members(value, &MEMBERS)?;
    let Some(base64) = value.member("publicKey").and_then(Value::as_str) else {
        return wrong("a key has no `publicKey`");
    };
    let der = STANDARD.decode(base64).map_err(|_| KeyringError::File("`publicKey` is not base64".to_owned()))?;
    let key = PublicKey::from_der(&der)?;
    if value.member("keyId").is_some_and(|id| id.as_str() != Some(&key.id().to_string())) {
        return wrong("a `keyId` is not that of its `publicKey`");
    }
    Ok(KeyringEntry { key, not_before: read_time(value, "notBefore")?, not_after: read_time(value, "notAfter")? })
}

fn read_time(value: &Value<'_>, member: &str) -> Result<Option<Timestamp>, KeyringError> {
    let Some(time) = value.member(member) else { return Ok(None) };
    let time = time.as_str().and_then(|text| text.parse().ok());
    time.map(Some).ok_or_else(|| KeyringError::File(format!("`{member}` is not a time of RFC 3339")))
}

fn only_members(value: &Value<'_>, known: &[&str]) -> Result<(), KeyringError> {
    let Some(object) = value.as_object() else { return wrong("it is not a list of keys in an object") };
    if object.iter().all(|(name, _)| known.contains(&name)) { Ok(()) } else { wrong("it has an unknown member") }
}

fn wrong<T>(what: &str) -> Result<T, KeyringError> {
    Err(KeyringError::File(what.to_owned()))
}

pub(super) fn write(keyring: &Keyring) -> String {
    let entry = |entry: &KeyringEntry| {
        let mut members: Object<'_> = [
            ("keyId", Value::from(entry.key.id().to_string())),
            ("publicKey", Value::from(STANDARD.encode(entry.key.to_der()))),
        ]
        .into_iter()
        .collect();
        for (name, time) in [("notBefore", entry.not_before), ("notAfter", entry.not_after)] {
            if let Some(time) = time {
                members.insert(name, time.to_string().into());
            }
        }
        Value::from(members)
    };
    let keys: Value<'_> = keyring.iter().map(entry).collect();
    let file: Object<'_> = [("keys", keys), ("schemaVersion", Value::from(1))].into_iter().collect();
    // INVARIANT: the encoder writes UTF-8.
    String::from_utf8(canonical::encode(&file.into())).unwrap_or_default()
}
