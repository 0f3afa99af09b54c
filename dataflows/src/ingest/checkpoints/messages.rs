//! What the thread that writes checkpoints is told.

use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

use market::{Commit, Generation};

use super::manifest::ReplayStart;
use crate::ingest::promises::SavedPromises;

/// What the writer is told, in this order for each checkpoint: `Begin`, its states, and `Finish` or `Abandon`.
pub(super) enum Message {
    /// A checkpoint begins.
    Begin {
        /// Its number.
        number: u64,
        /// Its first commit.
        first: Commit,
    },
    /// The state of a shard of an operator.
    State {
        /// The operator.
        operator: &'static str,
        /// The shard.
        shard: u8,
        /// It is that after this commit.
        after: Commit,
        /// As the operator encoded it.
        bytes: Vec<u8>,
    },
    /// All states were handed over, and everything through their last commit is complete.
    Finish(Box<Finish>),
    /// The checkpoint is given up.
    Abandon,
    /// No more of them.
    End,
}

/// What completes a checkpoint.
pub(super) struct Finish {
    pub(super) generation: Generation,
    pub(super) config: Arc<str>,
    pub(super) start: ReplayStart,
    /// What clients were promised before its first commit.
    pub(super) promises: SavedPromises,
    pub(super) last: Commit,
    /// The file of the log that has its commits: the disk must have them first.
    pub(super) log: Option<File>,
    /// When it began.
    pub(super) began: Instant,
}
