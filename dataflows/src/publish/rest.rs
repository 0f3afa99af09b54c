//! What is left of a snapshot of a log or a table. It holds the rows as they are kept, and makes cells of them part
//! by part.

use std::sync::Arc;

use market::Commit;

use crate::readers::{Allowance, Exceeded};
use crate::views::{Cell, Frontier, Labels, RowFilter, Snapshot, SnapshotPart, View};

/// Which rows, and how they are shown.
pub(super) struct Shown {
    pub(super) view: &'static View,
    pub(super) filter: Arc<RowFilter>,
    pub(super) labels: Labels,
}

/// The rows of a commit as a log keeps them, shared.
pub(super) trait Kept: Send + Sync + 'static {
    /// At least as many as there are rows.
    fn count(&self) -> usize;

    /// Calls `each` with the rows from number `from` on in their order, those that are not wanted too, until it says
    /// to stop; each with its number.
    fn each(
        &self,
        of: &Shown,
        commit: Commit,
        from: usize,
        each: &mut dyn FnMut(usize, Vec<Cell>) -> bool,
    );
}

/// The rows of a log that are behind a place.
pub(super) struct LogRest<K> {
    whole: Arc<WholeLog<K>>,
    place: Place,
}

struct WholeLog<K> {
    frontier: Frontier,
    shown: Shown,
    commits: Vec<(Commit, K)>,
}

/// A commit, and the number of a row of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    commit: usize,
    row: usize,
}

impl<K: Kept> LogRest<K> {
    /// The latest rows of these commits that are wanted, at most so many.
    pub(super) fn latest(
        frontier: Frontier,
        shown: Shown,
        commits: Vec<(Commit, K)>,
        rows: usize,
        allowance: &mut Allowance<'_>,
    ) -> Result<LogRest<K>, Exceeded> {
        let mut whole = WholeLog { frontier, shown, commits };
        let Place { commit, row } = whole.latest(rows, allowance)?;
        whole.commits.drain(..commit); // what is not told is not held
        Ok(LogRest { whole: Arc::new(whole), place: Place { commit: 0, row } })
    }
}

impl<K: Kept> WholeLog<K> {
    /// Where the latest so many wanted rows begin.
    fn latest(&self, rows: usize, allowance: &mut Allowance<'_>) -> Result<Place, Exceeded> {
        if rows == usize::MAX {
            return Ok(Place { commit: 0, row: 0 });
        }
        let mut left = rows;
        for (at, (commit, kept)) in self.commits.iter().enumerate().rev() {
            allowance.take(kept.count())?;
            let mut wanted = Vec::new();
            kept.each(&self.shown, *commit, 0, &mut |number, cells| {
                if self.shown.filter.fits(self.shown.view, &cells) {
                    wanted.push(number);
                }
                true
            });
            match wanted.len().checked_sub(left) {
                None => left -= wanted.len(),
                Some(first) => {
                    let row = wanted.get(first).copied().unwrap_or(usize::MAX);
                    return Ok(Place { commit: at, row });
                }
            }
        }
        Ok(Place { commit: 0, row: 0 })
    }
}

impl<K: Kept> Snapshot for LogRest<K> {
    fn frontier(&self) -> Frontier {
        self.whole.frontier
    }

    fn next(&self, rows: usize) -> SnapshotPart {
        let WholeLog { shown, commits, .. } = &*self.whole;
        let (mut part, mut rest) = (Vec::new(), None);
        let mut from = self.place.row;
        for (at, (commit, kept)) in commits.iter().enumerate().skip(self.place.commit) {
            kept.each(shown, *commit, from, &mut |row, cells| {
                if !shown.filter.fits(shown.view, &cells) {
                    return true;
                }
                if part.len() >= rows {
                    rest = Some(Place { commit: at, row });
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
        let rest = rest.map(|place| LogRest { whole: Arc::clone(&self.whole), place });
        (part, rest.map(|rest| Arc::new(rest) as Arc<dyn Snapshot>))
    }
}

/// Rows of a table, which are few.
pub(super) struct TableRest {
    frontier: Frontier,
    rows: Arc<[Vec<Cell>]>,
    from: usize,
}

impl TableRest {
    /// These rows.
    pub(super) fn new(frontier: Frontier, rows: Vec<Vec<Cell>>) -> TableRest {
        TableRest { frontier, rows: rows.into(), from: 0 }
    }
}

impl Snapshot for TableRest {
    fn frontier(&self) -> Frontier {
        self.frontier
    }

    fn next(&self, rows: usize) -> SnapshotPart {
        let TableRest { frontier, rows: all, from } = self;
        let to = from.saturating_add(rows.max(1)).min(all.len());
        let rest = || TableRest { frontier: *frontier, rows: Arc::clone(all), from: to };
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

    /// So many rows, of which each third is not wanted.
    struct Numbered(usize);

    impl Kept for Numbered {
        fn count(&self) -> usize {
            self.0
        }

        fn each(
            &self,
            _: &Shown,
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
        /// Parts of any size add up to the latest wanted rows, and a part that is read again is the same.
        #[test]
        fn parts_add_up(
            counts in proptest::collection::vec(0..9_usize, 0..6),
            latest in prop_oneof![0..30_usize, Just(usize::MAX)],
            size in 1..5_usize,
        ) {
            let shown = Shown {
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
            let rest = LogRest::latest(frontier, shown, commits, latest, unlimited);
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
