//! The API group `writ.dev/v1alpha1`: what people write, what Writ reports, and the words both use.

mod binding;
mod condition;
mod manifest;
mod policy;
mod reason;

#[cfg(feature = "cluster")]
pub use binding::PolicyBinding;
pub use binding::{
    Exclude, InForce, LabelSelector, MatchResources, Mode, PolicyBindingSpec, PolicyBindingStatus, PolicyRef,
    SelectorOperator, SelectorRequirement, ServiceAccount, Subjects,
};
pub use condition::{Condition, ConditionStatus};
pub use manifest::{Manifest, Metadata, Stored};
#[cfg(feature = "cluster")]
pub use policy::Policy;
pub use policy::{
    MatchConstraints, NamedExpression, Outcome, Parameter, PolicyRule, PolicySpec, PolicyStatus, Replay, ReplayMode,
    ResourceRule, RuleOperation, Signal, SignalType,
};
pub use reason::Reason;

/// The API group of Writ's own kinds.
pub const GROUP: &str = "writ.dev";
/// The version of Writ's API.
pub const VERSION: &str = "v1alpha1";
/// `writ.dev/v1alpha1`
pub const API_VERSION: &str = "writ.dev/v1alpha1";
