//! Snapshot points: about one commit a second, at which views with a history can be read later.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use market::{Commit, EventTime};

use rows::{AsOf, Frontier};

/// The snapshot points, common to all workers.
pub struct SnapshotPoints {
    points: Mutex<Points>,
    bytes_max: usize,
}

#[derive(Default)]
struct Points {
    /// The second of the latest snapshot point.
    second: Option<i64>,
    /// Snapshot points that are announced and not complete.
    announced: BTreeSet<u64>,
    /// Complete snapshot points, ascending.
    complete: VecDeque<(Commit, EventTime)>,
    /// Whether snapshot points before the first complete one were compacted.
    compacted: bool,
    /// The bytes of each worker.
    bytes: BTreeMap<usize, usize>,
}

impl SnapshotPoints {
    /// A history of at most `bytes_max` bytes; 0 turns it off.
    pub fn new(bytes_max: usize) -> SnapshotPoints {
        SnapshotPoints { points: Mutex::default(), bytes_max }
    }

    /// Whether there is a history.
    pub fn is_enabled(&self) -> bool {
        self.bytes_max > 0
    }

    /// Makes a commit a snapshot point if it is the first end of a round in its second of system time.
    pub fn announce(&self, commit: Commit, at: EventTime, round: bool) {
        let mut points = self.lock();
        let second = at.0.div_euclid(1_000_000_000);
        if self.is_enabled() && round && points.second.is_none_or(|last| last < second) {
            points.second = Some(second);
            points.announced.insert(commit.0);
        }
    }

    /// Whether an announced commit is a snapshot point.
    pub fn is_snapshot_point(&self, commit: u64) -> bool {
        self.lock().announced.contains(&commit)
    }

    /// Watermarks a commit as complete on all workers.
    pub(super) fn complete(&self, commit: Commit, at: EventTime) {
        let mut points = self.lock();
        if points.announced.remove(&commit.0) {
            points.complete.push_back((commit, at));
        }
    }

    /// Records the bytes of a worker's arrangements. Returns the commit before which they may be compacted. If the
    /// bound is exceeded, the oldest eighth of the snapshot points is dropped.
    pub(super) fn report_bytes(&self, worker: usize, bytes: usize) -> u64 {
        let mut points = self.lock();
        let before = points.bytes.insert(worker, bytes);
        let held: usize = points.bytes.values().sum();
        let count = points.complete.len();
        // The effect of the previous drop shows only after this worker has compacted.
        if held > self.bytes_max && before != Some(bytes) && count > 1 {
            points.complete.drain(..count.div_ceil(8).min(count - 1));
            points.compacted = true;
        }
        points.complete.front().map_or(0, |(commit, _)| commit.0)
    }

    /// The bytes of all workers.
    pub fn bytes(&self) -> usize {
        self.lock().bytes.values().sum()
    }

    /// The latest snapshot point at or before `as_of`; the error is the oldest one, if there is one.
    pub fn find(&self, as_of: AsOf) -> Result<Frontier, Option<Frontier>> {
        let points = self.lock();
        let frontier =
            |(commit, at): &(Commit, EventTime)| Frontier { commit: Some(*commit), at: *at };
        let fits = |(commit, at): &&(Commit, EventTime)| match as_of {
            AsOf::Commit(asked) => *commit <= asked,
            AsOf::Time(asked) => *at <= asked,
        };
        let found = points.complete.iter().rev().find(fits);
        found.map(frontier).ok_or_else(|| points.complete.front().map(frontier))
    }

    fn lock(&self) -> MutexGuard<'_, Points> {
        self.points.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> EventTime {
        EventTime(secs * 1_000_000_000)
    }

    #[test]
    fn the_first_round_of_a_second_is_kept_and_found() {
        let history = SnapshotPoints::new(100);
        for (commit, secs, round) in [(0, 5, false), (1, 5, true), (2, 5, true), (3, 6, true)] {
            history.announce(Commit(commit), at(secs), round);
        }
        assert_eq!(
            [0, 1, 2, 3].map(|commit| history.is_snapshot_point(commit)),
            [false, true, false, true]
        );
        assert_eq!(history.find(AsOf::Time(at(9))), Err(None), "none is complete yet");
        for commit in 0..4 {
            history.complete(Commit(commit), at(5 + i64::from(commit == 3)));
        }
        let found = |as_of| history.find(as_of).map(|found| found.commit.unwrap().0);
        assert_eq!(found(AsOf::Time(at(9))), Ok(3));
        assert_eq!(found(AsOf::Time(at(5))), Ok(1));
        assert_eq!(found(AsOf::Commit(Commit(2))), Ok(1));
        let oldest = Frontier { commit: Some(Commit(1)), at: at(5) };
        assert_eq!(history.find(AsOf::Time(at(4))), Err(Some(oldest)));
    }

    #[test]
    fn beyond_its_bytes_the_oldest_go() {
        let history = SnapshotPoints::new(100);
        for commit in 0..16 {
            history.announce(Commit(commit), at(commit as i64), true);
            history.complete(Commit(commit), at(commit as i64));
        }
        assert_eq!(history.report_bytes(0, 60), 0);
        assert_eq!(history.report_bytes(1, 60), 2, "two of sixteen went");
        assert_eq!(history.report_bytes(1, 60), 2, "nothing goes until the worker has compacted");
        assert_eq!(history.report_bytes(1, 50), 4);
        assert!(history.find(AsOf::Commit(Commit(3))).is_err());
    }
}
