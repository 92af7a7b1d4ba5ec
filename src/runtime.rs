//! The only path from a request to a decision.
//!
//! Each call is gathered once (what the request is, which bindings govern it, its objects), decided by the pure core,
//! and applied: mutate mints an attestation, validate is the gate. Whatever goes wrong on this path is a denial.

mod attestation;
mod evidence;
mod gather;
mod identity;
mod judge;
mod mutate;
mod own_key;
mod recent;
mod refusal;
mod validate;
mod world;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub use evidence::{BindingLine, DecisionLine, RequestLine};
pub use identity::Identity;
pub use refusal::{Refusal, clean};
pub use world::{KindFacts, NamespaceFacts, Snapshot, World, WorldError};

use arc_swap::ArcSwapOption;

use crate::{
    admission::{Answer, Request},
    attest::ExecutionId,
    keyring::Keyring,
    replay::{self, ClaimService, NotReady, StoreError},
    sign::Signer,
    telemetry::DecisionLines,
    time::Timestamp,
};

/// How long an attestation can be admitted: the API server's upper bound of 34 s for one request, and skew.
pub const VALIDITY: Duration = Duration::from_secs(40);
/// How far the clocks of two replicas may differ.
pub const SKEW: Duration = Duration::from_secs(5);
/// How old the last proof that the policies are current may be.
pub const CURRENCY: Duration = Duration::from_secs(10);
/// After a change of the policies, a difference between the two calls of one request is put down to it.
pub const SETTLING: Duration = Duration::from_secs(10);

/// Everything that decisions need and that does not change from call to call.
pub struct Runtime {
    /// Policies, namespaces and kinds.
    pub world: Arc<dyn World>,
    /// Signs attestations.
    pub signer: Signer,
    /// Verifies them.
    pub keyring: Keyring,
    /// Claims on `Once` authorities.
    pub claims: Arc<ClaimService>,
    /// The clocks that claims go by.
    pub clock: Arc<dyn replay::Clock>,
    /// The id of the store of claims.
    pub store_id: String,
    /// The id of this cluster.
    pub cluster_id: String,
    /// Who decides.
    pub identity: Identity,
    /// Namespaces where nothing is governed: Writ's own and `kube-system`.
    pub exempt_namespaces: Vec<String>,
    /// The operator accepts `Once` policies although anybody who reaches the port can use up authorities.
    pub accept_unauthenticated_once: bool,
    /// Where decisions are recorded.
    pub evidence: Arc<DecisionLines>,
    /// Why claims cannot be made now, as the last look at the store found.
    store_fault: ArcSwapOption<String>,
    recent: recent::Recent,
}

/// One call, and what the edge knows about it.
pub struct Call<'a> {
    /// The request.
    pub request: &'a Request<'a>,
    /// Whether the API server proved that it is the caller.
    pub authenticated: bool,
    /// The time.
    pub now: Timestamp,
    /// When the answer must be made.
    pub deadline: Instant,
    /// 128 random bits for this call.
    pub execution_id: ExecutionId,
}

/// The parts of a runtime, by name.
pub struct Parts {
    /// See [`Runtime::world`].
    pub world: Arc<dyn World>,
    /// See [`Runtime::signer`].
    pub signer: Signer,
    /// See [`Runtime::keyring`].
    pub keyring: Keyring,
    /// See [`Runtime::claims`].
    pub claims: Arc<ClaimService>,
    /// See [`Runtime::clock`].
    pub clock: Arc<dyn replay::Clock>,
    /// See [`Runtime::store_id`].
    pub store_id: String,
    /// See [`Runtime::cluster_id`].
    pub cluster_id: String,
    /// See [`Runtime::identity`].
    pub identity: Identity,
    /// See [`Runtime::exempt_namespaces`].
    pub exempt_namespaces: Vec<String>,
    /// See [`Runtime::accept_unauthenticated_once`].
    pub accept_unauthenticated_once: bool,
    /// See [`Runtime::evidence`].
    pub evidence: Arc<DecisionLines>,
}

impl Runtime {
    /// A runtime of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts {
            world,
            signer,
            keyring,
            claims,
            clock,
            store_id,
            cluster_id,
            identity,
            exempt_namespaces,
            accept_unauthenticated_once,
            evidence,
        } = parts;
        let recent = recent::Recent::default();
        let store_fault = ArcSwapOption::empty();
        Self {
            world,
            signer,
            keyring,
            claims,
            clock,
            store_id,
            cluster_id,
            identity,
            exempt_namespaces,
            accept_unauthenticated_once,
            evidence,
            store_fault,
            recent,
        }
    }

    /// Answers the mutating call: mints an attestation for what is allowed. It never denies for policy, and records
    /// nothing.
    pub async fn mutate(&self, call: Call<'_>) -> Answer {
        self.mutate_call(&call).await
    }

    /// Answers the validating call, which is the gate: any failure denies.
    pub async fn validate(&self, call: Call<'_>) -> Answer {
        self.validate_call(&call).await
    }

    /// Looks whether claims can be made, and remembers what it found.
    ///
    /// # Errors
    /// The store failed in a way that only a new process can mend.
    pub async fn check_store(&self) -> Result<(), StoreError> {
        let fault = self.claims.ready().await.err();
        self.store_fault.store(fault.as_ref().map(|error| Arc::new(error.to_string())));
        match fault {
            Some(NotReady::Store(error @ StoreError::Broken(_))) => Err(error),
            _ => Ok(()),
        }
    }

    /// Why claims cannot be made now; `None` where they can.
    #[must_use]
    pub fn store_fault(&self) -> Option<String> {
        self.store_fault.load().as_ref().map(|fault| fault.to_string())
    }

    /// Whether a request is about a place where nothing is governed, by fixed rule.
    fn is_exempt_place(&self, request: &Request<'_>) -> bool {
        let node_lease = &*request.namespace == "kube-node-lease" && request.resource.resource == "leases";
        node_lease || self.exempt_namespaces.iter().any(|namespace| *namespace == request.namespace)
    }
}
