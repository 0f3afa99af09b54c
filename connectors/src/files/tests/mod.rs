//! Raw payloads in, rows out.

mod codecs;
mod compressed;
mod dialects;
mod endings;
mod errors;
mod plain;
mod settings;
mod shapes;

use crate::source::Place;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use market::{CalendarId, Catalog, Event, InputEvent, InstrumentRule, InstrumentSpec, Trade};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{BuildContext, Progress, Row, Source, SourceError};

fn context(folder: &Path) -> BuildContext {
    let signed = InstrumentRule {
        pattern: "future:*".to_owned(),
        negative_prices: true,
        spec: InstrumentSpec { price_scale: 2, quantity_scale: 0, calendar: CalendarId(0) },
        ..InstrumentRule::any()
    };
    BuildContext {
        name: "test".to_owned(),
        folder: folder.to_owned(),
        catalog: Arc::new(Catalog::new(vec![signed], 4)),
    }
}

fn build(folder: &Path, config: Value) -> Result<Box<dyn Source>, SourceError> {
    crate::sources().build("file", config, context(folder))
}

fn read_from(source: &dyn Source, after: u64) -> Vec<Row> {
    let mut reader = source.open(0, Place::After(after)).unwrap();
    let mut rows = Vec::new();
    while reader.read(&mut rows).unwrap() == Progress::More {}
    rows
}

/// The rows of one file with these bytes; `config` lacks `paths`.
fn rows_of(name: &str, bytes: &[u8], config: &Value) -> Vec<Row> {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    let source = build(folder.path(), with_path(config, name)).unwrap();
    read_from(source.as_ref(), 0)
}

fn with_path(config: &Value, name: &str) -> Value {
    let mut config = config.clone();
    config["paths"] = json!([name]);
    config
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The trade of a row that must be a new one.
fn trade(row: &Row) -> Trade {
    match &row.event {
        Ok(InputEvent::Market(Event::New(trade))) => *trade,
        other => panic!("line {}: {other:?}", row.position),
    }
}

/// `position time price size side` of each row, or `position reason: detail`.
fn describe(rows: &[Row]) -> Vec<String> {
    let describe = |row: &Row| match &row.event {
        Ok(InputEvent::Market(Event::New(t))) => format!(
            "{} {} {} {} {}",
            row.position,
            t.time,
            t.price.text(t.spec.price_scale),
            t.quantity.text(t.spec.quantity_scale),
            t.side.name()
        ),
        Ok(other) => panic!("{other:?}"),
        Err(rejection) => format!("{} {}: {}", row.position, rejection.reason, rejection.detail),
    };
    rows.iter().map(describe).collect()
}

/// BitMEX's archive: the sign of the size is the aggressor's side; no ids.
fn bitmex() -> Value {
    json!({
        "instrument": "bitmex:XBTUSD",
        "columns": {"time": "timestamp", "price": "price", "size": "size"},
        "units": {"time": "ms", "signed_size": true},
    })
}

const BITMEX: &str = "timestamp,price,size
1514764802610,13873,10
1514764808562,13887,-2000
1514764808562,13887.5,0
";
