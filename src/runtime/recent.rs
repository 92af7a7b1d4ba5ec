use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use crate::attest::ExecutionId;

/// How many signed objects are kept.
const MAX_OBJECTS: usize = 256;
/// How many bytes of them.
const MAX_BYTES: usize = 4 << 20;

/// The objects that this replica signed last, so that a later change can be named exactly. Losing one loses nothing
/// but words.
#[derive(Default)]
pub(super) struct Recent {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    objects: VecDeque<(ExecutionId, Vec<u8>)>,
    bytes: usize,
}

impl Recent {
    pub(super) fn keep(&self, id: ExecutionId, object: &[u8]) {
        if object.len() > MAX_BYTES / 4 {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += object.len();
        kept.objects.push_back((id, object.to_vec()));
        while kept.objects.len() > MAX_OBJECTS || kept.bytes > MAX_BYTES {
            let Some((_, gone)) = kept.objects.pop_front() else { break };
            kept.bytes -= gone.len();
        }
    }

    pub(super) fn find(&self, id: ExecutionId) -> Option<Vec<u8>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.objects.iter().find(|(own, _)| *own == id).map(|(_, object)| object.clone())
    }
}
