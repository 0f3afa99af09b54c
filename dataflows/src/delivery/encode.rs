//! Encodes rows as text for sinks.

use std::collections::HashMap;
use std::sync::Arc;

use connectors::{Encoding, SinkRecord};
use market::Catalog;

use super::handler::{Delta, DeltaBatch, DeltaKind};
use rows::{Cell, View, ViewKind, cell_text, row_json};

/// Encodes the batches of one view, in order.
pub(super) struct Encoder {
    catalog: Arc<Catalog>,
    encoding: Encoding,
    numbers_as_strings: bool,
    /// For logs: the number of rows of the newest commit, by key.
    copies: HashMap<String, u32>,
    /// The newest commit, as a cell.
    commit: Option<Cell>,
}

impl Encoder {
    pub(super) fn new(
        catalog: Arc<Catalog>,
        encoding: Encoding,
        numbers_as_strings: bool,
    ) -> Encoder {
        Encoder { catalog, encoding, numbers_as_strings, copies: HashMap::new(), commit: None }
    }

    /// The names of what rows refer to by number.
    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Encodes a batch. Rows of logs are numbered, so each batch must be encoded exactly once.
    pub(super) fn records(&mut self, batch: &DeltaBatch<'_>) -> Vec<SinkRecord> {
        if batch.kind != DeltaKind::Changes && batch.part == 0 {
            self.commit = None; // a snapshot restarts the numbering
        }
        batch.deltas.iter().map(|delta| self.record(batch.view, delta)).collect()
    }

    fn record(&mut self, view: &View, Delta { before, now }: &Delta) -> SinkRecord {
        let json = |row: &Vec<Cell>| {
            let mut text = String::new();
            row_json(view.columns, &[], row, &self.catalog, self.numbers_as_strings, &mut text);
            text
        };
        let shown = before.as_ref().filter(|_| self.encoding == Encoding::Deltas).map(json);
        let now_json = now.as_ref().map(json);
        let row = now.as_ref().or(before.as_ref()).map_or(&[][..], |row| row);
        let mut key = key_text(view, row, &self.catalog);
        if view.kind == ViewKind::Log {
            let copy = self.number(view, row, &key);
            key.push_str(&format!("|{copy}"));
        }
        SinkRecord { key, now: now_json, before: shown }
    }

    /// Counts the earlier rows of the same commit with the same key.
    fn number(&mut self, view: &View, row: &[Cell], key: &str) -> u32 {
        let commit = view.column("commit").and_then(|column| row.get(column));
        if commit != self.commit.as_ref() {
            self.commit = commit.cloned();
            self.copies.clear();
        }
        let copies = self.copies.entry(key.to_owned()).or_default();
        *copies += 1;
        *copies - 1
    }
}

/// Joins the key columns of a row by `|`. `\` is escaped as `\\`, `|` as `\|`, and an empty cell is `\N`. Two rows of
/// a keyed view have the same text only if they have the same key.
pub fn key_text(view: &View, row: &[Cell], catalog: &Catalog) -> String {
    let mut text = String::new();
    let keys = view.columns.iter().zip(row).filter(|(column, _)| column.is_key);
    for (number, (_, cell)) in keys.enumerate() {
        if number > 0 {
            text.push('|');
        }
        if *cell == Cell::Null {
            text.push_str("\\N");
            continue;
        }
        for letter in cell_text(cell, catalog).chars() {
            if matches!(letter, '|' | '\\') {
                text.push('\\');
            }
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::jobs::JOBS;
    use market::{Commit, EventTime, InstrumentRule};

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn keys_that_differ_have_texts_that_differ() {
        let catalog = Catalog::new(vec![InstrumentRule::any()], 10);
        let sinks = JOBS[0].views.named("sinks").unwrap();
        let of = |name: Cell, view: Cell| key_text(sinks, &[name, view, text("no key")], &catalog);
        assert_eq!(of(text("a|b"), text("c")), r"a\|b|c");
        assert_eq!(of(text("a"), text("b|c")), r"a|b\|c");
        assert_eq!(of(text(r"a\"), text("c")), r"a\\|c");
        assert_eq!([of(Cell::Null, text("c")), of(text(""), text("c"))], [r"\N|c", "|c"]);
        assert_eq!(of(text(r"\N"), text("c")), r"\\N|c");
    }

    #[test]
    fn rows_of_logs_that_agree_in_their_keys_are_numbered_in_each_commit() {
        let catalog = Arc::new(Catalog::new(vec![InstrumentRule::any()], 10));
        let mut encoder = Encoder::new(catalog, Encoding::Deltas, false);
        let view = JOBS[0].views.named("dead_letters").unwrap();
        let row = |commit, source| {
            let mut row = vec![Cell::Null; view.columns.len()];
            row[..2].clone_from_slice(&[Cell::Unsigned(commit), text(source)]);
            Delta::inserted(row)
        };
        let mut keys = |kind, deltas: &[Delta]| {
            let (after, commit, at) = (None, Commit(9), EventTime(0));
            let batch = DeltaBatch { view, kind, after, commit, at, part: 0, last: true, deltas };
            let keys = encoder.records(&batch).into_iter().map(|record| record.key);
            keys.collect::<Vec<_>>().join(" ")
        };
        let all = [row(1, "a"), row(1, "b"), row(1, "a"), row(2, "a")];
        let want = r"1|a|\N|\N|0 1|b|\N|\N|0 1|a|\N|\N|1 2|a|\N|\N|0";
        assert_eq!(keys(DeltaKind::Snapshot, &all), want);
        assert_eq!(keys(DeltaKind::Changes, &all[3..]), r"2|a|\N|\N|1", "same commit, next number");
        assert_eq!(keys(DeltaKind::Resync, &all), want, "a resync restarts the numbering");
    }
}
