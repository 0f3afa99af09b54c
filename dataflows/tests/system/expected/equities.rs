//! Five days of US equities: implied decimals, no header, no ids, and many trades at the same time.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::bars::{Bars, expected};
use super::convert::equity_ticks_to_csv;
use super::data::shared;
use super::replay::assert_replay;

/// The days, and their midnights as if New York's time were UTC.
const DAYS: [(&str, u64); 5] = [
    ("20131007", 1_381_104_000_000),
    ("20131008", 1_381_190_400_000),
    ("20131009", 1_381_276_800_000),
    ("20131010", 1_381_363_200_000),
    ("20131011", 1_381_449_600_000),
];

/// Compares minutes of the symbols, one file of each, all in one run.
fn assert_minutes(shared: &Path, symbols: &[&str], workers: &[usize]) {
    let folder = tempfile::tempdir().unwrap();
    let mut wanted = Bars::new();
    let mut arguments: Vec<OsString> = Vec::new();
    for symbol in symbols {
        let file: PathBuf = folder.path().join(format!("{symbol}.csv"));
        equity_ticks_to_csv(&shared.join("lean_us_equity_ticks/tick"), symbol, &DAYS, &file);
        arguments.push(file.into_os_string());
        let name = format!("lean_{}_all_unsuspicious_ticks_60s", symbol.to_lowercase());
        wanted.extend(expected(shared, &name, "1m", "us"));
    }
    let how = "--instrument us:{symbol} --no-header --time 1 --time-unit ms --price 2 --price-decimals 4 \
               --size 3 --symbol 4 --timeframes 1m";
    arguments.extend(how.split_whitespace().map(Into::into));
    assert_replay(&arguments, workers, "1m", &wanted);
}

/// 906,352 ticks, with a symbol in each row, on one to three workers.
#[test]
fn five_days_of_ibm_aig_and_bac() {
    let Some(shared) = shared("five_days_of_ibm_aig_and_bac") else { return };
    assert_minutes(&shared, &["IBM", "AIG", "BAC"], &[1, 2, 3]);
}

/// 1,887,450 ticks. One instrument and the most rows by far, so on two workers only, to bound the time
/// that tests take.
#[test]
fn five_days_of_spy() {
    let Some(shared) = shared("five_days_of_spy") else { return };
    assert_minutes(&shared, &["SPY"], &[2]);
}
