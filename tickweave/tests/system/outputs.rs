//! What is written where: nothing that others wrote is replaced, no input ever is, and a file has one writer.

mod chosen;
pub(crate) mod exported;
mod recorded;
mod rotated;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use dataflows::config::RawConfig;
use serde_json::json;

use crate::end_to_end::binary::{Going, Ran, poll, tickweave};
use crate::end_to_end::http::{get, post};

const TRADES: &str = "time,price,size\n2024-03-04T12:00:00Z,10,1\n2024-03-04T12:01:00Z,11,2\n";
const SOURCE: &str = "[[source]]\nname = \"a\"\nkind = \"file\"\npaths = [\"t.csv\"]\ninstrument = \"x:Y\"\n\
    columns = { time = \"time\", price = \"price\", size = \"size\" }\n";
pub(crate) const POSTED: &str = "[job]\ntimeframes = [\"1s\"]\n[http]\nlisten = \"127.0.0.1:0\"\n";
pub(crate) const SINK: &str =
    "[[sink]]\nname = \"s\"\nkind = \"file\"\nviews = [\"candles\"]\npath = \"{view}.ndjson\"\n";

/// Replays `t.csv`, with flags.
fn replay(folder: &Path, more: &[&str]) -> Ran {
    tickweave(folder, &[&["replay", "t.csv", "--instrument", "x:Y"], more].concat())
}

#[track_caller]
fn assert_holds(path: &Path, text: &str) {
    assert_eq!(fs::read_to_string(path).unwrap(), text, "{}", path.display());
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn results_replace_only_results() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("t.csv"), TRADES).unwrap();
    fs::write(folder.join("trades.csv"), TRADES).unwrap();
    let onto_input = ["replay", "trades.csv", "--instrument", "x:Y", "--out", "."];
    tickweave(folder, &onto_input).failed(2, &["trades.csv", "a file of source `files`"]);
    let forced = [&onto_input[..], &["--force"]].concat();
    tickweave(folder, &forced).failed(2, &["trades.csv", "a file of source `files`"]);
    assert_holds(&folder.join("trades.csv"), TRADES);

    fs::create_dir(folder.join("mine")).unwrap();
    fs::write(folder.join("mine/candles.csv"), "my own\n").unwrap();
    let message = ["candles.csv exists", "another folder", "--force"];
    replay(folder, &["--out", "mine"]).failed(2, &message);
    assert_holds(&folder.join("mine/candles.csv"), "my own\n");
    assert_eq!(fs::read_dir(folder.join("mine")).unwrap().count(), 1, "nothing was written");
    replay(folder, &["--out", "mine", "--force", "--json"]).json();
    assert!(text(&folder.join("mine/candles.csv")).contains("x:Y"));

    for _ in 0..2 {
        replay(folder, &["--out", "out", "--json"]).json();
        assert!(text(&folder.join("out/candles.csv")).contains("x:Y"));
    }
    // A view without rows was not written, so the file of its name is the user's.
    fs::write(folder.join("out/fees.csv"), "mine").unwrap();
    replay(folder, &["--out", "out"]).failed(2, &["out/fees.csv exists", "--force"]);
    assert_holds(&folder.join("out/fees.csv"), "mine");
    fs::remove_file(folder.join("out/fees.csv")).unwrap();
    fs::remove_file(folder.join("out/tickweave-results.json")).unwrap();
    replay(folder, &["--out", "out"]).failed(2, &["exists, and no tickweave-results.json"]);
}

#[test]
fn no_output_is_another_file_of_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("t.csv"), TRADES).unwrap();
    fs::create_dir(folder.join("out")).unwrap();
    let calendar = "[[calendar]]\nname = \"c\"\nholidays = \"out/gaps.csv\"\nzone = \"UTC\"\n\
        session = [{ days = \"Mon-Fri\", opens = \"09:00\", closes = \"17:00\" }]\n";
    fs::write(folder.join("out/gaps.csv"), "2024-01-04, closed\n").unwrap();
    fs::write(folder.join("job.toml"), format!("{SOURCE}{calendar}")).unwrap();
    std::os::unix::fs::symlink("../job.toml", folder.join("out/candles.csv")).unwrap();
    let replay_job = |more: &[&str]| tickweave(folder, &[&["replay", "job.toml"], more].concat());
    let out = ["--out", "out", "--force"];
    replay_job(&out).failed(2, &["out/candles.csv", "the configuration"]);
    fs::remove_file(folder.join("out/candles.csv")).unwrap();
    replay_job(&out).failed(2, &["out/gaps.csv", "the holidays of calendar `c`"]);
    let record = ["--force", "--record", "out/../t.csv"];
    replay_job(&record).failed(2, &["out/../t.csv", "a file of source `a`"]);
    replay_job(&["--force", "--record", "job.toml"]).failed(2, &["the configuration"]);
    let both = ["--force", "--record", "new/candles.csv", "--out", "./new"];
    replay_job(&both).failed(2, &["new/candles.csv", "where the run is recorded"]);
    assert_holds(&folder.join("t.csv"), TRADES);
}

#[test]
fn a_recording_is_replaced_only_by_force_and_never_by_two() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("t.csv"), TRADES).unwrap();
    fs::write(folder.join("empty.rec"), "").unwrap();
    replay(folder, &["--record", "empty.rec", "--json"]).json();
    replay(folder, &["--record", "a.rec", "--json"]).json();
    let first = fs::read(folder.join("a.rec")).unwrap();
    let message = ["a.rec exists and is a recording", "another file", "--force"];
    replay(folder, &["--record", "a.rec", "--timeframes", "1s"]).failed(2, &message);
    assert_eq!(fs::read(folder.join("a.rec")).unwrap(), first);
    replay(folder, &["--record", "a.rec", "--timeframes", "1s", "--force", "--json"]).json();
    assert!(fs::read(folder.join("a.rec")).unwrap() != first);

    fs::write(folder.join("job.toml"), POSTED).unwrap();
    let run = ["run", "job.toml", "--json", "--record", "live.rec"];
    let mut first = Going::start(folder, &run);
    first.address();
    for force in [&[][..], &["--force"]] {
        let second = tickweave(folder, &[&run[..], force].concat());
        second.failed(2, &["live.rec is being recorded by another run"]);
    }
    first.signal("TERM");
    let ran = first.end();
    ran.json();
    assert!(!ran.err.contains("recording is not whole"), "{}", ran.err);
    tickweave(folder, &["replay", "live.rec", "--json"]).json();
}

#[test]
fn a_sink_has_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("t.csv"), TRADES).unwrap();
    let error = |sinks: &str| {
        fs::write(folder.join("job.toml"), format!("{SOURCE}{sinks}")).unwrap();
        let ran = tickweave(folder, &["check", "job.toml"]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        ran.err
    };
    let sink = |name: &str, path: &str| {
        SINK.replace("\"s\"", &format!("\"{name}\"")).replace("{view}.ndjson", path)
    };
    let message = error(&sink("s", "./t.csv"));
    assert!(
        message.contains("(name `s`).path: ") && message.contains("a file of source `a`"),
        "{message}"
    );
    let message = error(&sink("s", "job.toml"));
    assert!(message.contains("job.toml is the configuration"), "{message}");
    let message = error(&(sink("one", "new/x.ndjson") + &sink("two", "new/../new/x.ndjson")));
    assert!(message.contains("sink[1] (name `two`).path"), "{message}");
    assert!(message.contains("is where sink `one` writes `candles`"), "{message}");
    let good = format!("{SOURCE}{}{}", sink("one", "x.ndjson"), sink("two", "y.ndjson"));
    RawConfig::parse(&good, "").unwrap().check(folder).unwrap();
}

/// Posts a trade and gives the state of the only sink when it is as `wanted`.
pub(crate) fn posted(address: SocketAddr, second: u32, wanted: &str) -> serde_json::Value {
    let time = format!("2026-01-05T10:00:{second:02}Z");
    let row = json!({"type": "trade", "instrument": "x:Y", "time": time, "price": 10, "quantity": 1, "id": second});
    let headers = [("Content-Type", "application/x-ndjson")];
    let sent = || post(address, "/api/streaming/process", &headers, &format!("{row}\n"));
    poll(|| Some(sent()).filter(|sent| sent.status == 202), || "a trade is taken".to_owned());
    let sink = || get(address, "/v1/views/sinks").json()["rows"][0].clone();
    poll(|| Some(sink()).filter(|sink| sink["state"] == wanted), || format!("{wanted}: {}", sink()))
}

#[test]
fn a_file_that_a_run_writes_is_left_alone_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("job.toml"), format!("{POSTED}{SINK}")).unwrap();
    let path = folder.join("candles.ndjson");
    let mut first = Going::start(folder, &["run", "job.toml", "--json"]);
    posted(first.address(), 1, "running");
    let mut second = Going::start(folder, &["run", "job.toml", "--json"]);
    let failed = posted(second.address(), 2, "failed");
    let why = failed["last_error"].as_str().unwrap();
    assert!(why.contains("candles.ndjson") && why.contains("another process"), "{why}");
    posted(first.address(), 3, "running");
    second.signal("TERM");
    second.end().failed(5, &["`candles` was not delivered whole to `s`: "]);
    first.signal("TERM");
    first.end().json();
    let lines = text(&path);
    assert_eq!(lines.matches("\"op\":\"snapshot\"").count(), 1, "{lines}");
    let has =
        |second: u32| lines.contains(&format!("\"open_time\":\"2026-01-05T10:00:{second:02}"));
    assert!(has(1) && has(3) && !has(2), "{lines}");
}

#[test]
fn a_sinks_file_that_is_moved_away_begins_with_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sink = SINK.replace("{view}", "new/{view}");
    fs::write(folder.join("job.toml"), format!("{POSTED}{sink}")).unwrap();
    let path = folder.join("new/candles.ndjson");
    let mut run = Going::start(folder, &["run", "job.toml", "--json"]);
    let holds = |second: u32| {
        let opens = format!("10:00:{second:02}");
        poll(
            || text(&path).contains(&opens).then_some(()),
            || format!("{opens} in {}", text(&path)),
        );
    };
    for second in 1..4 {
        posted(run.address(), second, "running");
        holds(second);
        let first = text(&path).lines().next().unwrap().to_owned();
        assert!(first.starts_with("{\"op\":\"snapshot\""), "{second}: {first}");
        // One bar each second: those that do not change again are there too.
        (1..second).for_each(&holds);
        match second {
            1 => fs::rename(&path, folder.join("old.ndjson")).unwrap(),
            _ => fs::remove_dir_all(folder.join("new")).unwrap(),
        }
    }
    run.signal("TERM");
    run.end().json();
}

#[test]
fn produced_rows_replace_no_file_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("t.csv"), TRADES).unwrap();
    fs::write(folder.join("job.toml"), SOURCE).unwrap();
    for out in ["t.csv", "file://t.csv"] {
        let made = tickweave(folder, &["produce", "--rows", "5", "--out", out]);
        made.failed(2, &["t.csv exists", "another file", "--force"]);
    }
    let reported = ["produce", "--config", "job.toml", "--source", "a", "--force", "--out"];
    for (out, what) in [("./t.csv", "a file of source `a`"), ("job.toml", "the configuration")] {
        tickweave(folder, &[&reported[..], &[out]].concat()).failed(2, &[out, what]);
    }
    assert_holds(&folder.join("t.csv"), TRADES);
    tickweave(folder, &["produce", "--rows", "5", "--out", "t.csv", "--force", "--json"]).json();
    assert_eq!(text(&folder.join("t.csv")).lines().count(), 6);

    let slow = ["produce", "--rows", "2000", "--rate", "1000", "--out", "gone.csv"];
    let run = Going::start(folder, &slow);
    poll(|| fs::remove_file(folder.join("gone.csv")).ok(), || "it is written".to_owned());
    run.end().failed(1, &["cannot write to gone.csv", "moved, removed or replaced"]);
}
