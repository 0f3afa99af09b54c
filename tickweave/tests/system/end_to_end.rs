//! The binary from files of trades to candles over HTTP, digests and CSV: stopped, cut, restored and
//! replayed, always with the same numbers.

pub(crate) mod binary;
pub(crate) mod http;
pub(crate) mod made;

mod as_of;
mod cancelled;
mod copies;
mod cuts;
mod fees;
pub(crate) mod file_order;
mod fills;
mod ids;
mod live;
mod odd_lots;
mod posted;
mod prints;
mod refused;
mod replays;
mod restated;
mod restored;
mod ruled;
mod shapes;
mod signals;
mod valued;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// All views of a folder of CSVs, by name; the folder's manifest lists them.
fn views_in(folder: &Path) -> BTreeMap<String, String> {
    let mut views = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        views.insert(name, fs::read_to_string(path).unwrap());
    }
    let manifest = views.remove(dataflows::output::MANIFEST).unwrap();
    assert!(views.keys().all(|name| manifest.contains(&format!("\"{name}\""))), "{manifest}");
    let recorded = dataflows::view_list::VIEWS.iter().filter(|view| view.recorded).count();
    assert_eq!(views.len(), recorded, "{:?}", views.keys());
    views
}

/// The file `NAME.csv` of trades of `x:A` as a source of this name; times are in seconds.
fn file_source(name: &str) -> String {
    format!(
        r#"
[[source]]
name = "{name}"
kind = "file"
paths = ["{name}.csv"]
instrument = "x:A"
columns = {{ time = "t", id = "i", price = "p", size = "q" }}
units = {{ time = "s" }}
"#
    )
}

/// Asserts that two summaries are the same, but for how long it took.
#[track_caller]
pub(crate) fn assert_same(what: &str, one: &Value, other: &Value) {
    let without_time = |summary: &Value| {
        let mut fields = summary.as_object().unwrap().clone();
        fields.remove("elapsed_s");
        fields.remove("run"); // when it began
        Value::Object(fields)
    };
    assert_eq!(without_time(one), without_time(other), "{what}");
    let digest = |view: &str| one["views"][view]["changes_digest"].as_str().unwrap().to_owned();
    assert!(digest("candles").bytes().any(|digit| digit != b'0'), "{what}: nothing happened");
}

/// Asserts that every record was counted as exactly one thing.
#[track_caller]
pub(crate) fn assert_adds_up(summary: &Value) {
    let n = |key: &str| summary[key].as_u64().unwrap();
    let parts = ["accepted", "duplicates", "conflicts", "late", "dead"].map(n);
    assert_eq!(parts.iter().sum::<u64>(), n("records"), "{summary:#}");
}
