use std::{collections::BTreeMap, sync::Arc, time::Instant};

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::{
    admission::{Answer, Request},
    api::Reason,
    attest::ExecutionId,
    runtime::{self, Refusal, Runtime},
    time::Timestamp,
    webhook::{Admission, Call, Caller, Check, Readiness},
};

/// Joins the server to the runtime, which may still be on its way.
pub(super) struct Gate {
    runtime: ArcSwapOption<Runtime>,
    /// Why there is no runtime yet.
    missing: ArcSwap<String>,
    callers_are_known: bool,
}

impl Gate {
    pub(super) fn new(callers_are_known: bool) -> Self {
        let missing = ArcSwap::from_pointee("starting".to_owned());
        Self { runtime: ArcSwapOption::empty(), missing, callers_are_known }
    }

    /// Opens the gate.
    pub(super) fn set(&self, runtime: Runtime) -> Arc<Runtime> {
        let runtime = Arc::new(runtime);
        self.runtime.store(Some(Arc::clone(&runtime)));
        runtime
    }

    /// Says why it is still shut.
    pub(super) fn wait_for(&self, error: &anyhow::Error) {
        let what = format!("{error:#}");
        tracing::warn!(error = what, "not ready yet, trying again");
        self.missing.store(Arc::new(what));
    }

    fn call<'a>(
        &self,
        request: &'a Request<'a>,
        caller: &Caller,
        received: Timestamp,
        deadline: Instant,
    ) -> Result<(Arc<Runtime>, runtime::Call<'a>), Answer> {
        let refuse = |reason, message: &str| {
            Refusal::new(reason, message).into_answer(request, "none", BTreeMap::new(), Vec::new())
        };
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|_| refuse(Reason::InternalError, "the system gives no random numbers"))?;
        let runtime = self.runtime.load_full();
        let runtime =
            runtime.ok_or_else(|| refuse(Reason::NotReady, "this replica is not ready yet: try again in a moment"))?;
        let call = runtime::Call {
            request,
            authenticated: self.callers_are_known && matches!(caller, Caller::Authenticated(_)),
            now: received,
            deadline,
            execution_id: ExecutionId::from_bytes(random),
        };
        Ok((runtime, call))
    }
}

impl Admission for Gate {
    async fn mutate(&self, call: Call<'_>) -> Answer {
        match self.call(&call.request, &call.caller, call.received, call.deadline) {
            Ok((runtime, call)) => runtime.mutate(call).await,
            // Mutate never denies: validate is asked next, and does.
            Err(_) => Answer::Allow { patch: None, warnings: Vec::new(), audit_annotations: BTreeMap::new() },
        }
    }

    async fn validate(&self, call: Call<'_>) -> Answer {
        match self.call(&call.request, &call.caller, call.received, call.deadline) {
            Ok((runtime, call)) => runtime.validate(call).await,
            Err(answer) => answer,
        }
    }

    fn readiness(&self) -> Readiness {
        let Some(runtime) = self.runtime.load_full() else {
            return Readiness(vec![Check::fails("start", self.missing.load().as_ref().clone())]);
        };
        let faults = runtime.world.faults();
        let policies = match runtime.world.snapshot() {
            Some(_) if faults.is_empty() => Check::holds("policies"),
            Some(_) => Check::fails("policies", faults.join("; ")),
            None => Check::fails("policies", "the policies have not been read yet"),
        };
        let evidence = match runtime.evidence.fault() {
            None => Check::holds("evidence"),
            Some(fault) => Check::fails("evidence", fault),
        };
        let store = match runtime.store_fault() {
            None => Check::holds("store"),
            Some(fault) => Check::fails("store", fault),
        };
        Readiness(vec![policies, evidence, store])
    }
}
