//! What a view is made of: its schema, the order of its rows, their cells, and how they are taken from the output of an
//! operator. `publish/` arranges and reads views by these traits alone.

use std::cmp::Ordering;

use market::Commit;
use operators::arrange::RowData;
use serde::Serialize;
use serde::de::DeserializeOwned;

use rows::{Cell, Dimension, Labels, RowFilter, View};

/// A keyed view.
pub trait KeyedView: 'static {
    /// The key. Its order begins with its prefix.
    type Key: RowData + Copy;
    /// The rest of the row, or of all rows with this key. It must be small or shared, because merges of batches copy
    /// it.
    type Value: RowData;
    /// The view.
    const VIEW: View;
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

/// The leading dimensions of a key, as ordinals.
pub type KeyPrefix = [u64; 3];

/// The slots of a value that are rows.
pub fn rows_of<V: KeyedView>(value: &V::Value) -> impl Iterator<Item = usize> {
    (0..V::rows_per_entry(value)).filter(|part| V::has(value, *part))
}

/// A keyed view whose rows are taken from the output of an operator.
pub trait TakeRows: KeyedView + Sized {
    /// The output.
    type Out: Clone + 'static;

    /// Takes the changes of rows that are in an output.
    fn take(out: Self::Out, rows: &mut impl RowChanges<Self>);
}

/// Takes the changes of a commit.
pub trait RowChanges<V: KeyedView> {
    /// Replaces the row `before` by `after`.
    fn change(&mut self, key: V::Key, before: Option<V::Value>, after: Option<V::Value>);

    /// Inserts a row that existed before and is emitted again after a restore.
    fn restored(&mut self, key: V::Key, value: V::Value);
}

/// A log.
pub trait LogView: 'static {
    /// What is retained: a row, or several.
    type Entry: Clone + Send + Sync + Serialize + DeserializeOwned + 'static;
    /// What becomes a row.
    type Row: 'static;
    /// The view.
    const VIEW: View;
    /// What bounds the log.
    const BOUND: LogBound = LogBound::LogBytes;
    /// Under which name checkpoints have its entries; another one when their encoding changes.
    const SAVED_AS: &'static str = Self::VIEW.name;
    /// A subscriber more than this many rows behind gets a resync.
    const CATCH_UP_ROWS_MAX: usize = usize::MAX;

    /// The rows of an entry.
    fn rows(entry: &Self::Entry) -> &[Self::Row];

    /// Reads entries that an earlier version saved under the name of the view.
    fn read_former(piece: &[u8]) -> Result<SavedEntries<Self::Entry>, postcard::Error> {
        postcard::from_bytes(piece)
    }

    /// Approximate bytes that an entry takes. They do not change.
    fn bytes(_entry: &Self::Entry) -> usize {
        size_of::<Self::Entry>()
    }

    /// False only of rows that the filter excludes; a quick look before cells are made.
    fn may_match(_row: &Self::Row, _filter: &RowFilter) -> bool {
        true
    }

    /// The order of rows within a commit. It does not depend on the order in which workers append.
    fn order(one: &Self::Row, other: &Self::Row) -> Ordering;

    /// Appends the cells of a row.
    fn cells(row: &Self::Row, commit: Commit, labels: &Labels, into: &mut Vec<Cell>);
}

/// Entries of a log as checkpoints have them: by commit, ascending.
pub type SavedEntries<E> = Vec<(Commit, Vec<E>)>;

/// A log whose entries are taken from the output of an operator.
pub trait TakeEntry: LogView {
    /// The output.
    type Out: 'static;

    /// The entry that is in an output, if there is one.
    fn take(out: &Self::Out) -> Option<Self::Entry>;
}

/// A log that has the rows of other logs, in one form. It needs no memory.
pub trait UnionView: 'static {
    /// The view. Its column `type` says what a row is.
    const VIEW: View;
    /// The logs, in the order in which their rows come within a commit.
    const PARTS: &'static [UnionPart];
}

/// A log as a part of a [`UnionView`].
#[derive(Clone, Copy, Debug)]
pub struct UnionPart {
    /// The log.
    pub view: &'static View,
    /// The word of its rows in the column `type`; of several, its own column `kind` says which.
    pub types: &'static [&'static str],
    /// The columns of the union that are called otherwise in the log: their names there and here. Others have the cell
    /// of the column of the same name, if there is one.
    pub renamed: &'static [(&'static str, &'static str)],
}

/// The key of the configuration that bounds a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogBound {
    /// `limits.log_bytes`.
    LogBytes,
    /// `limits.trade_log_bytes`; the log is off where nobody can read it.
    TradeLogBytes,
    /// `limits.log_bytes`; the log is off where nobody can read it.
    ReadLogBytes,
}

impl LogBound {
    /// The key in `[limits]`.
    pub fn key(self) -> &'static str {
        match self {
            LogBound::LogBytes | LogBound::ReadLogBytes => "log_bytes",
            LogBound::TradeLogBytes => "trade_log_bytes",
        }
    }
}
