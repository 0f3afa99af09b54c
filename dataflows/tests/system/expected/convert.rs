//! Turns data whose form is no concern of the system into lines that it reads. Values stay as they are.

use std::fs::File;
use std::io::{BufRead, BufWriter, Write};
use std::path::Path;

use super::data::{gunzip, unzip_first};

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

/// Ticks of US equities, `ms since midnight,price,size,exchange,conditions,suspicious` in an archive per
/// day, as one file of lines `time,price,size,SYMBOL` without suspicious ticks. `days` are the names of
/// the days in archives' names, and their midnights in milliseconds.
pub(super) fn equity_ticks_to_csv(ticks: &Path, symbol: &str, days: &[(&str, u64)], into: &Path) {
    let mut out = BufWriter::new(File::create(into).unwrap());
    for (day, midnight) in days {
        let archive = ticks.join(format!("{}_{day}_trade.zip", symbol.to_lowercase()));
        for line in unzip_first(&archive).lines() {
            let fields: Vec<&str> = line.split(',').collect();
            let [time, price, size, _exchange, _conditions, suspicious] = fields[..] else {
                panic!("{}: {line}", archive.display());
            };
            if suspicious == "0" {
                let time = midnight + time.parse::<u64>().unwrap();
                writeln!(out, "{time},{price},{size},{symbol}").unwrap();
            }
        }
    }
    out.into_inner().unwrap();
}
