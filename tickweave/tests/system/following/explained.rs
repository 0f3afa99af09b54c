//! `/v1/explain` of a running job: what is behind each bar and each position adds up to its row, now and as of an earlier
//! commit, and so does what has changed since.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;

use serde_json::Value;

use super::portfolios::{BATCHES, JOB, Trader, kept_after, send};
use crate::end_to_end::binary::Going;
use crate::end_to_end::http::get;

/// The rows of a view as JSON, with numbers as texts.
fn rows(address: SocketAddr, view: &str) -> Vec<Value> {
    let answer = get(address, &format!("/v1/views/{view}?limit=10000&numbers=string"));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["rows"].as_array().unwrap().clone()
}

fn keys(address: SocketAddr, view: &str) -> Vec<String> {
    let columns: &[&str] = match view {
        "candles" => &["instrument", "timeframe", "open_time"],
        _ => &["portfolio", "instrument"],
    };
    let key = |row: &Value| {
        columns.iter().map(|name| row[*name].as_str().unwrap()).collect::<Vec<_>>().join("|")
    };
    rows(address, view).iter().map(key).collect()
}

fn explain(address: SocketAddr, view: &str, key: &str, query: &str) -> Value {
    let path = format!("/v1/explain?view={view}&key={key}&numbers=string{query}");
    let answer = get(address, &path);
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

fn whole(number: &Value) -> i64 {
    number.as_str().map_or_else(|| number.as_i64().unwrap(), |text| text.parse().unwrap())
}

/// Posts a batch; the newest commit that is kept after it.
fn batch(address: SocketAddr, trader: &mut Trader, number: usize) -> u64 {
    let rows = trader.batch(number);
    let answer = send(address, &format!("batch-{number}"), &rows);
    assert_eq!(answer.status, 202, "{answer:?}");
    let token = answer.json()["completion_token"].as_str().unwrap().to_owned();
    let fresh = format!("/v1/views/positions?min_frontier={token}&wait_ms=30000");
    kept_after(address, get(address, &fresh).commit().unwrap())
}

fn begin(folder: &Path, more: &str) -> (Going, SocketAddr) {
    fs::write(folder.join("job.toml"), format!("{JOB}{more}")).unwrap();
    let args = ["run", "job.toml", "-w", "2", "--listen", "127.0.0.1:0"];
    let mut run = Going::start(folder, &args);
    let address = run.address();
    (run, address)
}

/// That a bar and what is behind it agree.
fn check_bar(told: &Value) {
    assert_eq!((&told["complete"], &told["adds_up"]), (&true.into(), &true.into()), "{told:#}");
    let (trades, row) = (told["trades"].as_array().unwrap(), &told["row"]);
    assert_eq!(told["sums"]["listed"], trades.len(), "{told:#}");
    assert_eq!(row["trades"], trades.len(), "all of these trades update everything");
    let sets = |role: &str| {
        let own = trades.iter().filter(|trade| {
            trade["sets"].as_str().is_some_and(|sets| sets.split('+').any(|set| set == role))
        });
        let prices: Vec<&Value> = own.map(|trade| &trade["price"]).collect();
        assert_eq!(prices, [&row[role]], "{role}: {told:#}");
    };
    ["open", "high", "low", "close"].into_iter().for_each(sets);
}

#[test]
fn what_is_behind_bars_and_positions_adds_up_while_a_job_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (run, address) = begin(folder.path(), "");
    let mut trader = Trader::new(23);
    let mut kept = Vec::new();
    let (mut removed, mut causes, mut busted, mut fills_changed) = (0, 0, 0, 0);
    for number in 0..BATCHES {
        kept.push(batch(address, &mut trader, number));
        let before = number.checked_sub(1).map(|before| kept[before]);
        let vs = before.map_or_else(String::new, |commit| format!("&vs=commit:{commit}"));
        for key in keys(address, "candles") {
            let told = explain(address, "candles", &key, &vs);
            check_bar(&told);
            removed += told["removed"].as_array().unwrap().len();
            let Some(change) = told.get("change") else { continue };
            let of = change["causes"].as_array().unwrap();
            let difference: i64 = of.iter().map(|cause| whole(&cause["trades"])).sum();
            let then = change["columns"].get("trades").map_or(0, |trades| {
                let was = if trades["then"].is_null() { 0 } else { whole(&trades["then"]) };
                whole(&trades["now"]) - was
            });
            assert_eq!(difference, then, "{told:#}");
            causes += of.iter().filter(|cause| cause["kind"] != "trade").count();
        }
        for key in keys(address, "positions") {
            let told = explain(address, "positions", &key, &vs);
            assert_eq!(
                (&told["complete"], &told["adds_up"]),
                (&true.into(), &true.into()),
                "{told:#}"
            );
            let fills = told["fills"].as_array().unwrap().len();
            assert_eq!(told["row"]["fills"], fills, "{told:#}");
            busted += told["removed"].as_array().unwrap().len();
            if let Some(mark) = told["row"]["mark"].as_str() {
                assert_eq!(told["mark"]["price"], mark, "{told:#}");
                assert!(told["mark"]["id"].is_string(), "{told:#}");
            }
            fills_changed += told["change"]["fills"].as_array().map_or(0, Vec::len);
        }
    }
    assert!(removed > 0 && causes > 0, "{removed} removed trades, {causes} amendments");
    assert!(busted > 0 && fills_changed > BATCHES, "{busted} busts, {fills_changed} changes");
    for commit in &kept {
        for key in keys(address, "positions") {
            let path = format!("/v1/explain?view=positions&key={key}&as_of=commit:{commit}");
            let answer = get(address, &path);
            let json = answer.json();
            match answer.status {
                200 => assert_eq!(json["adds_up"], true, "{json:#}"),
                // There was no fill of it yet.
                _ => assert_eq!(json["code"], "unknown-row", "{json:#}"),
            }
        }
    }
    while_rows_come(address, trader);
    drop(run);
}

/// The same while rows come: a cut may lie between two rounds, and larger bars and positions are as of the first.
fn while_rows_come(address: SocketAddr, mut trader: Trader) {
    const MORE: usize = 16;
    let sender = thread::spawn(move || {
        for number in BATCHES..BATCHES + MORE {
            let rows = trader.batch(number);
            assert_eq!(send(address, &format!("batch-{number}"), &rows).status, 202);
        }
    });
    let mut told = 0;
    while !sender.is_finished() || told < 50 {
        for view in ["candles", "positions"] {
            for key in keys(address, view) {
                let explained = explain(address, view, &key, "");
                let whole = (&explained["complete"], &explained["adds_up"]);
                assert_eq!(whole, (&true.into(), &true.into()), "{explained:#}");
                told += 1;
            }
        }
    }
    sender.join().unwrap();
}

#[test]
fn what_the_log_no_longer_has_is_said_to_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (run, address) = begin(folder.path(), "[limits]\ntrade_log_bytes = 4000\n");
    let mut trader = Trader::new(29);
    for number in 0..BATCHES {
        batch(address, &mut trader, number);
    }
    let (mut whole, mut missing) = (0, 0);
    for key in keys(address, "candles") {
        let told = explain(address, "candles", &key, "");
        assert_eq!(told["complete"], told["adds_up"], "{told:#}");
        if told["complete"] == true {
            whole += 1;
        } else {
            missing += 1;
            assert!(told["from_commit"].is_u64(), "{told:#}");
            let why = told["why_incomplete"].as_str().unwrap();
            assert!(why.contains("trade_log_bytes"), "{why}");
        }
    }
    assert!(whole > 0 && missing > 0, "{whole} bars are whole, of {missing} trades are missing");
    let path = "/v1/explain?key=us:A|1s|2001-01-01T00:00:00Z";
    let answer = get(address, path);
    assert_eq!((answer.status, &answer.json()["code"]), (404, &"unknown-row".into()));
    assert!(!answer.json()["suggestions"].as_array().unwrap().is_empty());
    drop(run);
}
