//! What all views of a job on one worker are published with.

use std::sync::Arc;

use market::Commit;
use operators::CommitContext;
use operators::keyed::Time;
use timely::dataflow::StreamVec;

use super::board::Board;

/// The commits of a worker, and where views are published.
pub(super) struct OutputContext<'scope> {
    /// The commits, each at its time.
    pub(super) contexts: StreamVec<'scope, Time, Arc<CommitContext>>,
    /// Up to this commit rows existed before and are emitted again, and logs have their rows.
    pub(super) restored: Option<Commit>,
    /// Where it is published.
    pub(super) board: Arc<Board>,
}
