//! Bars that only posted rows tell of.

use std::time::{SystemTime, UNIX_EPOCH};

use super::job::Job;
use crate::end_to_end::binary::poll;

fn job(grace: &str) -> String {
    format!(
        "[job]\ntimeframes = [\"1m\"]\nindicators = []\n[commit]\nround = \"20ms\"\n[http]\ngrace = \"{grace}\"\n"
    )
}

/// What clients send as it happens is final a grace later, without anything that follows; what they then send of long
/// before is late like any other row.
#[test]
fn posted_bars_become_final() {
    let folder = tempfile::tempdir().unwrap();
    let job = Job::start(folder.path(), &job("1s").replace("1m", "1s"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    job.post("x:A", &format!("{now}s"), 1);
    let state = || job.bar_of("x:A", "1s")["state"].clone();
    poll(|| (state() == "final").then_some(()), || state().to_string());
    job.post("x:A", &format!("{}s", now - 7_200), 2);
    let late = || job.rows("too_late").len();
    poll(|| (late() == 1).then_some(()), || "one row is late".to_owned());
    assert_eq!(job.source("http")["state"], "running");
    job.end();
}

/// What clients load of the past is in time within the grace, in whatever order.
#[test]
fn posts_of_the_past_are_in_time_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let job = Job::start(folder.path(), &job("1h"));
    for (id, day) in (1..).zip([9, 5, 7, 6, 8]) {
        job.post("x:A", &format!("2026-01-0{day}T10:00:00Z"), id);
        job.post("x:B", &format!("2026-01-0{day}T10:00:00Z"), id);
    }
    job.wait_for_rows("http", 10);
    let summary = job.end();
    assert_eq!((&summary["accepted"], &summary["late"]), (&10.into(), &0.into()), "{summary}");
}

/// Rows that clients add to the instrument of a feed hold none of its bars back.
#[test]
fn posts_to_an_instrument_of_a_feed_hold_nothing_back() {
    let folder = tempfile::tempdir().unwrap();
    let feed = "[[source]]\nname = \"f\"\nkind = \"file\"\npaths = [\"f.csv\"]\ninstrument = \"x:A\"\n\
                columns = { time = \"time\", price = \"price\", size = \"size\" }\nplay = { speed = 0.05 }\n";
    let rows = "time,price,size\n2026-01-05T10:00:00Z,10,1\n2026-01-05T10:00:01Z,10,1\n2026-01-05T11:00:00Z,10,1\n";
    std::fs::write(folder.path().join("f.csv"), rows).unwrap();
    let fast = feed.replace("0.05", "1800.0"); // the last row is due after two seconds
    let job = Job::start(folder.path(), &format!("{}{fast}", job("1h")));
    job.wait_for_rows("f", 2);
    job.post("x:A", "2026-01-05T10:00:30Z", 7);
    let bar = job.wait_for_bar("x:A", |bar| bar["trades"] == 3);
    assert_eq!(bar["state"], "open", "{bar}");
    job.wait_for_bar("x:A", |bar| bar["state"] == "final");
    job.end();
}
