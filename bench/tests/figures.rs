//! The job as one plain loop and the engine come to the same rows: bars, indicators, positions, portfolios.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use bench::{Minute, compare, minutes};
use serde_json::Value;
use workload::{HEADER, Ids, Lines, Workload};

/// The figures that the command prints with these flags.
fn figures(folder: &Path, args: &[&str]) -> Value {
    let run = Command::new(env!("CARGO_BIN_EXE_tickweave-bench"))
        .current_dir(folder)
        .args(["--log", "warn", "--json"])
        .args(args)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).unwrap()
}

/// A small market in which much is amended.
fn workload(seed: u64) -> Workload {
    Workload {
        seed,
        rows: 30_000,
        symbols: 23,
        duplicates: 0.05,
        late: 0.05,
        late_by: 400_000_000_000,
        corrections: 0.05,
        cancels: 0.05,
        ..Workload::default()
    }
}

#[test]
fn the_plain_loop_and_the_engine_agree() {
    let hashed = Workload { ids: Ids::Hashed, hot: Some(0.5), ..workload(2) };
    for (workload, workers) in [(workload(1), 1), (hashed, 2), (workload(3), 3)] {
        let wrong = compare(&workload, workers, true).unwrap().wrong;
        assert!(
            wrong.is_empty(),
            "{} rows differ: {:?}",
            wrong.len(),
            &wrong[..wrong.len().min(5)]
        );
    }
}

#[test]
fn a_bench_tells_every_figure_that_it_promises() {
    let folder = tempfile::tempdir().unwrap();
    let small = ["--rows", "20000", "--repeats", "1", "--rate", "2000", "--seconds", "1"];
    let parts = ["throughput", "commits", "latency", "fan-out", "growth"];
    let only: Vec<_> = parts.iter().flat_map(|part| ["--only", part]).collect();
    let args = [&["--sockets", "10"], &small[..], &only].concat();
    let report = figures(folder.path(), &args);
    for figure in [
        "/ticks_per_s/1",
        "/ticks_per_s/2",
        "/cost_loop_ticks_per_s",
        "/cost_ratio_1_worker",
        "/cost_ratio_2_workers",
        "/commit_cpu_p999_ms",
        "/tick_to_subscriber_p99_ms",
        "/echo_p99_ms",
        "/point_read_p99_ms",
        "/fan_out_ratio",
        "/growth_symbols/3200/cpu_ns",
        "/growth_timeframes/6/cost_loop_cpu_ns",
        "/growth_portfolios/200/cpu_ns",
        "/growth_hot/0.9/changed_bars_per_1000",
        "/growth_corrections/0.01/cpu_ns",
    ] {
        let report = report.pointer(figure).and_then(|figure| figure.as_f64());
        assert!(report.is_some_and(|report| report > 0.0), "{figure}: {report:?}");
    }
}

#[test]
fn what_a_replay_retains_is_its_horizon_and_its_bars() {
    let report = minutes(30, 40, 1).unwrap();
    assert_eq!(report.len(), 30);
    let (early, late) = report.split_at(10);
    let most = |of: fn(&Minute) -> u64, report: &[Minute]| report.iter().map(of).max().unwrap();
    // Two minutes of trades, and up to one more for the bar in which they lie whole.
    let ids = most(|minute| minute.ids, &report);
    assert!((4_800..=3 * 2_400 + 1_000).contains(&ids), "{ids} ids are kept");
    let (before, after) = (most(|minute| minute.ids, early), most(|minute| minute.ids, late));
    assert!(after <= before + before / 20, "{before} ids became {after}");
    let (first, last) = (report[9], report[29]);
    let grown = last.retained.saturating_sub(first.retained) / (last.bars - first.bars);
    assert!(grown < 2_000, "the process retains {grown} bytes more for each bar: {report:?}");
}

#[test]
fn replays_of_a_file_are_measured_beside_the_loop() {
    let folder = tempfile::tempdir().unwrap();
    let workload = Workload { rows: 20_000, ..Workload::default() };
    let (mut lines, mut text) = (Lines::new(&workload), Vec::from(HEADER));
    for tick in workload.ticks() {
        text.push(b'\n');
        text.extend_from_slice(lines.line(&tick).1);
    }
    text.push(b'\n');
    std::fs::write(folder.path().join("ticks.csv"), text).unwrap();
    let args = ["--file", "ticks.csv", "--repeats", "1", "--workers", "2"];
    let report = figures(folder.path(), &args);
    for job in ["j1", "j2", "j3"] {
        for how in ["loop", "1", "2"] {
            let figures = &report[format!("file_{job}_{how}")];
            assert!(figures["ticks_per_s"].as_f64() > Some(0.0), "{job} {how}: {report}");
        }
    }
}
