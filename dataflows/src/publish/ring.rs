//! The ring: the latest changes of a keyed view, retained for subscribers.
//!
//! A ring shares the batches of the arrangement. It costs memory only for batches that the arrangement has merged or
//! dropped.

use market::Commit;
use operators::heap;

use super::batches::BatchList;
use super::change_log::{ChangeLog, Retained};
use super::commit_blocks::bytes_beside;

/// The latest changes of one keyed view over all workers. A batch counts for its last commit.
pub type Ring = ChangeLog<RetainedBatch>;

/// A batch of one worker.
#[derive(Clone)]
pub struct RetainedBatch {
    /// The first commit with changes.
    lower: u64,
    bytes: usize,
    batch_list: BatchList,
}

/// The bytes of a list of one batch, and of its place in the ring.
const BESIDE: usize =
    heap::shared::<Vec<usize>>() + heap::vec::<usize>(1) + bytes_beside::<RetainedBatch>();

impl Retained for RetainedBatch {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Ring {
    /// Appends a batch that is not empty and has so many bytes, of commits from `lower` on and before `upper`. The caller guarantees that
    /// none of them is complete yet.
    pub fn push(&self, lower: u64, upper: u64, bytes: usize, batch_list: BatchList) {
        let bytes = bytes + BESIDE;
        self.append(Commit(upper.saturating_sub(1)), RetainedBatch { lower, bytes, batch_list });
    }

    /// The batches with changes after one commit (none: from the beginning) up to another; none if some were dropped.
    pub fn batches(&self, after: Option<Commit>, through: Commit) -> Option<Vec<BatchList>> {
        let behind = self.between(after, Commit(u64::MAX))?;
        let behind = behind.iter().flat_map(|(_, batches)| batches.iter());
        let touching = behind.filter(|batch| batch.lower <= through.0);
        Some(touching.map(|batch| BatchList::clone(&batch.batch_list)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::change_log::Exempt;
    use std::sync::Arc;

    #[test]
    fn the_oldest_go_and_what_is_gone_cannot_be_asked_for() {
        let ring = Ring::new(3 * (10 + BESIDE), Exempt::Nothing);
        for batch in 0..4_u64 {
            ring.push(batch * 10, batch * 10 + 10, 10, Arc::new(batch));
        }
        let numbers = |after, through| {
            let batch_lists = ring.batches(Some(Commit(after)), Commit(through))?;
            let number = |batch_list: &BatchList| *batch_list.downcast_ref::<u64>().unwrap();
            Some(batch_lists.iter().map(number).collect::<Vec<_>>())
        };
        assert_eq!(numbers(8, 40), None);
        assert_eq!(numbers(9, 40), Some(vec![1, 2, 3]));
        assert_eq!(numbers(19, 29), Some(vec![2]));
        assert_eq!(numbers(19, 25), Some(vec![2]), "a part of the batch");
        assert_eq!(numbers(39, 50), Some(vec![]));
    }
}
