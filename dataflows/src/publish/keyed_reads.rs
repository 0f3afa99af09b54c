//! The functions that read a keyed view, independent of its row type.

use std::sync::Arc;

use market::Commit;

use super::batches::{BatchList, unpack};
use super::newest;
use super::scan::{self, KeyedSnapshot};
use crate::views::kinds::KeyedView;
use rows::readers::{Allowance, Exceeded};
use rows::{Change, Dimension, Frontier, Labels, Page, RowFilter, Scan, Snapshot, View};

/// The functions that read a keyed view.
#[derive(Clone, Copy)]
pub struct KeyedReads {
    /// The dimension of its shards.
    pub sharded_by: Dimension,
    /// Reads rows at a frontier.
    pub read: ReadRows,
    /// Reads the rows of the newest bars at a frontier.
    pub newest: ReadRows,
    /// Begins a snapshot at a frontier, to be read in parts.
    pub snapshot: ReadParts,
    /// Reads the net change between two commits.
    pub changes: ReadChanges,
}

/// Reads the rows of batch lists at a frontier.
pub(super) type ReadRows =
    fn(&[BatchList], Frontier, &Scan, &Labels, &mut Allowance<'_>) -> Result<Page, Exceeded>;
/// Begins a snapshot of batch lists at a frontier.
pub(super) type ReadParts =
    fn(&[BatchList], Frontier, &'static View, Arc<RowFilter>, Labels) -> Arc<dyn Snapshot>;
/// Reads the net change of batch lists after one commit (none: from the beginning) up to another.
pub(super) type ReadChanges = fn(
    &[BatchList],
    (&'static View, &RowFilter),
    (Option<Commit>, Commit),
    &Labels,
    &mut Allowance<'_>,
) -> Result<Vec<Change>, Exceeded>;

impl KeyedReads {
    /// Those of a view.
    pub(super) const fn of<V: KeyedView>() -> KeyedReads {
        KeyedReads {
            sharded_by: V::ORDER[0],
            read: |batch_lists, frontier, scan, labels, allowance| {
                scan::read::<V>(unpack::<V>(batch_lists), frontier, scan, labels, allowance)
            },
            newest: |batch_lists, frontier, scan, labels, allowance| {
                newest::read::<V>(unpack::<V>(batch_lists), frontier, scan, labels, allowance)
            },
            snapshot: |batch_lists, frontier, view, filter, labels| {
                let batches = unpack::<V>(batch_lists);
                Arc::new(KeyedSnapshot::<V>::new(batches, frontier, view, filter, labels))
            },
            changes: |batch_lists, of, span, labels, allowance| {
                scan::changes::<V>(unpack::<V>(batch_lists), of, span, labels, allowance)
            },
        }
    }
}
