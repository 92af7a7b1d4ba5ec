//! Once means once: claims on `Once` authorities, kept in a store, settled by the history of the changed object.
//!
//! [`record`] is what a store holds, [`contract`] what a store and a history promise, [`machine`] the pure state
//! machine, and [`ClaimService`] the only way from a request to a claim. A claim is `Reserved` before the change is
//! allowed, and becomes `Completed` or `Released` by what the API server then stored, never by a guess.

pub mod clock;
pub mod configmap;
pub mod contract;
pub mod embedded;
pub mod event;
pub mod history;
pub mod machine;
pub mod outcome;
pub mod record;
pub mod resolve;

mod attested;
mod claim;
mod quota;
mod rest;

pub use attested::attested;
pub use claim::{ClaimService, NotReady};
pub use clock::{Clock, ClockError, Halted, Span, StoreClock};
pub use configmap::ConfigMapStore;
pub use contract::{History, HistoryError, NoHistory, Store, StoreError};
pub use embedded::{EmbeddedError, EmbeddedStore};
pub use history::{ApiHistory, ReadAttestation};
pub use machine::{Authority, ClaimRequest, Terms};
pub use outcome::{Allowed, FirstUse, Outcome, Replayed, Unavailable};
pub use quota::Quota;
pub use record::{Fingerprint, Operation, Record, StoreId, Target};
pub use resolve::{PurgeReport, ResolveReport};
