//! Tables: views whose rows do not come from workers, such as the status of sources. The commit dispatcher updates them
//! commit by commit; they are read like every other view.
//!
//! A table holds the rows after its newest commit, which may not be complete yet. A read at an earlier commit undoes
//! the later changes, so changes of incomplete commits are never visible.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use market::Commit;
use operators::heap;
use tokio::sync::watch;

use super::change_log::{ChangeLog, Exempt, Retained};
use super::commit_blocks::{Commits, bytes_beside};
use rows::{Cell, Change, Frontier, View};

/// The cells of a row. The first one is its key, a text.
type Cells = Vec<Cell>;

/// The rows of one view, keyed by a text, and their latest changes. Changes of incomplete commits are never dropped.
pub struct Table {
    /// The view.
    pub view: &'static View,
    /// The rows after the newest commit. Whoever appends or drops changes holds this lock.
    rows: Mutex<BTreeMap<String, Cells>>,
    /// Of these rows.
    row_bytes: AtomicUsize,
    changes: ChangeLog<RowChange>,
}

/// A table that does not change as long as this is there.
pub struct HeldTable<'a> {
    newest: MutexGuard<'a, BTreeMap<String, Cells>>,
    changes: &'a ChangeLog<RowChange>,
}

/// The row of a key before and after a commit.
#[derive(Clone)]
struct RowChange {
    key: String,
    before: Option<Cells>,
    after: Option<Cells>,
}

impl Retained for RowChange {
    fn bytes(&self) -> usize {
        bytes_beside::<RowChange>()
            + heap::vec::<u8>(self.key.capacity())
            + self.before.iter().chain(&self.after).map(cells_bytes).sum::<usize>()
    }
}

fn cells_bytes(cells: &Cells) -> usize {
    let texts = cells.iter().map(|cell| match cell {
        Cell::Text(text) => heap::vec::<u8>(text.capacity()),
        _ => 0,
    });
    heap::vec::<Cell>(cells.capacity()) + texts.sum::<usize>()
}

impl Table {
    /// An empty table whose latest changes take at most `bytes_max` bytes.
    pub fn new(view: &'static View, bytes_max: usize) -> Table {
        let changes = ChangeLog::new(bytes_max, Exempt::IncompleteCommits);
        Table { view, rows: Mutex::default(), row_bytes: AtomicUsize::new(0), changes }
    }

    /// Replaces all rows as of `commit`; keys that are missing in `rows` are deleted. The caller guarantees that
    /// commits only grow, and that this one is not complete yet.
    pub fn update(&self, commit: Commit, rows: impl IntoIterator<Item = (String, Vec<Cell>)>) {
        let mut now = self.lock();
        let mut old = std::mem::take(&mut *now);
        let change = |key, before, after| {
            self.changes.append(commit, RowChange { key, before, after });
        };
        for (key, row) in rows {
            self.view.debug_check(&row);
            let before = old.remove(&key);
            if before.as_ref() != Some(&row) {
                change(key.clone(), before, Some(row.clone()));
            }
            now.insert(key, row);
        }
        old.into_iter().for_each(|(key, row)| change(key, Some(row), None));
        let of_row = |(key, row): (&String, _)| heap::vec::<u8>(key.capacity()) + cells_bytes(row);
        let bytes = heap::btree::<String, Cells>(now.len()) + now.iter().map(of_row).sum::<usize>();
        self.row_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Notifies subscribers that all commits before this number are complete, if the table may have changed.
    pub fn complete(&self, complete_before: u64) {
        let _rows = self.lock(); // a read must not miss changes between its frontier and its look at them
        self.changes.complete(complete_before);
    }

    /// Drops all changes up to this commit. The caller guarantees that it is complete.
    pub fn forget_through(&self, commit: Commit) {
        let _rows = self.lock();
        self.changes.forget_through(commit);
    }

    /// A channel with the number of the latest commit that may have changed the table.
    pub fn moved(&self) -> watch::Receiver<u64> {
        self.changes.moved()
    }

    /// All rows, sorted by key, at the frontier that `now` returns. Nothing is dropped meanwhile.
    pub fn read(&self, now: impl FnOnce() -> Frontier) -> (Frontier, Vec<Vec<Cell>>) {
        let held = self.hold();
        let frontier = now();
        (frontier, held.rows(frontier))
    }

    /// Holds the table: until the end, no change is appended or dropped. Whoever holds several takes them in the order of
    /// the list of views, and the present frontier after that.
    pub fn hold(&self) -> HeldTable<'_> {
        HeldTable { newest: self.lock(), changes: &self.changes }
    }

    /// The net change after one commit (none: from the beginning) up to another, sorted by key, deletes before inserts;
    /// none if some changes were dropped.
    pub fn between(&self, after: Option<Commit>, through: Commit) -> Option<Vec<Change>> {
        let changes = self.changes.between(after, through)?;
        let mut net: BTreeMap<&String, (&Option<Cells>, &Option<Cells>)> = BTreeMap::new();
        for change in changes.iter().flat_map(|(_, changes)| changes.iter()) {
            net.entry(&change.key).or_insert((&change.before, &change.after)).1 = &change.after;
        }
        let changed = net.into_values().filter(|(before, after)| before != after);
        let change = |row: &Option<Cells>, diff| row.clone().map(|cells| Change { cells, diff });
        let changes = changed.flat_map(|(before, after)| [change(before, -1), change(after, 1)]);
        Some(changes.flatten().collect())
    }

    /// The bytes of its rows and of their retained changes.
    pub fn bytes(&self) -> usize {
        self.row_bytes.load(Ordering::Relaxed) + self.change_bytes()
    }

    /// The bytes of its retained changes.
    pub fn change_bytes(&self) -> usize {
        self.changes.bytes()
    }

    /// Drops the oldest changes until at most so many bytes are left, but for those of incomplete commits.
    pub fn cut_changes(&self, bytes_max: usize) {
        let _rows = self.lock(); // as in `complete`
        self.changes.cut(bytes_max);
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        self.lock().len() as u64
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Cells>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeldTable<'_> {
    /// All rows, sorted by key, at a frontier that was the present one since the table is held.
    pub fn rows(&self, frontier: Frontier) -> Vec<Vec<Cell>> {
        let Some(commit) = frontier.commit else { return Vec::new() };
        // Only changes of complete commits are dropped, so all after the frontier are there.
        let later = self.changes.between(Some(commit), Commit(u64::MAX));
        let later = later.unwrap_or_else(Commits::none);
        let mut rows: BTreeMap<&String, Option<&Cells>> =
            self.newest.iter().map(|(key, row)| (key, Some(row))).collect();
        for change in later.iter().rev().flat_map(|(_, changes)| changes.iter().rev()) {
            rows.insert(&change.key, change.before.as_ref());
        }
        rows.into_values().flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::EventTime;
    use proptest::prelude::*;
    use rows::{ColumnType, ViewKind, count, key};

    const VIEW: View = View {
        name: "t",
        kind: ViewKind::Keyed,
        columns: &[key("key", ColumnType::Text, "key"), count("value", "things", "value")],
        doc: "a table",
        history: false,
        recorded: false,
    };

    fn row(key: u8, value: u64) -> (String, Vec<Cell>) {
        let key = key.to_string();
        (key.clone(), vec![Cell::Text(key), Cell::Unsigned(value)])
    }

    fn at(commit: u64) -> Frontier {
        Frontier { commit: Some(Commit(commit)), at: EventTime(0) }
    }

    /// Applies changes to rows; each must fit the row before.
    fn apply(rows: &mut Vec<Vec<Cell>>, changes: Vec<Change>) {
        for Change { cells, diff } in changes {
            match diff {
                1 => rows.push(cells),
                _ => drop(rows.remove(rows.iter().position(|row| *row == cells).unwrap())),
            }
        }
        rows.sort_by_key(|row| format!("{row:?}"));
    }

    #[test]
    fn changes_of_incomplete_commits_are_not_visible() {
        let table = Table::new(&VIEW, 1 << 20);
        let moved = table.moved();
        table.update(Commit(1), [row(1, 10), row(2, 20)]);
        table.update(Commit(3), [row(1, 11)]);
        let nothing = Frontier { commit: None, at: EventTime::NEVER };
        assert!(table.read(|| nothing).1.is_empty());
        assert!(table.read(|| at(0)).1.is_empty());
        assert_eq!(table.read(|| at(2)).1, [row(1, 10).1, row(2, 20).1]);
        assert_eq!(table.read(|| at(3)).1, [row(1, 11).1]);
        assert!(!moved.has_changed().unwrap());
        table.complete(2);
        assert_eq!(*moved.borrow(), 1);
        let changes = table.between(Some(Commit(1)), Commit(3)).unwrap();
        let diffs: Vec<_> = changes.into_iter().map(|change| (change.cells, change.diff)).collect();
        assert_eq!(diffs, [(row(1, 10).1, -1), (row(1, 11).1, 1), (row(2, 20).1, -1)]);
    }

    #[test]
    fn the_oldest_changes_are_dropped_but_not_those_of_incomplete_commits() {
        let table = Table::new(&VIEW, 0);
        for commit in 0..5 {
            table.update(Commit(commit), [row(1, commit)]);
        }
        assert_eq!(table.between(None, Commit(4)).unwrap().len(), 1);
        table.complete(3);
        assert!(table.between(Some(Commit(1)), Commit(4)).is_none());
        assert_eq!(table.between(Some(Commit(2)), Commit(4)).unwrap().len(), 2);
        assert_eq!(table.read(|| at(2)).1, [row(1, 2).1], "the frontier can always be read");
    }

    proptest! {
        /// At every commit, the rows are those of the last update; changes between any two commits add up to them.
        #[test]
        fn changes_add_up(commits in prop::collection::vec(prop::collection::btree_map(0..4_u8, 0..3_u64, 0..4), 1..12)) {
            let table = Table::new(&VIEW, 1 << 20);
            for (commit, rows) in commits.iter().enumerate() {
                table.update(Commit(commit as u64), rows.iter().map(|(key, value)| row(*key, *value)));
            }
            let read = |commit: usize| table.read(|| at(commit as u64)).1;
            for (through, rows) in commits.iter().enumerate() {
                let want: Vec<_> = rows.iter().map(|(key, value)| row(*key, *value).1).collect();
                prop_assert_eq!(&read(through), &want);
                for after in 0..=through {
                    let mut rows = read(after);
                    let after = Some(Commit(after as u64));
                    apply(&mut rows, table.between(after, Commit(through as u64)).unwrap());
                    prop_assert_eq!(&rows, &want);
                }
                let mut rows = Vec::new();
                apply(&mut rows, table.between(None, Commit(through as u64)).unwrap());
                prop_assert_eq!(&rows, &want);
            }
        }
    }
}
