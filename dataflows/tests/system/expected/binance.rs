//! Trades of Binance in three forms: raw captures of streams, frames that a library normalised, and
//! records of a downloader.

use std::fs;
use std::path::Path;

use dataflows::config::RawConfig;
use dataflows::ingest::Stop;
use dataflows::run::{Wishes, replay_files};

use super::bars::{Bars, expected, unions};
use super::convert::{array_to_json_lines, capture_to_json_lines};
use super::data::shared;
use super::replay::assert_replay;

const MINUTE: i64 = 60_000;

/// Expected bars of seconds and minutes of one capture.
fn of_capture(shared: &Path, capture: &str, venue: &str) -> Bars {
    let mut bars = expected(shared, &format!("binance_{capture}_1s"), "1s", venue);
    bars.extend(expected(shared, &format!("binance_{capture}_60s"), "1m", venue));
    bars
}

/// Seven minutes of a perpetual, a print of the insurance fund among them (in the expected bars too): the
/// capture as it is, without its local times, by flags alone.
#[test]
fn a_capture_of_usdm_futures() {
    let Some(shared) = shared("a_capture_of_usdm_futures") else { return };
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("usdm.jsonl");
    let capture = "binance_ws_raw_hftbacktest/usdm_btcusdt_20230405.dat.gz";
    capture_to_json_lines(&shared.join(capture), &lines);

    let wanted = of_capture(&shared, "usdm_btcusdt_20230405", "usdm");
    let insured = wanted.values().filter(|[_, high, ..]| high == "28722.5").count();
    assert_eq!(insured, 2, "a second and a minute hold the print of the insurance fund");
    let mut arguments = vec![lines.into_os_string()];
    let how = "--instrument usdm:{symbol} --symbol data.s --only data.e=trade --id data.t --time data.T \
               --time-unit ms --price data.p --size data.q --maker data.m --timeframes 1s,1m";
    arguments.extend(how.split_whitespace().map(Into::into));
    assert_replay(&arguments, &[1, 2, 3], "1s", &wanted);
}

/// Minutes of aggregated trades.
#[test]
fn records_of_a_downloader() {
    let Some(shared) = shared("records_of_a_downloader") else { return };
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("xrpeth.jsonl");
    array_to_json_lines(&shared.join("binance_xrpeth_freqtrade/XRP_OLD-trades.json.gz"), &lines);

    let wanted = expected(&shared, "binance_xrpeth_60s", "1m", "binance");
    let mut arguments = vec![lines.into_os_string()];
    let how = "--instrument binance:XRPETH --id info.a --time info.T --time-unit ms --price info.p \
               --size info.q --maker info.m --timeframes 1m";
    arguments.extend(how.split_whitespace().map(Into::into));
    assert_replay(&arguments, &[1, 2, 3], "1m", &wanted);
}

/// Three sources, five instruments. `spot` and `library` both bring BTCUSDT and ETHUSDT, half a year
/// apart; the two captures of BTCUSDT of `usdm` lie more than a year apart.
const CONFIG: &str = r#"
[job]
timeframes = ["1s", "1m"]

[[source]]
name = "spot"
kind = "file"
paths = ["spot_btcusdt_20240809.jsonl", "spot_ethusdt_20240809.jsonl"]
instrument = "binance:{symbol}"
columns = { symbol = "data.s", id = "data.t", time = "data.T", price = "data.p", size = "data.q", maker = "data.m" }
units = { time = "ms" }
where = { column = "data.e", equals = "trade" }

[[source]]
name = "usdm"
kind = "file"
paths = ["usdm_btcusdt_20230405.jsonl", "usdm_btcusdt_20240808.jsonl", "usdm_ethusdt_20240808.jsonl"]
instrument = "usdm:{symbol}"
columns = { symbol = "data.s", id = "data.t", time = "data.T", price = "data.p", size = "data.q", maker = "data.m" }
units = { time = "ms" }
where = { column = "data.e", equals = "trade" }

[[source]]
name = "library"
kind = "file"
paths = ["binance_spot_trades_l1_btcusdt_ethusdt_solusdt.jsonl.gz"]
where = { column = "Item.kind.Trade.id" }

[source.columns]
symbol = "Item.instrument"
id = "Item.kind.Trade.id"
time = "Item.time_exchange"
price = "Item.kind.Trade.price"
size = "Item.kind.Trade.amount"
side = "Item.kind.Trade.side"

[source.symbols]
0 = "binance:BTCUSDT"
1 = "binance:ETHUSDT"
2 = "binance:SOLUSDT"
"#;

/// Seconds and minutes of every capture and of the library's frames (of these, minutes as unions of the
/// expected seconds), in one run of one configuration; and several workers do share the instruments.
#[test]
fn all_of_binance_at_once() {
    let Some(shared) = shared("all_of_binance_at_once") else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("binance.toml");
    fs::write(&config, CONFIG).unwrap();

    let mut wanted = Bars::new();
    for (capture, ending, venue) in [
        ("spot_btcusdt_20240809", "gz", "binance"),
        ("spot_ethusdt_20240809", "gz", "binance"),
        ("usdm_btcusdt_20230405", "dat.gz", "usdm"),
        ("usdm_btcusdt_20240808", "gz", "usdm"),
        ("usdm_ethusdt_20240808", "gz", "usdm"),
    ] {
        wanted.extend(of_capture(&shared, capture, venue));
        let raw = shared.join("binance_ws_raw_hftbacktest").join(format!("{capture}.{ending}"));
        capture_to_json_lines(&raw, &folder.path().join(format!("{capture}.jsonl")));
    }
    let library = "binance_spot_trades_l1_btcusdt_ethusdt_solusdt.jsonl.gz";
    let frames = shared.join("binance_spot_barter").join(library);
    fs::copy(frames, folder.path().join(library)).unwrap();
    let seconds = expected(&shared, "binance_spot_barter_1s", "1s", "binance");
    wanted.extend(unions(&seconds, "1m", MINUTE));
    wanted.extend(seconds);

    assert_replay(&[&config], &[1, 2, 3], "1s", &wanted);
    for workers in [1, 2, 3] {
        let held = instruments_held(&config, workers);
        assert_eq!(held.iter().sum::<usize>(), 5, "instruments, by worker: {held:?}");
        let busy = held.iter().filter(|count| **count > 0).count();
        assert!(busy >= workers.min(2), "instruments, by worker: {held:?}");
        eprintln!("{workers} workers hold {held:?}");
    }
}

/// How many instruments each worker held at the end of a replay.
fn instruments_held(config: &Path, workers: usize) -> Vec<usize> {
    let mut raw = RawConfig::read(config).unwrap();
    raw.job.workers = workers;
    let config = raw.check(config.parent().unwrap()).unwrap();
    replay_files(config, &Wishes::default(), &Stop::default()).unwrap().instruments_held
}
