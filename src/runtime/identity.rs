use crate::{
    canonical::{Object, Value},
    digest::{Digest, Domain},
};

/// Who decides: what the runtime digest of an attestation stands for, together with the policy set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// SHA-256 of the running executable.
    pub executable: Digest,
    /// Version of the build.
    pub build: String,
    /// Version of the language and its libraries.
    pub evaluator: String,
    /// The replica's name.
    pub replica: String,
    /// The cluster's id.
    pub cluster: String,
}

impl Identity {
    /// The runtime digest under a policy set.
    #[must_use]
    pub fn digest(&self, policy_set: Digest) -> Digest {
        Digest::of_value(Domain::Runtime, &self.to_value(policy_set))
    }

    /// What the digest is of.
    #[must_use]
    pub fn to_value(&self, policy_set: Digest) -> Value<'_> {
        Value::Object(
            [
                ("build", Value::from(self.build.as_str())),
                ("cluster", Value::from(self.cluster.as_str())),
                ("evaluator", Value::from(self.evaluator.as_str())),
                ("executable", Value::from(self.executable.to_hex())),
                ("policySet", Value::from(policy_set.to_hex())),
                ("replica", Value::from(self.replica.as_str())),
            ]
            .into_iter()
            .collect::<Object<'_>>(),
        )
    }
}
