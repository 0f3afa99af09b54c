//! Keyed views, and the list of them.
//!
//! To add one: a file with its [`Keyed`] here, a line in [`KEYED`], and its trace among the job's.

mod alerts;
mod candles;
mod edges;
mod gaps;
mod indicators;
mod portfolios;
mod positions;
mod signals;

use std::sync::Arc;

use market::Commit;

use super::keyed_rows::{BatchList, Keyed, unpack};
use super::scan::{self, KeyedSnapshot};
use rows::readers::{Allowance, Exceeded};
use rows::{Change, Dimension, Frontier, Labels, Page, RowFilter, Scan, Snapshot, View};

pub use alerts::Alerts;
pub use candles::Candles;
pub use edges::Edges;
pub use gaps::Gaps;
pub use indicators::Indicators;
pub use portfolios::{Portfolios, Risks};
pub use positions::{Drifts, Positions};
pub use signals::Signals;

/// The functions that read a keyed view, independent of its row type.
pub struct KeyedView {
    /// The view's name.
    pub name: &'static str,
    /// The dimension of its shards.
    pub sharded_by: Dimension,
    /// Reads rows at a frontier.
    pub read: ReadRows,
    /// Begins a snapshot at a frontier, to be read in parts.
    pub snapshot: ReadParts,
    /// Reads the net change between two commits.
    pub changes: ReadChanges,
}

/// Reads the rows of batch lists at a frontier.
pub type ReadRows =
    fn(&[BatchList], Frontier, &Scan, &Labels, &mut Allowance<'_>) -> Result<Page, Exceeded>;
/// Begins a snapshot of batch lists at a frontier.
pub type ReadParts =
    fn(&[BatchList], Frontier, &'static View, Arc<RowFilter>, Labels) -> Arc<dyn Snapshot>;
/// Reads the net change of batch lists after one commit (none: from the beginning) up to another.
pub type ReadChanges = fn(
    &[BatchList],
    (&'static View, &RowFilter),
    (Option<Commit>, Commit),
    &Labels,
    &mut Allowance<'_>,
) -> Result<Vec<Change>, Exceeded>;

/// Every keyed view.
pub const KEYED: &[KeyedView] = &[
    KeyedView::of::<Alerts>(),
    KeyedView::of::<Candles>(),
    KeyedView::of::<Drifts>(),
    KeyedView::of::<Edges>(),
    KeyedView::of::<Gaps>(),
    KeyedView::of::<Indicators>(),
    KeyedView::of::<Portfolios>(),
    KeyedView::of::<Positions>(),
    KeyedView::of::<Risks>(),
    KeyedView::of::<Signals>(),
];

/// The keyed view of this name.
pub fn keyed(name: &str) -> Option<&'static KeyedView> {
    KEYED.iter().find(|view| view.name == name)
}

impl KeyedView {
    const fn of<V: Keyed>() -> KeyedView {
        KeyedView {
            name: V::VIEW,
            sharded_by: V::ORDER[0],
            read: |batch_lists, frontier, scan, labels, allowance| {
                scan::read::<V>(unpack::<V>(batch_lists), frontier, scan, labels, allowance)
            },
            snapshot: |batch_lists, frontier, view, filter, labels| {
                Arc::new(KeyedSnapshot::<V>::new(
                    unpack::<V>(batch_lists),
                    frontier,
                    view,
                    filter,
                    labels,
                ))
            },
            changes: |batch_lists, of, span, labels, allowance| {
                scan::changes::<V>(unpack::<V>(batch_lists), of, span, labels, allowance)
            },
        }
    }
}
