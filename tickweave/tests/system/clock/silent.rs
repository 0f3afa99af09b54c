//! Pipes, of which nobody knows whether they are at their end.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use super::job::Job;
use crate::end_to_end::binary::poll;

fn config(more: &str) -> String {
    format!(
        "[job]\ntimeframes = [\"1m\"]\nindicators = []\n[commit]\nround = \"20ms\"\n[[source]]\nname = \"pipe\"\n\
         kind = \"file\"\npaths = [\"ticks.csv\"]\ninstrument = \"x:A\"\n\
         columns = {{ time = \"time\", price = \"price\", size = \"size\" }}\n{more}"
    )
}

/// Starts a run on a named pipe; gives its writing end.
fn start(folder: &Path, more: &str) -> (Job, File) {
    let path = folder.join("ticks.csv");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let job = Job::start(folder, &config(more));
    let mut pipe = OpenOptions::new().write(true).open(&path).unwrap();
    pipe.write_all(b"time,price,size\n").unwrap();
    (job, pipe)
}

/// Trades of one minute of 5 January.
fn write_minute(pipe: &mut File, minute: u32, count: usize) {
    let rows =
        (0..count).map(|n| format!("2026-01-05T10:{minute:02}:{:02}Z,10,1\n", n * 60 / count));
    pipe.write_all(rows.collect::<String>().as_bytes()).unwrap();
}

/// A pause is no end: nothing of what follows is late, and no bar is final before.
#[test]
fn a_pipe_that_pauses_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (job, mut pipe) = start(folder.path(), "");
    write_minute(&mut pipe, 0, 2_000);
    job.wait_for_rows("pipe", 2_000);
    sleep(Duration::from_secs(2)); // a pause
    assert_eq!(job.bar("x:A")["state"], "open");
    assert_eq!(job.ready(), 200);
    write_minute(&mut pipe, 1, 2_000);
    job.wait_for_rows("pipe", 4_000);
    // It is stopped while the pipe is open and silent.
    let summary = job.end();
    assert_eq!((&summary["accepted"], &summary["late"]), (&4_000.into(), &0.into()));
}

/// Where it is configured, silence counts as an end, with what follows from that.
#[test]
fn a_pipe_with_an_idle_timeout_follows_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    let (job, mut pipe) = start(folder.path(), "idle_timeout = \"500ms\"\n");
    write_minute(&mut pipe, 0, 10);
    job.wait_for_bar("x:A", |bar| bar["state"] == "final");
    write_minute(&mut pipe, 1, 10);
    poll(|| (job.rows("too_late").len() == 10).then_some(()), || "the rest is late".to_owned());
    drop(pipe);
    job.wait_for_state("pipe", "ended");
    job.end();
}

/// Bars wait for a silent source no longer than they are to.
#[test]
fn a_source_is_given_up_where_that_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    let (job, mut pipe) = start(folder.path(), "give_up_after = \"1s\"\n");
    write_minute(&mut pipe, 0, 10);
    job.wait_for_bar("x:A", |bar| bar["state"] == "final");
    let incidents = job.rows("incidents");
    assert_eq!(
        incidents.iter().filter(|row| row["kind"] == "given_up").count(),
        1,
        "{incidents:?}"
    );
    poll(|| (job.ready() == 503).then_some(()), || "it is not ready".to_owned());
    let why = job.health("sources");
    assert!(why.contains("not waited for any more: pipe"), "{why}");
    write_minute(&mut pipe, 1, 1);
    poll(|| (job.ready() == 200).then_some(()), || "it is ready again".to_owned());
    job.end();
}
