//! Rebuilds a view from batches alone.

use std::collections::HashMap;

use dataflows::delivery::{Delta, DeltaBatch, DeltaKind, PART_DELTAS};
use market::Commit;
use rows::{Cell, View, ViewKind};

type Row = Vec<Cell>;

/// The rows of a view, by key if it has keys.
#[derive(Clone)]
pub(super) struct AddedUp {
    view: &'static View,
    keyed: HashMap<Row, Row>,
    log: Vec<Row>,
    through: Option<Commit>,
    /// The commit and number of the previous part, if it was not the last of its batch.
    within: Option<(Commit, usize)>,
    deltas: u64,
    resyncs: u64,
    /// The last delta, so that a test can undo it.
    undo: Option<Delta>,
}

impl AddedUp {
    pub(super) fn new(view: &'static View) -> AddedUp {
        let (keyed, log) = (HashMap::new(), Vec::new());
        AddedUp { view, keyed, log, through: None, within: None, deltas: 0, resyncs: 0, undo: None }
    }

    /// Takes a batch; panics if a part or batch is missing.
    pub(super) fn take(&mut self, batch: &DeltaBatch<'_>) {
        let DeltaBatch { kind, after, commit, part, last, deltas, .. } = *batch;
        assert!(deltas.len() <= PART_DELTAS);
        let follows = match self.within {
            Some((commit, before)) => (commit, before + 1),
            None => (commit, 0),
        };
        assert_eq!((commit, part), follows, "parts come one after the other");
        assert_eq!(after, self.through, "a batch says which one it comes after");
        if part == 0 && kind != DeltaKind::Changes {
            self.keyed.clear();
            self.log.clear();
            self.resyncs += u64::from(kind == DeltaKind::Resync);
        } else if kind == DeltaKind::Changes {
            assert!(after < Some(commit), "{after:?} before {commit:?}");
            assert!(!deltas.is_empty(), "no batch without a change");
        }
        self.within = (!last).then_some((commit, part));
        if last {
            self.through = Some(commit);
        }
        self.deltas += deltas.len() as u64;
        deltas.iter().for_each(|delta| self.add(delta));
        self.undo = deltas.last().cloned().or(self.undo.take());
    }

    fn add(&mut self, Delta { before, now }: &Delta) {
        if self.view.kind == ViewKind::Log {
            assert_eq!(*before, None, "rows of logs only come");
            let row = now.clone().unwrap();
            let other = self.keyed.insert(self.key(&row), row.clone());
            assert_eq!(other, None, "no two rows have one key");
            self.log.push(row);
            return;
        }
        let key = self.key(now.as_ref().or(before.as_ref()).unwrap());
        let was = match now {
            Some(row) => self.keyed.insert(key, row.clone()),
            None => self.keyed.remove(&key),
        };
        assert_eq!(was, *before, "the row before is the one that was progress before");
    }

    fn key(&self, row: &Row) -> Row {
        let columns = self.view.columns.iter().zip(row);
        columns.filter(|(column, _)| column.is_key).map(|(_, cell)| cell.clone()).collect()
    }

    /// The same without the last delta, as if it had been lost.
    pub(super) fn without_the_last_delta(&self) -> AddedUp {
        let mut other = self.clone();
        if self.view.kind == ViewKind::Log {
            other.log.pop();
            return other;
        }
        let Delta { before, now } = self.undo.clone().unwrap();
        other.add(&Delta { before: now, now: before });
        other
    }

    /// Whether the batches have added up to these rows.
    pub(super) fn is(&self, rows: &[Row]) -> bool {
        if self.view.kind == ViewKind::Log {
            return self.log == rows;
        }
        let keyed = rows.iter().all(|row| self.keyed.get(&self.key(row)) == Some(row));
        keyed && self.keyed.len() == rows.len()
    }

    pub(super) fn deltas(&self) -> u64 {
        self.deltas
    }

    pub(super) fn resyncs(&self) -> u64 {
        self.resyncs
    }
}
