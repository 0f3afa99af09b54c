//! `tickweave tail` beside a running job.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use crate::end_to_end::binary::{Going, poll, tickweave};
use crate::end_to_end::http::get;

const DEMO: [&str; 7] = ["demo", "--ticks-per-second", "500", "--backfill", "0s", "--log", "info"];

fn demo(folder: &Path, port: &str) -> (Going, SocketAddr) {
    let mut demo = Going::start(folder, &[&DEMO[..], &["--port", port]].concat());
    let address = demo.address();
    let known = || (get(address, "/v1/candles/demo:ALFA").status == 200).then_some(());
    poll(known, || demo.stderr_text());
    (demo, address)
}

/// The lines that a process has written so far, but for one that is not whole yet.
fn lines(out: &str) -> Vec<Value> {
    let whole = out.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn changes_are_lines_of_json_also_after_the_server_was_away() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (server, address) = demo(folder, "0");
    let url = format!("http://{address}");
    // A snapshot has lines only if there are rows.
    let path = "/v1/candles/demo:ALFA?timeframe=5s&limit=1";
    let is_there = || get(address, path).body.contains("close").then_some(());
    poll(is_there, || get(address, path).body);
    let args = ["tail", "candles", "demo:ALFA", "--timeframe", "5s", "--fields", "close,state"];
    let tail = Going::start(folder, &[&args[..], &["--url", &url]].concat());
    let came = |kind: &'static str, after: u64, tail: &Going| {
        poll(
            || {
                let output = lines(&tail.stdout_text());
                let skipped = output.into_iter().skip(after as usize);
                let all: Vec<Value> = skipped.filter(|line| line["type"] == kind).collect();
                (!all.is_empty()).then_some(all)
            },
            || format!("{kind}: {} {}", tail.stdout_text(), tail.stderr_text()),
        )
    };
    came("snapshot", 0, &tail);
    for line in came("upsert", 0, &tail) {
        let row = line["row"].as_object().unwrap();
        let mut names: Vec<&str> = row.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["close", "instrument", "open_time", "state", "timeframe"]);
        assert_eq!((&row["instrument"], &row["timeframe"]), (&"demo:ALFA".into(), &"5s".into()));
        assert!(row["close"].is_number() && line["commit"].is_u64(), "{line}");
    }
    server.signal("KILL");
    drop(server);
    poll(|| tail.stderr_text().contains("trying again").then_some(()), || tail.stderr_text());
    let before = lines(&tail.stdout_text()).len() as u64;
    let (_server, _) = demo(folder, &address.port().to_string());
    came("resync", before, &tail);
    came("upsert", before, &tail);
}

#[test]
fn a_filter_and_a_limit_leave_out_what_is_not_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_server, address) = demo(folder, "0");
    let alerts = "/v1/views/alerts?rule=engulfing";
    poll(
        || (get(address, alerts).json()["rows"].as_array()?.len() > 2).then_some(()),
        || get(address, alerts).body,
    );
    let url = format!("http://{address}");
    let args = ["tail", "alerts", "--where", "rule=engulfing", "--where", "state=raised,withdrawn"];
    let tail = Going::start(folder, &[&args[..], &["--url", &url]].concat());
    let output = poll(
        || Some(lines(&tail.stdout_text())).filter(|output| output.len() > 2),
        || tail.stderr_text(),
    );
    assert!(output.iter().all(|line| line["row"]["rule"] == "engulfing"), "{output:?}");
}

#[test]
fn what_cannot_be_followed_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (server, address) = demo(folder, "0");
    let url = format!("http://{address}");
    for (args, said) in [
        (&["tail", "candels"][..], &["no view is named `candels`", "perhaps: candles"][..]),
        (&["tail", "candles", "demo:ALFAA"], &["demo:ALFAA", "perhaps: demo:ALFA"]),
        (&["tail", "candles", "--timeframe", "7m"], &["7m", "5s, 10s, 1m"]),
        (&["tail", "candles", "--fields", "clsoe"], &["clsoe", "close"]),
        (&["tail", "candles", "--where", "colour=red"], &["`colour` is not a parameter"]),
        (&["tail", "candles", "--where", "red"], &["red", "column=value"]),
    ] {
        tickweave(folder, &[args, &["--url", &url]].concat()).failed(2, said);
    }
    tickweave(folder, &["tail", "candles", "--url", "here"]).failed(2, &["http://HOST:PORT"]);
    drop(server);
    let absent = ["tail", "candles", "--url", &url];
    tickweave(folder, &absent).failed(1, &["nothing answers at", &url, "tickweave run"]);
}
