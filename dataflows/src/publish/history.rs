//! The history of views: about one commit a second becomes a *snapshot point*. Keyed views with a history can be read
//! as of a snapshot point while the bound in bytes allows it.
//!
//! A second arrangement takes the net change of a view from one snapshot point to the next. It is compacted only when
//! it exceeds its bound; then the oldest snapshot points are dropped.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use market::{Commit, EventTime};
use operators::CommitContext;
use operators::keyed::Time;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;

use super::arranged::{Arrangement, RowUpdate, arrange};
use super::board::Board;
use super::keyed::Keyed;
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

/// The net change since the last snapshot point: per key, rows with their counts. It is folded commit by commit, so
/// that little work is left at a snapshot point.
struct Net<V: Keyed>(BTreeMap<V::Key, Vec<(V::Value, i64)>>);

/// Changes that wait until their commit is closed.
struct Waiting<V: Keyed> {
    /// The capabilities of snapshot points that are not closed.
    snapshot_points: BTreeMap<Time, Capability<Time>>,
    /// Changes of open commits.
    changes: BTreeMap<Time, Vec<RowUpdate<V>>>,
    /// The net change of closed commits.
    net: Net<V>,
}

impl<V: Keyed> Net<V> {
    fn add(&mut self, key: V::Key, value: V::Value, diff: i64) {
        let rows = self.0.entry(key).or_default();
        match rows.iter().position(|(known, _)| *known == value) {
            None => rows.push((value, diff)),
            Some(at) => {
                rows[at].1 += diff;
                if rows[at].1 == 0 {
                    rows.swap_remove(at);
                }
            }
        }
    }

    /// Takes everything as changes at one commit, in the order of keys.
    fn take(&mut self, commit: Time) -> impl Iterator<Item = RowUpdate<V>> + use<V> {
        std::mem::take(&mut self.0).into_iter().flat_map(move |(key, rows)| {
            rows.into_iter().map(move |(value, diff)| ((key, value), commit, diff))
        })
    }
}

impl<V: Keyed> Waiting<V> {
    /// Folds the changes of all commits up to this one.
    fn fold_through(&mut self, commit: Time) {
        while let Some(first) = self.changes.first_entry().filter(|first| *first.key() <= commit) {
            for ((key, value), _, diff) in first.remove() {
                if V::in_history(&value) {
                    self.net.add(key, value, diff);
                }
            }
        }
    }
}

/// Arranges the changes of a view from one snapshot point to the next.
pub(super) fn arrange_history<'scope, V: Keyed>(
    updates: StreamVec<'scope, Time, RowUpdate<V>>,
    contexts: StreamVec<'scope, Time, Arc<CommitContext>>,
    board: &Arc<Board>,
) -> Box<dyn Arrangement> {
    let board = Arc::clone(board);
    let name = format!("{}-history", V::VIEW);
    let at_snapshot_points =
        contexts.binary_frontier(updates, Pipeline, Pipeline, &name, move |_capability, _info| {
            let (snapshot_points, changes) = (BTreeMap::new(), BTreeMap::new());
            let mut waiting = Waiting::<V> { snapshot_points, changes, net: Net(BTreeMap::new()) };
            move |(contexts, contexts_frontier), (updates, updates_frontier), output| {
                contexts.for_each_time(|time, batches| {
                    batches.for_each(Vec::clear);
                    if board.history.is_snapshot_point(*time.time()) {
                        waiting.snapshot_points.insert(*time.time(), time.retain(0));
                    }
                });
                updates.for_each_time(|time, batches| {
                    let changes = waiting.changes.entry(*time.time()).or_default();
                    batches.for_each(|batch| changes.append(batch));
                });
                let is_closed = |commit: &Time| {
                    !contexts_frontier.less_equal(commit) && !updates_frontier.less_equal(commit)
                };
                while let Some(first) =
                    waiting.snapshot_points.first_entry().filter(|f| is_closed(f.key()))
                {
                    let (commit, capability) = first.remove_entry();
                    waiting.fold_through(commit);
                    output.session(&capability).give_iterator(waiting.net.take(commit));
                }
                // Commits after the last snapshot point, as far as all snapshot points among them are known.
                let closed = waiting.changes.keys().copied().take_while(is_closed).last();
                if let Some(closed) = closed {
                    waiting.fold_through(closed);
                }
            }
        });
    arrange::<V>(at_snapshot_points.container::<Vec<RowUpdate<V>>>())
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
