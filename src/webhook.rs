//! The webhook server: TLS, callers, limits and health in front of whoever decides.
//!
//! The edge asks a decision maker through [`Admission`] and never imports one. Whatever goes wrong here ends in a denial
//! or in an HTTP error; nothing here can make an allow. Order of every admission call: caller → method → content type →
//! `?timeout=` → size → body → envelope → decision, each at most until the call's deadline.

mod body;
mod budget;
mod callers;
pub mod certificate;
mod connection;
mod files;
mod handle;
mod health;
mod limits;
mod overload;
mod refusal;
mod server;
mod tls;

use std::{borrow::Cow, future::Future, sync::Arc, time::Instant};

pub use callers::{CallerFault, Callers, CallersError};
pub use files::{
    EVERY, FileError, Follower, Reload, callers_from_file, certificate_from_authority, certificate_from_files,
};
pub use limits::Limits;
pub use server::{Served, Setup, serve};
pub use tls::{CertificateError, Pair, ServingCertificate};

use crate::{
    admission::{Answer, Request},
    time::Timestamp,
};

/// Who decides. Implementations may panic or be late: the edge turns both into denials.
pub trait Admission: Send + Sync + 'static {
    /// Answers a call of the mutating webhook.
    fn mutate(&self, call: Call<'_>) -> impl Future<Output = Answer> + Send;

    /// Answers a call of the validating webhook.
    fn validate(&self, call: Call<'_>) -> impl Future<Output = Answer> + Send;

    /// Everything that must hold before requests are sent here. It is asked at each probe, and must not wait.
    fn readiness(&self) -> Readiness;
}

/// One call, as far as the edge has read it.
#[derive(Debug)]
pub struct Call<'a> {
    /// The envelope; its objects are raw.
    pub request: Request<'a>,
    /// Length of the body.
    pub body_bytes: usize,
    /// Who called.
    pub caller: Caller,
    /// When the headers had arrived.
    pub received: Timestamp,
    /// When the answer must be made. A later allow is not given.
    pub deadline: Instant,
}

/// Who called, not to be mixed up with the user whose request is reviewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A client certificate of the configured authority with this configured name.
    Authenticated(Arc<str>),
    /// No caller authentication is configured: anybody who reaches the port.
    Anonymous,
}

/// Whether requests may be sent here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness(pub Vec<Check>);

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// A short word, for example `policies`.
    pub name: &'static str,
    /// What is wrong and what to do; `None` where it holds. It is shown to anybody: no secrets.
    pub fault: Option<Cow<'static, str>>,
}

impl Check {
    /// A check that holds.
    #[must_use]
    pub const fn holds(name: &'static str) -> Self {
        Self { name, fault: None }
    }

    /// A check that does not hold, and why.
    #[must_use]
    pub fn fails(name: &'static str, fault: impl Into<Cow<'static, str>>) -> Self {
        Self { name, fault: Some(fault.into()) }
    }
}

impl Readiness {
    /// Whether everything holds.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.iter().all(|check| check.fault.is_none())
    }
}
