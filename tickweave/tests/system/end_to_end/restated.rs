//! Late trades revise bars; a cancel restates exactly the bars that hold its trade.

use std::fs;
use std::path::Path;

use super::binary::{Going, poll, tickweave};
use super::http::get;
use super::made::{Made, START_MS, csv};
use super::views_in;

/// A job that reads `trades.csv`, and `late.csv` if `late`, in commits of two rows.
fn config(late: bool, play: &str) -> String {
    let source = |name: &str, rank: u8, more: &str| {
        format!(
            r#"
[[source]]
name = "{name}"
kind = "file"
rank = {rank}
paths = ["{name}.csv"]
instrument = "x:{{symbol}}"
columns = {{ time = "time", symbol = "symbol", id = "id", price = "price", size = "size" }}
disorder = "1s"
{more}
"#
        )
    };
    let late =
        if late { source("late", 1, &format!("historic = true\n{play}")) } else { String::new() };
    format!(
        r#"
[job]
timeframes = ["10s", "1m", "1h"]
max_clock_ahead = "1d"
[outliers]
bars = 6
[http]
listen = "127.0.0.1:0"
[commit]
file_rows = 2
file_order = "lines"
period = "1ms"
round = "10ms"
idle = "100ms"
{}{late}"#,
        source("trades", 0, play)
    )
}

/// Each minute a trade of each of two instruments.
fn trades(minutes: std::ops::Range<i64>) -> String {
    let mut text = "time,symbol,id,price,size\n".to_owned();
    for minute in minutes {
        for symbol in ["A", "B"] {
            let price = 100 + minute;
            text.push_str(&format!(
                "2024-03-04T12:{minute:02}:05Z,{symbol},{symbol}{minute},{price},10\n"
            ));
        }
    }
    text
}

const LATE: &str = "time,symbol,id,price,size\n2024-03-04T12:03:07Z,A,late-1,500.5,7\n";

#[test]
fn a_late_trade_revises_its_bars_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("trades.csv"), trades(0..20)).unwrap();
    // Rows of files alternate by line: the late trade comes on line 40 of its file.
    let mut late = LATE.to_owned();
    late.insert_str(26, &"\n".repeat(36));
    fs::write(folder.join("late.csv"), late).unwrap();
    fs::write(folder.join("job.toml"), config(true, "")).unwrap();
    let ran = tickweave(folder, &["replay", "job.toml", "--out", "out", "--json"]).json();
    assert_eq!(ran["late"].as_u64(), Some(0), "late, but not too late: {ran:#}");
    let views = views_in(&folder.join("out"));
    revised_once(&views["candles.csv"]);
    let revisions: Vec<&str> = views["revisions.csv"].lines().skip(1).collect();
    // The hour was not over when it came.
    assert_eq!(revisions.len(), 2, "{revisions:#?}");
    for (revision, timeframe, open) in
        [(revisions[0], "10s", "12:03:00Z"), (revisions[1], "1m", "12:03:00Z")]
    {
        let want = format!("x:A,{timeframe},2024-03-04T{open},1,trade,");
        assert!(revision.contains(&want), "{revision}");
        let (first, last) = ("2024-03-04T12:03:05Z", "2024-03-04T12:03:07Z");
        let before = format!("103,103,103,103,10,1,1030,0,0,{first},{first}");
        let after = format!("103,500.5,103,500.5,17,2,4533.5,0,0,{first},{last}");
        assert!(revision.ends_with(&format!(",{before},{after}")), "{revision}");
    }
}

fn revised_once(candles: &str) {
    let revised: Vec<&str> = candles.lines().filter(|line| line.contains(",revised,")).collect();
    assert_eq!(revised.len(), 2, "{revised:#?}");
    for (row, timeframe) in [(revised[0], "10s"), (revised[1], "1m")] {
        let want = format!("x:A,{timeframe},2024-03-04T12:03:00Z,103,500.5,103,500.5,17,");
        assert!(row.starts_with(&want) && row.contains(",2,revised,1,trade,"), "{row}");
    }
}

#[test]
fn a_late_trade_shows_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // The last trade is due days later, so the source does not end while the test runs.
    let last = "2024-03-24T00:00:00Z,B,last,1,1\n";
    fs::write(folder.join("trades.csv"), trades(0..20) + last).unwrap();
    // The late trade lies behind one of another instrument that is due when the twenty minutes are past.
    let late = LATE.replace("\n2024", "\n2024-03-04T13:00:00Z,Z,first,1,1\n2024");
    fs::write(folder.join("late.csv"), late).unwrap();
    let play = "play = { speed = 1800.0 }";
    fs::write(folder.join("job.toml"), config(true, play)).unwrap();
    let mut run = Going::start(folder, &["run", "job.toml", "--out", "out", "--json", "-w", "2"]);
    let address = run.address();
    let minute = || {
        let path = "/v1/candles/x:A?tf=1m&from=2024-03-04T12:03:00Z&limit=1";
        let answer = get(address, path);
        (answer.status == 200).then(|| answer.json()["candles"][0].clone())
    };
    let mut states = Vec::new();
    let after = poll(
        || {
            let candle = minute()?;
            let state = candle["state"].as_str()?.to_owned();
            if state == "final" {
                assert_eq!(candle["revision"].as_u64(), Some(0), "{candle}");
                assert!(candle["cause"].is_null() && candle["volume"].as_u64() == Some(10));
            }
            states.push(state.clone());
            (state == "revised").then_some(candle)
        },
        || format!("a revised minute: {:?}", minute()),
    );
    states.dedup();
    let order = ["open", "provisional", "final", "revised"];
    let place = |state: &String| order.iter().position(|known| known == state);
    assert!(states.iter().map(place).is_sorted(), "{states:?}");
    for (key, want) in [
        ("close", "500.5"),
        ("volume", "17"),
        ("trades", "2"),
        ("revision", "1"),
        ("cause", "\"trade\""),
    ] {
        assert_eq!(after[key].to_string(), want, "{key} in {after}");
    }
    assert!(after["cause_id"].is_string(), "{after}");
    let revisions = |between: &str| {
        let path = format!("/v1/views/revisions?symbol=x:A{between}");
        get(address, &path).json()["rows"].as_array().unwrap().len()
    };
    assert_eq!(revisions(""), 2);
    assert_eq!(revisions("&tf=1m&from=2024-03-04T12:03:00Z&to=2024-03-04T12:04:00Z"), 1);
    assert_eq!(revisions("&from=2024-03-04T12:04:00Z"), 0);
    assert_eq!(revisions("&to=2024-03-04T12:03:00Z"), 0);
    // Its price is far from those of the three minutes before.
    let outliers = get(address, "/v1/views/outliers?symbol=x:A").json();
    let [row] = &outliers["rows"].as_array().unwrap()[..] else { panic!("one row: {outliers}") };
    for (key, want) in [
        ("kind", "\"trade\""),
        ("price", "500.5"),
        ("median", "101"),
        ("deviation", "1"),
        ("bars", "3"),
    ] {
        assert_eq!(row[key].to_string(), want, "{key} in {row}");
    }
    let metrics = get(address, "/metrics").body;
    assert!(metrics.contains("\ntickweave_outliers_total{kind=\"trade\"} "), "{metrics}");
    run.signal("TERM");
    run.end().json();
    let views = views_in(&folder.join("out"));
    assert!(views["candles.csv"].contains(",revised,1,trade,"), "{}", views["candles.csv"]);
    let revisions = views["revisions.csv"].lines().filter(|row| row.contains("x:A,1m,"));
    assert_eq!(revisions.count(), 1, "{}", views["revisions.csv"]);
}

#[test]
fn a_cancel_restates_the_bars_of_its_trade_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let made = Made::new(10, 4_000, 1_200_000);
    made.write(folder, None, "");
    let replay = |folder: &Path| {
        tickweave(folder, &["replay", "job.toml", "-w", "2", "--out", "out", "--json"]).json();
        views_in(&folder.join("out"))["candles.csv"].clone()
    };
    let before = replay(folder);
    // A trade of the middle that nobody corrects or cancels.
    let amended = |id: u64| {
        let amends = |line: &&super::made::Line| line.id / 8 == id / 8 && line.kind != "trade";
        made.a.iter().chain(&made.b).any(|line| amends(&line))
    };
    let middle = &made.a[made.a.len() / 2..];
    let trade = middle.iter().find(|line| line.kind == "trade" && !amended(line.id)).unwrap();
    let part = trade.symbol % 2;
    let mut lines: Vec<_> = made.a.iter().filter(|line| line.symbol % 2 == part).collect();
    let cancel = trade.cancelled();
    lines.push(&cancel);
    fs::write(folder.join(format!("a{part}.csv")), csv(&lines)).unwrap();
    let after = replay(folder);

    let symbol = format!("sim:{}", super::made::symbol(trade.symbol));
    let at = (trade.time_ms.unwrap() - START_MS) / 1_000;
    let mut want = Vec::new();
    for (timeframe, secs) in [("1s", 1), ("5s", 5), ("1m", 60), ("5m", 300)] {
        let open = at / secs * secs;
        want.push(format!("{symbol},{timeframe},2024-03-04T12:{:02}:{:02}Z", open / 60, open % 60));
    }
    let key = |row: &str| row.split(',').take(3).collect::<Vec<_>>().join(",");
    let not_in = |rows: &str, other: &str| -> Vec<String> {
        let other: std::collections::BTreeSet<&str> = other.lines().collect();
        rows.lines().filter(|row| !other.contains(row)).map(key).collect()
    };
    assert_eq!(not_in(&before, &after), want, "rows that changed or went");
    // A bar of this trade alone goes.
    let changed = not_in(&after, &before);
    assert!(changed.iter().all(|key| want.contains(key)), "{changed:?}");
    assert!(changed.contains(&want[3]), "{changed:?}");
}
