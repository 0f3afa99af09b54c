//! The batches of a keyed view.

use std::any::Any;
use std::sync::Arc;

use operators::arrange::{SharedBatch, Update};

use crate::views::kinds::KeyedView;

/// A batch of a keyed view's arrangement.
pub(super) type Batch<V> = SharedBatch<<V as KeyedView>::Key, <V as KeyedView>::Value>;

/// A change of a row of a keyed view.
pub(super) type RowUpdate<V> = Update<<V as KeyedView>::Key, <V as KeyedView>::Value>;

/// Batches of one keyed view, with the type erased: a `Vec<Batch<V>>`.
pub(super) type BatchList = Arc<dyn Any + Send + Sync>;

/// The batches of batch lists of a view.
pub(super) fn unpack<V: KeyedView>(batch_lists: &[BatchList]) -> Vec<Batch<V>> {
    let own =
        batch_lists.iter().filter_map(|batch_list| batch_list.downcast_ref::<Vec<Batch<V>>>());
    own.flatten().cloned().collect()
}
