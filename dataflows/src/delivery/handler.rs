//! Batches of net changes, and the trait of their consumers.

use std::sync::Arc;
use std::time::Duration;

use connectors::SinkOutcomes;
use market::{Commit, EventTime};

use rows::{Cell, Change, Snapshot, View, ViewKind};

/// Consumes the changes of one view, on a thread of its own.
///
/// *The batches of a view add up to the view*: a snapshot, then every net change after it, without holes. After an
/// error the same batch is delivered again. Each batch names its commit and its part, so that a handler can skip
/// what it already has.
pub trait DeltaHandler: Send {
    /// Takes a batch. The call may block: changes in the meantime become one batch. After [`DeliverError::Retry`]
    /// the same batch is delivered again.
    fn deliver(&mut self, batch: &DeltaBatch<'_>) -> Result<(), DeliverError>;

    /// Checks that what was delivered up to `commit`, the last batch, is there still. Called every few seconds while there
    /// is nothing to deliver.
    fn check(&mut self, _view: &'static View, _commit: Commit) -> Result<(), DeliverError> {
        Ok(())
    }

    /// Deletes the rows of earlier runs that the view does not have; gives how many they were. Called once, when
    /// everything up to the view's commit was delivered, and again after an error.
    fn delete_missing(&mut self, _view: &CompleteView) -> Result<usize, DeliverError> {
        Ok(0)
    }

    /// What became of changes since it was last asked. Asked after every other call, whatever the call gave back.
    fn take_outcomes(&mut self) -> SinkOutcomes {
        SinkOutcomes::default()
    }

    /// Called once after the last batch, if the job has ended in order and everything was delivered.
    fn close(&mut self) -> Result<(), DeliverError> {
        Ok(())
    }
}

/// The net change of a view from one commit to a later one, or a part of it.
#[derive(Clone, Copy, Debug)]
pub struct DeltaBatch<'a> {
    /// The view.
    pub view: &'static View,
    /// What the deltas are.
    pub kind: DeltaKind,
    /// The commit of the batch before; none for the first.
    pub after: Option<Commit>,
    /// The commit up to which everything has been delivered with the last part of this batch.
    pub commit: Commit,
    /// The system time of that commit.
    pub at: EventTime,
    /// The number of this part, from 0.
    pub part: usize,
    /// Whether it is the last part of the batch.
    pub last: bool,
    /// At most [`PART_DELTAS`], in the order of the view's key; none only if a snapshot has no rows.
    pub deltas: &'a [Delta],
}

/// What a run has, once all of its sources have caught up.
#[derive(Clone)]
pub struct CompleteView {
    /// The view.
    pub view: &'static View,
    /// The commit up to which it was delivered.
    pub commit: Commit,
    /// The system time of that commit.
    pub at: EventTime,
    /// From this time on nothing is missing.
    pub whole_from: EventTime,
    /// Its rows at `commit` or later.
    pub snapshot: Arc<dyn Snapshot>,
}

/// The most deltas of one part of a batch.
pub const PART_DELTAS: usize = connectors::sink::BATCH_RECORDS;

/// The kind of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeltaKind {
    /// All selected rows; of logs the latest. It replaces everything that was delivered before.
    Snapshot,
    /// A later snapshot: changes after the previous batch are no longer retained, or the handler asked for it.
    Resync,
    /// The net change since the previous batch.
    Changes,
}

/// The change of one key of a keyed view, or a row appended to a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// The old row. None if there was none, as always in snapshots and logs.
    pub before: Option<Vec<Cell>>,
    /// The new row. None if it was deleted.
    pub now: Option<Vec<Cell>>,
}

/// Why a handler did not take a batch, and how the driver goes on.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The driver retries the same batch later.
    #[error(transparent)]
    Retry(Box<dyn std::error::Error + Send + Sync>),
    /// The same, but not before so long a time has passed.
    #[error("{0}")]
    RetryAfter(Box<dyn std::error::Error + Send + Sync>, Duration),
    /// The handler has lost earlier batches. The driver delivers a new snapshot.
    #[error(transparent)]
    Resync(Box<dyn std::error::Error + Send + Sync>),
    /// The driver delivers nothing more to this handler. The job goes on.
    #[error(transparent)]
    GiveUp(Box<dyn std::error::Error + Send + Sync>),
}

impl Delta {
    /// A row of a snapshot.
    pub(super) fn inserted(row: Vec<Cell>) -> Delta {
        Delta { before: None, now: Some(row) }
    }

    /// Joins changes into deltas. The changes are in the order of the view's key, and the old row of a replaced one
    /// comes first.
    pub(super) fn of(view: &View, changes: Vec<Change>) -> Vec<Delta> {
        let mut deltas: Vec<Delta> = Vec::with_capacity(changes.len());
        for Change { cells, diff } in changes {
            if diff < 0 {
                deltas.push(Delta { before: Some(cells), now: None });
                continue;
            }
            let replaced = deltas.last_mut().filter(|delta| {
                let same = |before: &Vec<Cell>| view.same_key(before, &cells);
                view.kind == ViewKind::Keyed
                    && delta.now.is_none()
                    && delta.before.as_ref().is_some_and(same)
            });
            match replaced {
                Some(delta) => delta.now = Some(cells),
                None => deltas.push(Delta::inserted(cells)),
            }
        }
        deltas
    }
}
