//! Snapshots of logs and tables. They hold the shared rows, and make cells of them part by part.

use std::sync::Arc;

use market::Commit;

use super::commit_blocks::Commits;
use super::log_rows::{LogEntry, LogQuery, count};
use rows::readers::{Allowance, Exceeded};
use rows::{Cell, Frontier, Labels, RowFilter, Snapshot, SnapshotPart, View};

/// The first row.
const BEGINNING: RowPosition = RowPosition { commit: Commit(0), row: 0 };

/// A snapshot of a log, from a position on.
pub(super) struct LogSnapshot<T> {
    source: Arc<LogSource<T>>,
    position: RowPosition,
}

/// The state that all parts of a snapshot share.
pub(super) struct LogSource<T> {
    pub(super) frontier: Frontier,
    pub(super) view: &'static View,
    pub(super) filter: Arc<RowFilter>,
    pub(super) labels: Labels,
    pub(super) commits: Commits<T>,
}

/// A commit, and the number of a row in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RowPosition {
    commit: Commit,
    row: usize,
}

impl<T: LogEntry> LogSnapshot<T> {
    /// The latest filtered rows of a source, at most `rows`.
    pub(super) fn latest(
        mut source: LogSource<T>,
        rows: usize,
        allowance: &mut Allowance<'_>,
    ) -> Result<LogSnapshot<T>, Exceeded> {
        let position = source.latest(rows, allowance)?;
        source.commits.drop_before(position.commit); // they need not be held
        Ok(LogSnapshot { source: Arc::new(source), position })
    }
}

impl<T: LogEntry> LogSource<T> {
    fn query(&self) -> LogQuery<'_> {
        LogQuery { view: self.view, filter: &self.filter, labels: &self.labels }
    }

    /// The position of the first of the latest `rows` filtered rows.
    fn latest(&self, rows: usize, allowance: &mut Allowance<'_>) -> Result<RowPosition, Exceeded> {
        if rows == usize::MAX {
            return Ok(BEGINNING);
        }
        let mut left = rows;
        for (commit, entries) in self.commits.iter().rev() {
            allowance.take(count(entries))?;
            let wanted = self.query().rows(commit, entries, 0);
            let wanted: Vec<usize> = wanted.map(|(number, _)| number).collect();
            match wanted.len().checked_sub(left) {
                None => left -= wanted.len(),
                Some(first) => {
                    let row = wanted.get(first).copied().unwrap_or(usize::MAX);
                    return Ok(RowPosition { commit, row });
                }
            }
        }
        Ok(BEGINNING)
    }
}

impl<T: LogEntry> Snapshot for LogSnapshot<T> {
    fn frontier(&self) -> Frontier {
        self.source.frontier
    }

    fn next(&self, rows: usize) -> SnapshotPart {
        let (mut part, mut from) = (Vec::new(), self.position.row);
        for (commit, entries) in self.source.commits.from(self.position.commit) {
            for (row, cells) in self.source.query().rows(commit, entries, from) {
                if part.len() >= rows {
                    let position = RowPosition { commit, row };
                    let rest = LogSnapshot { source: Arc::clone(&self.source), position };
                    return (part, Some(Arc::new(rest)));
                }
                part.push(cells);
            }
            from = 0;
        }
        (part, None)
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
    use crate::publish::change_log::Retained;
    use crate::publish::commit_blocks::CommitBlocks;
    use market::EventTime;
    use proptest::prelude::*;
    use rows::{ColumnType, ViewKind, count, key};

    const VIEW: View = View {
        name: "numbers",
        kind: ViewKind::Log,
        columns: &[
            key("commit", ColumnType::Unsigned, "commit"),
            key("code", ColumnType::Text, "whether it is wanted"),
            count("number", "rows", "number of the row"),
        ],
        doc: "numbered rows",
        history: false,
        recorded: true,
    };

    /// A numbered row; every third one is filtered out.
    #[derive(Clone)]
    struct Numbered(u64);

    impl Retained for Numbered {
        fn bytes(&self) -> usize {
            1
        }
    }

    impl LogEntry for Numbered {
        type Row = Numbered;

        fn in_order<'a>(rows: &'a [Numbered], _: &RowFilter) -> Vec<&'a Numbered> {
            rows.iter().collect()
        }

        fn cells(row: &Numbered, commit: Commit, _: &Labels) -> Vec<Cell> {
            let code = if row.0 % 3 == 2 { "other" } else { "wanted" };
            vec![Cell::Unsigned(commit.0), Cell::Text(code.into()), Cell::Unsigned(row.0)]
        }
    }

    proptest! {
        /// Parts of any size add up to the latest filtered rows, and a part that is read again is the same.
        #[test]
        fn parts_add_up(
            counts in proptest::collection::vec(0..9_u64, 0..6),
            latest in prop_oneof![0..30_usize, Just(usize::MAX)],
            size in 1..5_usize,
        ) {
            let all = counts.iter().enumerate().flat_map(|(commit, count)| {
                let wanted = (0..*count).filter(|row| row % 3 != 2);
                wanted.map(move |row| (commit as u64, row))
            });
            let all: Vec<_> = all.collect();
            let want = &all[all.len().saturating_sub(latest)..];
            let mut commits = CommitBlocks::new(2);
            for (at, count) in counts.iter().enumerate() {
                commits.insert(Commit(at as u64), (0..*count).map(Numbered).collect());
            }
            let source = LogSource {
                frontier: Frontier { commit: Some(Commit(9)), at: EventTime(0) },
                view: &VIEW,
                filter: Arc::new(RowFilter { texts: vec![(1, vec!["wanted".to_owned()])], ..RowFilter::default() }),
                labels: Labels::default(),
                commits: commits.range(None, Commit(9)),
            };
            let rest = LogSnapshot::latest(source, latest, &mut Allowance::unlimited());
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
