//! Whichever way a view is read, its rows are the same: from a sink, over HTTP, and from what a run writes at its end.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use dataflows::view_list::VIEWS;
use rows::{ColumnType, View, ViewKind};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::demo;
use crate::end_to_end::binary::{Going, poll};
use crate::end_to_end::http::get;
use crate::outputs::exported::FILLED;

use super::keys;

/// Views of which so short a run may have no rows.
const RARE: [&str; 2] = ["gaps", "revisions"];

/// The texts of a row, by column.
type Row = BTreeMap<String, String>;

/// The demo with a bound, played fast.
fn write_demo(folder: &Path) {
    let mut job = toml::Table::try_from(demo::config(100, 8_000, 1)).unwrap();
    let play: toml::Table = "speed = 60.0\nas_if_now = false".parse().unwrap();
    let section = job.get_mut("job").and_then(toml::Value::as_table_mut).unwrap();
    section.insert("max_clock_ahead".to_owned(), "1d".into());
    for source in job.get_mut("source").and_then(toml::Value::as_array_mut).unwrap() {
        let source = source.as_table_mut().unwrap();
        source.insert("play".to_owned(), play.clone().into());
        let venue = match source.get_mut("venue") {
            Some(toml::Value::Table(venue)) => venue,
            _ => source,
        };
        venue.insert("symbols".to_owned(), 8.into());
    }
    job.remove("sink"); // it has none, and gets one
    fs::write(folder.join("job.toml"), toml::to_string(&job).unwrap()).unwrap();
}

/// A sink that takes these views.
fn add_sink(folder: &Path, views: &[&View]) {
    let names = views.iter().map(|view| format!("\"{}\"", view.name)).collect::<Vec<_>>();
    let sink = format!(
        "\n[[sink]]\nname = \"s\"\nkind = \"file\"\nviews = [{}]\npath = \"sunk/{{view}}.ndjson\"\nnumbers = \"string\"\n",
        names.join(", ")
    );
    let job = fs::read_to_string(folder.join("job.toml")).unwrap();
    fs::write(folder.join("job.toml"), job + &sink).unwrap();
}

/// An object of JSON, with its values as they are written: to read numbers into others would round some.
type Written = BTreeMap<String, Box<RawValue>>;

fn row(view: &View, object: &Written) -> Row {
    let text = |value: &RawValue| match serde_json::from_str(value.get()).unwrap() {
        Value::Null => String::new(),
        Value::String(text) => text,
        _ => value.get().to_owned(),
    };
    object.iter().map(|(name, value)| cell(view, name, text(value))).collect()
}

/// A column and its text. A floating-point number may be written in several ways.
fn cell(view: &View, column: &str, text: String) -> (String, String) {
    let place = view.column(column).unwrap_or_else(|| panic!("{} has no {column}", view.name));
    let is_number = view.columns[place].column_type == ColumnType::Number;
    let text = match text.parse::<f64>() {
        Ok(number) if is_number => format!("{number:e}"),
        _ => text,
    };
    (column.to_owned(), text)
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}

/// What the lines of a sink's file come to.
fn sunk(folder: &Path, view: &View) -> Vec<Row> {
    let mut rows = BTreeMap::new();
    let path = folder.join(format!("sunk/{}.ndjson", view.name));
    for line in fs::read_to_string(path).unwrap_or_default().lines() {
        let line: Written = serde_json::from_str(line).unwrap();
        let of = |name: &str| line.get(name).map_or("", |value| value.get()).to_owned();
        // Rows of a log have keys within their commit.
        let commit = if view.kind == ViewKind::Log { of("commit") } else { String::new() };
        let key = (commit, of("key"));
        match of("op").as_str() {
            "\"snapshot\"" => rows.clear(),
            "\"upsert\"" => {
                rows.insert(key, row(view, &serde_json::from_str(&of("row")).unwrap()));
            }
            "\"delete\"" => drop(rows.remove(&key)),
            _ => {}
        }
    }
    sorted(rows.into_values().collect())
}

fn written(folder: &Path, view: &View) -> Vec<Row> {
    let mut csv = csv::Reader::from_path(folder.join(format!("out/{}.csv", view.name))).unwrap();
    let header = csv.headers().unwrap().clone();
    let rows = csv.records().map(|record| {
        let record = record.unwrap();
        let cells = header.iter().zip(&record);
        cells.map(|(name, text)| cell(view, name, text.to_owned())).collect()
    });
    sorted(rows.collect())
}

#[track_caller]
fn assert_equal(view: &View, one: &[Row], other: &[Row], what: &str) {
    let first = one.iter().zip(other).find(|(one, other)| one != other);
    assert!(
        one == other,
        "{}: {what}: {} and {} rows; the first that differ: {first:#?}",
        view.name,
        one.len(),
        other.len()
    );
}

#[test]
fn every_view_of_the_demo_is_the_same_from_a_sink_over_http_and_as_written() {
    let folder = tempfile::tempdir().unwrap();
    write_demo(folder.path());
    let filled = FILLED.into_iter().filter(|view| !RARE.contains(view));
    read_everywhere(folder.path(), &filled.collect::<Vec<_>>());
}

#[test]
fn every_view_of_bad_rows_is_the_same_from_a_sink_over_http_and_as_written() {
    let folder = tempfile::tempdir().unwrap();
    keys::write_job(folder.path());
    // Small commits, so that rows come late and restate what was final, however fast the files are read.
    let job = folder.path().join("job.toml");
    let text = fs::read_to_string(&job).unwrap();
    fs::write(job, text.replace("file_rows = 40", "file_rows = 40\nrecords = 40")).unwrap();
    read_everywhere(folder.path(), &keys::OF_BAD_ROWS);
}

/// Runs a job whose sources end, and reads all its views in three ways.
fn read_everywhere(folder: &Path, filled: &[&str]) {
    let views: Vec<&View> = VIEWS.iter().filter(|view| view.recorded).collect();
    add_sink(folder, &views);
    let args = ["run", "job.toml", "--listen", "127.0.0.1:0", "--out", "out", "--json"];
    let mut run = Going::start(folder, &args);
    let address = run.address();
    let states = || {
        let sources = get(address, "/v1/views/sources").json();
        let rows = sources["rows"].as_array().unwrap().clone();
        // Clients may post for ever.
        let of_files = rows.into_iter().filter(|row| row["kind"] != "http");
        of_files.map(|row| row["state"].clone()).collect::<Vec<_>>()
    };
    let have_ended = || {
        let states = states();
        !states.is_empty() && states.iter().all(|state| state == "ended")
    };
    poll(|| have_ended().then_some(()), || format!("all ended: {:?}", states()));
    // All of the input is in this commit, and what follows from its end in the next ones.
    let token = get(address, "/v1/views/sources").commit().unwrap() + 10;
    let served: Vec<Vec<Row>> = views
        .iter()
        .map(|view| {
            let path = format!(
                "/v1/views/{}?numbers=string&limit=10000&min_frontier={token}&wait_ms=20000",
                view.name
            );
            let answer: Written = serde_json::from_str(&get(address, &path).body).unwrap();
            let rows: Vec<Written> = serde_json::from_str(answer["rows"].get()).unwrap();
            sorted(rows.iter().map(|object| row(view, object)).collect())
        })
        .collect();
    run.signal("TERM");
    run.end().json();
    for (view, served) in views.iter().zip(served) {
        assert!(!served.is_empty() || !filled.contains(&view.name), "{} has no rows", view.name);
        assert!(served.len() < 10_000, "{} has more rows than one answer", view.name);
        assert_equal(view, &served, &written(folder, view), "over HTTP and as written");
        assert_equal(view, &sunk(folder, view), &served, "from the sink and over HTTP");
    }
}
