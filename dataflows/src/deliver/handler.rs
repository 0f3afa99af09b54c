//! What a handler is given: batches of net changes.

use market::{Commit, EventTime};

use crate::views::{Cell, Change, View, ViewKind};

/// Takes the changes of one view, on a thread of its own.
///
/// *The batches of a view, one after the other, are the view*: a snapshot, then every net change after it,
/// nothing left out. What was delivered before an error comes again; each batch names its commit and its part,
/// so that who has them already can tell.
pub trait DeltaHandler: Send {
    /// Takes a batch. May block: what changes meanwhile comes as one batch. On [`DeliverError::Retry`] the
    /// same batch comes again.
    fn deliver(&mut self, batch: &Batch<'_>) -> Result<(), DeliverError>;

    /// No batch follows: the job has ended in order, and everything has been delivered.
    fn close(&mut self) -> Result<(), DeliverError> {
        Ok(())
    }
}

/// The net change of a view from one commit to a later one, or a part of it.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The view.
    pub view: &'static View,
    /// What the deltas are.
    pub kind: Kind,
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

/// The most deltas of one part of a batch.
pub const PART_DELTAS: usize = connectors::sink::BATCH_RECORDS;

/// What the deltas of a batch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// All rows that are wanted, of logs the latest. It replaces all that was delivered before.
    Snapshot,
    /// The same, because changes after the batch before are no longer kept, or the handler wanted it.
    Resync,
    /// What has changed since the batch before.
    Changes,
}

/// What became of one key of a keyed view, or a row appended to a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// The row before; none: it was not there, as always in snapshots and logs.
    pub before: Option<Vec<Cell>>,
    /// The row now; none: it is gone.
    pub now: Option<Vec<Cell>>,
}

/// Why a batch was not taken, and whether it is worth another try.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// Try again later, with the same batch.
    #[error(transparent)]
    Retry(Box<dyn std::error::Error + Send + Sync>),
    /// What was taken before is not there any more: begin again with a snapshot.
    #[error(transparent)]
    Afresh(Box<dyn std::error::Error + Send + Sync>),
    /// Give up: nothing more is delivered to this handler. The job goes on.
    #[error(transparent)]
    GiveUp(Box<dyn std::error::Error + Send + Sync>),
}

impl Delta {
    /// A row of a snapshot.
    pub(super) fn came(row: Vec<Cell>) -> Delta {
        Delta { before: None, now: Some(row) }
    }

    /// What changes in the order of the view's key come to; of a row that was replaced, the old one first.
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
                None => deltas.push(Delta::came(cells)),
            }
        }
        deltas
    }
}
