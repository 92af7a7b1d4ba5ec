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
    objects: Mutex<Objects>,
}

/// The objects, and their bytes together.
type Objects = (VecDeque<(ExecutionId, Vec<u8>)>, usize);

impl Recent {
    pub(super) fn keep(&self, id: ExecutionId, object: &[u8]) {
        if object.len() > MAX_BYTES / 4 {
            return;
        }
        let mut guard = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let (objects, bytes) = &mut *guard;
        *bytes += object.len();
        objects.push_back((id, object.to_vec()));
        while objects.len() > MAX_OBJECTS || *bytes > MAX_BYTES {
            let Some((_, gone)) = objects.pop_front() else { break };
            *bytes -= gone.len();
        }
    }

    pub(super) fn find(&self, id: ExecutionId) -> Option<Vec<u8>> {
        let guard = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        guard.0.iter().find(|(own, _)| *own == id).map(|(_, object)| object.clone())
    }
}
