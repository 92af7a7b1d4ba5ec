use std::sync::Arc;

use futures::future::BoxFuture;

use super::{Controller, own_kinds};
use crate::{
    admission::{GroupVersionResource, Request},
    api::Reason,
    canonical::Value,
    runtime::{KindFacts, NamespaceFacts, Refusal, Snapshot, World, WorldError},
    time::Timestamp,
};

impl World for Controller {
    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        Self::snapshot(self)
    }

    fn is_current(&self, now: Timestamp) -> bool {
        Self::is_current(self, now)
    }

    fn namespace<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<NamespaceFacts>, WorldError>> {
        Box::pin(Self::namespace(self, name))
    }

    fn kind(&self, resource: &GroupVersionResource) -> KindFacts {
        Self::kind(self, resource)
    }

    fn faults(&self) -> Vec<String> {
        Self::faults(self)
    }

    fn refused(&self, object: &Value<'_>, reason: &str, message: &str) {
        self.events().tell_owner(object, reason, message);
    }

    fn admit_own<'a>(&'a self, request: &'a Request<'a>) -> BoxFuture<'a, Result<Vec<String>, Refusal>> {
        Box::pin(async move {
            let Some(view) = self.view() else {
                let message = "policies and bindings were not read yet: try again in a moment";
                return Err(Refusal::new(Reason::NotReady, message));
            };
            own_kinds::admit(request, &view.state)
        })
    }
}
