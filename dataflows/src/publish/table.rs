//! Tables: views whose rows do not come from workers, such as the status of sources. The commit dispatcher updates them
//! commit by commit; they are read like every other view.
//!
//! A table holds the rows after its newest commit, which may not be complete yet. A read at an earlier commit undoes
//! the later changes, so changes of incomplete commits are never visible.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use market::Commit;
use tokio::sync::watch;

use rows::{Cell, Change, Frontier};

/// The cells of a row. The first one is its key, a text.
type Cells = Vec<Cell>;

/// The rows of one view, keyed by a text, and their latest changes.
///
/// If the changes exceed their bound, the oldest ones are dropped. Changes can then be read only after the last commit
/// of a dropped change. Changes of incomplete commits are never dropped.
pub struct Table {
    /// The view's name.
    pub view: &'static str,
    inner: Mutex<Inner>,
    bytes_max: usize,
    moved: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    /// The rows after the newest commit.
    rows: BTreeMap<String, Cells>,
    /// Changes in the order of commits.
    changes: VecDeque<RowChange>,
    bytes: usize,
    /// Changes of commits before this number may have been dropped.
    gone_before: u64,
    /// Commits before this number are complete.
    complete_before: u64,
    /// Subscribers were not notified of changes of commits before this number.
    unannounced_before: Option<u64>,
}

/// The row of a key before and after a commit.
struct RowChange {
    commit: Commit,
    key: String,
    before: Option<Cells>,
    after: Option<Cells>,
    bytes: usize,
}

impl Table {
    /// An empty table whose latest changes take at most `bytes_max` bytes.
    pub fn new(view: &'static str, bytes_max: usize) -> Table {
        Table { view, inner: Mutex::default(), bytes_max, moved: watch::Sender::new(0) }
    }

    /// Replaces all rows as of `commit`; keys that are missing in `rows` are deleted. The caller guarantees that
    /// commits only grow, and that this one is not complete yet.
    pub fn update(&self, commit: Commit, rows: impl IntoIterator<Item = (String, Vec<Cell>)>) {
        let mut inner = self.lock();
        let mut old = std::mem::take(&mut inner.rows);
        for (key, row) in rows {
            let before = old.remove(&key);
            if before.as_ref() != Some(&row) {
                inner.change(commit, key.clone(), before, Some(row.clone()));
            }
            inner.rows.insert(key, row);
        }
        old.into_iter().for_each(|(key, row)| inner.change(commit, key, Some(row), None));
        inner.compact(self.bytes_max);
    }

    /// Notifies subscribers that all commits before this number are complete, if the table may have changed.
    pub fn complete(&self, complete_before: u64) {
        let mut inner = self.lock();
        inner.complete_before = inner.complete_before.max(complete_before);
        inner.compact(self.bytes_max);
        let Some(unannounced_before) = inner.unannounced_before else { return };
        if unannounced_before <= complete_before {
            inner.unannounced_before = None;
        }
        drop(inner);
        self.moved.send_replace(complete_before.saturating_sub(1));
    }

    /// A channel with the number of the latest commit that may have changed the table.
    pub fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// All rows, sorted by key, at the frontier that `now` returns. Nothing is compacted meanwhile.
    pub fn read(&self, now: impl FnOnce() -> Frontier) -> (Frontier, Vec<Vec<Cell>>) {
        let inner = self.lock();
        let frontier = now();
        let Some(commit) = frontier.commit else { return (frontier, Vec::new()) };
        let mut rows: BTreeMap<&String, Option<&Cells>> =
            inner.rows.iter().map(|(key, row)| (key, Some(row))).collect();
        for change in inner.changes.iter().rev().take_while(|change| change.commit > commit) {
            rows.insert(&change.key, change.before.as_ref());
        }
        (frontier, rows.into_values().flatten().cloned().collect())
    }

    /// The net change after one commit (none: from the beginning) up to another, sorted by key, deletes before inserts;
    /// none if some changes were dropped.
    pub fn between(&self, after: Option<Commit>, through: Commit) -> Option<Vec<Change>> {
        let inner = self.lock();
        let from = after.map_or(0, |after| after.0 + 1);
        if from < inner.gone_before {
            return None;
        }
        let mut net: BTreeMap<&String, (&Option<Cells>, &Option<Cells>)> = BTreeMap::new();
        for change in
            inner.changes.iter().filter(|change| (from..=through.0).contains(&change.commit.0))
        {
            net.entry(&change.key).or_insert((&change.before, &change.after)).1 = &change.after;
        }
        let changed = net.into_values().filter(|(before, after)| before != after);
        let change = |row: &Option<Cells>, diff| row.clone().map(|cells| Change { cells, diff });
        let changes = changed.flat_map(|(before, after)| [change(before, -1), change(after, 1)]);
        Some(changes.flatten().collect())
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        self.lock().rows.len() as u64
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn change(&mut self, commit: Commit, key: String, before: Option<Cells>, after: Option<Cells>) {
        let cells = before.iter().chain(&after).flatten();
        let bytes = size_of::<RowChange>() + key.len() + cells.map(cell_bytes).sum::<usize>();
        self.bytes += bytes;
        self.unannounced_before = self.unannounced_before.max(Some(commit.0 + 1));
        self.changes.push_back(RowChange { commit, key, before, after, bytes });
    }

    fn compact(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max
            && let Some(change) = self.changes.front()
            && change.commit.0 < self.complete_before
        {
            self.gone_before = change.commit.0 + 1;
            self.bytes -= change.bytes;
            self.changes.pop_front();
        }
    }
}

fn cell_bytes(cell: &Cell) -> usize {
    let text = if let Cell::Text(text) = cell { text.len() } else { 0 };
    size_of::<Cell>() + text
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::EventTime;
    use proptest::prelude::*;

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
        let table = Table::new("t", 1 << 20);
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
        let table = Table::new("t", 0);
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
            let table = Table::new("t", 1 << 20);
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
