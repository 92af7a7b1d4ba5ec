use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{AttestationError, Compact, KeyId, Statement, json::Members};
use crate::canonical::{self, Object, Value};

/// `payloadType` of the envelope.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The most signatures on one envelope.
pub const MAX_SIGNATURES: usize = 4;
/// The longest envelope, in bytes of JSON.
pub const MAX_ENVELOPE_BYTES: usize = 64 * 1024;

/// A DSSE envelope (v1.0.2) around a [`Statement`]. That it could be read says nothing about its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    statement: Statement,
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

/// A signature, and the key that is said to have made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// `keyid`
    pub key_id: KeyId,
    /// The 64 bytes of an Ed25519 signature.
    pub bytes: [u8; 64],
}

/// The bytes that a signature is over: DSSE's pre-authentication encoding of the payload.
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

impl Envelope {
    /// An envelope with one signature, by the key that `statement` names as its signer.
    ///
    /// # Errors
    /// Those of [`Statement::encode`].
    pub fn new(statement: Statement, signature: [u8; 64]) -> Result<Self, AttestationError> {
        Self::sign_with(statement, |_| signature)
    }

    /// An envelope whose one signature `sign` makes over the given bytes.
    ///
    /// # Errors
    /// Those of [`Statement::encode`].
    pub fn sign_with(statement: Statement, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Result<Self, AttestationError> {
        let payload = statement.encode()?;
        let signature = Signature { key_id: statement.predicate.signer, bytes: sign(&pae(PAYLOAD_TYPE, &payload)) };
        Ok(Self { statement, payload, signatures: vec![signature] })
    }

    /// Reads an envelope: any layout of its JSON, but only the canonical form of everything in it.
    ///
    /// # Errors
    /// [`AttestationError`], also for other payload types, no or more than [`MAX_SIGNATURES`] signatures, two by one
    /// key, and unknown members.
    pub fn parse(json: &[u8]) -> Result<Self, AttestationError> {
        if json.len() > MAX_ENVELOPE_BYTES {
            return Err(AttestationError::TooLarge { form: "envelope", limit: MAX_ENVELOPE_BYTES });
        }
        let value = canonical::parse(json).map_err(|error| AttestationError::Json { form: "envelope", error })?;
        let mut members = Members::of(&value, "envelope", "document")?;
        if members.str("payloadType")? != PAYLOAD_TYPE {
            return Err(members.wrong("payloadType"));
        }
        let payload = decode(members.str("payload")?, "payload")?;
        let signatures = members.array("signatures")?;
        if signatures.is_empty() || signatures.len() > MAX_SIGNATURES {
            return Err(members.wrong("signatures"));
        }
        let signatures: Vec<Signature> = signatures.iter().map(read_signature).collect::<Result<_, _>>()?;
        let twice =
            |(index, one): (usize, &Signature)| signatures.iter().take(index).any(|two| two.key_id == one.key_id);
        if signatures.iter().enumerate().any(twice) {
            return Err(AttestationError::Rule("two signatures have the same `keyid`"));
        }
        let statement = Statement::parse(&payload)?;
        members.finish(Self { statement, payload, signatures })
    }

    /// The envelope as canonical JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let signature = |signature: &Signature| {
            let members = [("keyid", signature.key_id.to_string()), ("sig", STANDARD.encode(signature.bytes))];
            Value::from(members.into_iter().collect::<Object<'_>>())
        };
        let members = [
            ("payload", Value::from(STANDARD.encode(&self.payload))),
            ("payloadType", Value::from(PAYLOAD_TYPE)),
            ("signatures", self.signatures.iter().map(signature).collect()),
        ];
        let envelope: Object<'_> = members.into_iter().collect();
        // INVARIANT: the encoder writes UTF-8.
        String::from_utf8(canonical::encode(&envelope.into())).unwrap_or_default()
    }

    /// The compact form. It carries the signature of the signer that the statement names, and no other.
    ///
    /// # Errors
    /// [`AttestationError::OtherKey`] when that signature is not there.
    pub fn to_compact(&self) -> Result<String, AttestationError> {
        let signer = self.statement.predicate.signer;
        let signature = self.signatures.iter().find(|signature| signature.key_id == signer);
        Ok(Compact::encode(&self.statement, &signature.ok_or(AttestationError::OtherKey)?.bytes))
    }

    /// What the envelope says, without any check of who said it.
    #[must_use]
    pub const fn unverified_statement(&self) -> &Statement {
        &self.statement
    }

    /// What the envelope says, without any check of who said it.
    #[must_use]
    pub fn into_unverified_statement(self) -> Statement {
        self.statement
    }

    /// The signatures, none of them checked.
    #[must_use]
    pub fn unverified_signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The canonical bytes of the statement.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The bytes that every signature is over.
    #[must_use]
    pub fn pae(&self) -> Vec<u8> {
        pae(PAYLOAD_TYPE, &self.payload)
    }
}

fn read_signature(value: &Value<'_>) -> Result<Signature, AttestationError> {
    let mut members = Members::of(value, "signature", "signatures")?;
    let key_id = members.parsed("keyid")?;
    let bytes = decode(members.str("sig")?, "signature")?;
    let bytes = bytes.try_into().map_err(|_| members.wrong("sig"))?;
    members.finish(Signature { key_id, bytes })
}

/// Standard base64 with padding; the engine refuses trailing bits, so each value has one spelling.
fn decode(text: &str, form: &'static str) -> Result<Vec<u8>, AttestationError> {
    STANDARD.decode(text).map_err(|_| AttestationError::Base64 { form })
}
