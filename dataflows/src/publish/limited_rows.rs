//! The rows of a read up to its limit.

use std::collections::{BinaryHeap, VecDeque};

use rows::Scan;

/// Rows up to a limit: the first ones, or the last ones, latest first.
pub(super) struct LimitedRows<R> {
    limit: usize,
    latest_first: bool,
    kept: Kept<R>,
    more: bool,
}

/// The rows that are kept so far.
enum Kept<R> {
    /// In the order of keys.
    ByKey(VecDeque<R>),
    /// By time; the first one to go is on top.
    ByTime { heap: BinaryHeap<Ranked<R>>, seen: u64 },
}

/// A row with its place in the order of the answer.
struct Ranked<R> {
    /// Time, and number in the order of keys; complements of both where the latest come first.
    rank: (u64, u64),
    row: R,
}

/// Which rows a read still needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needed {
    /// Any.
    All,
    /// Those of times from the first to the second, as ordinals.
    Times(u64, u64),
    /// None.
    Nothing,
}

impl From<bool> for Needed {
    fn from(all: bool) -> Needed {
        if all { Needed::All } else { Needed::Nothing }
    }
}

impl<R> LimitedRows<R> {
    /// No rows yet; `has_time` says whether keys have a time.
    pub(super) fn new(scan: &Scan, has_time: bool) -> LimitedRows<R> {
        let Scan { limit, latest_first, .. } = *scan;
        let kept = match has_time && limit < usize::MAX {
            true => Kept::ByTime { heap: BinaryHeap::new(), seen: 0 },
            false => Kept::ByKey(VecDeque::new()),
        };
        LimitedRows { limit, latest_first, kept, more: false }
    }

    /// Adds the next row in the order of keys, with the ordinal of its time. Returns which rows may still be part of
    /// the answer.
    pub(super) fn push(&mut self, time: u64, row: R) -> Needed {
        let (limit, latest_first) = (self.limit, self.latest_first);
        match &mut self.kept {
            Kept::ByKey(rows) => {
                if rows.len() < limit {
                    rows.push_back(row);
                    return Needed::All;
                }
                self.more = true;
                if latest_first {
                    rows.pop_front();
                    rows.push_back(row);
                }
                latest_first.into()
            }
            Kept::ByTime { heap, seen } => {
                let rank = if latest_first { (!time, !*seen) } else { (time, *seen) };
                *seen += 1;
                heap.push(Ranked { rank, row });
                if heap.len() <= limit {
                    return Needed::All;
                }
                heap.pop();
                self.more = true;
                match heap.peek().map(|last| last.rank.0) {
                    None => Needed::Nothing,
                    Some(time) if latest_first => Needed::Times(!time, u64::MAX),
                    Some(time) => Needed::Times(0, time),
                }
            }
        }
    }

    /// The rows, and whether the limit left any out.
    pub(super) fn finish(self) -> (Vec<R>, bool) {
        let rows = match self.kept {
            Kept::ByKey(rows) if self.latest_first => rows.into_iter().rev().collect(),
            Kept::ByKey(rows) => Vec::from(rows),
            Kept::ByTime { heap, .. } => {
                heap.into_sorted_vec().into_iter().map(|ranked| ranked.row).collect()
            }
        };
        (rows, self.more)
    }
}

impl<R> PartialEq for Ranked<R> {
    fn eq(&self, other: &Ranked<R>) -> bool {
        self.rank == other.rank
    }
}

impl<R> Eq for Ranked<R> {}

impl<R> PartialOrd for Ranked<R> {
    fn partial_cmp(&self, other: &Ranked<R>) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<R> Ord for Ranked<R> {
    fn cmp(&self, other: &Ranked<R>) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}
