//! Files of entries as a source.

use crate::source::Place;
use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::registry::BuildContext;
use crate::source::{Progress, Row, Source, SourceError};

fn build(folder: &Path, config: Value) -> Result<Box<dyn Source>, SourceError> {
    let context =
        BuildContext { name: "fills".to_owned(), folder: folder.to_owned(), catalog: catalog() };
    crate::sources().build("entries", config, context)
}

fn rows(source: &dyn Source, partition: u32, after: u64) -> Vec<Row> {
    let mut reader = source.open(partition, Place::After(after)).unwrap();
    let mut rows = Vec::new();
    while reader.read(&mut rows).unwrap() == Progress::More {}
    rows
}

fn describe(rows: &[Row]) -> Vec<String> {
    let describe = |row: &Row| match &row.event {
        Ok(entry) => format!("{} {}", row.position, words(entry)),
        Err(rejection) => format!("{} {} in {}", row.position, rejection.reason, rejection.raw),
    };
    rows.iter().map(describe).collect()
}

const FILLS: &str = "portfolio;id;instrument;time;quantity;price
p1;1;us:A;1s;10;1.5
p1;2;us:A;2s;ten;1.5

p1;3;us:A;3s;-10;1.5
";

#[test]
fn csv_and_json_lines_also_compressed() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    fs::write(folder.join("fills.csv"), FILLS).unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let target = r#"{"type":"target","portfolio":"p1","instrument":"us:A","time":"1s","weight":1}"#;
    gzip.write_all(format!("{target}\n").as_bytes()).unwrap();
    fs::write(folder.join("targets.jsonl.gz"), gzip.finish().unwrap()).unwrap();
    let config = json!({
        "paths": ["fills.csv", "targets.jsonl.gz"],
        "csv": {"delimiter": ";"},
        "type": "fill",
    });
    let source = build(folder, config).unwrap();
    assert!(source.is_replayable() && !source.is_made_up());
    let names: Vec<String> =
        source.partitions().into_iter().map(|n| source.partition_name(n)).collect();
    assert_eq!(names, ["fills.csv", "targets.jsonl.gz"]);
    let fills = [
        "2 fill 1 at 1970-01-01T00:00:01Z seq 0: 10 × 1.5 USD × 1 fee 0",
        "3 bad_size in p1;2;us:A;2s;ten;1.5",
        "5 fill 3 at 1970-01-01T00:00:03Z seq 0: -10 × 1.5 USD × 1 fee 0",
    ];
    assert_eq!(describe(&rows(source.as_ref(), 0, 0)), fills);
    assert_eq!(describe(&rows(source.as_ref(), 0, 3)), fills[2..]);
    let targets = ["1 target Some(1000000000) at 1970-01-01T00:00:01Z"];
    assert_eq!(describe(&rows(source.as_ref(), 1, 0)), targets);
}

#[test]
fn settings_that_are_wrong() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.csv"), "colour\n1\n").unwrap();
    for (config, want) in [
        (json!({}), "missing field `paths`"),
        (json!({"paths": []}), "`paths` is empty"),
        (json!({"paths": ["a.csv", "a.csv"]}), "names \"a.csv\" twice"),
        (json!({"paths": ["a.dat"]}), "the ending of \"a.dat\" does not give its format"),
        (
            json!({"paths": ["a.csv"], "type": "fil"}),
            "type = \"fil\" is not a type of entries (trade,",
        ),
        (json!({"paths": ["a.csv"], "csv": {"header": false}}), "only a header says which column"),
        (json!({"paths": ["a.csv"], "columns": {}}), "unknown field `columns`"),
    ] {
        let error = build(folder.path(), config).err().unwrap().to_string();
        assert!(error.contains(want), "`{error}` lacks `{want}`");
    }
    let open = |path: &str| {
        let source = build(folder.path(), json!({"paths": [path]})).unwrap();
        source.open(0, Place::After(0)).err().unwrap().to_string()
    };
    assert!(open("a.csv").contains("a.csv: column `colour` is not a field of entries"));
    assert!(open("b.csv").contains("cannot open b.csv"));
}
