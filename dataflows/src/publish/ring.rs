//! The latest changes of each view, kept for those who follow it.
//!
//! What is kept are the batches that the arrangement itself is made of, shared, not copied: a ring costs
//! memory only for what the arrangement has merged or dropped since.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::keyed::Shelf;

/// The latest changes of one keyed view over all workers.
///
/// When it exceeds its bound its oldest batches go; then changes can be read only after the last commit
/// of which any went.
pub struct Ring {
    kept: Mutex<Kept>,
    bytes_max: usize,
    moved: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    batches: VecDeque<Lap>,
    bytes: usize,
    /// Of commits before this number, changes may be gone.
    gone_before: u64,
    /// Changes of commits before this number have come; nobody has been told yet.
    news_before: Option<u64>,
}

/// A batch: the changes of commits from `lower` on and before `upper` on one worker.
struct Lap {
    lower: u64,
    upper: u64,
    bytes: usize,
    shelf: Shelf,
}

impl Ring {
    /// An empty ring of at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Ring {
        Ring { kept: Mutex::default(), bytes_max, moved: watch::Sender::new(0) }
    }

    /// Takes a batch that is not empty. The caller guarantees that no reader has been told of its
    /// commits yet.
    pub fn push(&self, lower: u64, upper: u64, bytes: usize, shelf: Shelf) {
        let mut kept = self.lock();
        kept.bytes += bytes;
        kept.news_before = kept.news_before.max(Some(upper));
        kept.batches.push_back(Lap { lower, upper, bytes, shelf });
        while kept.bytes > self.bytes_max {
            let Some(lap) = kept.batches.pop_front() else { break };
            kept.bytes -= lap.bytes;
            kept.gone_before = kept.gone_before.max(lap.upper);
        }
    }

    /// Tells those who wait that commits before this number are complete, if that may concern them.
    pub fn tell(&self, complete_before: u64) {
        let mut kept = self.lock();
        let Some(news_before) = kept.news_before else { return };
        if news_before <= complete_before {
            kept.news_before = None;
        }
        drop(kept);
        self.moved.send_replace(complete_before.saturating_sub(1));
    }

    /// Tells the number of the latest commit that may have brought changes.
    pub fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// The batches with changes of commits from `from` up to `through`; none if some of them are gone.
    pub fn between(&self, from: u64, through: u64) -> Option<Vec<Shelf>> {
        let kept = self.lock();
        if from < kept.gone_before {
            return None;
        }
        let touching = kept.batches.iter().filter(|lap| lap.upper > from && lap.lower <= through);
        Some(touching.map(|lap| Shelf::clone(&lap.shelf)).collect())
    }

    /// How many bytes are kept.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn numbers(ring: &Ring, from: u64, through: u64) -> Option<Vec<u64>> {
        let shelves = ring.between(from, through)?;
        Some(shelves.iter().map(|shelf| *shelf.downcast_ref::<u64>().unwrap()).collect())
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
    fn news_are_told_until_they_are_complete() {
        let ring = Ring::new(100);
        let mut moved = ring.moved();
        ring.tell(5);
        assert!(!moved.has_changed().unwrap(), "nothing has changed");
        ring.push(5, 9, 1, Arc::new(0_u64));
        ring.tell(7);
        assert_eq!(*moved.borrow_and_update(), 6);
        ring.tell(9);
        assert_eq!(*moved.borrow_and_update(), 8, "commits 7 and 8 may have changed it too");
        ring.tell(10);
        assert!(!moved.has_changed().unwrap());
    }
}
