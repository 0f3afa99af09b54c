//! The shared state of requests that send rows.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use node_api::ingest::IngestApi;

/// The bound of all bodies that are being read or ingested, in bytes; one body always fits.
const BODIES_BYTES: usize = 128 << 20;
/// Permits count units of this many bytes, so that small bodies are counted too.
const UNIT: usize = 1 << 10;

/// The ingest API, and room for bodies. Clones share them.
#[derive(Clone)]
pub struct Posts {
    pub(super) ingest: Option<Arc<dyn IngestApi>>,
    /// A permit per unit of all bodies.
    room: Arc<Semaphore>,
}

impl Posts {
    /// `ingest` is none if the process takes no rows.
    pub fn new(ingest: Option<Arc<dyn IngestApi>>) -> Posts {
        let bytes = ingest.as_ref().map_or(0, |ingest| ingest.body_bytes()).max(BODIES_BYTES);
        let room = Arc::new(Semaphore::new(bytes.div_ceil(UNIT)));
        Posts { ingest, room }
    }

    /// The most bytes of a body; 0 if none is taken.
    pub(super) fn body_bytes(&self) -> usize {
        self.ingest.as_ref().map_or(0, |ingest| ingest.body_bytes())
    }

    /// The room of a body of which nothing has come.
    pub(super) fn no_room(&self) -> Room {
        Room { of: Arc::clone(&self.room), units: 0, permit: None }
    }
}

/// The room that a body takes up, until it is dropped.
pub(super) struct Room {
    of: Arc<Semaphore>,
    units: usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Makes it room for so many bytes in all; whether there is as much now.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let units = bytes.div_ceil(UNIT).max(1);
        let Ok(more) = u32::try_from(units.saturating_sub(self.units)) else { return false };
        let Ok(more) = Arc::clone(&self.of).try_acquire_many_owned(more) else { return false };
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
        self.units = self.units.max(units);
        true
    }
}
