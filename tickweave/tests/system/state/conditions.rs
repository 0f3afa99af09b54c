//! A job with state whose system is not as it should be: its clock goes back, its directory cannot be written.

use std::fs;
use std::io::Write;
use std::process::Command;

use super::{JOB, end, job, kill, posted, row, start, values, wait_for_records};
use crate::end_to_end::binary::{Going, poll, tickweave};
use crate::end_to_end::http::get;

/// Starts the job an hour ahead of the system's clock; none where that is not possible, which is said.
fn start_ahead(folder: &std::path::Path) -> Option<Going> {
    let is_here = Command::new("faketime").arg("--version").output().is_ok();
    if !is_here {
        let needed = std::env::var_os("TICKWEAVE_NEEDS_SERVICES").is_some();
        assert!(!needed, "faketime is not installed (./scripts/test --install)");
        // Past what the test harness captures.
        let text = "SKIPPED: a clock that goes back is not tested, as faketime is not installed\n";
        std::io::stderr().write_all(text.as_bytes()).unwrap();
        return None;
    }
    // Not by the command itself, which would be the parent of the job; the loader knows what `$LIB` is.
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickweave"));
    command.env("LD_PRELOAD", "/usr/$LIB/faketime/libfaketime.so.1").env("FAKETIME", "+1h");
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command.args(["run", "job.toml", "--state", "state", "-w", "2", "--json", "--lenient"]);
    Some(Going::spawn(folder, &mut command))
}

#[test]
fn a_clock_that_goes_back_an_hour_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder, JOB);
    let Some(mut run) = start_ahead(folder) else { return };
    let address = run.address();
    let rows: String = (0..10).map(|id| row("trade", id) + &row("fill", id)).collect();
    let first = posted(address, &rows);
    wait_for_records(address, 3_020);
    let frontier = |address| get(address, "/v1/views").json()["frontier"].clone();
    let (wanted, before) = (values(address), frontier(address));
    kill(run);

    let (run, address) = start(folder, 3, &[]);
    let more: String = (10..20).map(|id| row("trade", id) + &row("fill", id)).collect();
    posted(address, &more);
    let now = frontier(address);
    let time = |frontier: &serde_json::Value, column| {
        market::EventTime::parse_any(frontier[column].as_str().unwrap()).unwrap()
    };
    assert!(time(&before, "run") < time(&now, "run"), "{before} {now}");
    // The time of commits stands still until the system's clock has come that far again.
    assert!(time(&before, "at") <= time(&now, "at"), "{before} {now}");
    assert!(before["commit"].as_u64() < now["commit"].as_u64(), "{before} {now}");
    let token = first["completion_token"].as_str().unwrap();
    assert_eq!(get(address, &format!("/v1/views/candles?min_frontier={token}")).status, 200);
    let is_there = |row: &String| values(address).iter().any(|(_, rows)| rows.contains(row));
    let of_file = wanted[0].1.iter().filter(|row| !row.contains("x:P")).take(50);
    of_file.for_each(|row| assert!(is_there(row), "{row}"));
    end(run);
    // An orderly end has left a checkpoint, which is of a time to come as well.
    let (run, address) = start(folder, 1, &[]);
    poll(|| (get(address, "/health/ready").status == 200).then_some(()), || "ready".to_owned());
    end(run);
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder, JOB);
    fs::write(folder.join("file"), "").unwrap();
    for state in ["/proc/state", "file", "file/state"] {
        let ran = tickweave(folder, &["run", "job.toml", "--state", state]);
        ran.failed(1, &["cannot", state]);
    }
}
