//! Rebuilds views from the messages of a client alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Rows by key, per view that is followed.
pub(super) struct AddedUp {
    subs: usize,
    by_sub: BTreeMap<String, Sub>,
    messages: Vec<Value>,
}

#[derive(Default)]
struct Sub {
    /// How often each row is there, as JSON text.
    rows: BTreeMap<String, i64>,
    /// The row of a key.
    by_key: BTreeMap<String, String>,
    seq: u64,
    complete_through: Option<u64>,
    in_snapshot: bool,
    resyncs: usize,
    updates: usize,
    conflated: u64,
}

impl AddedUp {
    /// Of so many views that are followed.
    pub(super) fn new(subs: usize) -> AddedUp {
        AddedUp { subs, by_sub: BTreeMap::new(), messages: Vec::new() }
    }

    pub(super) fn take(&mut self, message: Value) {
        let sub = message["sub"].as_str().unwrap_or_else(|| panic!("{message}")).to_owned();
        self.by_sub.entry(sub).or_default().take(&message);
        self.messages.push(message);
    }

    /// The commit up to which all views are complete; none while some have not begun.
    pub(super) fn complete_through(&self) -> Option<u64> {
        let all = self.by_sub.values().map(|sub| sub.complete_through.filter(|_| !sub.in_snapshot));
        let least = all.min().flatten();
        least.filter(|_| self.by_sub.len() == self.subs)
    }

    pub(super) fn updates(&self) -> usize {
        self.by_sub.values().map(|sub| sub.updates).sum()
    }

    /// The most commits that one update stood for.
    pub(super) fn conflated(&self) -> u64 {
        self.by_sub.values().map(|sub| sub.conflated).max().unwrap_or(0)
    }

    pub(super) fn resyncs(&self) -> usize {
        self.by_sub.values().map(|sub| sub.resyncs).sum()
    }

    /// The same, had the last of its updates been lost.
    pub(super) fn without_an_update(&self) -> AddedUp {
        let is_update = |message: &Value| message["type"] == "update";
        let lost = self.messages.iter().rposition(is_update).unwrap();
        let mut other = AddedUp::new(self.subs);
        let mut seq = 0;
        for (at, message) in self.messages.iter().enumerate() {
            if at == lost {
                continue;
            }
            let mut message = message.clone();
            message["seq"] = seq.into();
            seq += 1;
            other.take(message);
        }
        other
    }

    /// The rows of a view as lines of CSV.
    fn lines(&self, sub: &str, columns: &[String]) -> BTreeSet<String> {
        let rows = &self.by_sub[sub].rows;
        assert!(rows.values().all(|copies| *copies == 1), "{sub}: rows are there once or not");
        let line = |row: &String| {
            let row: Value = serde_json::from_str(row).unwrap();
            let cells = columns.iter().map(|column| match &row[column] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            cells.collect::<Vec<_>>().join(",")
        };
        rows.keys().map(line).collect()
    }

    #[track_caller]
    pub(super) fn assert_is(
        &self,
        sub: &str,
        rows: &BTreeSet<String>,
        columns: &[String],
        what: &str,
    ) {
        let received = self.lines(sub, columns);
        let missing: Vec<_> = rows.difference(&received).take(3).collect();
        let wrong: Vec<_> = received.difference(rows).take(3).collect();
        assert!(received == *rows, "{what}: wrong {wrong:#?}, in their stead {missing:#?}");
    }

    #[track_caller]
    pub(super) fn assert_is_not(&self, sub: &str, rows: &BTreeSet<String>, columns: &[String]) {
        assert!(self.lines(sub, columns) != *rows, "a lost update makes no difference");
    }
}

impl Sub {
    fn take(&mut self, message: &Value) {
        assert_eq!(message["seq"], self.seq, "a hole in {message}");
        self.seq += 1;
        let through = message["frontier"]["commit"].as_u64();
        match message["type"].as_str().unwrap() {
            "snapshot" => {
                if message["part"] == 0 {
                    self.rows.clear();
                    self.by_key.clear();
                }
                self.in_snapshot = message["last"] == false;
                message["rows"].as_array().unwrap().iter().for_each(|row| self.upsert(row));
            }
            "update" => {
                let after = message["after"].as_u64();
                assert_eq!(self.complete_through, after, "not what was told last: {message}");
                assert!(after < through, "out of order: {message}");
                self.conflated = self.conflated.max(through.unwrap() - after.unwrap_or(0));
                self.updates += 1;
                self.update(message);
            }
            "progress" => {
                assert!(self.complete_through <= through, "out of order: {message}")
            }
            "resync" => {
                self.resyncs += 1;
                self.in_snapshot = true; // which begins with the next message
            }
            other => panic!("{other}: {message}"),
        }
        self.complete_through = through;
    }

    fn update(&mut self, message: &Value) {
        if let Some(diffs) = message["diffs"].as_array() {
            for diff in diffs {
                let copies = self.rows.entry(diff[0].to_string()).or_default();
                *copies += diff[1].as_i64().unwrap();
            }
            self.rows.retain(|_, copies| *copies != 0);
            return;
        }
        message["upserts"].as_array().unwrap().iter().for_each(|row| self.upsert(row));
        for key in message["deletes"].as_array().unwrap() {
            let row = self.by_key.remove(&key_of(key));
            let row = row.unwrap_or_else(|| panic!("what was never there goes: {key}"));
            self.rows.remove(&row);
        }
    }

    fn upsert(&mut self, row: &Value) {
        if let Some(before) = self.by_key.insert(key_of(row), row.to_string()) {
            self.rows.remove(&before);
        }
        self.rows.insert(row.to_string(), 1);
    }
}

/// The key of a row: of keyed views what they have of these columns, of logs all.
fn key_of(row: &Value) -> String {
    if row.get("commit").is_some() {
        return row.to_string();
    }
    let columns = ["portfolio", "instrument", "timeframe", "open_time", "rule", "name", "check"];
    columns.map(|column| row[column].to_string()).join(" ")
}
