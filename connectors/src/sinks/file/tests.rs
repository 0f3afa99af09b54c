use std::fs;

use market::{Commit, EventTime};

use super::*;
use crate::sinks;

fn sink(folder: &Path, config: &str) -> Result<Box<dyn Sink>, SinkError> {
    let setting = SinkSetting {
        name: "out".to_owned(),
        folder: folder.to_owned(),
        views: vec!["candles".to_owned(), "alerts".to_owned()],
        encoding: Encoding::Deltas,
    };
    sinks().build("file", serde_json::from_str(config).unwrap(), setting)
}

fn record(key: &str, now: Option<&str>, before: Option<&str>) -> SinkRecord {
    let json = |text: &str| format!("{{\"v\":{text}}}");
    SinkRecord { key: key.to_owned(), now: now.map(json), before: before.map(json) }
}

fn batch(kind: BatchKind, commit: u64, records: &[SinkRecord]) -> SinkBatch<'_> {
    let after = (kind != BatchKind::Snapshot).then(|| Commit(commit - 1));
    let (run, view) = ("r\"1", "candles");
    let (commit, at) = (Commit(commit), EventTime(0));
    SinkBatch { run, view, kind, after, commit, at, part: 0, last: true, records }
}

#[test]
fn a_line_for_each_change_and_one_for_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let sink = sink(folder.path(), r#"{"path": "new/{view}.ndjson"}"#).unwrap();
    let mut writer = sink.open("candles").unwrap();
    let rows = [record("a|1", Some("1"), None)];
    let changes = [record("a|1", Some("2"), Some("1")), record("b\\|\"", None, Some("7"))];
    writer.write(&batch(BatchKind::Snapshot, 3, &rows)).unwrap();
    writer.write(&batch(BatchKind::Changes, 4, &changes)).unwrap();
    writer.write(&SinkBatch { last: false, ..batch(BatchKind::Resync, 9, &[]) }).unwrap();
    writer.close().unwrap();
    let text = fs::read_to_string(folder.path().join("new/candles.ndjson")).unwrap();
    let want = [
        r#"{"op":"snapshot","view":"candles","run":"r\"1","commit":3,"resync":false}"#,
        r#"{"op":"upsert","commit":3,"key":"a|1","row":{"v":1},"before":null}"#,
        r#"{"op":"progress","view":"candles","run":"r\"1","after":null,"commit":3,"at":"1970-01-01T00:00:00Z"}"#,
        r#"{"op":"upsert","commit":4,"key":"a|1","row":{"v":2},"before":{"v":1}}"#,
        r#"{"op":"delete","commit":4,"key":"b\\|\"","before":{"v":7}}"#,
        r#"{"op":"progress","view":"candles","run":"r\"1","after":3,"commit":4,"at":"1970-01-01T00:00:00Z"}"#,
        r#"{"op":"snapshot","view":"candles","run":"r\"1","commit":9,"resync":true}"#,
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), want);
    text.lines().for_each(|line| drop(serde_json::from_str::<serde_json::Value>(line).unwrap()));
}

#[test]
fn a_line_that_a_crash_tore_is_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let long = "y".repeat(200_000);
    for (was, stays) in [
        (String::new(), ""),
        ("{}\n".to_owned(), "{}\n"),
        ("{}\n{\"op".to_owned(), "{}\n"),
        (format!("{{}}\n{long}"), "{}\n"),
        (long, ""),
    ] {
        fs::write(&path, was).unwrap();
        let sink = sink(folder.path(), r#"{"path": "x"}"#).err();
        assert!(sink.is_some_and(|error| error.to_string().contains("must contain `{view}`")));
        cut_torn_line(OpenOptions::new().read(true).append(true).open(&path).unwrap()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), stays);
    }
}

#[test]
fn what_stays_wrong_is_not_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("taken"), "").unwrap();
    fs::create_dir(folder.path().join("candles")).unwrap();
    for path in ["taken/{view}", "{view}"] {
        let sink = sink(folder.path(), &format!(r#"{{"path": "{path}"}}"#)).unwrap();
        let error = sink.open("candles").err().unwrap();
        assert!(matches!(&error, SinkError::Fatal { .. }), "{error:?}");
        assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
    }
}

/// The file may be moved away between two batches: what comes then begins a new one.
#[test]
fn a_file_that_is_moved_away_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("candles"), folder.path().join("old"));
    let sink = sink(folder.path(), r#"{"path": "{view}"}"#).unwrap();
    let mut writer = sink.open("candles").unwrap();
    writer.write(&batch(BatchKind::Snapshot, 1, &[])).unwrap();
    fs::rename(&path, &moved).unwrap();
    writer.write(&batch(BatchKind::Changes, 2, &[])).unwrap();
    let lines = |path| fs::read_to_string(path).unwrap().lines().count();
    assert_eq!((lines(moved), lines(path)), (2, 1));
}
