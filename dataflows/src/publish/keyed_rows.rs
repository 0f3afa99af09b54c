//! The rows of a keyed view: the order of their keys, their cells, and the batches that hold them.

use std::any::Any;
use std::sync::Arc;

use differential_dataflow::ExchangeData;
use operators::arrange::SharedBatch;

use rows::{Cell, Dimension, Labels};

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

/// The batches of batch lists of a view.
pub fn unpack<V: Keyed>(batch_lists: &[BatchList]) -> Vec<Batch<V>> {
    let own =
        batch_lists.iter().filter_map(|batch_list| batch_list.downcast_ref::<Vec<Batch<V>>>());
    own.flatten().cloned().collect()
}
