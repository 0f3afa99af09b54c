//! Replays of files and of recordings that a crash cut.

use std::fs;
use std::path::Path;

use dataflows::config::RawConfig;
use dataflows::ingest::Stop;
use dataflows::run::{RunOptions, replay_files};
use serde_json::Value;

use super::binary::{Going, poll, tickweave};
use super::http::get;
use super::made::Made;
use super::{assert_adds_up, assert_same, views_in};

fn replay(folder: &Path, more: &[&str]) -> Value {
    let args = [&["replay"], more, &["--digest", "--json", "--out", "out"]].concat();
    tickweave(folder, &args).json()
}

#[test]
fn files_replay_the_same_at_any_number_of_workers_and_pace() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let made = Made::new(3, 8_000, 1_200_000);
    made.write(folder, None, "[commit]\nfile_rows = 300");
    let one = replay(folder, &["job.toml", "-w", "1"]);
    let views = views_in(&folder.join("out"));
    assert_adds_up(&one);
    assert_eq!(one["records"].as_u64(), Some(made.rows()));
    for more in [&["-w", "2"][..], &["-w", "3"], &["-w", "3", "--speed", "2000"], &["-w", "9"]] {
        let other = replay(folder, &[&["job.toml"], more].concat());
        assert_same(&format!("{more:?}"), &one, &other);
        assert!(views == views_in(&folder.join("out")), "{more:?}");
    }

    // A recording of files replays as the files do.
    assert_same(
        "recorded",
        &one,
        &replay(folder, &["job.toml", "-w", "2", "--record", "files.rec"]),
    );
    for workers in ["1", "2", "3"] {
        assert_same("the recording", &one, &replay(folder, &["files.rec", "-w", workers]));
    }
    assert!(views == views_in(&folder.join("out")));
    // And a recording of that replay is the same recording, but for its number of workers.
    replay(folder, &["files.rec", "--record", "again.rec"]);
    let bytes = |name: &str| fs::read(folder.join(name)).unwrap();
    assert!(bytes("files.rec") == bytes("again.rec"));
}

#[test]
fn every_worker_holds_state() {
    let folder = tempfile::tempdir().unwrap();
    Made::new(4, 2_000, 600_000).write(folder.path(), None, "");
    for workers in 1..=4 {
        let mut raw = RawConfig::read(&folder.path().join("job.toml")).unwrap();
        raw.job.workers = workers;
        let config = raw.check(folder.path()).unwrap();
        let report = replay_files(config, &RunOptions::default(), &Stop::default()).unwrap();
        assert_eq!(report.instruments_held.len(), workers);
        assert_eq!(report.instruments_held.iter().sum::<usize>(), super::made::INSTRUMENTS);
        assert!(report.instruments_held.iter().all(|held| *held > 4), "{report:?}");
    }
}

#[test]
fn what_a_killed_run_recorded_replays_up_to_its_last_whole_commit() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let made = Made::new(5, 8_000, 1_200_000);
    let often = "[commit]\nround = \"50ms\"";
    made.write(folder, Some("{ speed = 300.0 }"), often);
    let mut run = Going::start(folder, &["run", "job.toml", "-w", "2", "--record", "live.rec"]);
    let address = run.address();
    let commits = || get(address, "/v1/views").commit().filter(|commit| *commit > 100);
    let known = poll(commits, || "some commits".to_owned());
    run.signal("KILL");
    assert_eq!(run.end().code, None);

    let one = replay(folder, &["live.rec", "-w", "1"]);
    let views = views_in(&folder.join("out"));
    assert_eq!(one["cut"].as_bool(), Some(true), "{one:#}");
    let commits = one["commits"].as_u64().unwrap();
    assert!(commits > 0, "{one:#}, {known} commits were seen");
    assert_adds_up(&one);
    for workers in ["2", "3"] {
        assert_same(workers, &one, &replay(folder, &["live.rec", "-w", workers]));
        assert!(views == views_in(&folder.join("out")), "{workers}");
    }
    let shown = tickweave(folder, &["replay", "live.rec"]);
    assert_eq!(shown.code, Some(0));
    assert!(shown.out.contains("the recording was cut"), "{shown:?}");

    // Wherever it is cut, what is whole is replayed; a recording that was replayed whole, but for its
    // end, gives what an unbroken one gives up to there.
    let whole = fs::read(folder.join("live.rec")).unwrap();
    let mut before = 0;
    for part in 1..=8 {
        fs::write(folder.join("part.rec"), &whole[..whole.len() * part / 8]).unwrap();
        let cut = replay(folder, &["part.rec", "-w", "2"]);
        assert_eq!(cut["cut"].as_bool(), Some(true), "{cut:#}");
        let commits = cut["commits"].as_u64().unwrap();
        assert!(commits >= before, "{commits} after {before}");
        before = commits;
    }
    assert_eq!(before, commits);
}
