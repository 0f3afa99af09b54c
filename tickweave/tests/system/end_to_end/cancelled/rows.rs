//! Views as rows by key, and which of them differ.

use std::collections::{BTreeMap, BTreeSet};

/// From column to text.
pub(super) type Row = BTreeMap<String, String>;
/// Rows by their key.
pub(super) type Rows = BTreeMap<Vec<String>, Row>;

/// The keys of rows that differ, came or went.
pub(super) fn changed(before: &Rows, after: &Rows) -> BTreeSet<Vec<String>> {
    let keys = before.keys().chain(after.keys());
    let changed: BTreeSet<_> =
        keys.filter(|key| before.get(*key) != after.get(*key)).cloned().collect();
    eprintln!("{} of {} rows differ", changed.len(), after.len());
    changed
}

/// The rows of a view, by the columns of `key`.
pub(super) fn rows(csv: &str, key: &[&str]) -> Rows {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let names = reader.headers().unwrap().clone();
    let mut rows = Rows::new();
    for record in reader.records() {
        let record = record.unwrap();
        let cells = names.iter().zip(&record);
        let row: Row = cells.map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect();
        let key = key.iter().map(|name| row[*name].clone()).collect();
        assert!(rows.insert(key, row).is_none(), "two rows of a key: {record:?}");
    }
    rows
}

/// A column of a view that has one row per timeframe.
pub(super) fn column(csv: &str, name: &str) -> Vec<String> {
    rows(csv, &["timeframe"]).values().map(|row| row[name].clone()).collect()
}
