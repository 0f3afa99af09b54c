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

    /// Reserves room for a body of `bytes` bytes, if there is any now.
    pub(super) fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT).max(1)).ok()?;
        Arc::clone(&self.room).try_acquire_many_owned(units).ok()
    }
}
