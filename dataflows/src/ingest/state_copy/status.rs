//! How the copies of a state are, for the health of the job.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use market::Commit;

/// How the copies of a state are. The thread that writes them sets this; clones share it.
#[derive(Clone, Debug)]
pub struct CopyStatus(Arc<Mutex<CopyReport>>);

/// See [`CopyStatus::report`].
#[derive(Clone, Debug)]
pub struct CopyReport {
    /// Where they go.
    pub url: Arc<str>,
    /// When the last complete copy began, and the last commit that it is sure to have; none was written by this start.
    pub last: Option<(Instant, Commit)>,
    /// Why the last attempt failed, if it did.
    pub failed: Option<String>,
    /// Whether it is not tried again.
    pub is_given_up: bool,
}

impl CopyStatus {
    /// Of copies that go to a place.
    pub fn new(url: &str) -> CopyStatus {
        let report = CopyReport { url: url.into(), last: None, failed: None, is_given_up: false };
        CopyStatus(Arc::new(Mutex::new(report)))
    }

    /// How they are now.
    pub fn report(&self) -> CopyReport {
        self.lock().clone()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, CopyReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
