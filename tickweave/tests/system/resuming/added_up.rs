//! Adds up what a client is told, over all its connections, and finds holes and duplicates.

use std::collections::BTreeSet;

use serde_json::Value;

/// The rows of one view, as diffs say.
#[derive(Default)]
pub(super) struct AddedUp {
    rows: BTreeSet<String>,
    /// The newest token, and the commit up to which it has everything.
    token: Option<String>,
    through: Option<u64>,
    /// Of this connection.
    seq: u64,
    in_snapshot: bool,
}

impl AddedUp {
    /// What it shows to go on.
    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The commit up to which it has everything.
    pub(super) fn through(&self) -> Option<u64> {
        self.through.filter(|_| !self.in_snapshot && self.token.is_some())
    }

    /// Its rows, sorted.
    pub(super) fn rows(&self) -> Vec<String> {
        self.rows.iter().cloned().collect()
    }

    /// Begins a connection.
    pub(super) fn connects(&mut self) {
        (self.seq, self.in_snapshot) = (0, false);
    }

    /// Takes a message; says what is wrong with it.
    pub(super) fn take(&mut self, message: &Value) -> Result<(), String> {
        let kind = message["type"].as_str().unwrap_or_default();
        if kind == "closing" {
            return Ok(());
        }
        let wrong = |what: &str| Err(format!("{what}: {message}"));
        if message["seq"] != self.seq {
            return wrong("a message is missing");
        }
        let is_first = self.seq == 0;
        self.seq += 1;
        let commit = message["frontier"]["commit"].as_u64();
        match kind {
            "resumed" if !is_first || commit != self.through => return wrong("resumed elsewhere"),
            "resumed" => {}
            "resync" => (self.token, self.in_snapshot) = (None, true),
            "snapshot" => {
                if message["part"] == 0 {
                    self.rows.clear();
                }
                self.in_snapshot = message["last"] == false;
                for row in message["rows"].as_array().into_iter().flatten() {
                    if !self.rows.insert(row.to_string()) {
                        return wrong("a row is there twice");
                    }
                }
            }
            _ if self.in_snapshot => return wrong("the snapshot is not whole"),
            "update" if message["after"].as_u64() != self.through => {
                return wrong("it does not begin after what was told last");
            }
            "update" => self.update(message)?,
            "progress" if commit < self.through => return wrong("back"),
            "progress" => {}
            _ => return wrong("of no known type"),
        }
        if let Some(token) = message["resume"].as_str() {
            (self.token, self.through) = (Some(token.to_owned()), commit);
        } else if kind == "snapshot" {
            self.token = None; // a part: nobody could go on from here
        }
        Ok(())
    }

    /// Takes rows of a message of a group, which counts the messages of all its views.
    pub(super) fn take_rows(&mut self, message: &Value) -> Result<(), String> {
        if message["part"] == 0 {
            self.rows.clear();
        }
        self.rows.extend(message["rows"].as_array().into_iter().flatten().map(Value::to_string));
        self.update(message)
    }

    fn update(&mut self, message: &Value) -> Result<(), String> {
        for diff in message["diffs"].as_array().into_iter().flatten() {
            let row = diff[0].to_string();
            let fits = match diff[1].as_i64() {
                Some(1) => self.rows.insert(row),
                Some(-1) => self.rows.remove(&row),
                _ => false,
            };
            if !fits {
                return Err(format!("comes twice, or goes and was never there: {diff}"));
            }
        }
        Ok(())
    }
}
