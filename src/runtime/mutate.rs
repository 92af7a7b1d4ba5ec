use std::collections::BTreeMap;

use super::{
    Call, Runtime, attestation,
    gather::{Case, Gathered},
    judge::{Judged, judge},
    own_key,
};
use crate::admission::Answer;

impl Runtime {
    pub(super) async fn mutate_call(&self, call: &Call<'_>) -> Answer {
        let patch = match self.world.snapshot() {
            Some(snapshot) if !self.is_exempt_place(call.request) => match self.gather(call, &snapshot).await {
                Ok(Gathered::NotOurs) => None,
                // Nothing changes, so our annotation does not change either.
                Ok(Gathered::NoOp(case)) => case.restore(),
                Ok(Gathered::Case(case)) => self.mint(&case),
                // Validate sees the same and says so to the user.
                Err(_) => None,
            },
            _ => None,
        };
        Answer::Allow { patch, warnings: Vec::new(), audit_annotations: BTreeMap::new() }
    }

    /// A patch with an attestation where every Enforce binding allows; where none decides, with the old value.
    fn mint(&self, case: &Case<'_>) -> Option<Vec<u8>> {
        if !case.carries_attestation() {
            return None;
        }
        let judged = judge(case, &case.enforce, case.call.now);
        if judged.is_empty() {
            return case.restore();
        }
        if !judged.iter().all(Judged::allows) {
            return None;
        }
        let object = case.object.as_ref()?;
        let projection = case.plan.project(object);
        let statement = attestation::statement(self, case, &judged, &projection);
        // Without a signature there is no attestation, and validate denies.
        let signed = self.signer.sign(statement).ok()?;
        if let Some(text) = case.call.request.object_text() {
            self.recent.keep(case.call.execution_id, text);
        }
        own_key::patch(object, &case.key, Some(signed.compact()))
    }
}

impl Case<'_> {
    /// A patch that gives our annotation its stored value back.
    fn restore(&self) -> Option<Vec<u8>> {
        if !self.carries_attestation() {
            return None;
        }
        own_key::patch(self.object.as_ref()?, &self.key, self.old_attestation())
    }
}
