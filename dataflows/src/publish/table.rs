//! Rows by key that do not come from the workers, such as how sources are: told commit by commit by the
//! thread that hands commits over, and read like every other view.
//!
//! The rows are those after the newest commit told, which may still be on its way. Who reads at an earlier
//! commit gets them with later changes undone, so what is on its way never shows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use market::Commit;
use tokio::sync::watch;

use crate::views::{Cell, Change, Frontier};

/// The cells of a row; the first one is its key, a text.
type Cells = Vec<Cell>;

/// The rows of one view, keyed by a text, and their latest changes.
///
/// When the changes exceed their bound the oldest go; then changes can be read only after the last commit
/// of which any went. Those of commits on their way always stay.
pub struct Table {
    /// Its view.
    pub view: &'static str,
    kept: Mutex<Kept>,
    bytes_max: usize,
    moved: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    /// After the newest commit told.
    rows: BTreeMap<String, Cells>,
    /// In the order of commits.
    laps: VecDeque<Lap>,
    bytes: usize,
    /// Of commits before this number, changes may be gone.
    gone_before: u64,
    /// Commits before this number are complete.
    complete_before: u64,
    /// Changes of commits before this number have come; nobody has been told yet.
    news_before: Option<u64>,
}

/// A row was `before` and is `after` a commit.
struct Lap {
    commit: Commit,
    key: String,
    before: Option<Cells>,
    after: Option<Cells>,
    bytes: usize,
}

impl Table {
    /// An empty table whose latest changes take at most `bytes_max` bytes.
    pub fn new(view: &'static str, bytes_max: usize) -> Table {
        Table { view, kept: Mutex::default(), bytes_max, moved: watch::Sender::new(0) }
    }

    /// Takes all rows as they are after `commit`; those that are not among them any more are gone. The
    /// caller guarantees that commits only grow, and that no reader has been told of this one yet.
    pub fn tell(&self, commit: Commit, rows: impl IntoIterator<Item = (String, Vec<Cell>)>) {
        let mut kept = self.lock();
        let mut old = std::mem::take(&mut kept.rows);
        for (key, row) in rows {
            let before = old.remove(&key);
            if before.as_ref() != Some(&row) {
                kept.change(commit, key.clone(), before, Some(row.clone()));
            }
            kept.rows.insert(key, row);
        }
        old.into_iter().for_each(|(key, row)| kept.change(commit, key, Some(row), None));
        kept.forget(self.bytes_max);
    }

    /// Tells those who wait that commits before this number are complete, if that may concern them.
    pub fn complete(&self, complete_before: u64) {
        let mut kept = self.lock();
        kept.complete_before = kept.complete_before.max(complete_before);
        kept.forget(self.bytes_max);
        let Some(news_before) = kept.news_before else { return };
        if news_before <= complete_before {
            kept.news_before = None;
        }
        drop(kept);
        self.moved.send_replace(complete_before.saturating_sub(1));
    }

    /// Tells the number of the latest commit that may have brought changes.
    pub fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// All rows by their keys, at the frontier that `now` gives while nothing can be forgotten.
    pub fn read(&self, now: impl FnOnce() -> Frontier) -> (Frontier, Vec<Vec<Cell>>) {
        let kept = self.lock();
        let frontier = now();
        let Some(commit) = frontier.commit else { return (frontier, Vec::new()) };
        let mut rows: BTreeMap<&String, Option<&Cells>> =
            kept.rows.iter().map(|(key, row)| (key, Some(row))).collect();
        for lap in kept.laps.iter().rev().take_while(|lap| lap.commit > commit) {
            rows.insert(&lap.key, lap.before.as_ref());
        }
        (frontier, rows.into_values().flatten().cloned().collect())
    }

    /// The net change after one commit (none: from the beginning) up to another, by key, what goes before
    /// what comes; none if some of it is gone.
    pub fn between(&self, after: Option<Commit>, through: Commit) -> Option<Vec<Change>> {
        let kept = self.lock();
        let from = after.map_or(0, |after| after.0 + 1);
        if from < kept.gone_before {
            return None;
        }
        let mut net: BTreeMap<&String, (&Option<Cells>, &Option<Cells>)> = BTreeMap::new();
        for lap in kept.laps.iter().filter(|lap| (from..=through.0).contains(&lap.commit.0)) {
            net.entry(&lap.key).or_insert((&lap.before, &lap.after)).1 = &lap.after;
        }
        let changed = net.into_values().filter(|(before, after)| before != after);
        let change = |row: &Option<Cells>, diff| row.clone().map(|cells| Change { cells, diff });
        let changes = changed.flat_map(|(before, after)| [change(before, -1), change(after, 1)]);
        Some(changes.flatten().collect())
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.lock().rows.len() as u64
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn change(&mut self, commit: Commit, key: String, before: Option<Cells>, after: Option<Cells>) {
        let cells = before.iter().chain(&after).flatten();
        let bytes = size_of::<Lap>() + key.len() + cells.map(cell_bytes).sum::<usize>();
        self.bytes += bytes;
        self.news_before = self.news_before.max(Some(commit.0 + 1));
        self.laps.push_back(Lap { commit, key, before, after, bytes });
    }

    fn forget(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max
            && let Some(lap) = self.laps.front()
            && lap.commit.0 < self.complete_before
        {
            self.gone_before = lap.commit.0 + 1;
            self.bytes -= lap.bytes;
            self.laps.pop_front();
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

    /// What changes make of rows; each must fit what was there.
    fn follow(rows: &mut Vec<Vec<Cell>>, changes: Vec<Change>) {
        for Change { cells, diff } in changes {
            match diff {
                1 => rows.push(cells),
                _ => drop(rows.remove(rows.iter().position(|row| *row == cells).unwrap())),
            }
        }
        rows.sort_by_key(|row| format!("{row:?}"));
    }

    #[test]
    fn what_is_on_its_way_does_not_show() {
        let table = Table::new("t", 1 << 20);
        let moved = table.moved();
        table.tell(Commit(1), [row(1, 10), row(2, 20)]);
        table.tell(Commit(3), [row(1, 11)]);
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
    fn the_oldest_changes_go_but_not_those_on_their_way() {
        let table = Table::new("t", 0);
        for commit in 0..5 {
            table.tell(Commit(commit), [row(1, commit)]);
        }
        assert_eq!(table.between(None, Commit(4)).unwrap().len(), 1);
        table.complete(3);
        assert!(table.between(Some(Commit(1)), Commit(4)).is_none());
        assert_eq!(table.between(Some(Commit(2)), Commit(4)).unwrap().len(), 2);
        assert_eq!(table.read(|| at(2)).1, [row(1, 2).1], "the frontier can always be read");
    }

    proptest! {
        /// At every commit, the rows are those told last; changes between any two commits add up to them.
        #[test]
        fn changes_add_up(commits in prop::collection::vec(prop::collection::btree_map(0..4_u8, 0..3_u64, 0..4), 1..12)) {
            let table = Table::new("t", 1 << 20);
            for (commit, rows) in commits.iter().enumerate() {
                table.tell(Commit(commit as u64), rows.iter().map(|(key, value)| row(*key, *value)));
            }
            let read = |commit: usize| table.read(|| at(commit as u64)).1;
            for (through, rows) in commits.iter().enumerate() {
                let want: Vec<_> = rows.iter().map(|(key, value)| row(*key, *value).1).collect();
                prop_assert_eq!(&read(through), &want);
                for after in 0..=through {
                    let mut rows = read(after);
                    let after = Some(Commit(after as u64));
                    follow(&mut rows, table.between(after, Commit(through as u64)).unwrap());
                    prop_assert_eq!(&rows, &want);
                }
                let mut rows = Vec::new();
                follow(&mut rows, table.between(None, Commit(through as u64)).unwrap());
                prop_assert_eq!(&rows, &want);
            }
        }
    }
}
