//! A recording that cannot be written while a run goes on: it is told at once, and the run stops or waits.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use super::{POSTED, TRADES, text};
use crate::end_to_end::binary::{Going, poll, tickweave};
use crate::end_to_end::http::{Answer, get, post};

const PAUSE: &str = "[recording]\non_error = \"pause\"\n";
const RUN: [&str; 6] = ["run", "job.toml", "--json", "--digest", "--record", "live.rec"];

fn post_one(address: SocketAddr, second: u32) -> Answer {
    let time = format!("2026-01-05T10:00:{second:02}Z");
    let row = json!({"type": "trade", "instrument": "x:Y", "time": time, "price": 10, "quantity": 1, "id": second});
    let headers = [("Content-Type", "application/x-ndjson")];
    post(address, "/api/streaming/process", &headers, &format!("{row}\n"))
}

/// Posts a trade until it is taken.
fn posted(address: SocketAddr, second: u32) {
    let sent = || post_one(address, second);
    poll(|| (sent().status == 202).then_some(()), || format!("it is taken: {}", sent().body));
}

/// Waits until `/health` says so of the recording; gives why.
fn wait_for(address: SocketAddr, status: &str) -> String {
    let answer = || get(address, "/health").json()["checks"]["recording"][0].clone();
    let check =
        poll(|| Some(answer()).filter(|own| own["status"] == status), || answer().to_string());
    check["output"].as_str().unwrap_or_default().to_owned()
}

/// Asserts that the recording gives again what the run had.
fn assert_gives(folder: &Path, recording: &str, summary: &Value) {
    let again = tickweave(folder, &["replay", recording, "--json", "--digest"]).json();
    assert_eq!(again["cut"], false);
    assert_eq!(again["accepted"], summary["accepted"]);
    assert_eq!(again["views"], summary["views"]);
}

#[test]
fn a_run_stops_if_its_recording_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("job.toml"), POSTED).unwrap();
    let live = folder.join("live.rec");
    for (how, said) in [
        ("remove", "live.rec was removed while it was written"),
        ("replace", "live.rec was replaced by another file while it was written"),
        ("move", "live.rec was moved away while it was written"),
    ] {
        let mut run = Going::start(folder, &RUN);
        posted(run.address(), 1);
        match how {
            "move" => fs::rename(&live, folder.join("moved.rec")).unwrap(),
            _ => fs::remove_file(&live).unwrap(),
        }
        if how == "replace" {
            fs::write(&live, "another").unwrap();
        }
        run.wait_for(&format!("{said}; the run stops")); // without being asked to
        let ran = run.end();
        ran.failed(6, &["the run was not recorded to its end", said]);
        let summary = ran.summary();
        assert!(summary["unrecorded"].as_str().unwrap().contains(said), "{summary}");
        if how == "replace" {
            assert_eq!(text(&live), "another");
            fs::remove_file(&live).unwrap();
        }
        if how == "move" {
            assert_gives(folder, "moved.rec", &summary);
        }
    }
    fs::write(folder.join("t.csv"), TRADES).unwrap();
    let replay = ["replay", "t.csv", "--instrument", "x:Y", "--speed", "30", "--record", "of.rec"];
    let run = Going::start(folder, &replay);
    poll(|| fs::remove_file(folder.join("of.rec")).ok(), || "it is recorded".to_owned());
    run.end().failed(1, &["recording of.rec was removed"]);
}

#[test]
fn sources_wait_for_a_recording_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("job.toml"), format!("{POSTED}{PAUSE}")).unwrap();
    let (live, moved) = (folder.join("live.rec"), folder.join("moved.rec"));
    let mut run = Going::start(folder, &RUN);
    let address = run.address();
    posted(address, 1);
    // One that was removed is there again, whole.
    fs::remove_file(&live).unwrap();
    poll(|| live.exists().then_some(()), || "it is written anew".to_owned());
    wait_for(address, "pass");
    run.wait_for("is written again");
    posted(address, 2);

    fs::rename(&live, &moved).unwrap();
    let why = wait_for(address, "fail");
    assert!(why.contains("was moved away") && why.contains("sources wait"), "{why}");
    let health = get(address, "/health");
    assert_eq!((health.status, get(address, "/health/ready").status), (503, 503));
    assert_eq!(health.json()["checks"].as_object().unwrap().len(), 10);
    assert_eq!(get(address, "/v1/views/health").json()["rows"].as_array().unwrap().len(), 7);
    let away = post_one(address, 3);
    assert_eq!(away.status, 429);
    let detail = away.json()["detail"].as_str().unwrap().to_owned();
    let cause = "sources wait for the recording: ";
    assert!(detail.contains(cause) && detail.contains("was moved away"), "{detail}");
    fs::write(&live, "another").unwrap();
    poll(
        || wait_for(address, "fail").contains("another file is there").then_some(()),
        || wait_for(address, "fail"),
    );
    fs::rename(&moved, &live).unwrap();
    wait_for(address, "pass");
    posted(address, 4);
    run.signal("TERM");
    let ran = run.end();
    let summary = ran.json();
    assert_eq!((&summary["accepted"], &summary["unrecorded"]), (&json!(3), &Value::Null));
    assert_gives(folder, "live.rec", &summary);
}

#[test]
fn a_file_that_takes_nothing_more_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let live = folder.join("live.rec");
    let length = || fs::metadata(&live).map_or(0, |about| about.len());
    for (on_error, code) in [("pause", 0), ("stop", 6)] {
        let config = format!("{POSTED}{}", PAUSE.replace("pause", on_error));
        fs::write(folder.join("job.toml"), config).unwrap();
        let mut command = Command::new("sh");
        // A file that has reached the limit is an error then, as a full disk is, and no signal.
        command.args(["-c", "trap '' 25; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_tickweave")]);
        // What it prints goes to a file, too, and must be short if the limit stays.
        let args: &[&str] =
            if on_error == "pause" { &RUN } else { &["run", "job.toml", "--record", "live.rec"] };
        let mut run = Going::spawn(folder, command.args(args).arg("--force"));
        let address = run.address();
        posted(address, 1);
        let limit = |bytes| {
            let pid = Pid::from_raw(i32::try_from(run.pid()).unwrap());
            let limit = Rlimit { current: bytes, maximum: None };
            prlimit(pid, Resource::Fsize, limit).unwrap();
        };
        // The next commit does not fit as a whole.
        limit(Some(length() + 9));
        if on_error == "stop" {
            run.wait_for("File too large (os error 27); the run stops");
        } else {
            let why = wait_for(address, "fail");
            assert!(why.contains("cannot write recording live.rec: File too large"), "{why}");
            // The check fails a moment before posts are refused.
            let refused = || (post_one(address, 2).status == 429).then_some(());
            poll(refused, || "posts are refused".to_owned());
            limit(None);
            wait_for(address, "pass");
            posted(address, 3);
            run.signal("TERM");
        }
        let ran = run.end();
        assert_eq!(ran.code, Some(code), "{ran:?}");
        if on_error == "pause" {
            assert_eq!(ran.err.matches("is written again").count(), 1, "{}", ran.err);
            assert_gives(folder, "live.rec", &ran.summary());
        } else {
            let cut = tickweave(folder, &["replay", "live.rec", "--json"]).json();
            assert_eq!((&cut["cut"], &cut["accepted"]), (&json!(true), &json!(1)));
        }
    }
}
