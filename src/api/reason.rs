/// Why a request was not allowed, as one stable CamelCase word that programs may test.
///
/// The words of rules (`rules[].reason`) are the policy author's; these are Writ's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A rule of a policy denied; the rule has a reason word of its own.
    PolicyDenied,
    /// No rule of the policy matched; nothing is allowed by default.
    NoRuleMatched,
    /// A signal's expression yielded `optional.none()`.
    SignalMissing,
    /// A signal's value breaks its declared type or constraints.
    SignalInvalid,
    /// An expression failed.
    EvaluationError,
    /// Evaluation spent its budget.
    CostExceeded,
    /// The object is not acceptable JSON.
    MalformedObject,
    /// No version of the bound policy is in force.
    PolicyUnavailable,
    /// The request names a policy version that is not the one in force.
    VersionNotInForce,
    /// The policies changed between the two calls of one request.
    PolicySetChanged,
    /// This replica cannot show that its policies are current.
    PolicyStale,
    /// The final object carries no attestation.
    AttestationMissing,
    /// The attestation is not in the one accepted encoding.
    AttestationMalformed,
    /// The attestation is over its size limit.
    AttestationTooLarge,
    /// The signature does not verify.
    SignatureInvalid,
    /// The attestation names a key that is not in the keyring.
    KeyUnknown,
    /// The attestation names its key by a short id that more than one key has.
    KeyAmbiguous,
    /// The signing key is outside its validity window.
    KeyInactive,
    /// The attestation's time to be admitted is over.
    AttestationExpired,
    /// The attestation was issued in the future.
    AttestationNotYetValid,
    /// The attestation is for another cluster.
    ClusterMismatch,
    /// The attestation was made over another store of claims.
    StoreMismatch,
    /// The attestation is for another user.
    UserMismatch,
    /// The attestation is for another operation.
    OperationMismatch,
    /// The attestation is for another resource or subresource.
    ResourceMismatch,
    /// The attestation is for another namespace.
    NamespaceMismatch,
    /// The attestation is for another name.
    NameMismatch,
    /// The attestation replaces another state of the object.
    OldObjectMismatch,
    /// A dry run's attestation on a real request, or the reverse.
    DryRunMismatch,
    /// The attestation covers the object by another projection.
    ProjectionMismatch,
    /// The object was changed after it was attested.
    ObjectChanged,
    /// The final object gets another decision than the attested one.
    DecisionChanged,
    /// A policy that acts once was matched by a request that cannot be bound to one object.
    ReplayUnsupported,
    /// The authority was used before.
    Replayed,
    /// Another request holds the authority, and its outcome is not known yet.
    InProgress,
    /// The client used another resource or version than the attested one.
    RequestResourceMismatch,
    /// The attestation is for another kind.
    KindMismatch,
    /// The attestation is for another subresource.
    SubresourceMismatch,
    /// A CREATE under a `Once` policy names an object that exists; nothing was claimed.
    AlreadyExists,
    /// A CREATE under a `Once` policy has a resourceVersion; nothing was claimed.
    ResourceVersionSet,
    /// A `Once` policy was matched by a request that no claim can be made for.
    NotClaimable,
    /// A `Once` policy was matched on a kind without history.
    NotWatchable,
    /// The store of claims holds as many as it may.
    ClaimStoreFull,
    /// The user holds as many claims as one user may.
    ClaimShareUsed,
    /// This replica's clock is too far from the store's.
    ClockSkew,
    /// The decision could not be recorded, so it was not allowed.
    EvidenceUnavailable,
    /// The store of claims did not answer in time, or its answer was not certain.
    StoreUnavailable,
    /// A `Once` policy needs authenticated callers, and this cluster has none.
    CallerUnauthenticated,
    /// The namespace's labels could not be read.
    NamespaceUnavailable,
    /// A policy or binding is not acceptable.
    InvalidPolicy,
    /// Something still needs what would be deleted.
    StillInUse,
    /// Writ's own annotations and records may not be set by others.
    ReservedForWrit,
    /// Too much is in flight.
    Overloaded,
    /// The time for the answer ran out.
    DeadlineExceeded,
    /// This replica is not ready to decide.
    NotReady,
    /// A fault in Writ itself.
    InternalError,
}

impl Reason {
    /// Every reason, for documentation and tests.
    pub const ALL: &'static [Self] = &[
        Self::PolicyDenied,
        Self::NoRuleMatched,
        Self::SignalMissing,
        Self::SignalInvalid,
        Self::EvaluationError,
        Self::CostExceeded,
        Self::MalformedObject,
        Self::PolicyUnavailable,
        Self::VersionNotInForce,
        Self::PolicySetChanged,
        Self::PolicyStale,
        Self::AttestationMissing,
        Self::AttestationMalformed,
        Self::AttestationTooLarge,
        Self::SignatureInvalid,
        Self::KeyUnknown,
        Self::KeyAmbiguous,
        Self::KeyInactive,
        Self::AttestationExpired,
        Self::AttestationNotYetValid,
        Self::ClusterMismatch,
        Self::StoreMismatch,
        Self::UserMismatch,
        Self::OperationMismatch,
        Self::ResourceMismatch,
        Self::NamespaceMismatch,
        Self::NameMismatch,
        Self::OldObjectMismatch,
        Self::DryRunMismatch,
        Self::ProjectionMismatch,
        Self::ObjectChanged,
        Self::DecisionChanged,
        Self::ReplayUnsupported,
        Self::Replayed,
        Self::InProgress,
        Self::RequestResourceMismatch,
        Self::KindMismatch,
        Self::SubresourceMismatch,
        Self::AlreadyExists,
        Self::ResourceVersionSet,
        Self::NotClaimable,
        Self::NotWatchable,
        Self::ClaimStoreFull,
        Self::ClaimShareUsed,
        Self::ClockSkew,
        Self::EvidenceUnavailable,
        Self::StoreUnavailable,
        Self::CallerUnauthenticated,
        Self::NamespaceUnavailable,
        Self::InvalidPolicy,
        Self::StillInUse,
        Self::ReservedForWrit,
        Self::Overloaded,
        Self::DeadlineExceeded,
        Self::NotReady,
        Self::InternalError,
    ];

    /// The word itself.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PolicyDenied => "PolicyDenied",
            Self::NoRuleMatched => "NoRuleMatched",
            Self::SignalMissing => "SignalMissing",
            Self::SignalInvalid => "SignalInvalid",
            Self::EvaluationError => "EvaluationError",
            Self::CostExceeded => "CostExceeded",
            Self::MalformedObject => "MalformedObject",
            Self::PolicyUnavailable => "PolicyUnavailable",
            Self::VersionNotInForce => "VersionNotInForce",
            Self::PolicySetChanged => "PolicySetChanged",
            Self::PolicyStale => "PolicyStale",
            Self::AttestationMissing => "AttestationMissing",
            Self::AttestationMalformed => "AttestationMalformed",
            Self::AttestationTooLarge => "AttestationTooLarge",
            Self::SignatureInvalid => "SignatureInvalid",
            Self::KeyUnknown => "KeyUnknown",
            Self::KeyAmbiguous => "KeyAmbiguous",
            Self::KeyInactive => "KeyInactive",
            Self::AttestationExpired => "AttestationExpired",
            Self::AttestationNotYetValid => "AttestationNotYetValid",
            Self::ClusterMismatch => "ClusterMismatch",
            Self::StoreMismatch => "StoreMismatch",
            Self::UserMismatch => "UserMismatch",
            Self::OperationMismatch => "OperationMismatch",
            Self::ResourceMismatch => "ResourceMismatch",
            Self::NamespaceMismatch => "NamespaceMismatch",
            Self::NameMismatch => "NameMismatch",
            Self::OldObjectMismatch => "OldObjectMismatch",
            Self::DryRunMismatch => "DryRunMismatch",
            Self::ProjectionMismatch => "ProjectionMismatch",
            Self::ObjectChanged => "ObjectChanged",
            Self::DecisionChanged => "DecisionChanged",
            Self::ReplayUnsupported => "ReplayUnsupported",
            Self::Replayed => "Replayed",
            Self::InProgress => "InProgress",
            Self::RequestResourceMismatch => "RequestResourceMismatch",
            Self::KindMismatch => "KindMismatch",
            Self::SubresourceMismatch => "SubresourceMismatch",
            Self::AlreadyExists => "AlreadyExists",
            Self::ResourceVersionSet => "ResourceVersionSet",
            Self::NotClaimable => "NotClaimable",
            Self::NotWatchable => "NotWatchable",
            Self::ClaimStoreFull => "ClaimStoreFull",
            Self::ClaimShareUsed => "ClaimShareUsed",
            Self::ClockSkew => "ClockSkew",
            Self::EvidenceUnavailable => "EvidenceUnavailable",
            Self::StoreUnavailable => "StoreUnavailable",
            Self::CallerUnauthenticated => "CallerUnauthenticated",
            Self::NamespaceUnavailable => "NamespaceUnavailable",
            Self::InvalidPolicy => "InvalidPolicy",
            Self::StillInUse => "StillInUse",
            Self::ReservedForWrit => "ReservedForWrit",
            Self::Overloaded => "Overloaded",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::NotReady => "NotReady",
            Self::InternalError => "InternalError",
        }
    }

    /// The reason that a word names; a word that is none is a fault of Writ itself.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == word).unwrap_or(Self::InternalError)
    }

    /// Whether asking again soon may help; such a denial is answered with 429.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::PolicySetChanged | Self::Overloaded | Self::ClaimStoreFull | Self::ClaimShareUsed)
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
