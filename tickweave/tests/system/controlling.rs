//! Sources that are paused and resumed, checkpoints and the end, asked for over HTTP: nothing is lost meanwhile.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::end_to_end::binary::{poll, tickweave};
use crate::end_to_end::http::{get, post};
use crate::state::{start, wait_until_ready};

const JOB: &str = "[job]\ntimeframes = [\"1s\"]\n[http]\nlisten = \"127.0.0.1:0\"\n[state]\ncheckpoint_every = \"1h\"\n\
                   [[source]]\nname = \"growing\"\nkind = \"file\"\npaths = [\"trades.csv\"]\nfollow = true\n\
                   instrument = \"x:{symbol}\"\n\
                   columns = { time = \"time\", symbol = \"symbol\", price = \"price\", size = \"size\", id = \"id\" }\n";

fn grow(folder: &Path, ids: std::ops::Range<u64>) {
    let rows = ids.map(|id| format!("2026-01-05T10:00:{:02}Z,A,10,1,{id}\n", id / 10 % 60));
    let mut file =
        OpenOptions::new().append(true).create(true).open(folder.join("trades.csv")).unwrap();
    file.write_all(rows.collect::<String>().as_bytes()).unwrap();
}

fn trades(address: SocketAddr) -> u64 {
    let bars = get(address, "/v1/views/candles?limit=10000").json();
    let bars = bars["rows"].as_array().unwrap().iter();
    bars.map(|bar| bar["trades"].as_u64().unwrap()).sum()
}

/// Asks for something, and waits until it is done.
fn done(address: SocketAddr, query: &str) -> Value {
    let asked = post(address, &format!("/streaming/control?{query}"), &[], "");
    assert_eq!(asked.status, 202, "{}", asked.body);
    let path = asked.headers["location"].clone();
    assert_eq!(asked.json()["path"], path);
    let operation = || get(address, &path).json();
    poll(|| (operation()["status"] == "done").then_some(()), || operation().to_string());
    operation()
}

#[test]
fn what_a_paused_source_sends_is_taken_later() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("job.toml"), JOB).unwrap();
    fs::write(folder.join("trades.csv"), "time,symbol,price,size,id\n").unwrap();
    grow(folder, 0..50);
    let (run, address) = start(folder, 2, &[]);
    wait_until_ready(address);
    poll(|| (trades(address) == 50).then_some(()), || trades(address).to_string());

    let paused = done(address, "action=pause&scope=source:growing");
    assert_eq!(paused["target"], "paused");
    grow(folder, 50..400);
    // Long enough to be read, as the end of this test shows by how soon it is.
    sleep(Duration::from_millis(500));
    assert_eq!(trades(address), 50);
    let state = get(address, "/streaming/control").json();
    let growing =
        state["sources"].as_array().unwrap().iter().find(|source| source["name"] == "growing");
    // It is the only one, so the whole is.
    assert_eq!((&state["state"], &growing.unwrap()["state"]), (&"paused".into(), &"paused".into()));
    let again = post(address, "/streaming/control?action=pause&scope=source:growing", &[], "");
    assert_eq!((again.status, &again.json()["has_changed"]), (200, &false.into()));

    assert_eq!(done(address, "action=start&scope=source:growing")["target"], "running");
    poll(|| (trades(address) == 400).then_some(()), || trades(address).to_string());

    // None is due for an hour.
    assert_eq!(done(address, "action=checkpoint")["target"], "saved");
    let kept = tickweave(folder, &["checkpoint", "list", "state", "--json"]);
    assert!(!kept.json()["checkpoints"].as_array().unwrap().is_empty(), "{kept:?}");

    let stopped = post(address, "/streaming/control?action=stop", &[], "");
    assert_eq!((stopped.status, &stopped.json()["target"]), (202, &"stopped".into()));
    assert_eq!(run.end().code, Some(0));
}
