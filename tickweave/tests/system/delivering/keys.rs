//! A client that folds changes by the announced keys of a view has the view, whatever is wrong with the input.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use dataflows::config::RawConfig;
use dataflows::delivery::{Backoff, DeliverError, Delta, DeltaBatch, DeltaHandler, SinkSet};
use dataflows::delivery::{SinkStatus, SinkSubscription};
use dataflows::ingest::Stop;
use dataflows::jobs::JOBS;
use dataflows::run::{Job, OnStart, RunOptions, replay_files};
use rows::{Cell, View};

use super::{FINISH_TIMEOUT, rows};

/// Numbers that look random, the same for a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// Rows of few ids, so that copies, corrections, cancels and busts meet, or meet nothing; some late, some far off, some
/// that are none. Many are there twice.
fn bad_rows(seed: u64) -> String {
    let mut dice = Dice(seed);
    let mut text = String::new();
    for at in 0..1_500_u64 {
        let behind = [0, 0, 0, 3, 40, 9_000][dice.below(6) as usize];
        let time = format!("{}s", 1_767_600_000 + at - behind.min(at));
        let id = ["", "t-", "0"][dice.below(3) as usize].to_owned() + &dice.below(9).to_string();
        let (price, size) = ([100, 101, 102, 9_000][dice.below(4) as usize], 1 + dice.below(3));
        let symbol = ["A", "B"][dice.below(2) as usize];
        let side = ["buy", "sell"][dice.below(2) as usize];
        let trade = format!(
            r#""instrument":"x:{symbol}","time":"{time}","price":{price},"quantity":{size}"#
        );
        let scope = ["x", "y"][dice.below(2) as usize];
        let row = match dice.below(12) {
            0..4 => format!(r#"{{"type":"trade","id":"{id}","scope":"{scope}",{trade}}}"#),
            4 => format!(r#"{{"type":"trade",{trade}}}"#),
            5 => format!(
                r#"{{"type":"correct","of":"{id}","id":"{id}c","sequence":{},{trade}}}"#,
                dice.below(4)
            ),
            6 => format!(r#"{{"type":"cancel","id":"{id}z","instrument":"x:{symbol}"}}"#),
            7 => format!(
                r#"{{"type":"cancel","id":"{id}","instrument":"x:{symbol}","time":"{time}"}}"#
            ),
            8 => {
                format!(r#"{{"type":"trade","id":"{id}","instrument":"x:{symbol}","time":"soon"}}"#)
            }
            9 => {
                format!(r#"{{"type":"fill","portfolio":"p","id":"{id}","side":"{side}",{trade}}}"#)
            }
            10 => format!(
                r#"{{"type":"fill_correct","portfolio":"p","id":"{id}f","side":"{side}",{trade}}}"#
            ),
            _ => format!(r#"{{"type":"bust","portfolio":"p","id":"{id}b"}}"#),
        };
        for _ in 0..1 + dice.below(2) {
            writeln!(text, "{row}").unwrap();
        }
    }
    text
}

/// Folds a view by its announced keys, as a client does.
struct ByKey {
    view: &'static View,
    rows: HashMap<Vec<Cell>, Vec<Cell>>,
}

impl ByKey {
    fn key(&self, row: &[Cell]) -> Vec<Cell> {
        let columns = self.view.columns.iter().zip(row);
        columns.filter(|(column, _)| column.is_key).map(|(_, cell)| cell.clone()).collect()
    }
}

struct Handler(Arc<Mutex<ByKey>>);

impl DeltaHandler for Handler {
    fn deliver(&mut self, batch: &DeltaBatch<'_>) -> Result<(), DeliverError> {
        let mut by_key = self.0.lock().unwrap();
        for Delta { before, now } in batch.deltas {
            let key = by_key.key(now.as_ref().or(before.as_ref()).unwrap());
            match now {
                Some(row) => by_key.rows.insert(key, row.clone()),
                None => by_key.rows.remove(&key),
            };
        }
        Ok(())
    }
}

/// A job whose three files hold bad rows.
pub(super) fn write_job(folder: &Path) {
    let job = r#"
[job]
timeframes = ["1m", "5m"]
reject_after = "1m"
correction_horizon = "10m"
indicators = ["sma3"]
[commit]
file_rows = 40
file_order = "lines"
[outliers]
bars = 2
deviations = 3
[[instrument]]
pattern = "*"
quote = "USD"
[[rule]]
name = "high"
threshold = { series = "close", above = 100.0 }
settle = "at_once"
[[source]]
name = "one"
kind = "entries"
paths = ["a.jsonl"]
disorder = "5s"
[[source]]
name = "other"
kind = "entries"
paths = ["b.jsonl", "c.jsonl"]
disorder = "5s"
"#;
    fs::write(folder.join("job.toml"), job).unwrap();
    for (seed, name) in [(1, "a"), (2, "b"), (1, "c")] {
        fs::write(folder.join(format!("{name}.jsonl")), bad_rows(seed)).unwrap();
    }
}

/// Views of which that job has rows because they are bad.
pub(super) const OF_BAD_ROWS: [&str; 7] =
    ["conflicts", "unmatched", "too_late", "outliers", "dead_letters", "fill_faults", "revisions"];

#[test]
fn no_two_rows_of_a_view_have_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_job(folder);
    let config = RawConfig::read(&folder.join("job.toml")).unwrap().check(folder).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    let begun = Arc::new(Mutex::new(None));
    let on_begun = Arc::clone(&begun);
    let views = || JOBS[0].views.views.iter();
    let on_start: OnStart = Box::new(move |started: &Job| {
        let mut sinks = SinkSet::new(Arc::new(started.reader()), handle.clone());
        let folded = views().map(|view| {
            let by_key = Arc::new(Mutex::new(ByKey { view, rows: HashMap::new() }));
            let every = std::time::Duration::from_millis(1);
            let backoff = Backoff { first: every, most: every };
            let subscription = SinkSubscription {
                view,
                filter: Arc::default(),
                every,
                backoff,
                replace_earlier: None,
            };
            let status = SinkStatus::new("test", "test", view);
            sinks.start(subscription, Box::new(Handler(Arc::clone(&by_key))), status).unwrap();
            by_key
        });
        let folded: Vec<_> = folded.collect();
        *on_begun.lock().unwrap() = Some((started.reader(), sinks, folded));
    });
    let options = RunOptions { followed: true, on_start: Some(on_start), ..RunOptions::default() };
    replay_files(config, &options, &Stop::default()).unwrap();
    let (reader, sinks, folded) = begun.lock().unwrap().take().unwrap();
    sinks.finish(FINISH_TIMEOUT);
    for by_key in folded {
        let by_key = by_key.lock().unwrap();
        let view = by_key.view;
        // Tables describe the process, which goes on.
        if !view.recorded {
            continue;
        }
        let rows = rows(&reader, view);
        let mut seen: HashMap<Vec<Cell>, &Vec<Cell>> = HashMap::new();
        for row in &rows {
            if let Some(other) = seen.insert(by_key.key(row), row) {
                panic!("{}: {row:?} and {other:?} have one key", view.name);
            }
        }
        assert_eq!(by_key.rows.len(), rows.len(), "{}", view.name);
        assert!(
            rows.iter().all(|row| by_key.rows.get(&by_key.key(row)) == Some(row)),
            "{}",
            view.name
        );
        assert!(
            !OF_BAD_ROWS.contains(&view.name) || rows.len() > 5,
            "{} has {} rows",
            view.name,
            rows.len()
        );
    }
}
