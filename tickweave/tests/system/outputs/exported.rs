//! What `--out` writes is what views hold: every row of every view.

use std::path::Path;
use std::sync::{Arc, Mutex};

use dataflows::ingest::Stop;
use dataflows::publish::{BoardReader, Digest};
use dataflows::run::{Job, RunOptions, replay_files};
use dataflows::view_list::VIEWS;
use market::Catalog;
use rows::{Cell, Scale, Scan, View, csv_writer, write_csv_row};

use crate::demo;

/// Views of which the job below has rows; the others may be empty.
pub(crate) const FILLED: [&str; 14] = [
    "alerts",
    "candles",
    "drift",
    "edges",
    "fees",
    "fills",
    "gaps",
    "indicators",
    "portfolios",
    "positions",
    "revisions",
    "risk",
    "signals",
    "trades",
];

/// What reads the views of a job, and knows its names.
type Read = (BoardReader, Arc<Catalog>);

fn written(path: &Path) -> Vec<Vec<String>> {
    let mut csv = csv::Reader::from_path(path).unwrap();
    let rows = csv.records().map(|row| row.unwrap().iter().map(str::to_owned).collect());
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    rows
}

/// The rows that a reader is given, as their texts.
fn texts(rows: &[Vec<Cell>], catalog: &Catalog) -> Vec<Vec<String>> {
    let mut writer = csv_writer(Vec::new(), csv::Terminator::Any(b'\n'));
    rows.iter().for_each(|row| write_csv_row(&mut writer, row, catalog).unwrap());
    let text = writer.into_inner().unwrap();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&text[..]);
    let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect());
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    rows
}

/// Checks a row against its columns: number and types of cells, and decimals as those of its instrument.
fn check(view: &View, row: &[Cell], catalog: &Catalog) {
    view.check_row(row).unwrap();
    if view.name == "revisions" {
        let side = |suffix: &str| -> Vec<&Cell> {
            let columns = view.columns.iter().zip(row);
            columns
                .filter(|(column, _)| column.name.ends_with(suffix))
                .map(|(_, cell)| cell)
                .collect()
        };
        assert_eq!(side("_before").len(), 11);
        assert_ne!(side("_before"), side("_after"), "a revision shows what it changed: {row:?}");
    }
    let instrument = row.iter().find_map(|cell| match cell {
        Cell::Instrument(id) => Some(*id),
        _ => None,
    });
    let Some(spec) = instrument.and_then(|id| catalog.get(id)).map(|known| known.spec) else {
        return;
    };
    for (column, cell) in view.columns.iter().zip(row) {
        let wanted = match column.column_type.scale() {
            Some(Scale::Price) => spec.price_scale,
            Some(Scale::Quantity) => spec.quantity_scale,
            Some(Scale::Notional) => spec.notional_scale(),
            Some(Scale::Fixed(decimals)) => decimals,
            None => continue,
        };
        if let Cell::Decimal { scale, .. } = cell {
            assert_eq!(*scale, wanted, "decimals of {}.{}", view.name, column.name);
        }
    }
}

fn rows(reader: &BoardReader, view: &'static View) -> Vec<Vec<Cell>> {
    reader.read(&Scan::all(view)).unwrap().rows
}

#[test]
fn every_row_of_every_view_is_written_and_digested() {
    let folder = tempfile::tempdir().unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let begun: Arc<Mutex<Option<Read>>> = Arc::default();
    let on_begun = Arc::clone(&begun);
    let on_start = move |started: &Job| {
        *on_begun.lock().unwrap() = Some((started.reader(), Arc::clone(&started.catalog)));
    };
    let options = RunOptions {
        out: Some(folder.path().to_owned()),
        digest: true,
        on_start: Some(Box::new(on_start)),
        ..RunOptions::default()
    };
    let config = demo::config(500, 40_000, 2).check(&examples).unwrap();
    let report = replay_files(config, &options, &Stop::default()).unwrap();
    let (reader, catalog) = begun.lock().unwrap().take().unwrap();
    for view in VIEWS.iter().filter(|view| view.recorded) {
        let rows = rows(&reader, view);
        assert!(!rows.is_empty() || !FILLED.contains(&view.name), "{} has no rows", view.name);
        let written = written(&folder.path().join(format!("{}.csv", view.name)));
        assert_eq!(written.len(), rows.len(), "rows of {}", view.name);
        assert!(written == texts(&rows, &catalog), "{} is not the view", view.name);

        rows.iter().for_each(|row| check(view, row, &catalog));
        let mut digest = Digest::default();
        rows.iter().for_each(|row| digest.row(row));
        let (_, count, reported) =
            report.views.iter().find(|(name, ..)| *name == view.name).unwrap();
        assert_eq!(reported.unwrap().rows, digest, "digest of {}", view.name);
        assert!(*count >= rows.len() as u64, "{}: {count} rows", view.name);
    }
    let risk = written(&folder.path().join("risk.csv"));
    assert!(risk.iter().any(|row| row[1].is_empty()), "a whole portfolio has no instrument");
}
