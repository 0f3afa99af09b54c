//! How the recording of a run is, for its health.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The state of the recording of a run. Its keeper writes it; every thread may read it. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct RecordingStatus(Arc<Mutex<RecordingState>>);

/// How a recording is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RecordingState {
    /// Nothing is recorded.
    #[default]
    Off,
    /// It takes all commits.
    Written,
    /// It cannot be written since then, and sources wait for it.
    Held {
        /// Why it cannot.
        why: String,
        /// Since when.
        since: Instant,
    },
    /// It could not be written, and the job stops.
    Lost {
        /// Why it could not.
        why: String,
    },
}

impl RecordingStatus {
    /// The present state.
    pub fn get(&self) -> RecordingState {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, state: RecordingState) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}
