//! Sources of which one is read faster than the other.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::job::Job;

const JOB: &str = "[job]\ntimeframes = [\"1m\"]\nindicators = []\n[outliers]\nbars = 0\n[commit]\nround = \"20ms\"\n";

fn source(name: &str, more: &str) -> String {
    format!(
        "[[source]]\nname = \"{name}\"\nkind = \"file\"\npaths = [\"{name}.csv\"]\ninstrument = \"x:{{symbol}}\"\n\
         columns = {{ time = \"time\", symbol = \"symbol\", price = \"price\", size = \"size\" }}\n\
         units = {{ time = \"s\" }}\n{more}"
    )
}

/// 10:00 of 5 January 2026, and the moment on which rows of tests begin.
const BEGIN: u64 = 1_767_607_200;

/// Rows of one symbol, so many a second.
fn rows(symbol: &str, seconds: std::ops::Range<u64>, a_second: usize) -> String {
    let mut rows = String::new();
    for second in seconds {
        for _ in 0..a_second {
            writeln!(rows, "{},{symbol},10,1", BEGIN + second).unwrap();
        }
    }
    rows
}

fn write(folder: &Path, name: &str, rows: &str) {
    fs::write(folder.join(format!("{name}.csv")), format!("time,symbol,price,size\n{rows}"))
        .unwrap();
}

/// The fast one has told of an instrument and is at its end long before the slow one, which alone has some trades of
/// it. Nothing of these is late, whether they send the same or each a part.
#[test]
fn what_only_the_slower_source_has_is_in_time() {
    for coverage in ["any", "all"] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "fast", &rows("A", 0..60, 1));
        let mut slow = rows("B", 0..30, 3_300);
        (30..90)
            .for_each(|sec| slow += &(rows("A", sec..sec + 1, 1) + &rows("B", sec..sec + 1, 1)));
        write(folder.path(), "slow", &slow);
        let more = |rank: u8| format!("rank = {rank}\ncoverage = \"{coverage}\"\n");
        let config = format!("{JOB}{}{}", source("fast", &more(0)), source("slow", &more(1)));
        let job = Job::start(folder.path(), &config);
        job.wait_for_rows("fast", 60);
        job.wait_for_rows("slow", 99_120);
        job.wait_for_bar("x:A", |bar| bar["state"] == "final");
        let summary = job.end();
        let outcome = (&summary["accepted"], &summary["late"]);
        assert_eq!(outcome, (&99_180.into(), &0.into()), "{coverage}: {summary}");
    }
}

/// Of two sources that each have a part none is read further ahead than `alignment`, and a batch.
#[test]
fn sources_of_parts_are_aligned() {
    const SECONDS: u64 = 20_000;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "sparse", &rows("A", 0..SECONDS, 1));
    write(folder.path(), "dense", &rows("B", 0..SECONDS, 10));
    // Few rows a commit, so that it takes its time.
    let job = JOB.replace("round = ", "records = 50\nround = ");
    let job = job.replace("[outliers]", "alignment = \"10m\"\n[outliers]");
    let config = format!("{job}{}{}", source("sparse", ""), source("dense", ""));
    let job = Job::start(folder.path(), &config);
    let newest = |name: &str| {
        let time = job.source(name)["newest_time"].as_str().map(str::to_owned)?;
        let clock: Vec<u64> =
            time.get(11..19)?.split(':').map(|part| part.parse().unwrap()).collect();
        Some((clock[0] * 60 + clock[1]) * 60 + clock[2] - 36_000)
    };
    let (mut looks, mut widest) = (0, 0);
    while job.source("dense")["state"] != "ended" {
        // The one that is ahead is asked first, so that it is not further ahead than it was.
        if let (Some(sparse), Some(dense)) = (newest("sparse"), newest("dense")) {
            widest = widest.max(sparse.saturating_sub(dense));
            looks += usize::from(dense < SECONDS / 2);
        }
    }
    assert!(looks > 3, "nothing was seen of the way");
    assert!(widest <= 600 + 1_024, "{widest} s ahead");
    let summary = job.end();
    assert_eq!(summary["accepted"], 11 * SECONDS, "{summary}");
}

/// A row of a feed does not wait for the backlog of another source.
#[test]
fn a_feed_is_read_beside_a_backlog() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "backlog", &rows("B", 0..600, 1_000));
    // Few rows a commit, so that the backlog takes its time.
    let commits = JOB.replace("round = ", "records = 50\nround = ");
    let job = Job::start(folder.path(), &format!("{commits}{}", source("backlog", "")));
    job.wait_for_rows("backlog", 1);
    let read = |job: &Job| job.source("backlog")["rows"].as_u64().unwrap();
    let before = read(&job);
    job.post("x:A", "2026-01-05T10:00:00Z", 1);
    job.wait_for_rows("http", 1);
    let after = read(&job);
    // One queue of 64 batches for all would have had 65,536 rows before it.
    assert!(after < 600_000, "the backlog was read first, {before} to {after}");
    assert!(after - before < 65_536, "{before} to {after}");
    job.end();
}
