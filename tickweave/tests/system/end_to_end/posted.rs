//! Rows that clients send to a live run: seen by reads that ask for their commit, and the same in a replay.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::binary::{Going, poll, tickweave};
use super::http::{Answer, get, post};
use super::{assert_adds_up, assert_same};

const JOB: &str = r#"
[job]
timeframes = ["1m", "5m"]
[http]
listen = "127.0.0.1:0"
body_bytes = 20000
[commit]
period = "2ms"
round = "20ms"
[[instrument]]
pattern = "us:*"
price_decimals = 2
size_decimals = 0
quote = "USD"
"#;

pub(super) fn run(folder: &Path, more: &str) -> (Going, SocketAddr) {
    fs::write(folder.join("job.toml"), format!("{JOB}{more}")).unwrap();
    let args = ["run", "job.toml", "-w", "2", "--record", "live.rec", "--digest", "--json"];
    let mut going = Going::start(folder, &args);
    let address = going.address();
    (going, address)
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Sends rows until there is room: a run that has just begun may not take them yet.
pub(super) fn send(
    address: SocketAddr,
    query: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let path = format!("/api/streaming/process{query}");
    let sent = || Some(post(address, &path, headers, body)).filter(|answer| answer.status != 503);
    poll(sent, || "rows are taken".to_owned())
}

pub(super) const JSON: (&str, &str) = ("Content-Type", "application/json");
pub(super) const NDJSON: (&str, &str) = ("Content-Type", "application/x-ndjson");
pub(super) const CSV: (&str, &str) = ("Content-Type", "text/csv");

/// The only bar of the instrument as a read with this token shows it.
fn bar(address: SocketAddr, symbol: &str, token: &Value) -> Value {
    let token = token.as_str().unwrap();
    let path = format!("/v1/candles/{symbol}?tf=5m&min_frontier={token}&wait_ms=30000");
    let answer = get(address, &path);
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let [bar] = &body["candles"].as_array().unwrap()[..] else { panic!("{body}") };
    bar.clone()
}

/// Rows of a view as of a token.
pub(super) fn rows(address: SocketAddr, view: &str, token: &Value) -> Vec<Value> {
    let token = token.as_str().unwrap();
    let answer = get(address, &format!("/v1/views/{view}?min_frontier={token}&wait_ms=30000"));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["rows"].as_array().unwrap().clone()
}

#[test]
fn clients_see_what_they_have_sent() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (going, address) = run(folder, "");
    // All within one bar.
    let time = format!("{}s", (now() - 300) / 300 * 300 + 7);
    let trade = |id: u64, price: &str| json!({"type": "trade", "instrument": "us:AAPL", "id": id, "time": time, "price": price, "quantity": 10});

    // Trades as JSON, one of them wrong.
    let body = json!([trade(1, "181.50"), trade(2, "x"), trade(3, "182")]).to_string();
    let key = ("Idempotency-Key", "order-1");
    let answer = send(address, "", &[JSON, key], &body);
    let answer_json = answer.json();
    assert_eq!(
        (answer.status, &answer_json["accepted"], &answer_json["rejected"]),
        (202, &json!(2), &json!(1))
    );
    assert_eq!(
        (&answer_json["errors"][0]["pointer"], &answer_json["durable"]),
        (&json!("#/body/1/price"), &json!(false))
    );
    let seen = bar(address, "us:AAPL", &answer_json["completion_token"]);
    assert_eq!((&seen["high"], &seen["volume"]), (&json!(182), &json!(20)));
    let [letter] = &rows(address, "dead_letters", &answer_json["completion_token"])[..] else {
        panic!()
    };
    assert_eq!((&letter["source"], &letter["reason"]), (&json!("http"), &json!("bad_price")));

    // The same again, by key: nothing happens. By id: a duplicate.
    let again = send(address, "", &[JSON, key], &body);
    assert_eq!((again.status, again.json()), (202, answer_json));
    let copy = json!([trade(1, "181.5")]).to_string();
    let token = send(address, "", &[JSON], &copy).json()["completion_token"].clone();
    assert_eq!(bar(address, "us:AAPL", &token)["volume"], 20);

    // A cancel as CSV, and a correction as lines of JSON.
    let cancel = "type,instrument,id\ncancel,us:AAPL,3\n";
    let answer_json = send(address, "?wait=processed&wait_ms=30000", &[CSV], cancel).json();
    assert_eq!((&answer_json["processed"], &answer_json["accepted"]), (&json!(true), &json!(1)));
    let seen = bar(address, "us:AAPL", &answer_json["completion_token"]);
    assert_eq!((&seen["high"], &seen["volume"]), (&json!(181.5), &json!(10)));
    let mut correct = trade(1, "180.25");
    (correct["type"], correct["sequence"]) = (json!("correct"), json!(9));
    let answer_json = send(address, "", &[NDJSON], &format!("{correct}\n\n")).json();
    assert_eq!(bar(address, "us:AAPL", &answer_json["completion_token"])["close"], 180.25);

    // What is said of accounts.
    let fills = "portfolio,id,instrument,time,side,quantity,price,fee,fee_currency\n\
                 p1,F-1,us:AAPL,TIME,buy,100,181.50,0.35,BNB\n\
                 p1,F-2,eu:SAP,TIME,buy,1,1,,\n"
        .replace("TIME", &time);
    let answer_json = send(address, "?type=fill", &[CSV], &fills).json();
    assert_eq!((&answer_json["accepted"], &answer_json["rejected"]), (&json!(1), &json!(1)));
    assert_eq!(answer_json["errors"][0]["code"], "bad_instrument");
    assert!(
        answer_json["errors"][0]["detail"].as_str().unwrap().contains("set `quote`"),
        "{answer_json}"
    );

    let token = answer_json["completion_token"].as_str().unwrap();
    let fees = get(address, &format!("/v1/views/fees?format=csv&min_frontier={token}"));
    assert!(fees.body.contains("p1,us:AAPL,BNB,0.35,no_rate,"), "{}", fees.body);

    // All or nothing, and nothing that is too much.
    let body = json!([trade(8, "1"), {"type": "trade"}]).to_string();
    let refused = send(address, "?atomic=true", &[JSON], &body);
    assert_eq!((refused.status, &refused.json()["code"]), (422, &json!("rows-refused")));
    let long = format!("[{}]", " ".repeat(20_000));
    assert_eq!(send(address, "", &[JSON], &long).status, 413);
    let ahead = trade(9, "1").to_string().replace(&time, &format!("{}s", now() + 3_600));
    let answer_json = send(address, "", &[JSON], &ahead).json();
    assert_eq!(answer_json["errors"][0]["code"], "time_ahead");
    assert_eq!(bar(address, "us:AAPL", &answer_json["completion_token"])["volume"], 10);

    // The server rejects tokens of another run.
    assert_eq!(get(address, "/v1/candles/us:AAPL?min_frontier=1-1").status, 400);
    assert_eq!(get(address, "/v1/candles/us:AAPL?min_frontier=999999999&wait_ms=1").status, 425);

    going.signal("TERM");
    let live = going.end().json();
    assert_adds_up(&live);
    // Three trades, a copy, a cancel, a correction, two fills, and one from the future.
    let n = |key: &str| live[key].as_u64().unwrap();
    assert_eq!(["records", "accepted", "duplicates", "dead"].map(n), [9, 5, 1, 3], "{live:#}");
    for workers in ["1", "3"] {
        let replayed =
            tickweave(folder, &["replay", "live.rec", "-w", workers, "--digest", "--json"]);
        assert_same(&format!("{workers} workers"), &live, &replayed.json());
    }
}

#[test]
fn a_posted_copy_of_a_feeds_trade_is_no_second_trade() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let time_ms = (now() - 300) / 300 * 300 * 1_000 + 7_000;
    fs::write(folder.join("f.csv"), format!("t,s,i,p,q\n{time_ms},AAPL,1,181.5,10\n")).unwrap();
    let feed = r#"
[[source]]
name = "feed"
kind = "file"
paths = ["f.csv"]
instrument = "us:{symbol}"
columns = { time = "t", symbol = "s", id = "i", price = "p", size = "q" }
units = { time = "ms" }
contiguous_ids = true
historic = true
"#;
    let (going, address) = run(folder, feed);
    let trade = |id: u64| {
        format!(
            r#"{{"instrument":"us:AAPL","id":{id},"time":"{time_ms}ms","price":181.5,"quantity":10}}"#
        )
    };
    let body = format!("{}\n{}", trade(1), trade(2));
    let token = send(address, "?type=trade", &[NDJSON], &body).json()["completion_token"].clone();
    poll(
        || (bar(address, "us:AAPL", &token)["volume"] == 20).then_some(()),
        || "two trades".to_owned(),
    );
    going.signal("TERM");
    let live = going.end().json();
    assert_eq!((live["records"].as_u64(), live["duplicates"].as_u64()), (Some(3), Some(1)));
}

#[test]
fn a_run_that_pauses_turns_clients_away() {
    let folder = tempfile::tempdir().unwrap();
    let (going, address) = run(folder.path(), "[limits]\nstate_bytes = 1\n");
    let trade = format!(
        r#"{{"type":"trade","instrument":"us:A","id":1,"time":"{}s","price":1,"quantity":1}}"#,
        now()
    );
    let turned_away = || {
        let answer = send(address, "", &[JSON], &trade);
        (answer.status == 429).then_some(answer)
    };
    let answer = poll(turned_away, || "no room".to_owned());
    assert_eq!(answer.headers["retry-after"], "1");
    assert!(answer.json()["detail"].as_str().unwrap().contains("`limits.state_bytes`"));
    going.signal("TERM");
    going.end();
}

#[test]
fn files_of_entries_replay_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let source = r#"
[[source]]
name = "fills"
kind = "entries"
paths = ["trades.jsonl", "fills.csv"]
[[portfolio]]
name = "p1"
capital = 100000
[[fair]]
model = "mean"
indicator = "sma20"
timeframe = "5m"
"#;
    fs::write(folder.join("job.toml"), format!("{JOB}{source}")).unwrap();
    let t = r#""instrument":"us:A","time":"2026-01-05T14:30:00Z""#;
    let trades = format!(
        "{{\"type\":\"trade\",\"id\":1,\"price\":1.5,\"quantity\":3,{t}}}\n\
         {{\"type\":\"trade\",\"id\":2,\"price\":2.5,\"quantity\":3,{t}}}\n\
         {{\"type\":\"cancel\",\"instrument\":\"us:A\",\"id\":2}}\n\
         {{\"type\":\"fair\",\"model\":\"dcf\",\"value\":null,{t}}}\n\
         {{\"type\":\"fair\",\"model\":\"mean\",\"value\":1,{t}}}\n"
    );
    fs::write(folder.join("trades.jsonl"), trades).unwrap();
    let fills = "type,portfolio,id,instrument,time,quantity,price,weight\n\
                 fill,p1,1,us:A,2026-01-05T14:30:00Z,10,1.5,\n\
                 target,p1,,us:A,2026-01-05T14:30:00Z,,,0.5\n\
                 bust,p1,1,,,,,\n";
    fs::write(folder.join("fills.csv"), fills).unwrap();
    let args = ["replay", "job.toml", "--digest", "--json", "--record", "a.rec", "--out", "out"];
    let summary = tickweave(folder, &args).json();
    assert_adds_up(&summary);
    let n = |key: &str| summary[key].as_u64().unwrap();
    assert_eq!(["records", "accepted", "dead"].map(n), [8, 7, 1], "{summary:#}");
    let letters = fs::read_to_string(folder.join("out/dead_letters.csv")).unwrap();
    assert!(letters.contains("model `mean` is computed"), "{letters}");
    let candles = fs::read_to_string(folder.join("out/candles.csv")).unwrap();
    assert!(candles.contains("us:A,1m,2026-01-05T14:30:00Z,1.5,1.5,1.5,1.5,3,"), "{candles}");
    for workers in ["1", "2"] {
        let replayed = tickweave(folder, &["replay", "a.rec", "-w", workers, "--digest", "--json"]);
        assert_same(workers, &summary, &replayed.json());
    }
}
