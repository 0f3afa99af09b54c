//! A partition that cannot be read on has not ended.

use std::fs;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::job::Job;

fn gzip(text: &str) -> Vec<u8> {
    let mut file = GzEncoder::new(Vec::new(), Compression::none());
    file.write_all(text.as_bytes()).unwrap();
    file.finish().unwrap()
}

/// A file is there before all of it is: its bar waits, and the rest is read when it has come.
#[test]
fn a_file_that_breaks_off_is_read_on_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let rows = |secs: std::ops::Range<u32>| {
        secs.map(|sec| format!("2026-01-05T10:00:{sec:02}Z,10,1\n")).collect::<String>()
    };
    let whole = gzip(&format!("time,price,size\n{}", rows(0..60)));
    let path = folder.path().join("ticks.csv.gz");
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let job = Job::start(
        folder.path(),
        "[job]\ntimeframes = [\"1m\"]\nindicators = []\n[[source]]\nname = \"f\"\nkind = \"file\"\n\
         paths = [\"ticks.csv.gz\"]\ninstrument = \"x:A\"\n\
         columns = { time = \"time\", price = \"price\", size = \"size\" }\n",
    );
    job.wait_for_state("f", "failed");
    let bar = job.bar("x:A");
    assert_eq!(bar["state"], "open", "{bar}");
    assert!(bar["trades"].as_u64().unwrap() < 60, "{bar}");
    assert_eq!(job.ready(), 503);
    assert!(job.rows("dead_letters").is_empty(), "what is not there yet is no row");

    fs::write(&path, &whole).unwrap();
    job.wait_for_state("f", "ended");
    let bar = job.wait_for_bar("x:A", |bar| bar["state"] == "final");
    assert_eq!(bar["trades"], 60, "{bar}");
    let kinds: Vec<_> = job.rows("incidents").iter().map(|row| row["kind"].clone()).collect();
    assert_eq!(kinds, ["failed", "connected"]);
    assert_eq!(job.ready(), 200);
    job.end();
}
