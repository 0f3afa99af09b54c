//! More state than allowed: a replay fails, a live run pauses and says so.

use std::path::Path;

use dataflows::ingest::input::{ControlEvent, ControlRecord};
use dataflows::ingest::recording::{Next, Recording};

use crate::end_to_end::assert_adds_up;
use crate::end_to_end::binary::{Going, poll, tickweave};
use crate::end_to_end::http::{Answer, get};
use crate::end_to_end::made::Made;

/// Small commits: what is retained is known when commits are complete, and only so many rows are on
/// their way.
const TINY: &str = "[limits]\nstate_bytes = 1000000\nin_flight_records = 1000\n[commit]\nfile_rows = 4\nrecords = 100\nround = \"10ms\"";

#[test]
fn a_replay_beyond_the_budget_fails_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Made::new(41, 2_000, 600_000).write(folder, None, TINY);
    for workers in ["1", "3"] {
        let ran =
            tickweave(folder, &["replay", "job.toml", "-w", workers, "--json", "--out", "out"]);
        ran.failed(
            1,
            &["`limits.state_bytes` allows 1000000", "the largest part is `", "or raise the limit"],
        );
        assert_eq!(ran.out, "", "no summary of what is not whole");
    }
}

#[test]
fn a_live_run_beyond_the_budget_pauses_and_stays_up() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let made = Made::new(42, 4_000, 600_000);
    made.write(folder, None, TINY);
    let mut run =
        Going::start(folder, &["run", "job.toml", "-w", "2", "--json", "--record", "live.rec"]);
    let address = run.address();
    // Before its sources are open it is not ready either, for another reason.
    let is_pause = |answer: &Answer| answer.status == 503 && answer.body.contains("state_bytes");
    let ready =
        poll(|| Some(get(address, "/health/ready")).filter(is_pause), || "a pause".to_owned());
    let answer = ready.json();
    assert_eq!(ready.headers["content-type"], "application/health+json");
    assert_eq!(answer["status"], "fail", "{answer}");
    let output = answer["output"].as_str().unwrap();
    assert!(output.contains("`limits.state_bytes` allows 1000000"), "{output}");
    assert_eq!(answer["checks"]["sources"][0]["status"], "fail", "{answer}");
    assert_eq!(answer["checks"]["workers"][0]["status"], "pass", "{answer}");
    assert_eq!(get(address, "/health").status, 503);
    // It is up, answers, and goes on committing, but reads nothing more.
    assert_eq!(get(address, "/health/live").status, 200);
    let records = || {
        let metrics = get(address, "/metrics").body;
        let lines = metrics.lines().filter(|line| line.starts_with("tickweave_records_total{"));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
    };
    // What had been taken from a source when the pause began still comes.
    let mut before = (None, 0);
    poll(
        || {
            let now = (get(address, "/v1/views").commit(), records());
            let paused = now.0 > before.0 && now.1 == before.1;
            before = now;
            paused.then_some(())
        },
        || "a commit without records".to_owned(),
    );
    let (_, before) = before;
    assert!(before > 0 && before < made.rows(), "{before}");
    run.signal("TERM");
    let ran = run.end();
    assert!(ran.err.contains("sources pause"), "{}", ran.err);
    assert_adds_up(&ran.json());
    assert_eq!(ran.summary()["records"].as_u64(), Some(before));

    // The recording holds the pause, once for each source that was there.
    let control = recorded_control(&folder.join("live.rec"));
    let sources_with = |is_wanted: &dyn Fn(&ControlEvent) -> bool| {
        let wanted = control.iter().filter(|record| is_wanted(&record.event));
        let mut sources: Vec<u32> = wanted.map(|record| record.source).collect();
        sources.sort_unstable();
        sources
    };
    let paused = sources_with(&|event| *event == ControlEvent::Paused);
    let mut opened = sources_with(&|event| matches!(event, ControlEvent::Opened { .. }));
    opened.dedup();
    assert_eq!(paused, opened);
    assert!(!paused.is_empty() && sources_with(&|e| *e == ControlEvent::Resumed).is_empty());
}

/// The control records of all commits of a recording.
fn recorded_control(file: &Path) -> Vec<ControlRecord> {
    let mut recording = Recording::open(file).unwrap();
    let mut control = Vec::new();
    loop {
        match recording.read().unwrap() {
            Next::Commit(closed) => control.extend(closed.control),
            Next::Names(_) | Next::Scales(_) | Next::Partitions(_) | Next::Rules(_) => {}
            Next::End { in_order } => {
                assert!(in_order);
                return control;
            }
        }
    }
}

#[test]
fn a_paused_run_with_long_rounds_stops_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let long = TINY.replace("10ms", "20h");
    Made::new(43, 4_000, 600_000).write(folder, None, &long);
    let mut run = Going::start(folder, &["run", "job.toml", "--json"]);
    let address = run.address();
    let paused = || (get(address, "/health/ready").status == 503).then_some(());
    poll(paused, || "a pause".to_owned());
    run.signal("TERM");
    assert_adds_up(&run.end().json());
}

#[test]
fn a_log_beyond_its_bound_says_that_rows_are_gone_and_keeps_the_same_ones() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let small = "[limits]\nlog_bytes = 4000\n[commit]\nfile_rows = 50";
    Made::new(44, 6_000, 600_000).write(folder, None, small);
    let replay = |workers| {
        let args = ["replay", "job.toml", "-w", workers, "--json", "--digest", "--out", "out"];
        let ran = tickweave(folder, &args);
        let answer = "rows of `revisions` are gone: it exceeded `limits.log_bytes` = 4000";
        assert!(ran.err.contains(answer), "{}", ran.err);
        ran.json()
    };
    let one = replay("1");
    let text = std::fs::read_to_string(folder.join("out/revisions.csv")).unwrap();
    let kept = text.lines().count() as u64 - 1;
    assert!(kept > 0 && kept < one["views"]["revisions"]["rows"].as_u64().unwrap());
    for workers in ["2", "3"] {
        assert_eq!(replay(workers)["views"], one["views"], "{workers} workers");
    }
}
