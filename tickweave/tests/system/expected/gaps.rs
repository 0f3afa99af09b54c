//! Missing trades of real feeds: the gaps that are written are the holes that a slow scan of the ids finds.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufWriter, Write};
use std::path::{Path, PathBuf};

use market::{EventTime, TimeUnit};

use super::convert::aggregated_to_csv;
use super::data::{gunzip, shared};
use super::replay::replay;

/// By instrument and id, the earliest time in nanoseconds with which a trade was times.
type TradeTimes = BTreeMap<(String, u64), i64>;

/// Instrument, first and last id, how many are missing, and the times of the trades around them.
type Gap = (String, u64, u64, u64, i64, i64);

/// The holes between ids that were times.
fn holes(times: &TradeTimes) -> Vec<Gap> {
    let mut holes = Vec::new();
    for (((instrument, low), from), ((other, high), to)) in times.iter().zip(times.iter().skip(1)) {
        if instrument == other && high - low > 1 {
            holes.push((instrument.clone(), low + 1, high - 1, high - low - 1, *from, *to));
        }
    }
    holes
}

fn record(times: &mut TradeTimes, instrument: String, id: u64, time: i64) {
    let earliest = times.entry((instrument, id)).or_insert(time);
    *earliest = time.min(*earliest);
}

/// The trades of a raw capture, from its frames; their times are in milliseconds.
fn times_by_capture(capture: &Path, venue: &str, times: &mut TradeTimes) {
    for line in gunzip(capture).lines() {
        times_by_frame(&line.unwrap(), venue, times);
    }
}

fn times_by_frame(line: &str, venue: &str, times: &mut TradeTimes) -> Option<i64> {
    let json: serde_json::Value = serde_json::from_str(line.split_once(' ')?.1).unwrap();
    let data = &json["data"];
    let time = data["T"].as_i64().filter(|_| data["e"] == "trade")?;
    let instrument = format!("{venue}:{}", data["s"].as_str()?);
    record(times, instrument, data["t"].as_u64()?, time * 1_000_000);
    Some(time)
}

/// The rows of a `gaps.csv` that the system wrote.
fn written(folder: &Path) -> Vec<Gap> {
    let text = fs::read_to_string(folder.join("gaps.csv")).unwrap();
    let mut lines = text.lines();
    let header = "instrument,id_scope,first_id,last_id,missing,from_time,to_time";
    assert_eq!(lines.next(), Some(header));
    let time = |text: &str| EventTime::parse(text, TimeUnit::Rfc3339).unwrap().0;
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |at: usize| cells[at].parse::<u64>().unwrap();
        let (from, to) = (time(cells[5]), time(cells[6]));
        (cells[0].to_owned(), number(2), number(3), number(4), from, to)
    };
    lines.map(row).collect()
}

/// Replays `files` and compares; gives the gaps.
fn assert_gaps(files: &[PathBuf], how: &str, times: &TradeTimes) -> Vec<Gap> {
    let mut arguments: Vec<_> = files.iter().map(|file| file.clone().into_os_string()).collect();
    arguments.extend(how.split_whitespace().map(Into::into));
    let wanted = holes(times);
    for workers in [1, 2] {
        let (report, out) = replay(&arguments, workers);
        assert_eq!(report["accepted"], times.len(), "{report}");
        assert_eq!(written(out.path()), wanted, "{workers} workers");
    }
    wanted
}

/// Captures that follow each other leave no gap between them; those that do not, one each.
#[test]
fn captures_have_gaps_where_nothing_was_captured() {
    let Some(shared) = shared("captures_have_gaps_where_nothing_was_captured") else { return };
    let folder = shared.join("binance_ws_raw_hftbacktest");
    for (product, captures, outages) in [
        ("spot", &["btcusdt_20240808", "btcusdt_20240809", "ethusdt_20240808"][..], 0),
        ("usdm", &["btcusdt_20240719", "ethusdt_20240719", "btcusdt_20240808"], 1),
        ("cm", &["btcusd_perp_20240808", "btcusd_perp_20240809", "ethusd_perp_20240809"], 0),
    ] {
        let file = |capture: &&str| folder.join(format!("{product}_{capture}.gz"));
        let files: Vec<PathBuf> = captures.iter().map(file).collect();
        let mut times = TradeTimes::new();
        files.iter().for_each(|file| times_by_capture(file, product, &mut times));
        let how =
            format!("--codec binance-stream --instrument {product}:{{symbol}} --timeframes 1m");
        let gaps = assert_gaps(&files, &how, &times);
        assert_eq!(gaps.len(), outages, "{product}: {gaps:?}");
    }
}

/// A capture of which a minute and some seconds are cut out, and a second one of the same feed that was cut
/// elsewhere: what lacks in both is missing, no more.
#[test]
fn two_captures_with_outages_of_their_own() {
    let Some(shared) = shared("two_captures_with_outages_of_their_own") else { return };
    let capture = shared.join("binance_ws_raw_hftbacktest/spot_btcusdt_20240809.gz");
    let folder = tempfile::tempdir().unwrap();
    let start = {
        let first = gunzip(&capture)
            .lines()
            .find_map(|line| times_by_frame(&line.unwrap(), "binance", &mut TradeTimes::new()));
        first.unwrap()
    };
    let mut times = TradeTimes::new();
    let mut cut = |name: &str, outages: &[std::ops::Range<i64>]| {
        let path = folder.path().join(name);
        let mut out = BufWriter::new(File::create(&path).unwrap());
        for line in gunzip(&capture).lines() {
            let line = line.unwrap();
            let time = times_by_frame(&line, "binance", &mut TradeTimes::new());
            let since = time.map(|time| time - start);
            if since.is_none_or(|since| !outages.iter().any(|outage| outage.contains(&since))) {
                writeln!(out, "{line}").unwrap();
                times_by_frame(&line, "binance", &mut times);
            }
        }
        out.into_inner().unwrap();
        path
    };
    let one = cut("one", &[60_000..120_000, 200_000..205_000]);
    let alone = {
        let mut times = TradeTimes::new();
        fs::read_to_string(&one).unwrap().lines().for_each(|line| {
            times_by_frame(line, "binance", &mut times);
        });
        assert_gaps(std::slice::from_ref(&one), "--codec binance-stream --timeframes 1m", &times)
    };
    assert_eq!(alone.len(), 2, "{alone:?}");
    let other = cut("other", &[110_000..130_000, 150_000..160_000]);
    let both = assert_gaps(&[one, other], "--codec binance-stream --timeframes 1m", &times);
    assert_eq!(both.len(), 1, "{both:?}");
    let (_, first, last, missing, from, to) = &both[0];
    assert!(alone[0].1 < *first && *last == alone[0].2 && *missing < alone[0].3);
    let since = |time: &i64| (time / 1_000_000 - start) / 1_000;
    assert_eq!((since(from), since(to)), (109, 120), "seconds since the first trade");
}

/// Of 10,000 trades each, only those whose id was used again or that were refused are missing.
#[test]
fn streams_as_csv_and_their_corrupted_twins_lack_what_is_wrong() {
    let test = "streams_as_csv_and_their_corrupted_twins_lack_what_is_wrong";
    let Some(shared) = shared(test) else { return };
    for (product, twin_is, missing) in [
        ("spot_trxusdt", "positive", 0),
        ("spot_trxusdt", "negative", 1),          // an id used again
        ("usd_m_futures_trxusdt", "positive", 1), // a trade of price 0
        ("usd_m_futures_trxusdt", "negative", 1), // that of −1 is the first: before it nobody knows
        ("coin_m_futures_trxusd_perp", "positive", 0),
        ("coin_m_futures_trxusd_perp", "negative", 1), // an id used again
    ] {
        let name = format!("test_{twin_is}_binance_trade_stream_{product}_04-03-2025.csv");
        let file = shared.join("binance_trx_stream_csv").join(name);
        let text = fs::read_to_string(&file).unwrap();
        let mut times = TradeTimes::new();
        for line in text.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            if cells[7].parse::<f64>().unwrap() > 0.0 {
                let time = cells[4].parse::<i64>().unwrap();
                let time = if time < 100_000_000_000_000 { time * 1_000_000 } else { time * 1_000 };
                record(
                    &mut times,
                    format!("binance:{}", cells[5]),
                    cells[6].parse().unwrap(),
                    time,
                );
            }
        }
        let gaps = assert_gaps(&[file], "--codec binance-stream-csv --timeframes 1m", &times);
        let found: u64 = gaps.iter().map(|(_, _, _, missing, ..)| missing).sum();
        assert_eq!(found, missing, "{product}, {twin_is}: {gaps:?}");
    }
}

/// Ids of aggregated trades have no hole but where rows were taken out.
#[test]
fn an_archive_of_aggregated_trades_from_which_rows_were_taken() {
    let test = "an_archive_of_aggregated_trades_from_which_rows_were_taken";
    let Some(shared) = shared(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("XRPETH-aggTrades-2019-10.csv");
    aggregated_to_csv(&shared.join("binance_xrpeth_freqtrade/XRP_OLD-trades.json.gz"), &archive);
    let text = fs::read_to_string(&archive).unwrap();
    for (taken, gaps) in [(&[][..], 0), (&[100..103, 5_000..5_001, 5_002..6_000], 3)] {
        let is_taken =
            |row: &usize| taken.iter().any(|rows: &std::ops::Range<_>| rows.contains(row));
        let kept: Vec<&str> =
            text.lines().enumerate().filter(|(row, _)| !is_taken(row)).map(|(_, l)| l).collect();
        let mut times = TradeTimes::new();
        for line in &kept {
            let cells: Vec<&str> = line.split(',').collect();
            let (id, ms) = (cells[0].parse().unwrap(), cells[5].parse::<i64>().unwrap());
            record(&mut times, "binance:XRPETH".to_owned(), id, ms * 1_000_000);
        }
        fs::write(&archive, kept.join("\n")).unwrap();
        let how = "--codec binance-aggtrades-csv --timeframes 1m";
        assert_eq!(assert_gaps(std::slice::from_ref(&archive), how, &times).len(), gaps);
        let how = format!("{how} --contiguous-ids=false");
        let mut arguments = vec![archive.clone().into_os_string()];
        arguments.extend(how.split_whitespace().map(Into::into));
        assert!(written(replay(&arguments, 1).1.path()).is_empty(), "nobody said so");
    }
}

/// Frames of a library, by a mapping: ids are texts of integers, and no trade is missing.
#[test]
fn frames_of_a_library_by_a_mapping() {
    let Some(shared) = shared("frames_of_a_library_by_a_mapping") else { return };
    let frames = "binance_spot_trades_l1_btcusdt_ethusdt_solusdt.jsonl.gz";
    let file = shared.join("binance_spot_barter").join(frames);
    let mut times = TradeTimes::new();
    for line in gunzip(&file).lines() {
        let frame: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let item = &frame["Item"];
        let Some(id) = item["kind"]["Trade"]["id"].as_str() else { continue };
        let time = item["time_exchange"].as_str().unwrap();
        let time = EventTime::parse(time, TimeUnit::Rfc3339).unwrap().0;
        record(&mut times, format!("binance:{}", item["instrument"]), id.parse().unwrap(), time);
    }
    let folder = tempfile::tempdir().unwrap();
    let job = folder.path().join("job.toml");
    fs::write(&job, LIBRARY.replace("FILE", file.canonicalize().unwrap().to_str().unwrap()))
        .unwrap();
    let gaps = assert_gaps(&[job], "", &times);
    assert!(gaps.is_empty(), "{gaps:?}");
}

const LIBRARY: &str = r#"
[job]
timeframes = ["1m"]

[[source]]
name = "library"
kind = "file"
paths = ["FILE"]
instrument = "binance:{symbol}"
contiguous_ids = true
where = { column = "Item.kind.Trade.id" }

[source.columns]
symbol = "Item.instrument"
id = "Item.kind.Trade.id"
time = "Item.time_exchange"
price = "Item.kind.Trade.price"
size = "Item.kind.Trade.amount"
side = "Item.kind.Trade.side"
"#;
