//! The latest changes of each keyed view, retained for subscribers.
//!
//! A ring shares the batches of the arrangement. It costs memory only for batches that the arrangement has merged or
//! dropped.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::keyed::BatchList;

/// The latest changes of one keyed view over all workers.
///
/// If the ring exceeds its bound, its oldest batches are dropped. Changes can then be read only after the last commit
/// of a dropped batch.
pub struct Ring {
    inner: Mutex<Inner>,
    bytes_max: usize,
    moved: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    batches: VecDeque<RetainedBatch>,
    bytes: usize,
    /// Changes of commits before this number may have been dropped.
    gone_before: u64,
    /// Subscribers were not notified of changes of commits before this number.
    unannounced_before: Option<u64>,
}

/// A batch of one worker: the changes of commits from `lower` on and before `upper`.
struct RetainedBatch {
    lower: u64,
    upper: u64,
    bytes: usize,
    batch_list: BatchList,
}

impl Ring {
    /// An empty ring of at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Ring {
        Ring { inner: Mutex::default(), bytes_max, moved: watch::Sender::new(0) }
    }

    /// Appends a batch that is not empty. The caller guarantees that none of its commits is complete yet.
    pub fn push(&self, lower: u64, upper: u64, bytes: usize, batch_list: BatchList) {
        let mut inner = self.lock();
        inner.bytes += bytes;
        inner.unannounced_before = inner.unannounced_before.max(Some(upper));
        inner.batches.push_back(RetainedBatch { lower, upper, bytes, batch_list });
        while inner.bytes > self.bytes_max {
            let Some(batch) = inner.batches.pop_front() else { break };
            inner.bytes -= batch.bytes;
            inner.gone_before = inner.gone_before.max(batch.upper);
        }
    }

    /// Notifies subscribers that all commits before this number are complete, if the view may have changed.
    pub fn complete(&self, complete_before: u64) {
        let mut inner = self.lock();
        let Some(unannounced_before) = inner.unannounced_before else { return };
        if unannounced_before <= complete_before {
            inner.unannounced_before = None;
        }
        drop(inner);
        self.moved.send_replace(complete_before.saturating_sub(1));
    }

    /// A channel with the number of the latest commit that may have changed the view.
    pub fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// The batches with changes of commits from `from` up to `through`; none if some were dropped.
    pub fn between(&self, from: u64, through: u64) -> Option<Vec<BatchList>> {
        let inner = self.lock();
        if from < inner.gone_before {
            return None;
        }
        let touching =
            inner.batches.iter().filter(|batch| batch.upper > from && batch.lower <= through);
        Some(touching.map(|batch| BatchList::clone(&batch.batch_list)).collect())
    }

    /// The bytes of all retained batches.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn numbers(ring: &Ring, from: u64, through: u64) -> Option<Vec<u64>> {
        let batch_lists = ring.between(from, through)?;
        Some(
            batch_lists
                .iter()
                .map(|batch_list| *batch_list.downcast_ref::<u64>().unwrap())
                .collect(),
        )
    }

    #[test]
    fn the_oldest_go_and_what_is_gone_cannot_be_asked_for() {
        let ring = Ring::new(30);
        for batch in 0..4_u64 {
            ring.push(batch * 10, batch * 10 + 10, 10, Arc::new(batch));
        }
        assert_eq!(ring.bytes(), 30);
        assert_eq!(numbers(&ring, 9, 40), None);
        assert_eq!(numbers(&ring, 10, 40), Some(vec![1, 2, 3]));
        assert_eq!(numbers(&ring, 20, 29), Some(vec![2]));
        assert_eq!(numbers(&ring, 40, 50), Some(vec![]));
    }

    #[test]
    fn subscribers_are_notified_until_changes_are_complete() {
        let ring = Ring::new(100);
        let mut moved = ring.moved();
        ring.complete(5);
        assert!(!moved.has_changed().unwrap(), "nothing has changed");
        ring.push(5, 9, 1, Arc::new(0_u64));
        ring.complete(7);
        assert_eq!(*moved.borrow_and_update(), 6);
        ring.complete(9);
        assert_eq!(*moved.borrow_and_update(), 8, "commits 7 and 8 may have changed it too");
        ring.complete(10);
        assert!(!moved.has_changed().unwrap());
    }
}
