//! Snapshots of logs and tables. They hold the shared rows, and make cells of them part by part.

use std::sync::Arc;

use market::Commit;

use rows::readers::{Allowance, Exceeded};
use rows::{Cell, Frontier, Labels, RowFilter, Snapshot, SnapshotPart, View};

/// The rows that a snapshot of a log selects, and the names for their numbers.
pub(super) struct LogQuery {
    pub(super) view: &'static View,
    pub(super) filter: Arc<RowFilter>,
    pub(super) labels: Labels,
}

/// The rows of a commit in a log, shared.
pub(super) trait CommitRows: Send + Sync + 'static {
    /// An upper bound of the number of rows.
    fn count(&self) -> usize;

    /// Calls `each` with the number and cells of each row from number `from` on, unfiltered and in order, until it
    /// returns false.
    fn each(
        &self,
        of: &LogQuery,
        commit: Commit,
        from: usize,
        each: &mut dyn FnMut(usize, Vec<Cell>) -> bool,
    );
}

/// A snapshot of a log, from a position on.
pub(super) struct LogSnapshot<K> {
    source: Arc<LogSource<K>>,
    position: RowPosition,
}

struct LogSource<K> {
    frontier: Frontier,
    query: LogQuery,
    commits: Vec<(Commit, K)>,
}

/// A commit, and the number of a row in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RowPosition {
    commit: usize,
    row: usize,
}

impl<K: CommitRows> LogSnapshot<K> {
    /// The latest filtered rows of these commits, at most `rows`.
    pub(super) fn latest(
        frontier: Frontier,
        query: LogQuery,
        commits: Vec<(Commit, K)>,
        rows: usize,
        allowance: &mut Allowance<'_>,
    ) -> Result<LogSnapshot<K>, Exceeded> {
        let mut source = LogSource { frontier, query, commits };
        let RowPosition { commit, row } = source.latest(rows, allowance)?;
        source.commits.drain(..commit); // earlier commits need not be held
        Ok(LogSnapshot { source: Arc::new(source), position: RowPosition { commit: 0, row } })
    }
}

impl<K: CommitRows> LogSource<K> {
    /// The position of the first of the latest `rows` filtered rows.
    fn latest(&self, rows: usize, allowance: &mut Allowance<'_>) -> Result<RowPosition, Exceeded> {
        if rows == usize::MAX {
            return Ok(RowPosition { commit: 0, row: 0 });
        }
        let mut left = rows;
        for (at, (commit, rows_of_commit)) in self.commits.iter().enumerate().rev() {
            allowance.take(rows_of_commit.count())?;
            let mut wanted = Vec::new();
            rows_of_commit.each(&self.query, *commit, 0, &mut |number, cells| {
                if self.query.filter.fits(self.query.view, &cells) {
                    wanted.push(number);
                }
                true
            });
            match wanted.len().checked_sub(left) {
                None => left -= wanted.len(),
                Some(first) => {
                    let row = wanted.get(first).copied().unwrap_or(usize::MAX);
                    return Ok(RowPosition { commit: at, row });
                }
            }
        }
        Ok(RowPosition { commit: 0, row: 0 })
    }
}

impl<K: CommitRows> Snapshot for LogSnapshot<K> {
    fn frontier(&self) -> Frontier {
        self.source.frontier
    }

    fn next(&self, rows: usize) -> SnapshotPart {
        let LogSource { query, commits, .. } = &*self.source;
        let (mut part, mut rest) = (Vec::new(), None);
        let mut from = self.position.row;
        for (at, (commit, rows_of_commit)) in commits.iter().enumerate().skip(self.position.commit)
        {
            rows_of_commit.each(query, *commit, from, &mut |row, cells| {
                if !query.filter.fits(query.view, &cells) {
                    return true;
                }
                if part.len() >= rows {
                    rest = Some(RowPosition { commit: at, row });
                    return false;
                }
                part.push(cells);
                true
            });
            if rest.is_some() {
                break;
            }
            from = 0;
        }
        let rest = rest.map(|position| LogSnapshot { source: Arc::clone(&self.source), position });
        (part, rest.map(|rest| Arc::new(rest) as Arc<dyn Snapshot>))
    }
}

/// A snapshot of a table. Tables are small.
pub(super) struct TableSnapshot {
    frontier: Frontier,
    rows: Arc<[Vec<Cell>]>,
    from: usize,
}

impl TableSnapshot {
    /// A snapshot of these rows.
    pub(super) fn new(frontier: Frontier, rows: Vec<Vec<Cell>>) -> TableSnapshot {
        TableSnapshot { frontier, rows: rows.into(), from: 0 }
    }
}

impl Snapshot for TableSnapshot {
    fn frontier(&self) -> Frontier {
        self.frontier
    }

    fn next(&self, rows: usize) -> SnapshotPart {
        let TableSnapshot { frontier, rows: all, from } = self;
        let to = from.saturating_add(rows.max(1)).min(all.len());
        let rest = || TableSnapshot { frontier: *frontier, rows: Arc::clone(all), from: to };
        let more = to < all.len();
        (all[*from..to].to_vec(), more.then(|| Arc::new(rest()) as Arc<dyn Snapshot>))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::view;
    use market::EventTime;
    use proptest::prelude::*;

    /// Numbered rows; every third one is filtered out.
    struct Numbered(usize);

    impl CommitRows for Numbered {
        fn count(&self) -> usize {
            self.0
        }

        fn each(
            &self,
            _: &LogQuery,
            commit: Commit,
            from: usize,
            each: &mut dyn FnMut(usize, Vec<Cell>) -> bool,
        ) {
            let cells = |row: usize| {
                let code = if row % 3 == 2 { "other" } else { "wanted" };
                let number = Cell::Unsigned(row as u64);
                vec![Cell::Unsigned(commit.0), Cell::Text(code.into()), number]
            };
            let _ = (from..self.0).all(|row| each(row, cells(row)));
        }
    }

    proptest! {
        /// Parts of any size add up to the latest filtered rows, and a part that is read again is the same.
        #[test]
        fn parts_add_up(
            counts in proptest::collection::vec(0..9_usize, 0..6),
            latest in prop_oneof![0..30_usize, Just(usize::MAX)],
            size in 1..5_usize,
        ) {
            let query = LogQuery {
                view: view("incidents").unwrap(),
                filter: Arc::new(RowFilter { texts: vec![(1, vec!["wanted".to_owned()])], ..RowFilter::default() }),
                labels: Labels::default(),
            };
            let all = counts.iter().enumerate().flat_map(|(commit, count)| {
                let wanted = (0..*count).filter(|row| row % 3 != 2);
                wanted.map(move |row| (commit as u64, row as u64))
            });
            let all: Vec<_> = all.collect();
            let want = &all[all.len().saturating_sub(latest)..];
            let commits = counts.iter().enumerate();
            let commits = commits.map(|(at, count)| (Commit(at as u64), Numbered(*count))).collect();
            let frontier = Frontier { commit: Some(Commit(9)), at: EventTime(0) };
            let unlimited = &mut Allowance::unlimited();
            let rest = LogSnapshot::latest(frontier, query, commits, latest, unlimited);
            let mut rest: Option<Arc<dyn Snapshot>> = Some(Arc::new(rest.unwrap()));
            let mut got = Vec::new();
            while let Some(left) = rest {
                let (rows, behind) = left.next(size);
                prop_assert_eq!(&rows, &left.next(size).0);
                prop_assert!(rows.len() == size || behind.is_none());
                got.extend(rows.iter().map(|row| match (&row[0], &row[2]) {
                    (Cell::Unsigned(commit), Cell::Unsigned(row)) => (*commit, *row),
                    other => panic!("{other:?}"),
                }));
                rest = behind;
            }
            prop_assert_eq!(got, want);
        }
    }
}
