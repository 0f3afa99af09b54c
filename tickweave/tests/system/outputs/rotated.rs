//! A sink's file that is moved away again and again: each file can be read by itself.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use super::{POSTED, SINK, posted, text};
use crate::end_to_end::binary::{Going, poll};
use crate::end_to_end::http::get;

/// The rows that the batches of a file add up to, by key; panics if it does not begin with a snapshot.
fn folded(path: &Path) -> BTreeMap<String, Value> {
    let (mut rows, mut open): (BTreeMap<String, Value>, Vec<Value>) = Default::default();
    let text = text(path);
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let first = lines.next().unwrap_or_default();
    assert_eq!(first["op"], "snapshot", "{}: {text}", path.display());
    for line in lines {
        match line["op"].as_str().unwrap() {
            "snapshot" => rows.clear(),
            "progress" => {
                for change in open.drain(..) {
                    let key = change["key"].as_str().unwrap().to_owned();
                    match change["op"] == "upsert" {
                        true => drop(rows.insert(key, change["row"].clone())),
                        false => drop(rows.remove(&key).unwrap()),
                    }
                }
            }
            _ => open.push(line),
        }
    }
    assert!(open.is_empty(), "a batch is whole: {text}");
    rows
}

fn opens(rows: &BTreeMap<String, Value>) -> Vec<String> {
    let opens = rows.values().map(|row| row["open_time"].as_str().unwrap()[11..19].to_owned());
    opens.collect()
}

fn bars(address: SocketAddr) -> usize {
    get(address, "/v1/views/candles?limit=100").json()["rows"].as_array().unwrap().len()
}

#[test]
fn each_file_of_a_rotation_can_be_folded_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("job.toml"), format!("{POSTED}{SINK}")).unwrap();
    let path = folder.join("candles.ndjson");
    let mut run = Going::start(folder, &["run", "job.toml", "--json"]);
    let address = run.address();
    let mut number = 0;
    for rotation in 0..3 {
        for _ in 0..2 {
            number += 1;
            posted(address, number, "running");
        }
        poll(
            || {
                let opens = opens(&folded(&path));
                (opens.len() == number as usize && bars(address) == opens.len()).then_some(())
            },
            || text(&path),
        );
        if rotation < 2 {
            let moved = folder.join(format!("candles.{rotation}.ndjson"));
            fs::rename(&path, &moved).unwrap();
            // Nothing changes, and the new file comes all the same.
            poll(|| path.exists().then_some(()), || "a new file".to_owned());
            poll(
                || text(&path).contains("\"progress\"").then_some(()),
                || format!("a snapshot: {}", text(&path)),
            );
            assert_eq!(folded(&path), folded(&moved));
        }
    }
    run.signal("TERM");
    run.end().json();
    let whole: Vec<String> = (1..=6).map(|second| format!("10:00:{second:02}")).collect();
    for (file, count) in [("candles.0.ndjson", 2), ("candles.1.ndjson", 4), ("candles.ndjson", 6)] {
        assert_eq!(opens(&folded(&folder.join(file))), whole[..count], "{file}");
    }
}
