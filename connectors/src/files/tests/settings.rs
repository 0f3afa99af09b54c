//! Configurations and files that cannot be used, and in which words.

use super::*;
use crate::source::Place;

#[test]
fn configurations_that_cannot_be() {
    let folder = TempDir::new().unwrap();
    let with = |key: &str, value: Value| {
        let mut config = with_path(&bitmex(), "f.csv");
        config[key] = value;
        config
    };
    for (config, want) in [
        (with("paths", json!([])), "`paths` is empty"),
        (with("paths", json!(["a.csv", "a.csv"])), "`paths` names \"a.csv\" twice"),
        (
            with("paths", json!(["a.csv", "a.bin.gz"])),
            "the ending of \"a.bin.gz\" does not give its format",
        ),
        (
            with("format", json!("xml")),
            "`format`: unknown variant `xml`, expected `csv` or `jsonl`",
        ),
        (with("pahts", json!([])), "unknown field `pahts`, expected one of `paths`"),
        (with("csv", json!({"delimiter": ";;"})), "`csv.delimiter` is \";;\""),
        (
            with("units", json!({"time": "minutes"})),
            "`units.time`: unknown variant `minutes`, expected one of `s`, `ms`",
        ),
        (with("columns", json!({"time": "t", "price": "p"})), "`columns`: missing field `size`"),
        (
            with("columns", json!({"time": 0, "price": "p", "size": "s"})),
            "`columns.time`: columns are numbered from 1, not 0",
        ),
        (
            with("columns", json!({"time": true, "price": "p", "size": "s"})),
            "`columns.time`: invalid type: boolean `true`, expected a column's name, its number from 1, or a list of one to two of these",
        ),
        (with("where", json!({"equals": "trade"})), "`where`: missing field `column`"),
        (with("paths", json!(["a.jsonl"])), ""),
    ] {
        let problem = match build(folder.path(), config) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        let want = if want.is_empty() { String::new() } else { format!("source `test`: {want}") };
        assert!(
            problem.starts_with(&want) && problem.is_empty() == want.is_empty(),
            "{problem} ≠ {want}"
        );
    }
    let mut numbered = with("columns", json!({"time": 1, "price": "p", "size": "s"}));
    numbered["format"] = json!("jsonl");
    let error = build(folder.path(), numbered).err().unwrap();
    assert_eq!(
        error.to_string(),
        "source `test`: column 1: JSON has no numbered columns; write a path such as \"data.p\""
    );
}

#[test]
fn what_cannot_be_opened() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("f.csv"), "time,px,size\n").unwrap();
    let absent = build(folder.path(), with_path(&bitmex(), "absent.csv")).unwrap();
    let error = absent.open(0, Place::After(0)).err().unwrap();
    assert!(matches!(error, SourceError::Open { .. }) && !error.is_retryable());
    let error = absent.open(1, Place::After(0)).err().unwrap();
    assert_eq!(error.to_string(), "source `test`: there is no partition 1; it has 1");
    fs::create_dir(folder.path().join("folder.csv")).unwrap();
    let directory = build(folder.path(), with_path(&bitmex(), "folder.csv")).unwrap();
    assert!(matches!(directory.open(0, Place::After(0)), Err(SourceError::Open { .. })));
    let mut config = with_path(&bitmex(), "f.csv");
    for (csv, columns, want) in [
        (
            json!({}),
            json!({"time": "time", "price": "price", "size": "size"}),
            "f.csv: there is no column \"price\" (there are: time, px, size)",
        ),
        (
            json!({}),
            json!({"time": "time", "price": 4, "size": "size"}),
            "f.csv: there is no column 4; the first line has 3",
        ),
        (
            json!({"header": false}),
            json!({"time": "time", "price": 2, "size": 3}),
            "f.csv: column \"time\" is not a number, and `csv.header` is false: columns are numbered from 1",
        ),
    ] {
        config["csv"] = csv;
        config["columns"] = columns;
        let error =
            build(folder.path(), config.clone()).unwrap().open(0, Place::After(0)).err().unwrap();
        assert_eq!(error.to_string(), format!("source `test`: {want}"));
    }
}
