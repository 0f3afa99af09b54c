//! Snapshot points: about one commit a second, at which views with a history can be read later.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use market::{Commit, EventTime};

use operators::heap;
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
    /// As each worker reported last.
    workers: BTreeMap<usize, HistoryReport>,
}

/// How the histories of a worker are.
#[derive(Clone, Copy, Debug)]
pub(super) struct HistoryReport {
    pub(super) bytes: usize,
    /// The commit before which they may be compacted.
    pub(super) compacted_to: u64,
    /// Whether that has freed what it can free.
    pub(super) is_compacted: bool,
}

/// The most snapshot points, about one and a half days of them. Where little changes they cost more than their rows.
const POINTS_MAX: usize = 1 << 17;

impl Points {
    fn oldest(&self) -> u64 {
        self.complete.front().map_or(0, |(commit, _)| commit.0)
    }

    fn bytes_of_rows(&self) -> usize {
        self.workers.values().map(|report| report.bytes).sum()
    }

    /// Whether all workers have freed what came before the oldest snapshot point.
    fn is_compacted(&self) -> bool {
        let oldest = self.oldest();
        self.workers.values().all(|own| own.is_compacted && own.compacted_to >= oldest)
    }

    /// Drops some snapshot points, but for the newest.
    fn drop_oldest(&mut self, some: usize) {
        let most = self.complete.len().saturating_sub(1);
        self.complete.drain(..some.min(most));
    }
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
            let beyond = points.complete.len().saturating_sub(POINTS_MAX);
            points.drop_oldest(beyond);
        }
    }

    /// Takes the report of a worker. Returns the commit before which its histories may be compacted. If the bound is
    /// exceeded, the oldest eighth of the snapshot points is dropped; again only after all workers have compacted.
    pub(super) fn report(&self, worker: usize, report: HistoryReport) -> u64 {
        let mut points = self.lock();
        points.workers.insert(worker, report);
        if points.bytes_of_rows() > self.bytes_max && points.is_compacted() {
            let eighth = points.complete.len().div_ceil(8);
            points.drop_oldest(eighth);
        }
        points.oldest()
    }

    /// Drops the oldest share of the snapshot points, at least one of them, to free memory; the newest stays. Nothing
    /// is dropped while an earlier drop has not freed all it can.
    pub(super) fn shed(&self, share: f64) {
        let mut points = self.lock();
        if points.is_compacted() {
            let some = (points.complete.len() as f64 * share).ceil() as usize;
            points.drop_oldest(some.max(1));
        }
    }

    /// The bytes of all workers.
    pub fn bytes(&self) -> usize {
        let points = self.lock();
        let own = heap::vec::<(Commit, EventTime)>(points.complete.capacity());
        own + points.bytes_of_rows()
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
        let report = |worker, bytes, compacted_to, is_compacted| {
            history.report(worker, HistoryReport { bytes, compacted_to, is_compacted })
        };
        assert_eq!(report(0, 60, 0, true), 0);
        assert_eq!(report(1, 60, 0, true), 2, "two of sixteen went");
        assert_eq!(report(1, 60, 2, true), 2, "nothing goes until the other has compacted, too");
        assert_eq!(report(0, 60, 2, false), 2, "and has freed what that can free");
        assert_eq!(report(0, 50, 2, true), 4);
        assert!(history.find(AsOf::Commit(Commit(3))).is_err());
        assert_eq!(report(0, 1, 4, true), 4, "within the bound");
    }

    #[test]
    fn a_share_can_be_shed_but_not_the_newest() {
        let history = SnapshotPoints::new(1 << 20);
        for commit in 0..16 {
            history.announce(Commit(commit), at(commit as i64), true);
            history.complete(Commit(commit), at(commit as i64));
        }
        let report = |compacted_to| {
            history.report(0, HistoryReport { bytes: 9, compacted_to, is_compacted: true })
        };
        report(0);
        history.shed(0.5);
        history.shed(0.5);
        assert_eq!(report(0), 8, "once until the worker has compacted");
        history.shed(0.5);
        assert_eq!(report(8), 8);
        history.shed(0.01);
        assert_eq!(report(9), 9, "at least one");
        history.shed(1.0);
        assert_eq!(report(15), 15);
        history.shed(1.0);
        assert_eq!(report(15), 15, "the newest stays");
    }
}
