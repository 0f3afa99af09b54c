//! Whether the log can be written, for the health of the job.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Why the log waits for room, and since when, if it does. The thread that writes it sets this; clones share it.
#[derive(Clone, Debug, Default)]
pub struct LogStatus(Arc<Mutex<Option<(String, Instant)>>>);

impl LogStatus {
    /// Why it waits, and since when; none if it does not.
    pub fn held(&self) -> Option<(String, Instant)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, held: Option<String>) {
        let held = held.map(|why| (why, Instant::now()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }
}
