//! Turns data whose form is no concern of the system into lines that it reads. Values stay as they are.

use std::fs::File;
use std::io::{BufRead, BufWriter, Write};
use std::path::Path;

use super::data::gunzip;

/// A raw capture, lines of `<local time> <json>`, as the JSON alone. Keeps frames of every kind.
pub(super) fn capture_to_json_lines(capture: &Path, into: &Path) {
    let mut out = BufWriter::new(File::create(into).unwrap());
    for line in gunzip(capture).lines() {
        let line = line.unwrap();
        let (_, json) = line.split_once(' ').unwrap();
        writeln!(out, "{json}").unwrap();
    }
    out.into_inner().unwrap();
}

/// A JSON array as its elements, one a line.
pub(super) fn array_to_json_lines(array: &Path, into: &Path) {
    let elements: Vec<Box<serde_json::value::RawValue>> =
        serde_json::from_reader(gunzip(array)).unwrap();
    let mut out = BufWriter::new(File::create(into).unwrap());
    for element in elements {
        writeln!(out, "{element}").unwrap();
    }
    out.into_inner().unwrap();
}

/// Records of aggregated trades as rows of Binance's archive of spot; returns how many trades they stand
/// for.
pub(super) fn aggregated_to_csv(records: &Path, into: &Path) -> u64 {
    let records: Vec<serde_json::Value> = serde_json::from_reader(gunzip(records)).unwrap();
    let mut out = BufWriter::new(File::create(into).unwrap());
    let mut stands_for = 0;
    for record in records {
        let of = &record["info"];
        let text = |key: &str| of[key].as_str().unwrap();
        let number = |key: &str| of[key].as_u64().unwrap();
        let (first, last) = (number("f"), number("l"));
        let (id, time, maker) = (number("a"), number("T"), of["m"].as_bool().unwrap());
        let (price, size) = (text("p"), text("q"));
        writeln!(out, "{id},{price},{size},{first},{last},{time},{maker},true").unwrap();
        stands_for += last - first + 1;
    }
    out.into_inner().unwrap();
    stands_for
}
