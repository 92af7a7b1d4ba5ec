use std::time::Duration;

use super::{
    AttestationError, DecisionRecord, ObjectName, Outcome, Predicate, Replay,
    json::{self, StatementMembers},
};
use crate::{
    canonical::{self, Value},
    digest::{Digest, Domain},
};

/// `_type` of the Statement (in-toto Attestation Framework, Statement v1).
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// `predicateType` of the Statement.
pub const PREDICATE_TYPE: &str = "https://writ.dev/attestation/v1";
/// The algorithm name of the subject's digest: that of the object's projection, in lower-case hexadecimal. It is not the
/// `sha256` of any file.
pub const SUBJECT_ALGORITHM: &str = "writProjectionV1";
/// `schemaVersion` of the predicate.
pub const SCHEMA_VERSION: i64 = 1;
/// The longest canonical Statement, in bytes: with [`super::MAX_SIGNATURES`] signatures its envelope stays below
/// [`super::MAX_ENVELOPE_BYTES`].
pub const MAX_STATEMENT_BYTES: usize = 48_000;
/// The most decisions in one Statement.
pub const MAX_DECISIONS: usize = 64;
/// The most subtree tags in one Statement.
pub const MAX_SUBTREES: usize = 64;
/// The longest time from `issuedAt` to `admitBefore`.
pub const MAX_VALIDITY: Duration = Duration::from_secs(120);
/// The highest generation of a binding, 2^53 - 1: readers of JSON that only know doubles read it exactly.
pub const MAX_GENERATION: u64 = (1 << 53) - 1;
/// 9999-12-31T23:59:59.999Z in milliseconds: the last time that RFC 3339 can write.
const LAST_MILLISECOND: i64 = 253_402_300_799_999;

/// An in-toto Statement v1 about one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Digest of the object's projection ([`Domain::Projection`]).
    pub subject: Digest,
    /// What is said about it.
    pub predicate: Predicate,
}

impl Statement {
    /// The subject's name: `<apiVersion>/<kind>/<namespace>/<name>`, for example `apps/v1/Deployment/shop/web`.
    ///
    /// The namespace is empty for a cluster-scoped object; a name that is yet to be generated ends in `*`.
    #[must_use]
    pub fn subject_name(&self) -> String {
        let Predicate { kind, namespace, name, .. } = &self.predicate;
        let slash = if kind.group.is_empty() { "" } else { "/" };
        let (name, star) = match name {
            ObjectName::Given(name) => (name, ""),
            ObjectName::Generated(prefix) => (prefix, "*"),
        };
        format!("{}{slash}{}/{}/{namespace}/{name}{star}", kind.group, kind.version, kind.kind)
    }

    /// The canonical JSON that is signed.
    ///
    /// # Errors
    /// [`AttestationError::Rule`] where values contradict each other, [`AttestationError::TooLarge`] above
    /// [`MAX_STATEMENT_BYTES`].
    pub fn encode(&self) -> Result<Vec<u8>, AttestationError> {
        self.check()?;
        let bytes = canonical::encode(&json::write(self, StatementMembers::All));
        if bytes.len() > MAX_STATEMENT_BYTES {
            return Err(AttestationError::TooLarge { form: "statement", limit: MAX_STATEMENT_BYTES });
        }
        Ok(bytes)
    }

    /// Reads canonical JSON: exactly the bytes that [`Self::encode`] writes for some statement.
    ///
    /// # Errors
    /// [`AttestationError`] for anything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, AttestationError> {
        if bytes.len() > MAX_STATEMENT_BYTES {
            return Err(AttestationError::TooLarge { form: "statement", limit: MAX_STATEMENT_BYTES });
        }
        let value: Value<'_> =
            canonical::parse(bytes).map_err(|error| AttestationError::Json { form: "statement", error })?;
        let statement = json::read(&value)?;
        if statement.encode()? != bytes {
            return Err(AttestationError::NotCanonical { form: "statement" });
        }
        Ok(statement)
    }

    /// Two statements are the same decision exactly when these digests are equal: it covers all but the execution id,
    /// the times, the runtime identity and the signer.
    #[must_use]
    pub fn decision_digest(&self) -> Digest {
        Digest::of_value(Domain::Decision, &json::write(self, StatementMembers::Decision))
    }

    /// The rules between values, which types alone cannot hold.
    pub(super) fn check(&self) -> Result<(), AttestationError> {
        let predicate = &self.predicate;
        let (issued, until) = (predicate.issued_at, predicate.admit_before);
        let rules = [
            (issued.as_millis() >= 0, "`issuedAt` is before 1970"),
            (until.as_millis() <= LAST_MILLISECOND, "`admitBefore` is after the year 9999"),
            (until > issued, "`admitBefore` is not after `issuedAt`"),
            (until.since(issued) <= MAX_VALIDITY, "`admitBefore` is more than 120 s after `issuedAt`"),
            (predicate.subtrees.len() <= MAX_SUBTREES, "there are more than 64 `subtrees`"),
            (!predicate.decisions.is_empty(), "there is no decision"),
            (predicate.decisions.len() <= MAX_DECISIONS, "there are more than 64 `decisions`"),
        ];
        check_all(&rules)?;
        predicate.decisions.iter().try_for_each(check_decision)
    }
}

fn check_all(rules: &[(bool, &'static str)]) -> Result<(), AttestationError> {
    rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, rule)| Err(AttestationError::Rule(rule)))
}

/// What is allowed was decided by a rule of a loaded policy over all of its signals.
fn check_decision(record: &DecisionRecord) -> Result<(), AttestationError> {
    let denied = record.outcome == Outcome::Deny;
    let replay = match record.replay {
        None | Some(Replay::Once { fingerprint: None }) => denied,
        Some(Replay::Once { fingerprint: Some(_) } | Replay::Repeatable) => true,
    };
    check_all(&[
        (record.binding.generation <= MAX_GENERATION, "the `generation` of a binding is above 2^53 - 1"),
        (denied || record.policy.digest.is_some(), "an allowed decision has no policy `digest`"),
        (denied || record.rule.is_some(), "an allowed decision has no `rule`"),
        (denied || record.signals.is_some(), "an allowed decision has no `signals`"),
        (replay, "an allowed decision has no `replay`, or no `fingerprint` where it acts once"),
    ])
}
