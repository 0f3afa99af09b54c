//! Sinks of files beside a live run of the binary.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::end_to_end::binary::{Going, poll, tickweave};
use crate::end_to_end::http::get;
use crate::end_to_end::made::Made;

const SINKS: &str = r#"
[[sink]]
name = "all"
kind = "file"
views = ["candles", "alerts", "revisions"]
encoding = "deltas"
numbers = "string"
path = "all/{view}.ndjson"
[[sink]]
name = "some"
kind = "file"
views = ["candles"]
where = { symbol = ["sim:S001", "sim:S002"], timeframe = "1min" }
every = "200ms"
path = "some.ndjson"
numbers = "string"
[[sink]]
name = "wrong"
kind = "file"
views = ["candles", "alerts"]
path = "job.toml/{view}"
"#;

/// The state of a file's reader after the last line: rows by key, and the commit.
#[derive(Default)]
struct Read {
    rows: BTreeMap<String, Value>,
    commit: Option<u64>,
    changes: usize,
    snapshots: usize,
}

/// Reads a file; panics if a batch is missing.
fn read(path: &Path, with_before: bool) -> Read {
    let mut read = Read::default();
    for line in fs::read_to_string(path).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let commit = line["commit"].as_u64();
        let key = || line["key"].as_str().unwrap().to_owned();
        let was = match line["op"].as_str().unwrap() {
            "snapshot" => {
                read.rows.clear();
                read.snapshots += 1;
                continue;
            }
            "progress" => {
                assert_eq!(line["after"].as_u64(), read.commit, "a hole before {line}");
                assert!(line["run"].is_string() && line["view"].is_string(), "{line}");
                read.commit = commit;
                continue;
            }
            "upsert" => read.rows.insert(key(), line["row"].clone()),
            "delete" => read.rows.remove(&key()),
            other => panic!("{other}: {line}"),
        };
        assert!(commit > read.commit, "commits only grow");
        read.changes += 1;
        if with_before {
            assert_eq!(line["before"], was.unwrap_or(Value::Null), "{line}");
        }
    }
    read
}

/// The rows of a view that the run wrote at its end, each as its cells.
fn written(folder: &Path, view: &str) -> Vec<Vec<String>> {
    let mut csv = csv::Reader::from_path(folder.join(format!("out/{view}.csv"))).unwrap();
    csv.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

fn cells(row: &Value) -> Vec<String> {
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    row.as_object().unwrap().values().map(cell).collect()
}

#[track_caller]
fn assert_is(read: &Read, mut rows: Vec<Vec<String>>, what: &str) {
    let sorted = |mut row: Vec<String>| {
        row.sort(); // JSON objects have lost the order of their columns
        row
    };
    rows = rows.into_iter().map(sorted).collect();
    let mut delivered: Vec<_> = read.rows.values().map(cells).map(sorted).collect();
    rows.sort();
    delivered.sort();
    assert!(rows.len() > 20, "{what} has {} rows", rows.len());
    assert!(
        delivered == rows,
        "{what}: {} rows delivered, {} are in the view",
        delivered.len(),
        rows.len()
    );
}

#[test]
fn files_of_changes_add_up_to_the_view() {
    for workers in ["1", "3"] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        Made::new(7, 6_000, 1_200_000).write(folder, Some("{ speed = 600.0 }"), SINKS);
        let args = ["run", "job.toml", "--out", "out", "--json", "-w", workers];
        let mut run = Going::start(folder, &args);
        let address = run.address();
        let sinks = || get(address, "/v1/views/sinks").json()["rows"].clone();
        let far = |row: &Value| row["batches"].as_u64() > Some(4) || row["name"] == "wrong";
        let rows = poll(
            || {
                Some(sinks())
                    .filter(|rows| rows.as_array().unwrap().iter().filter(|r| far(r)).count() == 6)
            },
            || format!("some batches: {}", sinks()),
        );
        let state = |name: &str| {
            let of = rows.as_array().unwrap().iter().filter(|row| row["name"] == name);
            of.map(|row| row["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(state("all"), ["running"; 3]);
        assert_eq!(state("wrong"), ["failed"; 2]);
        assert!(rows.to_string().contains("cannot make "), "the cause is shown: {rows}");
        sleep(Duration::from_millis(300)); // it is stopped in the middle
        run.signal("TERM");
        let ran = run.end();
        ran.failed(
            5,
            &["`candles` to `all`: ", "`alerts` was not delivered whole to `wrong`: cannot make "],
        );
        let undelivered = ran.summary()["undelivered"].take();
        assert_eq!([&undelivered[0]["view"], &undelivered[1]["view"]], ["candles", "alerts"]);

        for view in ["candles", "alerts", "revisions"] {
            let read = read(&folder.join(format!("all/{view}.ndjson")), true);
            assert_is(&read, written(folder, view), view);
            assert_eq!(read.snapshots, 1);
        }
        let some = read(&folder.join("some.ndjson"), false);
        let mut own = written(folder, "candles");
        own.retain(|row| ["sim:S001", "sim:S002"].contains(&&*row[0]) && row[1] == "1m");
        assert!(some.rows.keys().next().unwrap().starts_with("sim:S001|1m|2024-03-04T"));
        assert!(some.changes > some.rows.len(), "bars change");
        assert_is(&some, own, "some");
        let all = read(&folder.join("all/candles.ndjson"), true);
        assert!(all.rows.len() > some.rows.len() && all.changes > all.rows.len());

        // A run after it goes on in the same file, with commits of its own.
        fs::write(folder.join("all/alerts.ndjson"), "{\"op\":\"prog").unwrap();
        let mut again = Going::start(folder, &args);
        again.address();
        let path = folder.join("all/alerts.ndjson");
        poll(
            || fs::read_to_string(&path).unwrap().contains("\"progress\"").then_some(()),
            || fs::read_to_string(&path).unwrap(),
        );
        again.signal("TERM");
        again.end().failed(5, &["to `wrong`"]);
        assert_eq!(read(&path, true).snapshots, 1);
    }
}

#[test]
fn errors_of_sinks_are_reported_before_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sink = "[[sink]]\nname = \"s\"\nkind = \"file\"\npath = \"x\"\nviews = [\"candles\"]\n";
    for (from, to, want) in [
        ("", "", ""),
        (
            "\"candles\"",
            "\"bars\"",
            "sink[0] (name `s`).views: no view is named `bars` (known: alert_events",
        ),
        ("\"candles\"", "", "names no view"),
        ("\"candles\"", "\"gaps\", \"gaps\"", "names `gaps` twice"),
        ("\"candles\"", "\"gaps\", \"alerts\"", "`path` must contain `{view}`"),
        (
            "\"file\"",
            "\"pipe\"",
            "unknown sink kind `pipe` (known: alertmanager, email, file, kafka, redis-hash",
        ),
        ("path", "paths", "unknown field `paths`"),
        ("path", "every = \"0s\"\npath", "sink[0] (name `s`).every: 0s is not between"),
        ("path", "encoding = \"rows\"\npath", "`rows` is not one of"),
        ("path", "numbers = \"text\"\npath", "`text` is not number or string"),
        (
            "path",
            "where = { portfolio = \"p\" }\npath",
            "`candles` has no column `portfolio` (it has",
        ),
        (
            "path",
            "where = { timeframe = \"7m\" }\npath",
            "`7m` is not a timeframe that is computed",
        ),
        ("path", "where = { timeframe = \"60\" }\npath", "did you mean 1m (60s) or 1h (60m)?"),
        ("path", "where = { state = 1.5 }\npath", "neither a text nor a list of texts"),
        ("name = \"s\"\n", "", "a sink needs a `name`"),
    ] {
        Made::new(1, 10, 1_000).write(folder, None, &sink.replacen(from, to, 1));
        let ran = tickweave(folder, &["check", "job.toml"]);
        match want {
            "" => assert_eq!(ran.code, Some(0), "{ran:?}"),
            want => drop(ran.failed(2, &[want])),
        }
    }
    Made::new(1, 10, 1_000).write(folder, None, &sink.repeat(2));
    tickweave(folder, &["check", "job.toml"]).failed(2, &["another sink has this name"]);
}
