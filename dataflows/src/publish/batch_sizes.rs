//! How many bytes the batches of a keyed view retain.
//!
//! Rows that are shared (`KeyedView::shared_bytes`) count once, where they stay longest. Those that there are now belong
//! to the operator that made them. So an arrangement of current rows counts its containers alone; a ring and a history
//! count the rows that their batches insert as well, for these outlive what operators hold.

use std::collections::HashMap;

use operators::keyed::Time;

use super::batches::Batch;
use crate::views::kinds::KeyedView;

/// Sizes of batches, which never change. A batch with a million rows is measured once.
pub(super) struct BatchSizes {
    with_values: bool,
    known: HashMap<Identity, usize>,
}

type Identity = (usize, Option<Time>, Option<Time>, usize);

impl BatchSizes {
    /// Of batches whose rows operators hold.
    pub(super) fn of_containers() -> BatchSizes {
        BatchSizes { with_values: false, known: HashMap::new() }
    }

    /// Of batches that hold rows themselves.
    pub(super) fn with_values() -> BatchSizes {
        BatchSizes { with_values: true, known: HashMap::new() }
    }

    /// The bytes of all batches of an arrangement.
    pub(super) fn sum<V: KeyedView>(&mut self, batches: &[Batch<V>]) -> usize {
        if !self.with_values {
            return batches.iter().map(Batch::<V>::heap_bytes).sum();
        }
        let measured = |batch: &Batch<V>| {
            let known = self.known.get(&batch.identity()).copied();
            (batch.identity(), known.unwrap_or_else(|| bytes_with_values::<V>(batch)))
        };
        let sizes: HashMap<Identity, usize> = batches.iter().map(measured).collect();
        self.known = sizes;
        self.known.values().sum()
    }
}

/// The bytes of a batch, with the rows that it inserts.
pub(super) fn bytes_with_values<V: KeyedView>(batch: &Batch<V>) -> usize {
    batch.heap_bytes() + batch.inserted().map(V::shared_bytes).sum::<usize>()
}
