//! The batches of a keyed view.

use std::any::Any;
use std::sync::Arc;

use operators::arrange::{SharedBatch, Update};

use crate::views::kinds::Keyed;

/// A batch of a keyed view's arrangement.
pub(super) type Batch<V> = SharedBatch<<V as Keyed>::Key, <V as Keyed>::Value>;

/// A change of a row of a keyed view.
pub(super) type RowUpdate<V> = Update<<V as Keyed>::Key, <V as Keyed>::Value>;

/// Batches of one keyed view, with the type erased: a `Vec<Batch<V>>`.
pub(super) type BatchList = Arc<dyn Any + Send + Sync>;

/// The batches of batch lists of a view.
pub(super) fn unpack<V: Keyed>(batch_lists: &[BatchList]) -> Vec<Batch<V>> {
    let own =
        batch_lists.iter().filter_map(|batch_list| batch_list.downcast_ref::<Vec<Batch<V>>>());
    own.flatten().cloned().collect()
}
