//! Keyed views: how their keys are ordered and their rows shown, and the list of them.
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

use super::scan::{self, Rest};
use crate::readers::{Allowance, Exceeded};
use crate::views::{
    Cell, Change, Dimension, Frontier, Labels, Page, RowFilter, Scan, Snapshot, View,
};
use market::Commit;

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
    /// Its key; ordered by its place first.
    type Key: ExchangeData + Copy + Sync;
    /// The rest of its row, or of all rows of its key, small or shared: it is copied when batches are merged.
    type Value: ExchangeData + Sync;
    /// Its name.
    const VIEW: &'static str;
    /// What its keys are ordered by, at most three; what comes first is what it is sharded by.
    const ORDER: &'static [Dimension];

    /// Whether a row belongs to the view's history; of a view without one, none does.
    fn is_remembered(_value: &Self::Value) -> bool {
        false
    }

    /// How many rows a value may stand for; some of these may not be there.
    fn parts(_value: &Self::Value) -> usize {
        1
    }

    /// Whether this part of a value is a row.
    fn has(_value: &Self::Value, _part: usize) -> bool {
        true
    }

    /// Whether this part of two values of one key is the same row.
    fn same(one: &Self::Value, other: &Self::Value, _part: usize) -> bool {
        one == other
    }

    /// About how many bytes a value has elsewhere, shared by all its copies.
    fn bytes_beside(_value: &Self::Value) -> usize {
        0
    }

    /// Where a key stands: the ordinals of its dimensions, then zeros.
    fn place(key: &Self::Key) -> Place;

    /// The lowest key at or after a place.
    fn lowest(place: Place) -> Self::Key;

    /// Appends the cells of the row that is this part of a value.
    fn cells(
        key: &Self::Key,
        value: &Self::Value,
        part: usize,
        labels: &Labels,
        into: &mut Vec<Cell>,
    );
}

/// The parts of a value that are rows.
pub fn rows_of<V: Keyed>(value: &V::Value) -> impl Iterator<Item = usize> {
    (0..V::parts(value)).filter(|part| V::has(value, *part))
}

/// The leading part of a key, as ordinals.
pub type Place = [u64; 3];

/// A batch of a keyed view's arrangement.
pub type Batch<V> = SharedBatch<<V as Keyed>::Key, <V as Keyed>::Value>;

/// Batches of one keyed view, whatever their type: a `Vec<Batch<V>>`.
pub type Shelf = Arc<dyn Any + Send + Sync>;

/// How a keyed view is read, whatever the type of its rows.
pub struct KeyedView {
    /// Its name.
    pub name: &'static str,
    /// By what it is sharded.
    pub sharded_by: Dimension,
    /// Reads rows at a frontier.
    pub read: ReadRows,
    /// Reads all rows at a frontier, part by part.
    pub snapshot: ReadParts,
    /// Reads what has changed.
    pub changes: ReadChanges,
}

/// Reads the rows of shelves at a frontier.
pub type ReadRows =
    fn(&[Shelf], Frontier, &Scan, &Labels, &mut Allowance<'_>) -> Result<Page, Exceeded>;
/// Has the rows of shelves at a frontier read part by part.
pub type ReadParts =
    fn(&[Shelf], Frontier, &'static View, Arc<RowFilter>, Labels) -> Arc<dyn Snapshot>;
/// Reads the net change on shelves after one commit (none: from the beginning) up to another.
pub type ReadChanges = fn(
    &[Shelf],
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
            read: |shelves, frontier, scan, labels, allowance| {
                scan::read::<V>(unpack::<V>(shelves), frontier, scan, labels, allowance)
            },
            snapshot: |shelves, frontier, view, filter, labels| {
                Arc::new(Rest::<V>::new(unpack::<V>(shelves), frontier, view, filter, labels))
            },
            changes: |shelves, of, span, labels, allowance| {
                scan::changes::<V>(unpack::<V>(shelves), of, span, labels, allowance)
            },
        }
    }
}

/// The batches on shelves of a view.
pub fn unpack<V: Keyed>(shelves: &[Shelf]) -> Vec<Batch<V>> {
    let own = shelves.iter().filter_map(|shelf| shelf.downcast_ref::<Vec<Batch<V>>>());
    own.flatten().cloned().collect()
}
