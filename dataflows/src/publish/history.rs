//! What views were: about once a second a commit is kept, and keyed views that have a history can be read
//! as of it for as long as the bytes for that allow.
//!
//! A second arrangement takes a view's net change from one kept commit to the next. It is not compacted
//! but when it holds too much; then the oldest kept commits can no longer be asked for.

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
use crate::views::{AsOf, Frontier};

/// Which commits are kept, on all workers.
pub struct History {
    points: Mutex<Points>,
    bytes_max: usize,
}

#[derive(Default)]
struct Points {
    /// The second of the latest kept commit.
    second: Option<i64>,
    /// Kept, and on their way.
    announced: BTreeSet<u64>,
    /// Kept and complete, ascending.
    complete: VecDeque<(Commit, EventTime)>,
    /// Some commits before the first complete one were kept and are no longer.
    forgotten: bool,
    /// What each worker holds.
    bytes: BTreeMap<usize, usize>,
}

impl History {
    /// A history of at most `bytes_max` bytes; with 0 there is none.
    pub fn new(bytes_max: usize) -> History {
        History { points: Mutex::default(), bytes_max }
    }

    /// Whether anything is kept at all.
    pub fn is_kept(&self) -> bool {
        self.bytes_max > 0
    }

    /// Decides whether a commit is kept: the first end of a round in each second of system time.
    pub fn announce(&self, commit: Commit, at: EventTime, round: bool) {
        let mut points = self.lock();
        let second = at.0.div_euclid(1_000_000_000);
        if self.is_kept() && round && points.second.is_none_or(|kept| kept < second) {
            points.second = Some(second);
            points.announced.insert(commit.0);
        }
    }

    /// Whether a commit that was announced is kept.
    pub fn keeps(&self, commit: u64) -> bool {
        self.lock().announced.contains(&commit)
    }

    /// A commit is complete on all workers.
    pub(super) fn complete(&self, commit: Commit, at: EventTime) {
        let mut points = self.lock();
        if points.announced.remove(&commit.0) {
            points.complete.push_back((commit, at));
        }
    }

    /// A worker's arrangements hold so much; gives the commit before which they may forget when things
    /// changed. Of more than may be held, the older eighth of the kept commits goes.
    pub(super) fn holds(&self, worker: usize, bytes: usize) -> u64 {
        let mut points = self.lock();
        let before = points.bytes.insert(worker, bytes);
        let held: usize = points.bytes.values().sum();
        let kept = points.complete.len();
        // What went the last time shows only when this worker has compacted.
        if held > self.bytes_max && before != Some(bytes) && kept > 1 {
            points.complete.drain(..kept.div_ceil(8).min(kept - 1));
            points.forgotten = true;
        }
        points.complete.front().map_or(0, |(commit, _)| commit.0)
    }

    /// The latest kept commit at or before what is asked; else the oldest one there is.
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

/// What the commits since the last kept one come to: per key the rows of which there are more or fewer. Folded commit
/// by commit, so that a kept one has little left to do.
struct Net<V: Keyed>(BTreeMap<V::Key, Vec<(V::Value, i64)>>);

/// What waits for its commit to be closed.
struct Waiting<V: Keyed> {
    /// To put out at kept commits.
    kept: BTreeMap<Time, Capability<Time>>,
    /// Changes by commit.
    changes: BTreeMap<Time, Vec<RowUpdate<V>>>,
    /// Of closed commits.
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

    /// Everything, as changes at one commit, in the order of keys.
    fn take(&mut self, commit: Time) -> impl Iterator<Item = RowUpdate<V>> + use<V> {
        std::mem::take(&mut self.0).into_iter().flat_map(move |(key, rows)| {
            rows.into_iter().map(move |(value, diff)| ((key, value), commit, diff))
        })
    }
}

impl<V: Keyed> Waiting<V> {
    /// Folds the changes of commits up to this one.
    fn fold_through(&mut self, commit: Time) {
        while let Some(first) = self.changes.first_entry().filter(|first| *first.key() <= commit) {
            for ((key, value), _, diff) in first.remove() {
                if V::is_remembered(&value) {
                    self.net.add(key, value, diff);
                }
            }
        }
    }
}

/// Arranges the changes of a view from one kept commit to the next.
pub(super) fn remember<'scope, V: Keyed>(
    updates: StreamVec<'scope, Time, RowUpdate<V>>,
    contexts: StreamVec<'scope, Time, Arc<CommitContext>>,
    board: &Arc<Board>,
) -> Box<dyn Arrangement> {
    let board = Arc::clone(board);
    let name = format!("{}-history", V::VIEW);
    let kept =
        contexts.binary_frontier(updates, Pipeline, Pipeline, &name, move |_capability, _info| {
            let (kept, changes) = (BTreeMap::new(), BTreeMap::new());
            let mut waiting = Waiting::<V> { kept, changes, net: Net(BTreeMap::new()) };
            move |(contexts, contexts_frontier), (updates, updates_frontier), output| {
                contexts.for_each_time(|time, batches| {
                    batches.for_each(Vec::clear);
                    if board.history.keeps(*time.time()) {
                        waiting.kept.insert(*time.time(), time.retain(0));
                    }
                });
                updates.for_each_time(|time, batches| {
                    let changes = waiting.changes.entry(*time.time()).or_default();
                    batches.for_each(|batch| changes.append(batch));
                });
                let is_closed = |commit: &Time| {
                    !contexts_frontier.less_equal(commit) && !updates_frontier.less_equal(commit)
                };
                while let Some(first) = waiting.kept.first_entry().filter(|f| is_closed(f.key())) {
                    let (commit, capability) = first.remove_entry();
                    waiting.fold_through(commit);
                    output.session(&capability).give_iterator(waiting.net.take(commit));
                }
                // Those behind the last kept commit, as far as it is known which are kept.
                let closed = waiting.changes.keys().copied().take_while(is_closed).last();
                if let Some(closed) = closed {
                    waiting.fold_through(closed);
                }
            }
        });
    arrange::<V>(kept.container::<Vec<RowUpdate<V>>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> EventTime {
        EventTime(secs * 1_000_000_000)
    }

    #[test]
    fn the_first_round_of_a_second_is_kept_and_found() {
        let history = History::new(100);
        for (commit, secs, round) in [(0, 5, false), (1, 5, true), (2, 5, true), (3, 6, true)] {
            history.announce(Commit(commit), at(secs), round);
        }
        assert_eq!([0, 1, 2, 3].map(|commit| history.keeps(commit)), [false, true, false, true]);
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
        let history = History::new(100);
        for commit in 0..16 {
            history.announce(Commit(commit), at(commit as i64), true);
            history.complete(Commit(commit), at(commit as i64));
        }
        assert_eq!(history.holds(0, 60), 0);
        assert_eq!(history.holds(1, 60), 2, "two of sixteen went");
        assert_eq!(history.holds(1, 60), 2, "nothing goes until the worker has compacted");
        assert_eq!(history.holds(1, 50), 4);
        assert!(history.find(AsOf::Commit(Commit(3))).is_err());
    }
}
