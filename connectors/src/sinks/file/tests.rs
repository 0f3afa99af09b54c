use std::fs;

use market::{Commit, EventTime};

use super::*;
use crate::sinks;

fn sink(folder: &Path, config: &str) -> Result<Box<dyn Sink>, SinkError> {
    let context = SinkBuildContext {
        name: "out".to_owned(),
        folder: folder.to_owned(),
        views: vec!["candles".to_owned(), "alerts".to_owned()],
        columns: Vec::new(),
        encoding: Encoding::Deltas,
    };
    sinks().build("file", serde_json::from_str(config).unwrap(), context)
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

fn named(folder: &Path) -> (Box<dyn Sink>, PathBuf) {
    (sink(folder, r#"{"path": "{view}"}"#).unwrap(), folder.join("candles"))
}

#[test]
fn a_line_that_a_crash_tore_is_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let (sink, path) = named(folder.path());
    let whole = "{\"op\":\"progress\"}\n";
    let long = "y".repeat(200_000);
    for (was, stays) in [
        (String::new(), ""),
        (whole.to_owned(), whole),
        (format!("{whole}{{"), whole),
        (format!("{whole}{{\"op\":"), whole),
        (format!("{whole}{{\"op\":\"upsert\",\"key\":\"{long}"), whole),
        (format!("{{\"op\":\"upsert\",\"key\":\"{long}"), ""),
    ] {
        fs::write(&path, was).unwrap();
        drop(sink.open("candles").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), stays);
    }
    let error = self::sink(folder.path(), r#"{"path": "x"}"#).err();
    assert!(error.is_some_and(|error| error.to_string().contains("must contain `{view}`")));
}

#[test]
fn what_others_wrote_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (sink, path) = named(folder.path());
    for was in [
        "my notes without newline",
        "my notes\nand more",
        "time,price\n1,2\n",
        "{}\n{\"op\":\"pro",
        "{\"op\":\"progress\"}\nmy own line",
        "{\"op\":\"progress\"}\n\0\0\0",
        "\n",
    ] {
        fs::write(&path, was).unwrap();
        let error = sink.open("candles").err().unwrap();
        assert!(matches!(&error, SinkError::Fatal { .. }), "{error:?}");
        let (text, path_text) = (error.to_string(), path.to_str().unwrap());
        assert!(text.contains(path_text) && text.contains("move it away"), "{text}");
        assert_eq!(fs::read_to_string(&path).unwrap(), was);
    }
}

#[test]
fn a_file_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let (sink, path) = named(folder.path());
    let mut writer = sink.open("candles").unwrap();
    let (other, _) = named(folder.path());
    let error = other.open("candles").err().unwrap();
    assert!(matches!(&error, SinkError::Fatal { .. }), "{error:?}");
    assert!(
        error.to_string().contains("another process, or another sink, writes to it"),
        "{error}"
    );
    writer.write(&batch(BatchKind::Snapshot, 1, &[])).unwrap();
    drop(writer);
    drop(other.open("candles").unwrap());
    assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 2);
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

fn first_line(path: &Path) -> String {
    fs::read_to_string(path).unwrap().lines().next().unwrap_or_default().to_owned()
}

/// The file may be moved away or removed between two batches, also while its writer is opened anew: the new file
/// begins with a snapshot, which the sink asks for.
#[test]
fn a_file_that_is_gone_begins_anew_with_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let (sink, path) = named(folder.path());
    let moved = folder.path().join("old");
    for (number, reopens) in [(0, false), (1, true)] {
        let mut writer = sink.open("candles").unwrap();
        writer.write(&batch(BatchKind::Snapshot, 1, &[])).unwrap();
        fs::rename(&path, &moved).unwrap();
        let error = match reopens {
            false => writer.write(&batch(BatchKind::Changes, 2, &[])).err().unwrap(),
            true => {
                drop(writer); // as after an error that may pass
                sink.open("candles").err().unwrap()
            }
        };
        assert!(matches!(&error, SinkError::Forgotten { .. }), "{error:?}");
        let mut writer = sink.open("candles").unwrap();
        writer.write(&batch(BatchKind::Resync, 2, &[])).unwrap();
        writer.write(&batch(BatchKind::Changes, 3, &[])).unwrap();
        for path in [&moved, &path] {
            assert!(first_line(path).starts_with("{\"op\":\"snapshot\""), "{number}: {path:?}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
        drop(writer);
        let (again, _) = named(folder.path());
        drop(again.open("candles").unwrap());
        fs::remove_file(&path).unwrap();
        assert!(matches!(sink.open("candles").err(), Some(SinkError::Forgotten { .. })));
    }
}

/// A file that somebody cuts, as some programs that rotate logs do, does not go on in the middle either.
#[test]
fn a_file_that_is_cut_goes_on_with_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let (sink, path) = named(folder.path());
    let mut writer = sink.open("candles").unwrap();
    writer.write(&batch(BatchKind::Snapshot, 1, &[])).unwrap();
    fs::write(&path, "").unwrap();
    let error = writer.write(&batch(BatchKind::Changes, 2, &[])).err().unwrap();
    assert!(matches!(&error, SinkError::Forgotten { .. }), "{error:?}");
    drop(writer);
    sink.open("candles").unwrap().write(&batch(BatchKind::Resync, 2, &[])).unwrap();
    assert!(first_line(&path).starts_with("{\"op\":\"snapshot\""));
}
