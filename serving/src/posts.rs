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
    /// One per unit of the bodies of one client, where clients are told apart.
    share: Option<Arc<Semaphore>>,
}

impl Posts {
    /// `ingest` is none if the process takes no rows.
    pub fn new(ingest: Option<Arc<dyn IngestApi>>) -> Posts {
        let bytes = ingest.as_ref().map_or(0, |ingest| ingest.body_bytes()).max(BODIES_BYTES);
        let room = Arc::new(Semaphore::new(bytes.div_ceil(UNIT)));
        Posts { ingest, room, share: None }
    }

    /// The same for one of several clients: it fills a quarter of the room, and at least two bodies.
    pub(super) fn of_one_client(&self) -> Posts {
        let bytes = (BODIES_BYTES / 4).max(2 * self.body_bytes());
        Posts { share: Some(Arc::new(Semaphore::new(bytes.div_ceil(UNIT)))), ..self.clone() }
    }

    /// The most bytes of a body; 0 if none is taken.
    pub(super) fn body_bytes(&self) -> usize {
        self.ingest.as_ref().map_or(0, |ingest| ingest.body_bytes())
    }

    /// The room of a body of which nothing has come.
    pub(super) fn no_room(&self) -> Room {
        let of = [Some(&self.room), self.share.as_ref()].into_iter().flatten().cloned().collect();
        Room { of, units: 0, permits: Vec::new() }
    }
}

/// The room that a body takes up, until it is dropped.
pub(super) struct Room {
    of: Vec<Arc<Semaphore>>,
    units: usize,
    permits: Vec<OwnedSemaphorePermit>,
}

impl Room {
    /// Makes it room for so many bytes in all; whether there is as much now.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let units = bytes.div_ceil(UNIT).max(1);
        let Ok(more) = u32::try_from(units.saturating_sub(self.units)) else { return false };
        let taken = self.of.iter().map(|of| Arc::clone(of).try_acquire_many_owned(more).ok());
        let Some(taken) = taken.collect::<Option<Vec<_>>>() else { return false };
        self.permits.extend(taken);
        self.units = self.units.max(units);
        true
    }
}
