//! Keyed views: the order of their keys, the cells of their rows, and the list of them.
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

use std::any::Any;
use std::sync::Arc;

use differential_dataflow::ExchangeData;
use operators::arrange::SharedBatch;

use super::scan::{self, KeyedSnapshot};
use market::Commit;
use rows::readers::{Allowance, Exceeded};
use rows::{Cell, Change, Dimension, Frontier, Labels, Page, RowFilter, Scan, Snapshot, View};

pub use alerts::Alerts;
pub use candles::Candles;
pub use edges::Edges;
pub use gaps::Gaps;
pub use indicators::Indicators;
pub use portfolios::{Portfolios, Risks};
pub use positions::{Drifts, Positions};
pub use signals::Signals;

/// A keyed view.
pub trait Keyed: 'static {
    /// The key. Its order begins with its prefix.
    type Key: ExchangeData + Copy + Sync;
    /// The rest of the row, or of all rows with this key. It must be small or shared, because merges of batches copy
    /// it.
    type Value: ExchangeData + Sync;
    /// The view's name.
    const VIEW: &'static str;
    /// The dimensions by which keys are ordered, at most three. The first one is the dimension of the shards.
    const ORDER: &'static [Dimension];

    /// Whether a row is part of the view's history.
    fn in_history(_value: &Self::Value) -> bool {
        false
    }

    /// The number of row slots of a value; some slots may be empty.
    fn rows_per_entry(_value: &Self::Value) -> usize {
        1
    }

    /// Whether this slot of a value is a row.
    fn has(_value: &Self::Value, _part: usize) -> bool {
        true
    }

    /// Whether this slot of two values of one key is the same row.
    fn same(one: &Self::Value, other: &Self::Value, _part: usize) -> bool {
        one == other
    }

    /// Approximate bytes that a value has on the heap and shares with its copies.
    fn shared_bytes(_value: &Self::Value) -> usize {
        0
    }

    /// The prefix of a key: the ordinals of its dimensions, then zeros.
    fn prefix(key: &Self::Key) -> KeyPrefix;

    /// The lowest key whose prefix is this one or later.
    fn lowest(prefix: KeyPrefix) -> Self::Key;

    /// Appends the cells of the row in this slot of a value.
    fn cells(
        key: &Self::Key,
        value: &Self::Value,
        part: usize,
        labels: &Labels,
        into: &mut Vec<Cell>,
    );
}

/// The slots of a value that are rows.
pub fn rows_of<V: Keyed>(value: &V::Value) -> impl Iterator<Item = usize> {
    (0..V::rows_per_entry(value)).filter(|part| V::has(value, *part))
}

/// The leading dimensions of a key, as ordinals.
pub type KeyPrefix = [u64; 3];

/// A batch of a keyed view's arrangement.
pub type Batch<V> = SharedBatch<<V as Keyed>::Key, <V as Keyed>::Value>;

/// Batches of one keyed view, with the type erased: a `Vec<Batch<V>>`.
pub type BatchList = Arc<dyn Any + Send + Sync>;

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

/// The batches of batch lists of a view.
pub fn unpack<V: Keyed>(batch_lists: &[BatchList]) -> Vec<Batch<V>> {
    let own =
        batch_lists.iter().filter_map(|batch_list| batch_list.downcast_ref::<Vec<Batch<V>>>());
    own.flatten().cloned().collect()
}
