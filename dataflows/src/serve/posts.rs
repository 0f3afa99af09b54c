//! What requests that send something share.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::answers::Answers;
use crate::inlet::Inlet;

/// Bodies that are read or taken at a time; with the bound on a body, this bounds their memory.
const BODIES_MAX: usize = 32;

/// Where rows go that clients send, and what was answered to whom. Clones share it.
#[derive(Clone)]
pub struct Posts {
    pub(super) inlet: Option<Arc<dyn Inlet>>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) answers: Answers,
}

impl Posts {
    /// With an inlet, if rows are taken at all.
    pub fn new(inlet: Option<Arc<dyn Inlet>>) -> Posts {
        let permits = Arc::new(Semaphore::new(BODIES_MAX));
        Posts { inlet, permits, answers: Answers::default() }
    }
}
