//! Snapshots of logs and tables. They hold the shared rows, and make cells of them part by part.

use std::ops::ControlFlow;
use std::sync::Arc;

use market::Commit;

use super::log_rows::{CommitRows, LogQuery};
use rows::readers::{Allowance, Exceeded};
use rows::{Cell, Frontier, Labels, RowFilter, Snapshot, SnapshotPart, View};

/// The first row.
const BEGINNING: RowPosition = RowPosition { commit: Commit(0), row: 0 };

/// A snapshot of a log, from a position on.
pub(super) struct LogSnapshot {
    source: Arc<LogSource>,
    position: RowPosition,
}

/// The state that all parts of a snapshot share.
pub(super) struct LogSource {
    pub(super) frontier: Frontier,
    pub(super) view: &'static View,
    pub(super) filter: Arc<RowFilter>,
    pub(super) labels: Labels,
    pub(super) rows: Arc<dyn CommitRows>,
}

/// A commit, and the number of a row in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RowPosition {
    commit: Commit,
    row: usize,
}

impl LogSnapshot {
    /// The latest filtered rows of a source, at most `rows`.
    pub(super) fn latest(
        source: LogSource,
        rows: usize,
        allowance: &mut Allowance<'_>,
    ) -> Result<LogSnapshot, Exceeded> {
        let position = source.latest(rows, allowance)?;
        let rows = source.rows.without_before(position.commit);
        Ok(LogSnapshot { source: Arc::new(LogSource { rows, ..source }), position })
    }
}

impl LogSource {
    fn query(&self) -> LogQuery<'_> {
        LogQuery { view: self.view, filter: &self.filter, labels: &self.labels }
    }

    /// The position of the first of the latest `rows` filtered rows.
    fn latest(&self, rows: usize, allowance: &mut Allowance<'_>) -> Result<RowPosition, Exceeded> {
        if rows == usize::MAX {
            return Ok(BEGINNING);
        }
        let (query, mut left) = (self.query(), rows);
        for commit in query.commits(&*self.rows, true) {
            allowance.take(self.rows.count(query, commit))?;
            let mut first = None;
            let _ = self.rows.rows(query, (commit, 0), true, &mut |row, _| {
                if left == 0 {
                    return ControlFlow::Break(());
                }
                left -= 1;
                first = Some(RowPosition { commit, row });
                ControlFlow::Continue(())
            });
            match first {
                Some(first) if left == 0 => return Ok(first),
                None if left == 0 => return Ok(RowPosition { commit, row: usize::MAX }),
                _ => {}
            }
        }
        Ok(BEGINNING)
    }
}

impl Snapshot for LogSnapshot {
    fn frontier(&self) -> Frontier {
        self.source.frontier
    }

    fn next(&self, rows: usize) -> SnapshotPart {
        let LogSource { rows: log, .. } = &*self.source;
        let (query, mut part, mut rest) = (self.source.query(), Vec::new(), None);
        let mut commit = Some(self.position.commit);
        let mut from = self.position.row;
        while let Some(at) = commit {
            let end = log.rows(query, (at, from), false, &mut |row, cells| {
                if part.len() >= rows {
                    rest = Some(RowPosition { commit: at, row });
                    return ControlFlow::Break(());
                }
                part.push(cells);
                ControlFlow::Continue(())
            });
            if end.is_break() {
                break;
            }
            (commit, from) = (log.next(query, Some(at)), 0);
        }
        let rest = rest.map(|position| {
            let source = Arc::clone(&self.source);
            Arc::new(LogSnapshot { source, position }) as Arc<dyn Snapshot>
        });
        (part, rest)
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
    use crate::publish::logs::LogOf;
    use crate::publish::logs::RetainedLog;
    use crate::views::kinds::LogView;
    use market::EventTime;
    use proptest::prelude::*;
    use rows::{Column, ColumnType, ViewKind, count, key};
    use std::cmp::Ordering;

    const COLUMNS: &[Column] = &[
        key("commit", ColumnType::Unsigned, "commit"),
        key("code", ColumnType::Text, "whether it is wanted"),
        count("number", "rows", "number of the row"),
    ];

    /// Numbered rows; every third one is filtered out.
    struct Numbers;

    impl LogView for Numbers {
        type Entry = u64;
        type Row = u64;
        const VIEW: View = View {
            name: "numbers",
            kind: ViewKind::Log,
            columns: COLUMNS,
            doc: "numbered rows",
            history: false,
            recorded: true,
        };

        fn rows(entry: &u64) -> &[u64] {
            std::slice::from_ref(entry)
        }

        fn order(one: &u64, other: &u64) -> Ordering {
            one.cmp(other)
        }

        fn cells(row: &u64, commit: Commit, _: &Labels, into: &mut Vec<Cell>) {
            let code = if row % 3 == 2 { "other" } else { "wanted" };
            into.extend([Cell::Unsigned(commit.0), Cell::Text(code.into()), Cell::Unsigned(*row)]);
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
            let log = LogOf::<Numbers>::new(1 << 20);
            for (at, count) in counts.iter().enumerate() {
                (0..*count).for_each(|number| log.append(Commit(at as u64), number));
            }
            let source = LogSource {
                frontier: Frontier { commit: Some(Commit(9)), at: EventTime(0) },
                view: const { &Numbers::VIEW },
                filter: Arc::new(RowFilter { texts: vec![(1, vec!["wanted".to_owned()])], ..RowFilter::default() }),
                labels: Labels::default(),
                rows: log.through(Some(Commit(9))),
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
