//! The first page in a real browser: it draws a running job, restates bars and finds a server again.

mod browser;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use crate::end_to_end::binary::{Going, poll};
use browser::Browser;

/// A trade of x:A each minute from 12:00 on, at `price` and more, played a minute per second; `late` one more
/// for 12:03, twelve minutes after the start.
fn write(folder: &Path, price: i64, late: bool) {
    let source = |name: &str, more: &str| {
        format!(
            r#"
[[source]]
name = "{name}"
kind = "file"
paths = ["{name}.csv"]
instrument = "x:{{symbol}}"
columns = {{ time = "time", symbol = "symbol", id = "id", price = "price", size = "size" }}
disorder = "1s"
play = {{ speed = 60.0 }}
{more}
"#
        )
    };
    let mut config = r#"
[job]
timeframes = ["1m", "1h"]
max_clock_ahead = "1d"
indicators = ["sma3", "rsi5"]
[http]
listen = "127.0.0.1:0"
[commit]
round = "10ms"
idle = "100ms"
"#
    .to_owned();
    config += &source("trades", "");
    let header = "time,symbol,id,price,size\n";
    let mut trades = header.to_owned();
    for minute in 0..30 {
        let price = price + minute;
        trades += &format!("2024-03-04T12:{minute:02}:05Z,A,{minute},{price},10\n");
    }
    // Due long after the test, so that the source does not end.
    trades += "2024-03-24T00:00:00Z,A,last,1,1\n";
    fs::write(folder.join("trades.csv"), trades).unwrap();
    if late {
        config += &source("late", "rank = 1\nhistoric = true");
        let first = "2024-03-04T12:12:00Z,Z,first,1,1\n";
        let trade = "2024-03-04T12:03:07Z,A,late,500.5,7\n";
        fs::write(folder.join("late.csv"), format!("{header}{first}{trade}")).unwrap();
    }
    fs::write(folder.join("job.toml"), config).unwrap();
}

fn run(folder: &Path, listen: &str) -> (Going, SocketAddr) {
    let mut run = Going::start(folder, &["run", "job.toml", "--listen", listen]);
    let address = run.address();
    (run, address)
}

/// The bar of 12:`minute` as the page has drawn it.
fn drawn(browser: &mut Browser, minute: i64) -> Option<Value> {
    let shown = browser.value("window.tickweave?.shown");
    let time = 1_709_553_600_000_i64 + minute * 60_000;
    shown["bars"].as_array()?.iter().find(|bar| bar["time"] == time).cloned()
}

#[test]
fn the_page_draws_restates_and_reconnects() {
    let Some(mut browser) = Browser::start() else { return };
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    write(folders[0].path(), 100, true);
    let (old, address) = run(folders[0].path(), "127.0.0.1:0");
    browser.open(&format!("http://{address}/#x:A/1m"));

    let mut states: Vec<String> = Vec::new();
    let revised = poll(
        || {
            let bar = drawn(&mut browser, 3)?;
            let state = bar["state"].as_str().unwrap().to_owned();
            let revised = state == "revised";
            let (close, revision) = if revised { (500.5, 1) } else { (103.0, 0) };
            assert_eq!(bar["close"].as_f64(), Some(close), "{bar}");
            assert_eq!(bar["revision"].as_u64(), Some(revision), "{bar}");
            states.push(state);
            revised.then_some(bar)
        },
        || format!("a revised bar: {}", old.stderr_text()),
    );
    assert!(states.iter().any(|state| state == "final"), "it was drawn before: {states:?}");
    assert!(revised["y"].is_number(), "{revised}");
    let shown = browser.value("window.tickweave.shown");
    assert_eq!(shown["indicators"], serde_json::json!(["rsi5", "sma3"]));
    let event = "document.querySelector('#events')?.textContent";
    let restated = "1m bar, revision 1 by trade: close 103 → 500.5";
    poll(
        || browser.value(event).as_str()?.contains(restated).then_some(()),
        || "the revision in the events".to_owned(),
    );
    assert_eq!(browser.value("window.tickweave.connection"), "live");

    // Another server comes at the same address: what it has is shown, and nothing of the old one.
    old.signal("KILL");
    drop(old);
    poll(
        || (browser.value("window.tickweave.connection") == "lost").then_some(()),
        || "the page notices".to_owned(),
    );
    let before = drawn(&mut browser, 3).unwrap();
    assert_eq!(before["close"], 500.5, "until there is something in its place it stays");
    write(folders[1].path(), 700, false);
    let (new, _) = run(folders[1].path(), &address.to_string());
    let bar = poll(
        || drawn(&mut browser, 3).filter(|bar| bar["close"] != 500.5),
        || format!("bars of the new server: {}", new.stderr_text()),
    );
    assert_eq!((bar["close"].as_f64(), bar["revision"].as_u64()), (Some(703.0), Some(0)), "{bar}");
    let shown = browser.value("window.tickweave.shown");
    let closes = shown["bars"].as_array().unwrap().iter().map(|bar| bar["close"].as_f64().unwrap());
    assert!(closes.clone().all(|close| close >= 700.0), "{shown}");
    assert_eq!(browser.value("window.tickweave.connection"), "live");
    assert_eq!(browser.value("document.querySelector('#notice').textContent"), "");
    browser.assert_no_faults();
}

/// A demo tells what was traded before: the first look at it is a full chart, whatever is chosen.
#[test]
fn the_page_of_a_demo_is_full_at_the_first_look() {
    let Some(mut browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let args = ["demo", "--ticks-per-second", "500", "--backfill", "6h", "--port", "0"];
    let mut demo = Going::start(folder.path(), &args);
    let address = demo.address();
    // The chart has room for 46 bars where it was opened with few of them, else for twice as many.
    for (chosen, millis, least) in [
        ("demo:ALFA/1m", 60_000, 40),
        ("demo:XRAY2/1m", 60_000, 40),
        ("demo:ALFA/5s", 5_000, 40),
        ("demo:ALFA/1h", 3_600_000, 6),
    ] {
        browser.open(&format!("http://{address}/#{chosen}"));
        let (symbol, timeframe) = chosen.split_once('/').unwrap();
        let bars = poll(
            || {
                let shown = browser.value("window.tickweave?.shown");
                let is_chosen = shown["symbol"] == symbol && shown["timeframe"] == timeframe;
                let bars = shown["bars"].as_array().filter(|_| is_chosen)?;
                let times: Option<Vec<i64>> = bars.iter().map(|bar| bar["time"].as_i64()).collect();
                let times = times.filter(|times| times.len() >= least)?;
                times.windows(2).all(|pair| pair[1] - pair[0] == millis).then_some(bars.clone())
            },
            || format!("{chosen}: {}", demo.stderr_text()),
        );
        assert!(bars.iter().all(|bar| bar["y"].is_number()), "{bars:?}");
    }
    browser.assert_no_faults();
}
