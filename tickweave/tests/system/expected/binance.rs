//! Trades of Binance in four forms: raw captures of streams, the same as CSV, frames that a library
//! normalised, and records of a downloader.

use std::fs;
use std::path::Path;

use dataflows::config::RawConfig;
use dataflows::ingest::Stop;
use dataflows::run::{RunOptions, replay_files};

use super::bars::{Bars, assert_same, expected, trades, unions, written};
use super::convert::{aggregated_to_csv, array_to_json_lines, capture_to_json_lines};
use super::data::shared;
use super::replay::{assert_replay, replay};
use crate::end_to_end::file_order::views_without_places;

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

/// The same capture by codec. The print of the insurance fund, of 0.001, is in no bar unless that is asked
/// for, and is accepted as a trade either way.
#[test]
fn the_print_of_the_insurance_fund() {
    let Some(shared) = shared("the_print_of_the_insurance_fund") else { return };
    let capture = shared.join("binance_ws_raw_hftbacktest/usdm_btcusdt_20230405.dat.gz");
    let with = of_capture(&shared, "usdm_btcusdt_20230405", "binance");
    let mut arguments = vec![capture.into_os_string()];
    arguments.extend("--codec binance-stream --timeframes 1s,1m".split(' ').map(Into::into));

    let (report, out) = replay(&arguments, 2);
    assert_eq!(report["accepted"], trades(&with, "1s"), "{report}");
    let without = written(&out.path().join("candles.csv"));
    assert!(without.keys().eq(with.keys()), "no bar has that print alone");
    let differ: Vec<_> = with.iter().filter(|(key, bar)| without[*key] != **bar).collect();
    assert_eq!(differ.len(), 2, "a second and a minute: {differ:?}");
    assert!(differ.iter().all(|(_, [_, high, ..])| high == "28722.5"));
    assert_eq!(trades(&without, "1s") + 1, trades(&with, "1s"));

    arguments.extend("--option exclude_fund_prints=false".split(' ').map(Into::into));
    let (_, out) = replay(&arguments, 2);
    assert_same(&written(&out.path().join("candles.csv")), &with, "with the fund's print");
}

/// 10,000 trades of each of three products as CSV, and twins with one mistake each (local times that are
/// wrong are nothing to us). One frame of USD-M has price 0, size 0 and no `X`: it is refused.
#[test]
fn streams_as_csv_and_their_corrupted_twins() {
    let Some(shared) = shared("streams_as_csv_and_their_corrupted_twins") else { return };
    let folder = shared.join("binance_trx_stream_csv");
    for (product, symbol, twin_is, accepted, conflicts, dead) in [
        ("spot_trxusdt", "TRXUSDT", "positive", 10_000, 0, 0),
        ("spot_trxusdt", "TRXUSDT", "negative", 9_999, 1, 0), // an id used again
        ("usd_m_futures_trxusdt", "TRXUSDT", "positive", 9_999, 0, 1),
        ("usd_m_futures_trxusdt", "TRXUSDT", "negative", 9_998, 0, 2), // a price of −1
        ("coin_m_futures_trxusd_perp", "TRXUSD_PERP", "positive", 10_000, 0, 0),
        ("coin_m_futures_trxusd_perp", "TRXUSD_PERP", "negative", 9_999, 1, 0), // an id used again
    ] {
        let name = format!("test_{twin_is}_binance_trade_stream_{product}_04-03-2025.csv");
        let mut arguments = vec![folder.join(&name).into_os_string()];
        arguments.extend("--codec binance-stream-csv --timeframes 1m".split(' ').map(Into::into));
        let (report, out) = replay(&arguments, 1);
        for (count, want) in [
            ("accepted", accepted),
            ("conflicts", conflicts),
            ("dead", dead),
            ("duplicates", 0),
            ("late", 0),
            ("outliers", 0), // what does not count is none
        ] {
            assert_eq!(report[count], want, "{count} of {name}: {report}");
        }
        let bars = written(&out.path().join("candles.csv"));
        assert_eq!(trades(&bars, "1m"), accepted, "{name}");
        assert!(bars.keys().all(|(instrument, ..)| *instrument == format!("binance:{symbol}")));
        // The 0.53 of a twin, two and a half times the market, stays out of the bars.
        assert!(bars.values().all(|[_, high, ..]| high.as_str() < "0.24"), "{name}");
    }
}

/// A real stream of spot in which one price slips by a decimal: it stands out, and nothing else does in 48
/// minutes. Other numbers of workers and other commits give the same row.
#[test]
fn a_slip_of_the_decimal_point() {
    let Some(shared) = shared("a_slip_of_the_decimal_point") else { return };
    let file = "test_positive_binance_trade_stream_spot_trxusdt_04-03-2025.csv";
    let text = fs::read_to_string(shared.join("binance_trx_stream_csv").join(file)).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut cells: Vec<&str> = lines[7_000].split(',').collect();
    let (id, price) = (cells[6].to_owned(), cells[7].to_owned());
    let slipped = price.strip_prefix("0.").map(|rest| format!("{}.{}", &rest[..1], &rest[1..]));
    let slipped = slipped.unwrap();
    cells[7] = &slipped;
    lines[7_000] = cells.join(",");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("slipped.csv"), lines.join("\n")).unwrap();

    for (file_rows, workers) in [(100, 1), (100, 3), (7, 2)] {
        let config = format!(
            "[job]\ntimeframes = [\"1m\"]\n[commit]\nfile_rows = {file_rows}\n[[source]]\nname = \"a\"\n\
             kind = \"file\"\ncodec = \"binance-stream-csv\"\npaths = [\"slipped.csv\"]\n"
        );
        fs::write(folder.path().join("job.toml"), config).unwrap();
        let (report, out) = replay(&[folder.path().join("job.toml")], workers);
        assert_eq!(report["outliers"], 1, "{report}");
        let rows = fs::read_to_string(out.path().join("outliers.csv")).unwrap();
        let row: Vec<&str> = rows.lines().nth(1).unwrap().split(',').collect();
        assert_eq!(row[0], (7_000_u64.div_ceil(file_rows) - 1).to_string(), "{rows}");
        assert_eq!([row[1], row[2], row[4]], ["binance:TRXUSDT", &id, "trade"], "{rows}");
        assert_eq!([row[6], row[9]], [&slipped, "30"], "{rows}");
        assert!(row[7].starts_with(&price[..4]), "a median of about {price}: {rows}");
    }
}

/// Minutes of aggregated trades, as the archive has them: 12,477 rows that stand for 14,672 trades.
#[test]
fn an_archive_of_aggregated_trades() {
    let Some(shared) = shared("an_archive_of_aggregated_trades") else { return };
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("XRPETH-aggTrades-2019-10.csv");
    let records = shared.join("binance_xrpeth_freqtrade/XRP_OLD-trades.json.gz");
    let stands_for = aggregated_to_csv(&records, &archive);

    let wanted = expected(&shared, "binance_xrpeth_60s", "1m", "binance");
    assert_eq!((trades(&wanted, "1m"), stands_for), (12_477, 14_672));
    let mut arguments = vec![archive.into_os_string()];
    arguments.extend("--codec binance-aggtrades-csv --timeframes 1m".split(' ').map(Into::into));
    assert_replay(&arguments, &[1, 2, 3], "1m", &wanted);
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

/// Three sources, five instruments; captures by codec, as they are. `spot` and `library` both bring BTCUSDT and ETHUSDT, half a year
/// apart; the two captures of BTCUSDT of `usdm` lie more than a year apart.
const CONFIG: &str = r#"
[job]
timeframes = ["1s", "1m"]

[[source]]
name = "spot"
kind = "file"
codec = "binance-stream"
paths = ["SHARED/spot_btcusdt_20240809.gz", "SHARED/spot_ethusdt_20240809.gz"]

[[source]]
name = "usdm"
kind = "file"
codec = "binance-stream"
options = { exclude_fund_prints = false }
paths = ["SHARED/usdm_btcusdt_20230405.dat.gz", "SHARED/usdm_btcusdt_20240808.gz", "SHARED/usdm_ethusdt_20240808.gz"]
instrument = "usdm:{symbol}"

[[source]]
name = "library"
kind = "file"
paths = ["binance_spot_trades_l1_btcusdt_ethusdt_solusdt.jsonl.gz"]
where = { column = "Item.kind.Trade.id" }
contiguous_ids = true           # as the codec says of `spot`, with which it shares the ids

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

/// Writes the configuration, with `more` at its end, and beside it the frames that it names by a relative path.
fn write_config(config: &Path, shared: &Path, more: &str) {
    let captures = shared.join("binance_ws_raw_hftbacktest").canonicalize().unwrap();
    let text = CONFIG.replace("SHARED", captures.to_str().unwrap()) + more;
    fs::write(config, text).unwrap();
    let library = "binance_spot_trades_l1_btcusdt_ethusdt_solusdt.jsonl.gz";
    let frames = shared.join("binance_spot_barter").join(library);
    fs::copy(frames, config.with_file_name(library)).unwrap();
}

/// Every column of every view but those that name commits and lines is the same however many rows a commit holds.
#[test]
fn captures_in_commits_of_any_size() {
    let Some(shared) = shared("captures_in_commits_of_any_size") else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("binance.toml");
    let rule = "[[rule]]\nname = \"new_high\"\nsettle = \"final\"\nbreakout = { bars = 6, direction = \"above\" }\n";
    let views = |file_rows: u32, workers: usize| {
        write_config(&config, &shared, &format!("{rule}[commit]\nfile_rows = {file_rows}\n"));
        let (_, out) = replay(&[&config], workers);
        views_without_places(out.path())
    };
    let want = views(4_096, 1);
    for view in ["candles", "indicators", "outliers", "gaps", "alerts", "trades", "signals"] {
        assert!(!want[&format!("{view}.csv")].is_empty(), "{view} shows nothing");
    }
    for (file_rows, workers) in [(50, 2), (100_000, 3)] {
        for (view, rows) in views(file_rows, workers) {
            assert_eq!(rows.len(), want[&view].len(), "rows of {view}, commits of {file_rows}");
            for (row, want) in rows.iter().zip(&want[&view]) {
                assert_eq!(row, want, "{view}, commits of {file_rows}");
            }
        }
    }
}

/// Seconds and minutes of every capture and of the library's frames (of these, minutes as unions of the
/// expected seconds), in one run of one configuration; and several workers do share the instruments.
#[test]
fn all_of_binance_at_once() {
    let Some(shared) = shared("all_of_binance_at_once") else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("binance.toml");
    write_config(&config, &shared, "");

    let mut wanted = Bars::new();
    for (capture, venue) in [
        ("spot_btcusdt_20240809", "binance"),
        ("spot_ethusdt_20240809", "binance"),
        ("usdm_btcusdt_20230405", "usdm"),
        ("usdm_btcusdt_20240808", "usdm"),
        ("usdm_ethusdt_20240808", "usdm"),
    ] {
        wanted.extend(of_capture(&shared, capture, venue));
    }
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
    replay_files(config, &RunOptions::default(), &Stop::default()).unwrap().instruments_held
}
