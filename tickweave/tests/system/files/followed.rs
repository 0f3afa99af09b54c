//! Files with `follow`: they are read as they grow, one after the other.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::clock::job::Job;
use crate::end_to_end::assert_same;
use crate::end_to_end::binary::{Going, poll, tickweave};
use crate::end_to_end::http::get;

const HEADER: &str = "time,price,size\n";

fn config(workers: usize, path: &str, more: &str) -> String {
    format!(
        "[job]\nworkers = {workers}\ntimeframes = [\"1m\"]\nindicators = []\n[commit]\nround = \"50ms\"\n\
         [[source]]\nname = \"f\"\nkind = \"file\"\npaths = [\"{path}\"]\nfollow = true\ninstrument = \"x:A\"\n\
         columns = {{ time = \"time\", price = \"price\", size = \"size\" }}\n{more}"
    )
}

/// The line of a trade of 5 January, without its end.
fn line(second: u32, price: u32) -> String {
    format!("2026-01-05T10:{:02}:{:02}Z,{price},1", second / 60, second % 60)
}

fn append(path: &Path, text: &str) {
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

/// Waits until the first bar has so many trades.
fn wait_for_trades(job: &Job, trades: u64) {
    job.wait_for_bar("x:A", |bar| bar["trades"] == trades);
}

fn incidents(job: &Job) -> Vec<Value> {
    job.rows("incidents").iter().map(|row| row["kind"].clone()).collect()
}

/// Open, high, low, close, volume and trades of the bars of a minute.
fn bars(job: &Job) -> Vec<[String; 7]> {
    let answer = get(job.address, "/v1/candles/x:A?tf=1m&limit=1000").json();
    let columns = ["open_time", "open", "high", "low", "close", "volume", "trades"];
    let bar = |bar: &Value| columns.map(|column| bar[column].to_string());
    answer["candles"].as_array().into_iter().flatten().map(bar).collect()
}

#[test]
fn rows_are_seen_as_they_are_written() {
    for workers in [1, 3] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ticks.csv");
        fs::write(&path, format!("{HEADER}{}\n", line(1, 10))).unwrap();
        let job =
            Job::start(folder.path(), &config(workers, "ticks.csv", "idle_timeout = \"1d\"\n"));
        wait_for_trades(&job, 1);
        assert_eq!(job.ready(), 200);

        // Half a line is no row.
        append(&path, &format!("{}\n{}", line(2, 11), &line(3, 12)[..20]));
        poll(
            || (job.source("f")["rows_held"] == 1).then_some(()),
            || format!("half a line: {}", job.source("f")),
        );
        wait_for_trades(&job, 2);
        append(&path, &format!("{}\n", &line(3, 12)[20..]));
        wait_for_trades(&job, 3);

        // The next file, after the last line of the one before.
        append(&path, &line(4, 13));
        fs::rename(&path, folder.path().join("ticks.csv.1")).unwrap();
        fs::write(&path, "size,time,price\n1,2026-01-05T10:00:05Z,14\n").unwrap();
        wait_for_trades(&job, 5);

        // Copied away and truncated.
        File::create(&path).unwrap();
        poll(
            || incidents(&job).contains(&"gap".into()).then_some(()),
            || format!("a gap: {:?}", incidents(&job)),
        );
        append(&path, &format!("{HEADER}{}\n", line(6, 9)));
        wait_for_trades(&job, 6);
        let bar = job.bar("x:A");
        assert_eq!((&bar["open"], &bar["low"], &bar["high"]), (&10.into(), &9.into(), &14.into()));
        assert_eq!(incidents(&job), ["connected", "connected", "gap"]);
        assert!(job.rows("dead_letters").is_empty() && job.rows("too_late").is_empty());
        let positions: Vec<Value> =
            job.rows("trades").iter().map(|row| row["position"].clone()).collect();
        assert_eq!(positions, ["2", "3", "4", "5", "7", "9"]);
        assert_eq!(job.end()["accepted"], 6);
    }
}

/// A file that nothing is written to is a source at its end: its bars become final by the clock.
#[test]
fn a_file_at_its_end_is_idle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ticks.csv");
    fs::write(&path, format!("{HEADER}{}\n", line(1, 10))).unwrap();
    let job = Job::start(folder.path(), &config(2, "ticks.csv", "idle_timeout = \"300ms\"\n"));
    job.wait_for_bar("x:A", |bar| bar["state"] == "final");
    job.wait_for_state("f", "idle");
    job.end();
}

#[test]
fn a_file_that_is_not_there_yet_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ticks.csv");
    let job = Job::start(folder.path(), &config(2, "ticks.csv", "idle_timeout = \"1d\"\n"));
    job.wait_for_state("f", "disconnected");
    assert_eq!(job.ready(), 503);
    assert!(job.health("sources").contains("not reached yet: f"), "{}", job.health("sources"));
    assert_eq!(incidents(&job), ["warning"]);
    append(&path, &format!("{HEADER}{}\n", line(1, 10)));
    wait_for_trades(&job, 1);
    assert_eq!(job.ready(), 200);

    fs::remove_file(&path).unwrap();
    job.wait_for_state("f", "disconnected");
    assert_eq!(job.ready(), 200, "it was reached once");
    append(&path, &format!("{HEADER}{}\n", line(2, 10)));
    wait_for_trades(&job, 2);
    job.end();
}

/// What was read is read again from its beginning, and comes to the same bars, at any number of workers.
#[test]
fn a_run_that_is_killed_makes_the_same_bars_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ticks.csv");
    fs::write(&path, HEADER).unwrap();
    let start = |workers| {
        Job::start(folder.path(), &config(workers, "ticks.csv", "idle_timeout = \"1d\"\n"))
    };
    let job = start(1);
    for second in 0..300 {
        append(&path, &format!("{}\n", line(second, 10 + second * 7 % 31)));
    }
    job.wait_for_rows("f", 300);
    poll(|| (bars(&job).len() == 5).then_some(()), || "five bars".to_owned());
    let before = bars(&job);
    drop(job); // it is killed
    append(&path, &format!("{}\n", line(300, 10)));
    for workers in [1, 3] {
        let job = start(workers);
        job.wait_for_rows("f", 301);
        poll(|| (bars(&job).len() == 6).then_some(()), || "six bars".to_owned());
        assert_eq!(bars(&job)[..5], before, "{workers} workers");
    }
}

/// What a run has read of files that changed is replayed from its recording, where the files are not.
#[test]
fn a_recording_of_followed_files_replays_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("ticks");
    fs::create_dir(&inside).unwrap();
    let path = inside.join("a.csv");
    fs::write(&path, format!("{HEADER}{}\n", line(1, 10))).unwrap();
    let text = config(2, "ticks/*.csv", "idle_timeout = \"1d\"\n");
    fs::write(folder.path().join("job.toml"), text).unwrap();
    let args = ["run", "job.toml", "--listen", "127.0.0.1:0", "--json", "--digest"];
    let mut run = Going::start(folder.path(), &[&args[..], &["--record", "live.rec"]].concat());
    let address = run.address();
    let records = |rows: u64| {
        let look = || {
            let view = get(address, "/v1/views/sources?limit=10").json();
            (view["rows"][0]["rows"].as_u64() >= Some(rows)).then_some(())
        };
        poll(look, || format!("{rows} rows: {}", get(address, "/v1/views/sources").body));
    };
    records(1);
    fs::rename(&path, inside.join("a.csv.1")).unwrap();
    append(&path, &format!("{HEADER}{}\n", line(2, 11)));
    // A file that comes later is a partition of its own.
    append(&inside.join("b.csv"), &format!("{HEADER}{}\n{}\n", line(3, 12), line(63, 13)));
    records(4);
    run.signal("TERM");
    let live = run.end().json();
    assert_eq!(live["accepted"], 4);
    fs::remove_dir_all(&inside).unwrap();
    for workers in ["1", "3"] {
        let args = ["replay", "live.rec", "-w", workers, "--digest", "--json"];
        assert_same(workers, &live, &tickweave(folder.path(), &args).json());
    }
}

#[test]
fn compressed_files_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("job.toml"), config(1, "ticks.csv.gz", "")).unwrap();
    let message = ["\"ticks.csv.gz\" is compressed, and `follow` reads only plain text"];
    tickweave(folder, &["check", "job.toml"]).failed(2, &message);
    fs::write(folder.join("ticks.csv"), [0x1f, 0x8b, 8, 0, 0]).unwrap();
    fs::write(folder.join("job.toml"), config(1, "ticks.csv", "")).unwrap();
    for command in [&["run", "job.toml", "--listen", "127.0.0.1:0"][..], &["check", "job.toml"]] {
        tickweave(folder, command).failed(2, &["ticks.csv: it is compressed (gzip)"]);
    }
}

/// A replay reads what is there, its last line too, and ends.
#[test]
fn a_replay_does_not_wait_for_more() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("ticks.csv"), format!("{HEADER}{}\n{}", line(1, 10), line(2, 11)))
        .unwrap();
    let text = config(2, "ticks.csv", "");
    fs::write(folder.join("job.toml"), &text).unwrap();
    fs::write(folder.join("plain.toml"), text.replace("follow = true\n", "")).unwrap();
    let replay = |config| tickweave(folder, &["replay", config, "--digest", "--json"]).json();
    let followed = replay("job.toml");
    assert_eq!(followed["accepted"], 2);
    assert_same("replayed", &replay("plain.toml"), &followed);
    let shown = tickweave(folder, &["check", "job.toml"]);
    assert!(shown.out.contains("follow = true  # job.toml:"), "{shown:?}");
}
