//! What requests that send something share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answers::Answers;
use crate::inlet::Inlet;

/// Bytes of all bodies that are read or taken at a time, at least; there is always room for one.
const BODIES_BYTES: usize = 128 << 20;
/// Bytes are counted in units of this many, so that small bodies cost something too.
const UNIT: usize = 1 << 10;

/// Where rows go that clients send, and what was answered to whom. Clones share it.
#[derive(Clone)]
pub struct Posts {
    pub(super) ingest: Option<Arc<dyn Inlet>>,
    /// A permit per unit of all bodies.
    room: Arc<Semaphore>,
    pub(super) answers: Answers,
}

impl Posts {
    /// With an inlet, if rows are taken at all.
    pub fn new(ingest: Option<Arc<dyn Inlet>>) -> Posts {
        let bytes = ingest.as_ref().map_or(0, |ingest| ingest.body_bytes()).max(BODIES_BYTES);
        let room = Arc::new(Semaphore::new(bytes.div_ceil(UNIT)));
        Posts { ingest, room, answers: Answers::default() }
    }

    /// Room for a body of so many bytes, if there is any now.
    pub(super) fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT).max(1)).ok()?;
        Arc::clone(&self.room).try_acquire_many_owned(units).ok()
    }
}
