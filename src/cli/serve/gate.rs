use std::{sync::Arc, time::Instant};

use crate::{
    admission::{Answer, Request},
    api::Reason,
    attest::ExecutionId,
    runtime::{self, Refusal, Runtime},
    time::Timestamp,
    webhook::{Admission, Call, Caller, Check, Readiness},
};

/// Joins the server to the runtime.
pub(super) struct Gate {
    runtime: Runtime,
    callers_are_known: bool,
}

impl Gate {
    pub(super) fn new(runtime: Runtime, callers_are_known: bool) -> Self {
        Self { runtime, callers_are_known }
    }

    fn call<'a>(
        &self,
        request: &'a Request<'a>,
        caller: &Caller,
        received: Timestamp,
        deadline: Instant,
    ) -> Option<runtime::Call<'a>> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        Some(runtime::Call {
            request,
            authenticated: self.callers_are_known && matches!(caller, Caller::Authenticated(_)),
            now: received,
            deadline,
            execution_id: ExecutionId::from_bytes(random),
        })
    }
}

impl Admission for Gate {
    async fn mutate(&self, call: Call<'_>) -> Answer {
        match self.call(&call.request, &call.caller, call.received, call.deadline) {
            Some(call) => self.runtime.mutate(call).await,
            None => no_randomness(&call.request),
        }
    }

    async fn validate(&self, call: Call<'_>) -> Answer {
        match self.call(&call.request, &call.caller, call.received, call.deadline) {
            Some(call) => self.runtime.validate(call).await,
            None => no_randomness(&call.request),
        }
    }

    fn readiness(&self) -> Readiness {
        let policies = match self.runtime.world.snapshot() {
            Some(_) => Check::holds("policies"),
            None => Check::fails("policies", "the policies have not been read yet"),
        };
        let evidence = match self.runtime.evidence.fault() {
            None => Check::holds("evidence"),
            Some(fault) => Check::fails("evidence", fault),
        };
        Readiness(vec![policies, evidence])
    }
}

fn no_randomness(request: &Request<'_>) -> Answer {
    let refusal = Refusal::new(Reason::InternalError, "the system gives no random numbers");
    refusal.into_answer(request, "", std::collections::BTreeMap::new(), Vec::new())
}

/// The gate is shared by every connection.
const _: fn() = || {
    fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<Arc<Gate>>();
};
